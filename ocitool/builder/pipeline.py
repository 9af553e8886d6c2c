"""The main job: sources or ready programs in, a multi-arch image in a store out.

plan() decides everything and changes nothing; build() compiles, checks and packs into this machine's store;
`publish` takes it from there. A program of the wrong platform is refused before anything is uploaded.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.builder.frontends import frontend_of
from ocitool.builder.git import read_checkout
from ocitool.builder.project import spec_of
from ocitool.builder.request import BuildPlan, BuildRequest, ImageContent
from ocitool.builder.trust import trusting, with_keys
from ocitool.codec.codecs import Codec, parse_codecs
from ocitool.errors import UsageError
from ocitool.events import Done, Started
from ocitool.graph.copy import put_watched
from ocitool.graph.walk import Snapshot, snapshot_of
from ocitool.image.annotations import AnnotationLevel, Annotations, plain
from ocitool.image.assemble import Image, LayerStep, bind, choose_family
from ocitool.image.options import check_settings, merge
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Entry
from ocitool.pack.layer import Layer, StoredTar, pack_layer, pack_tar
from ocitool.pack.own_files import OwnFiles, earlier_outputs
from ocitool.project.values import BuildSpec
from ocitool.store.base import BytesSource, Put, Source, Store, StoreSource
from ocitool.store.layout import NewBlob
from ocitool.tasks import Task, TaskGroup
from ocitool.toolchains.base import CompileJob, Project
from ocitool.toolchains.processes import run
from ocitool.toolchains.up_to_date import outdated, remember
from ocitool.toolchains.workdir import workplace
from ocitool.values import dataclass, field, replace
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.attest.attachment import Attached


@dataclass(frozen=True, slots=True)
class Ahead:
    """Layers that went to `store` while others were still being packed, and what `put_blob` did with each."""

    store: Store
    puts: Mapping[Digest, Put] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Built:
    """A build's result in this machine's store: the root, the images below it, what made them.

    `zstd_images` are those that stand beside them in the index, of the same files with other layers. `referrers`
    attest the images from beside them.
    """

    plan: BuildPlan
    root: Document
    images: tuple[Image, ...]
    layers: tuple[Layer, ...]
    zstd_images: tuple[Image, ...]
    snapshot: Snapshot
    sources: Mapping[Digest, Source] = field(hash=False)
    ahead: "Ahead | None" = None
    referrers: "tuple[Attached, ...]" = ()

    def source_of(self, descriptor: Descriptor) -> Source:
        """Where a blob's bytes come from."""
        return self.sources[descriptor.digest]

    def ahead_in(self, store: Store) -> Mapping[Digest, Put]:
        """The blobs that went ahead to this very store, and how."""
        return self.ahead.puts if self.ahead is not None and self.ahead.store is store else {}


