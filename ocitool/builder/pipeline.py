"""The main job: sources or ready programs in, a multi-arch image in a store out.

plan() decides everything and changes nothing; build() compiles, checks and packs into this machine's store;
`publish` takes it from there. A program of the wrong platform is refused before anything is uploaded.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ocitool.builder.compile import plan_compile
from ocitool.builder.contents import ImageContent, gather, look_at
from ocitool.builder.git import read_checkout
from ocitool.builder.project import choose_toolchain, find_spec
from ocitool.builder.request import BuildPlan, BuildRequest
from ocitool.codec.codecs import parse_codec
from ocitool.dockerfile.evaluate import Written
from ocitool.dockerfile.frontend import (
    Reached,
    Recipe,
    bases_of,
    only_platform,
    read_recipe,
    with_stand_ins,
    write,
)
from ocitool.dockerfile.image import image_of
from ocitool.errors import Unsupported, UsageError
from ocitool.events import Done, Started
from ocitool.graph.copy import put_watched
from ocitool.graph.walk import Snapshot, snapshot_of
from ocitool.image.annotations import AnnotationLevel, Annotations, plain
from ocitool.image.assemble import Image, LayerStep, assemble, bind, choose_family
from ocitool.image.base import FoundBase, open_base
from ocitool.image.options import check_settings, merge
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Entry
from ocitool.pack.layer import Layer, pack_layer
from ocitool.project.values import BuildSpec
from ocitool.store.base import BytesSource, Put, Source, Store, StoreSource
from ocitool.tasks import Task, TaskGroup
from ocitool.toolchains.base import Project
from ocitool.toolchains.processes import run
from ocitool.toolchains.up_to_date import outdated, remember
from ocitool.toolchains.workdir import workplace
from ocitool.workspace import Workspace

SCRATCH: Final = "scratch"
DOCKERFILE: Final = "dockerfile"


@dataclass(frozen=True, slots=True)
class Ahead:
    """Layers that went to `store` while others were still being packed, and what `put_blob` did with each."""

    store: Store
    puts: Mapping[Digest, Put] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Built:
    """A build's result in this machine's store: the root, the images below it, what made them."""

    plan: BuildPlan
    root: Document
    images: tuple[Image, ...]
    layers: tuple[Layer, ...]
    snapshot: Snapshot
    sources: Mapping[Digest, Source] = field(hash=False)
    ahead: "Ahead | None" = None

    def source_of(self, descriptor: Descriptor) -> Source:
        """Where a blob's bytes come from."""
        return self.sources[descriptor.digest]


def plan(request: BuildRequest, around: Workspace) -> BuildPlan:
    """Decide what a build will do. Reads the spec, the base's manifests and configs; writes nothing.

    Raises UsageError, NotFound, WrongPlatform and what reading a base raises.
    """
    spec = find_spec(request.source, request.spec_file, request.environ, version=request.version)
    place_of_work = workplace(around.machine.root, request.source)
    toolchain = _toolchain(request, spec)
    recipe, reached = None, None
    if toolchain == DOCKERFILE:
        _refuse_beside_dockerfile(request, spec)
        platforms = request.platforms or spec.platforms
        recipe, reached = _recipe(request, spec, platforms or (around.host,), around, place_of_work.folder)
        if not platforms and (own := only_platform(recipe, reached)) is not None and not own.same(around.host):
            recipe, reached = _recipe(request, spec, (own,), around, place_of_work.folder)
        platforms = tuple(recipe.needed)
        bases = bases_of(recipe, reached)
    else:
        opened = _Bases(around)
        common = opened.get(request.base or spec.common.base)
        platforms = request.platforms or spec.platforms or (common.platforms() if common else ()) or (around.host,)
        _refuse_windows(platforms)
        bases = {
            platform: base.image(platform, around.listener, allow_foreign=request.allow_foreign)
            for platform in platforms
            if (base := opened.get(request.base or spec.part(platform).base)) is not None
        }
    for platform in platforms:
        check_settings(merge(spec.part(platform).image, request.image))
    codec = parse_codec(request.compression or spec.compression or "gzip")
    annotations = _annotations(spec, platforms) + request.annotations
    families = {image.family for image in bases.values()}
    asked = request.format or spec.format or "auto"
    family = choose_family(
        asked,
        Family.OCI if len(families) > 1 else next(iter(families), None),
        annotated=bool(annotations),
        kind=codec.kind,
    )
    project = Project(request.source, place_of_work.folder, request.environ)
    # With a Dockerfile the image is what BuildKit makes of it: no labels of the checkout unless they are asked for.
    unless_said = spec.git_labels is not False if recipe is None else spec.git_labels is True
    wants_git = request.git_labels if request.git_labels is not None else unless_said
    checkout = read_checkout(request.source, request.environ) if wants_git else None
    index = request.index if request.index is not None else spec.index
    is_index = len(platforms) > 1 or bool(index)
    annotations.check(platforms, is_index=is_index)
    return BuildPlan(
        request=request,
        spec=spec,
        toolchain=toolchain,
        platforms=platforms,
        tags=_tags(request, spec),
        family=family,
        codec=codec,
        is_index=is_index,
        annotations=annotations,
        labels=checkout.labels() if checkout else (),
        jobs=plan_compile(toolchain, spec, platforms, project) if recipe is None else recipe.replacements.jobs,
        extras=request.extras or spec.extras,
        bases=bases,
        workplace=place_of_work,
        recipe=recipe,
        reached=reached,
    )


