"""The main job: sources or ready programs in, a multi-arch image in a store out.

plan() decides everything and changes nothing; build() compiles, checks and packs into this machine's store;
deliver() publishes. A program of the wrong platform is refused before anything is uploaded.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ocitool.build.assemble import Image, Step, assemble, bind, choose_family
from ocitool.build.base import Base, BaseImage, open_base
from ocitool.build.compile import Planned, Project, plan_compile
from ocitool.build.git import read_checkout
from ocitool.build.prebuilt import Found, only_program, refuse_foreign, survey
from ocitool.build.project import choose_toolchain, find_build_files
from ocitool.build.run import run
from ocitool.build.spec import BuildSpec, ImageOptions, Stamp, load_spec
from ocitool.build.workplace import Workplace, workplace
from ocitool.cache.machine import MachineStore
from ocitool.codec.table import Codec, parse_codec
from ocitool.errors import UsageError
from ocitool.events import Listener, silent
from ocitool.graph.copy import CopyReport, publish
from ocitool.graph.walk import Snapshot, snapshot_of
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.files import Kind
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import Descriptor
from ocitool.pack.entries import CopyRule, Entry, FileContent, expand, parse_copy
from ocitool.pack.layer import Layer, pack_layer
from ocitool.pack.placing import place
from ocitool.rootfs.tree import Tree, read_tree
from ocitool.store.base import BytesSource, Source, Store, StoreSource
from ocitool.store.locate import Opener
from ocitool.tasks import Scope, TaskGroup

SCRATCH: Final = "scratch"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the user asked for, flags and environment resolved; empty means that the spec or a default decides.

    `epoch` are the seconds of SOURCE_DATE_EPOCH, 0 without. `environ` is this process's environment, of
    which compilers see a part.
    """

    source: Path
    platforms: tuple[Platform, ...] = ()
    tags: tuple[Reference, ...] = ()
    toolchain: str = ""
    base: str = ""
    copies: tuple[CopyRule, ...] = ()
    spec_file: Path | None = None
    format: str = ""
    compression: str = ""
    image: ImageOptions = field(default_factory=ImageOptions)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    git_labels: bool | None = None
    allow_foreign: bool = False
    index: bool | None = None
    epoch: int = 0
    version: str = ""
    environ: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a build happens: this machine's store, the way to other stores, its scope and how wide it may go.

    `width` bounds compilers and compression, `transfers` requests.
    """

    machine: MachineStore
    opener: Opener
    scope: Scope
    host: Platform
    width: int = 2
    transfers: int = 16
    listener: Listener = silent


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before anything is done.

    `bases` has an image per platform, or is empty for scratch; `jobs` are the compilers' command lines.
    """

    request: BuildRequest
    spec: BuildSpec
    toolchain: str
    platforms: tuple[Platform, ...]
    tags: tuple[Reference, ...]
    family: Family
    codec: Codec
    is_index: bool
    annotations: Mapping[str, str] = field(hash=False)
    labels: tuple[tuple[str, str], ...]
    jobs: tuple[Planned, ...]
    base: Base | None
    bases: Mapping[Platform, BaseImage] = field(hash=False)
    workplace: Workplace

    def rules(self, platform: Platform) -> tuple[CopyRule, ...]:
        """What is copied for a platform: the spec's files, then the flags'."""
        part = self.spec.part(platform)
        return (*(parse_copy(text) for text in part.files), *self.request.copies)

    def options(self, platform: Platform) -> ImageOptions:
        """The settings for a platform: labels of the checkout, then the spec's, then the flags'."""
        return merge(replace(self.spec.part(platform).image, annotations=()), self.request.image, self.labels)


@dataclass(frozen=True, slots=True)
class Built:
    """A build's result in this machine's store: the root, the images below it, what made them."""

    plan: Plan
    root: Document
    images: tuple[Image, ...]
    layers: tuple[Layer, ...]
    snapshot: Snapshot
    sources: Mapping[Digest, Source] = field(hash=False)

    def source_of(self, descriptor: Descriptor) -> Source:
        """Where a blob's bytes come from."""
        return self.sources[descriptor.digest]