def plan(request: BuildRequest, workspace: Workspace) -> BuildPlan:
    """Decide what a build will do. Reads the spec, the base's manifests and configs; writes nothing.

    Raises UsageError, NotFound, WrongPlatform, NotVerified for a base that is not trusted, and what reading raises.
    """
    memo, listener = workspace.machine.memo, workspace.listener
    written = (workspace.machine.root, *request.outputs.paths)
    written += (request.debug_files,) if request.debug_files is not None else ()
    own = OwnFiles(written, earlier_outputs(memo), listener, secrets=request.trust.secret_files)
    workspace = replace(workspace, own=own)
    request = replace(request, trust=with_keys(request.trust))
    request, spec = spec_of(request)
    workspace = trusting(request.trust, spec, workspace)
    place_of_work = workplace(workspace.machine.root, request.source)
    frontend = frontend_of(request, spec, workspace, place_of_work.folder)
    platforms, bases = frontend.platforms, frontend.bases
    for platform in platforms:
        check_settings(merge(spec.part(platform).image, request.image))
    codec, *beside = parse_codecs(request.compression or spec.compression or "gzip")
    zstd = next(iter(beside), None)
    annotations = _annotations(spec, platforms) + request.annotations
    families = {image.family for image in bases.values()}
    asked = request.format or spec.format or "auto"
    if request.attest.is_in_index:
        if asked == "docker":
            raise UsageError(
                "attestations have no place in Docker's manifest lists, asked for with --format docker",
                hint="add --attest-form referrers, or leave --format out",
            )
        asked = "oci"
    family = choose_family(
        asked,
        Family.OCI if len(families) > 1 else next(iter(families), None),
        annotated=bool(annotations),
        kind=(zstd or codec).kind,
    )
    width = max(1, workspace.width // max(1, len(platforms)))
    project = Project(
        request.source,
        place_of_work.folder,
        request.environ,
        workspace.machine.root,
        width,
        with_debug=request.debug_files is not None,
    )
    said = (one for one in (request.git_labels, spec.git_labels) if one is not None)
    wants_git = next(said, frontend.labels_checkout)
    checkout = read_checkout(request.source, request.environ) if wants_git else None
    says_base = request.base_annotations if request.base_annotations is not None else spec.base_annotations
    index = request.index if request.index is not None else spec.index
    if zstd is not None and index is False:
        raise UsageError(
            "--no-index leaves no place for images with gzip and with zstd", hint="leave one of them out"
        )
    is_index = len(platforms) > 1 or bool(index) or request.attest.is_in_index or zstd is not None
    annotations.check(platforms, is_index=is_index)
    return BuildPlan(
        request=request,
        spec=spec,
        toolchain=frontend.toolchain,
        platforms=platforms,
        tags=_tags(request, spec),
        family=family,
        codec=codec,
        zstd=zstd,
        is_index=is_index,
        annotations=annotations,
        labels=checkout.labels() if checkout else (),
        jobs=frontend.jobs(project),
        extras=request.extras or spec.extras,
        bases=bases,
        workplace=place_of_work,
        frontend=frontend,
        own=own,
        says_base=family is Family.OCI and says_base is not False,
    )


def _tags(request: BuildRequest, spec: BuildSpec) -> tuple[Reference, ...]:
    """The names of the result. Raises UsageError for one with a digest, which the build alone can say (K062).

    And for a push that has no name, or one by digest that has a tag.
    """
    tags = request.tags or tuple(Reference.parse(tag) for tag in spec.tags)
    if request.outputs.by_digest and not request.tags:
        tags = tuple(dict.fromkeys(Reference.parse(tag.repository_name, default_tag="") for tag in tags))
    for tag in tags:
        if tag.digest is not None:
            name = str(tag).partition("@")[0]
            raise UsageError(
                f"{tag} names a digest, and what is built gets one of its own",
                hint=f"write {name}; the digest is printed, and written to --metadata-file",
            )
        if request.outputs.by_digest and tag.tag:
            raise UsageError(
                f"push-by-digest=true writes no tag, and {tag} has one", hint="name the repository alone"
            )
    if request.outputs.push and not tags:
        raise UsageError("--push needs a name to push to", hint="add -t registry.example/app:v1")
    return tags


def _annotations(spec: BuildSpec, platforms: Sequence[Platform]) -> Annotations:
    """The spec's annotations of the root, and those that only the image of one platform has."""
    common = dict(spec.common.image.annotations)
    found = plain(common.items())
    for platform in platforms:
        own = (pair for pair in spec.part(platform).image.annotations if pair not in common.items())
        found += plain(own, AnnotationLevel.MANIFEST, platform)
    return found


def plan_all(requests: Sequence[BuildRequest], workspace: Workspace) -> tuple[BuildPlan, ...]:
    """The plan of each, for images that are built together. Raises as `plan`, UsageError where two would be one."""
    plans = tuple(plan(request, workspace) for request in requests)
    taken: dict[str, str] = {}
    for planned in plans:
        outputs, name = planned.request.outputs, next(iter(planned.request.images), "")
        tags = () if outputs.by_digest else planned.tags
        places = [str(one) for one in (*tags, *outputs.places, *outputs.files)]
        for place in places:
            if place in taken:
                raise UsageError(
                    f"images {taken[place]} and {name} would both be {place}", hint="write {name} where they differ"
                )
        taken |= dict.fromkeys(places, name)
    return plans


def build(planned: BuildPlan, workspace: Workspace, ahead: Store | None = None) -> Built:
    """Compile, check and pack what was planned; layers and documents end in this machine's store.

    With `ahead` each layer goes to that store as soon as it is packed, once every program was found to fit.
    Raises BuildError, WrongPlatform, UsageError, LocalIOError, Cancelled; nothing was published then.
    """
    return build_all((planned,), (ahead,), workspace)[0]


def build_all(
    plans: Sequence[BuildPlan], aheads: Sequence[Store | None], workspace: Workspace
) -> tuple[Built, ...]:
    """Each that was planned of one folder, as `build` builds it; what several compile alike is compiled once."""
    workspace.machine.check_writable()
    compiled: dict[Path, CompileJob] = {}
    packed = []
    with ExitStack() as stack:
        for work in sorted({planned.workplace for planned in plans}, key=lambda one: one.folder):
            stack.enter_context(work.held())
        for planned, ahead in zip(plans, aheads, strict=True):
            own = replace(workspace, own=planned.own)
            _compile(planned, own, compiled)
            contents = planned.frontend.contents(planned, own)
            packed.append(_Packed(planned, contents, *_pack(contents, planned, own, ahead), ahead))
    return tuple(_bound(one, replace(workspace, own=one.plan.own)) for one in packed)


@dataclass(frozen=True, slots=True)
class _Packed:
    """The contents of a plan's images as layers, for each codec in turn, and what went ahead."""

    plan: BuildPlan
    contents: Sequence[ImageContent]
    steps: Sequence[Mapping[Platform, Sequence[LayerStep]]] = field(hash=False)
    puts: Mapping[Digest, Put] = field(hash=False)
    ahead: Store | None


def _bound(done: _Packed, workspace: Workspace) -> Built:
    """The images over their packed layers, what attests them, and the root above."""
    planned, packed, ahead = done.plan, done.steps, done.ahead
    images, *beside = (
        tuple(planned.frontend.image(content, planned, steps[content.platform]) for content in done.contents)
        for steps in packed
    )
    zstd_images = tuple(
        replace(image, is_zstd=True)
        for other in beside
        for image, first in zip(other, images, strict=True)
        if image.manifest.digest != first.manifest.digest  # no layer of it is ours
    )
    every = (*images, *zstd_images)
    layers = {step.layer.digest: step.layer for one in packed for steps in one.values() for step in steps}
    sources = _sources(every, layers, workspace.machine.content)
    attached = _attached(images, planned, sources, workspace)
    if planned.zstd is not None:
        attached += _attached(zstd_images, replace(planned, codec=planned.zstd), sources, workspace)
    sources |= {blob.digest: BytesSource(data) for one in attached for blob, data in one.blobs}
    listed = [one.entry for one in attached if one.entry is not None]
    annotations = planned.annotations_above(images)
    root = bind(every, planned.family, annotations, index=planned.is_index, attestations=listed)
    inside = [one.manifest for one in attached if one.entry is not None]
    return Built(
        plan=planned,
        root=root,
        images=images,
        layers=tuple(layers.values()),
        zstd_images=zstd_images,
        snapshot=snapshot_of(root, [*(image.manifest for image in every), *inside]),
        sources=sources,
        ahead=Ahead(ahead, done.puts) if ahead is not None else None,
        referrers=tuple(one for one in attached if one.entry is None),
    )


def _attached(
    images: Sequence[Image], planned: BuildPlan, sources: Mapping[Digest, Source], workspace: Workspace
) -> "tuple[Attached, ...]":
    """What is attested of the images; loads what makes it where something is to be made."""
    if not planned.request.attest:
        return ()
    from ocitool.builder.attestations import attest

    return attest(images, planned, sources, workspace)


def _compile(planned: BuildPlan, workspace: Workspace, compiled: dict[Path, CompileJob]) -> None:
    """Start the compilers whose programs are not there already; `compiled` tells which job made each file last."""
    memo = workspace.machine.memo
    every = [one.job for one in planned.jobs]
    jobs = [job for job in every if any(compiled.get(path) != job for path in _written(job))]
    compiled |= {path: job for job in jobs for path in _written(job)}
    begun_ns = time.time_ns()
    todo = outdated(jobs, memo) if planned.request.use_cache else tuple((job, None) for job in jobs)
    for job in jobs:
        if not any(job is other for other, _ in todo):
            workspace.listener(Started(f"compile {job.target}", f"compile {job.target}"))
            workspace.listener(Done(f"compile {job.target}", "unchanged"))
    run([job for job, _ in todo], workspace.scope, workspace.width, workspace.listener)
    for job, state in todo:
        if state is not None:
            remember(job, state, begun_ns, memo)


def _written(job: CompileJob) -> tuple[Path, ...]:
    """The files and folders that a job leaves."""
    return (job.target.output, *job.outputs, *((job.tree.installed,) if job.tree is not None else ()))


def _pack(
    contents: Sequence[ImageContent], planned: BuildPlan, workspace: Workspace, ahead: Store | None
) -> tuple[list[dict[Platform, list[LayerStep]]], dict[Digest, Put]]:
    """Every distinct group of entries packed once, several at a time, and sent ahead while others are packed.

    The layers of each platform come for each codec in turn.
    """
    codecs = (planned.codec,) if planned.zstd is None else (planned.codec, planned.zstd)
    distinct: dict[Collection[Entry] | StoredTar, str] = {}
    for content in contents:
        for one in content.packs:
            distinct.setdefault(one, f"layer for {content.platform}")
    total, numbers = len(distinct) * len(codecs), count()

    def threads() -> int:
        """For the next layer: all are packed side by side, and the last of many have the free threads besides."""
        left = total - next(numbers)
        return max(1, workspace.width // (left if total > workspace.width else total))

    with (
        TaskGroup(workspace.scope, workspace.transfers) as sending,
        TaskGroup(sending.scope, workspace.width) as packing,
    ):
        sent: dict[Digest, Task[Put]] = {}

        def pack(one: Collection[Entry] | StoredTar, label: str, codec: Codec) -> Layer:
            store, scope, width = workspace.machine.content, packing.scope, threads()
            memo, listener = workspace.machine.memo if planned.request.use_cache else None, workspace.listener
            if isinstance(one, StoredTar):
                layer = pack_tar(
                    one, store, codec, scope=scope, width=width, memo=memo, listener=listener, label=label
                )
            else:
                layer = pack_layer(
                    one,
                    store,
                    codec,
                    epoch=planned.request.epoch,
                    scope=scope,
                    width=width,
                    memo=memo,
                    listener=listener,
                    label=label,
                )
            if ahead is not None and layer.digest not in sent:
                descriptor = layer.descriptor(planned.family)
                source = NewBlob(descriptor, store) if layer.is_new else StoreSource(descriptor, store)
                sent[layer.digest] = sending.spawn(
                    put_watched, ahead, descriptor, source, sending.scope, workspace.listener
                )
            return layer

        tasks = [
            {one: packing.spawn(pack, one, label, codec) for one, label in distinct.items()} for codec in codecs
        ]
    steps = [
        {
            content.platform: [
                LayerStep(made[one].result, line)
                for one, (_, line) in zip(content.packs, content.groups, strict=True)
            ]
            for content in contents
        }
        for made in tasks
    ]
    return steps, {digest: task.result for digest, task in sent.items()}


def _sources(images: Sequence[Image], ours: Mapping[Digest, Layer], content: Store) -> dict[Digest, Source]:
    """Where each blob comes from: configs from memory, our layers from the content store, others from the base."""
    sources: dict[Digest, Source] = {}
    for image in images:
        sources[image.config.digest] = BytesSource(image.config.raw)
        for layer in image.layers:
            if layer.digest in ours or image.base is None:
                sources[layer.digest] = StoreSource(layer, content)
            else:
                sources.setdefault(layer.digest, StoreSource(layer, image.base.store))
    return sources