def _tags(request: BuildRequest, spec: BuildSpec) -> tuple[Reference, ...]:
    """The names of the result. Raises UsageError for one with a digest, which the build alone can say (K062)."""
    tags = request.tags or tuple(Reference.parse(tag) for tag in spec.tags)
    for tag in tags:
        if tag.digest is not None:
            name = str(tag).partition("@")[0]
            raise UsageError(
                f"{tag} names a digest, and what is built gets one of its own",
                hint=f"write {name}; the digest is printed, and written to --metadata-file",
            )
    return tags


def _annotations(spec: BuildSpec, platforms: Sequence[Platform]) -> Annotations:
    """The spec's annotations of the root, and those that only the image of one platform has."""
    common = dict(spec.common.image.annotations)
    found = plain(common.items())
    for platform in platforms:
        own = (pair for pair in spec.part(platform).image.annotations if pair not in common.items())
        found += plain(own, AnnotationLevel.MANIFEST, platform)
    return found


def _toolchain(request: BuildRequest, spec: BuildSpec) -> str:
    """How the folder is built; a Dockerfile that was named decides."""
    named = request.dockerfile
    if named.file is not None or named.text is not None or named.sent is not None:
        return DOCKERFILE
    if spec.stages and not request.toolchain:
        if spec.toolchain:
            raise UsageError(
                f"{spec.stages[0].at} is about a Dockerfile, and toolchain {spec.toolchain} builds without one",
                hint="keep one of the two; a stage's table takes the keys of [go] and [command]",
            )
        return DOCKERFILE
    return choose_toolchain(
        request.source,
        said=request.toolchain or spec.toolchain,
        has_files=bool(request.copies) or spec.has_files,
    )


def _refuse_beside_dockerfile(request: BuildRequest, spec: BuildSpec) -> None:
    """Raise UsageError for what would have to happen beside a Dockerfile."""
    after, copied = "write it after FROM", "write COPY into the Dockerfile"
    above = "build upon an image that has it, or COPY it"
    said = {
        "--base": (request.base, after),
        "--copy": (request.copies, copied),
        "--with": (request.extras, above),
        "base in ocitool.toml": (spec.common.base, after),
        "a list of files in ocitool.toml": (spec.has_files, copied),
        "with in ocitool.toml": (spec.extras, above),
    }
    for words, (is_said, hint) in said.items():
        if is_said:
            raise UsageError(
                f"{words} has no place beside a Dockerfile, which says what is in the image", hint=hint
            )


def _recipe(
    request: BuildRequest, spec: BuildSpec, platforms: Sequence[Platform], around: Workspace, work: Path
) -> tuple[Recipe, Reached]:
    """The Dockerfile for some platforms, and what it reaches into."""
    _refuse_windows(platforms)
    if request.dockerfile.sent is not None and spec.stages:
        raise Unsupported(
            f"{spec.stages[0].at} compiles in the folder of the context, and there is none",
            ability="stages of an archive",
            hint="unpack the archive, and name the folder",
        )
    recipe = read_recipe(request.source, request.dockerfile, platforms, around.host, spec.stages)
    recipe = with_stand_ins(recipe, work, request.environ)
    spool = work / "files"
    return recipe, Reached(
        recipe,
        around,
        spool,
        allow_foreign=request.allow_foreign,
        allow_sparse=request.allow_sparse,
        use_cache=request.use_cache,
    )


def _refuse_windows(platforms: Sequence[Platform]) -> None:
    """Raise Unsupported for Windows: its layers have folders and records of their own (K059)."""
    for platform in platforms:
        if platform.os == "windows":
            raise Unsupported(
                f"an image for {platform} cannot be built yet: layers for Windows have a form of their own",
                ability=str(platform),
                hint="ocitool index create takes Windows images that were made elsewhere",
            )