def plan(request: BuildRequest, around: Surroundings) -> Plan:
    """Decide what a build will do. Reads the spec, the base's manifests and configs; writes nothing.

    Raises UsageError, NotFound, WrongPlatform and what reading a base raises.
    """
    spec = _spec(request)
    toolchain = choose_toolchain(
        request.source,
        said=request.toolchain or spec.toolchain,
        has_files=bool(request.copies or spec.common.files),
    )
    base_name = request.base or spec.common.base
    base = _open(base_name, around) if base_name and base_name != SCRATCH else None
    platforms = request.platforms or spec.platforms or (base.platforms() if base else ()) or (around.host,)
    bases = {
        p: (_open(own, around) if (own := _own_base(request, spec, p, base_name)) else base).image(
            p, around.listener, allow_foreign=request.allow_foreign
        )
        for p in platforms
        if base is not None
    }
    codec = parse_codec(request.compression or spec.compression or "gzip")
    annotations = {**dict(spec.common.image.annotations), **request.annotations}
    families = {image.family for image in bases.values()}
    asked = request.format or spec.format or "auto"
    family = choose_family(
        asked,
        Family.OCI if len(families) > 1 else next(iter(families), None),
        annotated=bool(annotations),
        kind=codec.kind,
    )
    place_of_work = workplace(around.machine.root, request.source)
    project = Project(request.source, place_of_work.folder, request.environ)
    wants_git = request.git_labels if request.git_labels is not None else spec.git_labels is not False
    checkout = read_checkout(request.source, request.environ) if wants_git else None
    index = request.index if request.index is not None else spec.index
    return Plan(
        request=request,
        spec=spec,
        toolchain=toolchain,
        platforms=platforms,
        tags=request.tags or _spec_tags(spec),
        family=family,
        codec=codec,
        is_index=len(platforms) > 1 if index is None else index or len(platforms) > 1,
        annotations=annotations,
        labels=checkout.labels() if checkout else (),
        jobs=plan_compile(toolchain, spec, platforms, project),
        base=base,
        bases=bases,
        workplace=place_of_work,
    )


def _spec(request: BuildRequest) -> BuildSpec:
    """The spec file that was named, or the folder's own unless another way to build was named."""
    path = request.spec_file
    if path is None and not request.toolchain:
        path = find_build_files(request.source).get("spec")
    if path is None:
        return BuildSpec()

    def stamp() -> Stamp:
        checkout = read_checkout(request.source, request.environ)
        return Stamp(checkout.version, checkout.revision) if checkout else Stamp()

    return load_spec(path, stamp, version=request.version)


def _spec_tags(spec: BuildSpec) -> tuple[Reference, ...]:
    return tuple(Reference.parse(spec.name).with_tag(tag) for tag in spec.tags) if spec.name else ()


def _open(name: str, around: Surroundings) -> Base:
    store, found = around.opener.open(name)
    return open_base(store, found)


def _own_base(request: BuildRequest, spec: BuildSpec, platform: Platform, common: str) -> str:
    """The base that the spec names for this platform alone, if a flag does not name one for all."""
    own = "" if request.base else spec.part(platform).base
    return "" if own == common else own


def merge(file: ImageOptions, flags: ImageOptions, labels: Sequence[tuple[str, str]] = ()) -> ImageOptions:
    """Settings of a spec with those of the flags over them; `labels` come first of all."""
    return ImageOptions(
        entrypoint=flags.entrypoint if flags.entrypoint is not None else file.entrypoint,
        cmd=flags.cmd if flags.cmd is not None else file.cmd,
        env=tuple({**dict(file.env), **dict(flags.env)}.items()),
        user=flags.user if flags.user is not None else file.user,
        workdir=flags.workdir if flags.workdir is not None else file.workdir,
        labels=tuple(sorted({**dict(labels), **dict(file.labels), **dict(flags.labels)}.items())),
        annotations=tuple({**dict(file.annotations), **dict(flags.annotations)}.items()),
        expose=tuple(dict.fromkeys((*file.expose, *flags.expose))),
        volumes=tuple(dict.fromkeys((*file.volumes, *flags.volumes))),
        stop_signal=flags.stop_signal if flags.stop_signal is not None else file.stop_signal,
    )


def build(planned: Plan, around: Surroundings) -> Built:
    """Compile, check and pack what was planned; layers and documents end in this machine's store.

    Raises BuildError, WrongPlatform, UsageError, LocalIOError, Cancelled; nothing was published then.
    """
    around.machine.check_writable()
    with planned.workplace.held():
        if planned.jobs:
            run([job.job for job in planned.jobs], around.scope, around.width, around.listener)
        contents = _gather(planned, around)
        packed = _pack(contents, planned, around)
    images = tuple(
        assemble(
            content.platform,
            planned.family,
            packed[content.platform],
            content.options,
            base=planned.bases.get(content.platform),
            epoch=planned.request.epoch,
        )
        for content in contents
    )
    root = bind(images, planned.family, planned.annotations, index=planned.is_index)
    layers = {step.layer.digest: step.layer for steps in packed.values() for step in steps}
    return Built(
        plan=planned,
        root=root,
        images=images,
        layers=tuple(layers.values()),
        snapshot=snapshot_of(root, [image.manifest for image in images]),
        sources=_sources(images, layers, around.machine.content),
    )


@dataclass(frozen=True, slots=True)
class _Content:
    """What goes into one platform's image: groups of entries, each a layer, with the line history tells."""

    platform: Platform
    groups: tuple[tuple[tuple[Entry, ...], str], ...]
    options: ImageOptions


