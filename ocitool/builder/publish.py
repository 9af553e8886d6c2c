"""Where a build goes: stores opened for it, layers sent ahead, tags written as changes that undo knows.

This machine's own store is none of those: what it keeps under a name is a note of ours for `ocitool push` and not
a tag that others read, so it is written at once and without a backup.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ocitool.builder.outputs import BuildOutputs, Engine, FilesOutput, StoreOutput
from ocitool.builder.pipeline import Ahead, Built, build_all
from ocitool.builder.push import push_over
from ocitool.builder.request import BuildPlan
from ocitool.builder.trust import signed
from ocitool.change.apply import ChangeReport
from ocitool.change.plan import Plan, PlanStep, PutBlob, PutManifest, PutSnapshot, Tag, in_order
from ocitool.change.promises import NO_PROMISES, Promises, check_before, promised
from ocitool.errors import OcitoolError, Unsupported, UsageError
from ocitool.graph.copy import CopyReport, put_snapshot
from ocitool.graph.referrers import check_stands_beside
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.pack.own_files import remember_outputs
from ocitool.store.base import BytesSource, Store
from ocitool.store.locate import Locator
from ocitool.values import dataclass, replace
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.sign.run import SignKey


@dataclass(frozen=True, slots=True)
class OpenTarget:
    """A store that is open for writing: what its tags are, and how people call them."""

    store: Store
    tags: tuple[str, ...]
    names: tuple[str, ...]
    is_registry: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One place a build went to: what was sent, the names it now has there, and what tags held before.

    `loaded` are the platforms that an engine got.
    """

    where: str
    names: tuple[str, ...]
    report: CopyReport
    seconds: float
    replaced: tuple[tuple[str, Digest], ...] = ()
    loaded: tuple[Platform, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built, and each place it went to."""

    built: Built
    deliveries: tuple[Delivery, ...]


def build_and_deliver(plans: Sequence[BuildPlan], workspace: Workspace) -> tuple[BuildReport, ...]:
    """Build what is planned, and take each image everywhere its outputs say; archives are whole then, or not there.

    Layers go to a registry while others are packed. Of several images none gets a tag before all are built and all
    below them is stored; an error afterwards tells in a note which have theirs. Raises what `build`, `publish` and
    opening a place raise.
    """
    for planned in plans:
        _check_published(planned)
    with ExitStack() as stack:
        opened = [open_targets(planned, workspace, stack) for planned in plans]
        for targets, planned in zip(opened, plans, strict=True):
            _check_promises(targets, planned)
        builds = build_all(plans, [ahead_of(targets) for targets in opened], workspace)
        goes = [
            [
                (_stored(built, one, workspace) if one.is_registry and len(plans) > 1 else built, one)
                for one in targets
            ]
            for built, targets in zip(builds, opened, strict=True)
        ]
        done: list[BuildReport] = []
        for built, sends in zip(builds, goes, strict=True):
            try:
                done.append(BuildReport(built, tuple(_deliveries(built, sends, workspace))))
            except OcitoolError as error:
                for name in (name for report in done for one in report.deliveries for name in one.names):
                    error.add_note(f"published before that: {name}")
                raise
    remember_outputs(workspace.machine.memo, [path for planned in plans for path in planned.request.outputs.paths])
    return tuple(done)


def _stored(built: Built, target: OpenTarget, workspace: Workspace) -> Built:
    """The build, with all that is below its root stored in a registry."""
    report = _below(built, target.store, workspace)
    there = zip((blob.digest for blob in report.blobs or ()), report.outcomes, strict=True)
    return replace(built, ahead=Ahead(target.store, dict(there)))


def _deliveries(
    built: Built, sends: Iterable[tuple[Built, OpenTarget]], workspace: Workspace
) -> Iterator[Delivery]:
    """The build taken into its open stores, and everywhere else that its outputs say."""
    outputs = built.plan.request.outputs
    yield from (deliver(one, target, workspace) for one, target in sends)
    yield from (_export(built, output, workspace) for output in outputs.files)
    if outputs.engine is not None:
        yield load(built, outputs.engine, workspace)
    if outputs.keeps or not outputs.leaves_nothing:
        yield keep(built, workspace)


def _check_published(planned: BuildPlan) -> None:
    """Refuse, before anything is compiled, what stands beside an image that is not published."""
    outputs, request = planned.request.outputs, planned.request
    if request.trust.sign_keys and not (outputs.push or outputs.places):
        raise UsageError(
            "--sign-key signs what is published",
            hint="add --push, or -o oci:DIR:TAG; ocitool push --sign-key signs what is kept here",
        )
    if request.promises != NO_PROMISES and (outputs.by_digest or not outputs.push):
        raise UsageError(
            "--expect, --no-clobber and --keep-platforms are about tags that are pushed, and none is",
            hint="add --push, or leave them to the push or merge that writes the tag",
        )
    is_beside = request.attest and not request.attest.is_in_index
    if is_beside and (outputs.keeps or outputs.files or outputs.engine or not outputs.leaves_nothing):
        raise UsageError(
            "attestations that refer to an image are published with it, and this one is kept or unpacked here",
            hint="add --push or -o oci:DIR alone, or --attest-form index",
        )


def _check_place(store: Store, planned: BuildPlan) -> None:
    """Refuse a place in which what belongs beside the image cannot stand."""
    request = planned.request
    if request.trust.sign_keys:
        check_stands_beside(store, "signatures")
    if request.attest and not request.attest.is_in_index:
        check_stands_beside(store, "attestations")


def open_targets(planned: BuildPlan, workspace: Workspace, stack: ExitStack) -> tuple[OpenTarget, ...]:
    """Every store a build goes to, opened; tags of one repository together, so that its blobs are asked for once.

    Archives are complete when the stack is closed, and discarded if something fails before. Raises, before anything
    is compiled or sent, UsageError where files would go to a place that is taken, and Unsupported for several
    platforms in a place for one, or none for an engine.
    """
    outputs = planned.request.outputs
    if outputs.engine is not None:
        from ocitool.builder.engines import platforms_for

        platforms_for(outputs.engine, planned)
    for output in outputs.files:
        from ocitool.builder.export import check_free

        check_free(output.place, planned.platforms, is_tar=output.is_tar, split=output.split)
    targets = []
    for place in outputs.places:
        if place.locator.scheme == "docker-archive" and planned.is_index:
            count = len(planned.platforms)
            raise Unsupported(
                f"{place} holds one platform, and {count} are built"
                if count > 1
                else f"{place} holds one image, and an index is built",
                ability="index",
                hint="choose one with --platform, and one --compression, or write -o type=oci",
            )
        store, _ = workspace.opener.open(place.locator, write=True, full_names=place.full_names(planned.tags))
        stack.enter_context(store)
        _check_place(store, planned)
        targets.append(OpenTarget(store, place.names(planned.tags), (str(place),)))
    repositories: dict[str, list[Reference]] = {}
    for reference in planned.tags if outputs.push else ():
        repositories.setdefault(reference.repository_name, []).append(reference)
    for name, group in repositories.items():
        store, _ = workspace.opener.open(str(group[0]), write=True)
        tags = () if outputs.by_digest else tuple(reference.tag for reference in group)
        names = (name,) if outputs.by_digest else tuple(map(str, group))
        targets.append(OpenTarget(store, tags, names, is_registry=True))
    return tuple(targets)


def _check_promises(targets: Iterable[OpenTarget], planned: BuildPlan) -> None:
    """Refuse, before anything is compiled, platforms that a tag must not get or lose."""
    for target in targets:
        for tag in target.tags if target.is_registry else ():
            check_before(target.store, tag, planned.promises, planned.platforms)


def ahead_of(targets: Iterable[OpenTarget]) -> Store | None:
    """The registry that layers are sent to while others are packed; None if the build goes elsewhere."""
    return next((target.store for target in targets if target.is_registry), None)


def deliver(built: Built, target: OpenTarget, workspace: Workspace) -> Delivery:
    """Publish a build into an open store, under its tags or by its digest alone. Raises as `publish` does."""
    began = time.monotonic()
    report = publish(built, target, workspace)
    names = [f"{name}@{built.root.digest}" for name in target.names] if target.is_registry else target.names
    replaced = tuple(
        (f"{target.store.label}:{tag}", digest) for tag, digest in report.replaced if tag in target.tags
    )
    return Delivery(target.store.label, tuple(names), report.copies[0], time.monotonic() - began, replaced)


def _export(built: Built, output: FilesOutput, workspace: Workspace) -> Delivery:
    from ocitool.builder.export import export_files

    began = time.monotonic()
    report = export_files(built, output.place, workspace, is_tar=output.is_tar, split=output.split)
    return Delivery(str(output.place), (), report, time.monotonic() - began)


def publish(
    built: Built,
    target: OpenTarget,
    workspace: Workspace,
    keys: "Iterable[SignKey]" = (),
    promises: Promises = NO_PROMISES,
) -> ChangeReport:
    """Let the tags of an open store hold a build, or only its digest be there; `keys` sign it beside its own.

    Whatever a tag held is kept for `undo`; where nothing can be kept, the listener hears a warning and the build
    is published all the same. In a registry a tag that offers other platforms as well is not taken over without a
    word (K038). Raises Conflict if somebody else wrote a tag right after us, and what storing raises.
    """
    store = target.store
    content = PutSnapshot(built.snapshot, built.source_of, done=built.ahead_in(store))
    tags = [Tag(tag, built.root, replaces=True) for tag in target.tags]
    plan = Plan(store.label, tuple(in_order((*_referring(built), content, *tags))), names=target.tags)
    repositories = {tag.repository_name for tag in built.plan.tags}
    name = repositories.pop() if len(repositories) == 1 and not target.is_registry else ""
    platforms = [image.platform for image in built.images] if target.is_registry else None
    if target.is_registry:
        plan = promised(plan, store, promises.over(built.plan.promises), platforms)
    form = "both" if built.referrers else "tag"  # where cosign 3 sees a bundle, it reads no list
    plan = signed(plan, store, (*built.plan.request.trust.sign_keys, *keys), workspace, form=form, name=name)
    return push_over(plan, store, platforms, workspace)


def _referring(built: Built) -> Iterator[PlanStep]:
    """What puts the manifests that attest the images beside them."""
    for one in built.referrers:
        yield from (PutBlob(blob, BytesSource(data), "attestation") for blob, data in one.blobs)
        yield PutManifest(one.manifest, "attestation")


def tag_kept(reference: Reference, names: Iterable[Reference], workspace: Workspace) -> tuple[str, ...]:
    """Let further names of this machine's store hold what one holds. Raises NotFound."""
    machine, further = workspace.machine, tuple(map(str, names))
    machine.image(str(reference))
    machine.content.put_manifest(machine.content.get_manifest(str(reference)), *further)
    return further


def push(
    built: Built,
    place: str,
    workspace: Workspace,
    keys: "Iterable[SignKey]" = (),
    promises: Promises = NO_PROMISES,
) -> ChangeReport:
    """Publish a build under a reference, or into a layout or an archive, which is whole then. As `publish`."""
    output = StoreOutput(Locator.parse(place))
    is_registry = output.locator.reference is not None
    store, tag = workspace.opener.open(output.locator, write=True)
    tags = (tag,) if is_registry else output.names(built.plan.tags)
    with store:
        _check_place(store, built.plan)
        target = OpenTarget(store, tags, (place,), is_registry=is_registry)
        report = publish(built, target, workspace, keys, promises)
    remember_outputs(workspace.machine.memo, BuildOutputs((output,)).paths)
    return report


def keep(built: Built, workspace: Workspace) -> Delivery:
    """Leave a build in this machine's store under its full references, for `ocitool push`."""
    began = time.monotonic()
    store, names = workspace.machine.content, tuple(str(tag) for tag in built.plan.tags)
    report = _put(built, store, names or ("",), workspace)
    return Delivery(store.label, names, report, time.monotonic() - began)


def load(built: Built, engine: Engine, workspace: Workspace) -> Delivery:
    """Stream a build, or the image of the platform that an engine runs, into it. Raises as `feed_engine`."""
    from ocitool.builder.engines import feed_engine, part_for, platforms_for

    platforms_for(engine, built.plan)
    began = time.monotonic()
    part = part_for(engine, built)
    reports: list[CopyReport] = []
    feed_engine(
        engine,
        built,
        workspace.scope,
        lambda store, names: reports.append(_put(part, store, names, workspace)),
    )
    names, platforms = map(str, built.plan.tags), (image.platform for image in part.images)
    report = reports[0] if reports else CopyReport(built.snapshot.root)  # it ended before it had read everything
    return Delivery(engine.name, tuple(names), report, time.monotonic() - began, loaded=tuple(platforms))


def _put(built: Built, store: Store, names: tuple[str, ...], workspace: Workspace) -> CopyReport:
    report = _below(built, store, workspace)
    store.put_manifest(built.root, *names)
    return report


def _below(built: Built, store: Store, workspace: Workspace) -> CopyReport:
    """All that is below the root stored, but for what went ahead."""
    return put_snapshot(
        built.snapshot,
        store,
        source_of=built.source_of,
        scope=workspace.scope,
        width=workspace.transfers,
        tagged=True,
        listener=workspace.listener,
        done=built.ahead_in(store),
    )