class _Bases:
    """The bases of one build, each opened once."""

    def __init__(self, around: Workspace) -> None:
        self._opener = around.opener
        self._opened: dict[str, FoundBase | None] = {"": None, SCRATCH: None}

    def get(self, name: str) -> FoundBase | None:
        """The base of that name; None for scratch."""
        if name not in self._opened:
            store, found = self._opener.open(name)
            self._opened[name] = open_base(store, found)
        return self._opened[name]


def build(planned: BuildPlan, around: Workspace, ahead: Store | None = None) -> Built:
    """Compile, check and pack what was planned; layers and documents end in this machine's store.

    With `ahead` each layer goes to that store as soon as it is packed, once every program was found to fit.
    Raises BuildError, WrongPlatform, UsageError, LocalIOError, Cancelled; nothing was published then.
    """
    around.machine.check_writable()
    with planned.workplace.held():
        _compile(planned, around)
        written = _write(planned, around)
        contents = gather(planned, around) if written is None else look_at(written, planned, around)
        packed, puts = _pack(contents, planned, around, ahead)
    images = tuple(
        assemble(
            content.platform,
            planned.family,
            packed[content.platform],
            content.options,
            base=planned.bases.get(content.platform),
            epoch=planned.request.epoch,
            annotations=planned.annotations.on_manifest(content.platform, is_root=not planned.is_index),
        )
        if written is None
        else image_of(
            written[content.platform],
            content.platform,
            [step.layer for step in packed[content.platform]],
            content.options,
            family=planned.family,
            epoch=planned.request.epoch,
            annotations=planned.annotations.on_manifest(content.platform, is_root=not planned.is_index),
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
        ahead=Ahead(ahead, puts) if ahead is not None else None,
    )


def _write(planned: BuildPlan, around: Workspace) -> Mapping[Platform, Written] | None:
    """What a Dockerfile comes to for each platform; None where none decides."""
    if planned.recipe is None or planned.reached is None:
        return None
    return dict(zip(planned.platforms, write(planned.recipe, planned.reached, around), strict=True))


def _compile(planned: BuildPlan, around: Workspace) -> None:
    """Start the compilers whose programs are not there already."""
    memo, jobs = around.machine.memo, tuple(one.job for one in planned.jobs)
    begun_ns = time.time_ns()
    todo = outdated(jobs, memo) if planned.request.use_cache else tuple((job, None) for job in jobs)
    for job in jobs:
        if not any(job is other for other, _ in todo):
            around.listener(Started(f"compile {job.target}", f"compile {job.target}"))
            around.listener(Done(f"compile {job.target}", "unchanged"))
    run([job for job, _ in todo], around.scope, around.width, around.listener)
    for job, state in todo:
        if state is not None:
            remember(job, state, begun_ns, memo)


def _pack(
    contents: Sequence[ImageContent], planned: BuildPlan, around: Workspace, ahead: Store | None
) -> tuple[dict[Platform, list[LayerStep]], dict[Digest, Put]]:
    """Every distinct group of entries packed once, several at a time, and sent ahead while others are packed."""
    distinct: dict[tuple[Entry, ...], str] = {}
    for content in contents:
        for entries, _ in content.groups:
            distinct.setdefault(entries, f"layer for {content.platform}")
    # Layers are packed side by side; one alone has all the threads to itself. The bytes are the same.
    width = max(1, around.width // max(1, len(distinct)))
    with TaskGroup(around.scope, around.transfers) as sending, TaskGroup(sending.scope, around.width) as packing:
        sent: dict[Digest, Task[Put]] = {}

        def pack(entries: tuple[Entry, ...], label: str) -> Layer:
            layer = pack_layer(
                entries,
                around.machine.content,
                planned.codec,
                epoch=planned.request.epoch,
                scope=packing.scope,
                width=width,
                memo=around.machine.memo if planned.request.use_cache else None,
                listener=around.listener,
                label=label,
            )
            if ahead is not None and layer.digest not in sent:
                descriptor = layer.descriptor(planned.family)
                source = StoreSource(descriptor, around.machine.content)
                sent[layer.digest] = sending.spawn(
                    put_watched, ahead, descriptor, source, sending.scope, around.listener
                )
            return layer

        tasks = {entries: packing.spawn(pack, entries, label) for entries, label in distinct.items()}
    steps = {
        content.platform: [LayerStep(tasks[entries].result, line) for entries, line in content.groups]
        for content in contents
    }
    return steps, {digest: task.result for digest, task in sent.items()}


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