def _gather(planned: Plan, around: Surroundings) -> tuple[_Content, ...]:
    """The entries for every platform, their programs looked at; raises before anything is packed."""
    shared: dict[CopyRule, tuple[Entry, ...]] = {}
    with TaskGroup(around.scope, 4) as group:
        trees = {p: group.spawn(_tree, b, around, group.scope) for p, b in planned.bases.items()}
    contents = []
    for platform in planned.platforms:
        tree = trees[platform].result if platform in trees else None
        files: list[Entry] = []
        for rule in planned.rules(platform):
            if "{" in rule.source or tree is not None:
                files += expand(rule, platform, planned.request.source, tree)
            else:  # without a base and placeholders every platform gets the very same entries
                if rule not in shared:
                    shared[rule] = expand(rule, platform, planned.request.source)
                files += shared[rule]
        compiled = [
            Entry(job.place.lstrip("/"), Kind.FILE, 0o755, content=FileContent(job.job.outputs[0]))
            for job in planned.jobs
            if job.platform == platform
        ]
        groups = []
        for entries, line in (
            (files, _line(planned.rules(platform))),
            (compiled, _compiled_line(planned, platform)),
        ):
            placed = place(entries, tree)
            if placed:
                groups.append((placed, line))
        found = survey(entry for entries, _ in groups for entry in entries)
        refuse_foreign(found, platform, allow=planned.request.allow_foreign, listener=around.listener)
        options = _with_entrypoint(planned, platform, found)
        contents.append(_Content(platform, tuple(groups), options))
    if not any(content.groups for content in contents):
        raise UsageError("nothing to put into the image", hint="name files with --copy SRC:DEST")
    return tuple(contents)


def _tree(base: BaseImage, around: Surroundings, scope: Scope) -> Tree:
    return read_tree(base.store, base.manifest, around.machine.memo, scope=scope)


def _line(rules: Sequence[CopyRule]) -> str:
    return "; ".join(f"COPY {rule.source} {rule.destination}" for rule in rules)


def _compiled_line(planned: Plan, platform: Platform) -> str:
    places = " ".join(job.place for job in planned.jobs if job.platform == platform)
    return f"ocitool build {planned.toolchain}: {places}"


def _with_entrypoint(planned: Plan, platform: Platform, found: Sequence[Found]) -> ImageOptions:
    """The options, with the only program as the entry point unless something else was said."""
    options = planned.options(platform)
    if options.entrypoint is not None or (options.cmd is not None and planned.bases):
        return options
    compiled = [job.place for job in planned.jobs if job.platform == platform]
    if len(compiled) == 1:
        return replace(options, entrypoint=(compiled[0],))
    program = only_program(found) if not compiled and planned.toolchain == "prebuilt" else None
    return replace(options, entrypoint=(f"/{program}",)) if program else options


def _pack(contents: Sequence[_Content], planned: Plan, around: Surroundings) -> dict[Platform, list[Step]]:
    """Every distinct group of entries packed once, several at a time."""
    distinct: dict[tuple[Entry, ...], str] = {}
    for content in contents:
        for entries, _ in content.groups:
            distinct.setdefault(entries, f"layer for {content.platform}")
    with TaskGroup(around.scope, around.width) as group:
        # Layers are packed side by side; one alone has all the threads to itself. The bytes are the same.
        width = max(1, around.width // len(distinct))
        tasks = {
            entries: group.spawn(
                pack_layer,
                entries,
                around.machine.content,
                planned.codec,
                epoch=planned.request.epoch,
                scope=group.scope,
                width=width,
                memo=around.machine.memo,
                listener=around.listener,
                label=label,
            )
            for entries, label in distinct.items()
        }
    return {
        content.platform: [Step(tasks[entries].result, line) for entries, line in content.groups]
        for content in contents
    }


def _sources(images: Sequence[Image], ours: Mapping[Digest, Layer], content: Store) -> dict[Digest, Source]:
    """Where each blob comes from: configs from memory, our layers from the content store, others from the base."""
    sources: dict[Digest, Source] = {}
    for image in images:
        sources[image.config.digest] = BytesSource(image.config.raw)
        for layer in image.layers:
            if layer.digest in ours:
                sources[layer.digest] = StoreSource(layer, content)
            elif image.base is not None:
                sources.setdefault(layer.digest, StoreSource(layer, image.base.store))
    return sources


@dataclass(frozen=True, slots=True)
class Delivery:
    """One place a build went to: what was sent, and the names it now has there."""

    where: str
    names: tuple[str, ...]
    report: CopyReport
    seconds: float


def deliver(
    built: Built, store: Store, names: Sequence[str], tags: Sequence[str], around: Surroundings
) -> Delivery:
    """Publish a build into a store under `tags` (what the store calls them); `names` are what people call them."""
    began = time.monotonic()
    report = publish(
        built.snapshot,
        store,
        *tags,
        source_of=built.source_of,
        scope=around.scope,
        width=around.transfers,
        listener=around.listener,
    )
    return Delivery(store.label, tuple(names), report, time.monotonic() - began)


def keep(built: Built, around: Surroundings) -> Delivery:
    """Leave a build in this machine's store under its full references, for `ocitool push`."""
    names = tuple(str(tag) for tag in built.plan.tags)
    return deliver(built, around.machine.content, names, names or ("",), around)
