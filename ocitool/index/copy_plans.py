"""Plans that copy: all of what a name holds, or the chosen platforms as a smaller index (K040, K041)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ocitool.change.followers import left_behind
from ocitool.change.plan import CopyFrom, Plan, PlanStep, PutManifest, Tag
from ocitool.errors import Conflict, NotFound, UsageError
from ocitool.graph.referrers import check_stands_beside, cosign_tags
from ocitool.graph.walk import Role, children, settle_entries, walk
from ocitool.index import edit
from ocitool.index.entries import IndexEntry, Selector, entries_of
from ocitool.index.sources import platform_of
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document
from ocitool.model.platform import Platform
from ocitool.model.reference import subject_of
from ocitool.model.views import Descriptor, Index, Manifest, view
from ocitool.store.base import Reader, Store, called
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope, TaskGroup, collect


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How to copy.

    `platforms` takes only these, as an index of just those entries; with `sparse` the index stays as it is
    and only its other children stay behind. `replaces` allows a tag that holds something else. `trust`
    believes that a target with a manifest has everything below it. Without `referrers` it is asked what refers to
    the source and stays behind, if the copy `tells` that.
    """

    platforms: tuple[Platform, ...] = ()
    sparse: bool = False
    replaces: bool = False
    referrers: bool = False
    trust: bool = False
    tells: bool = True


def plan_copy(
    source: Reader, name: str, target: Store, tags: Sequence[str], wish: CopyOptions, *, scope: Scope
) -> Plan:
    """The plan that lets each tag in `target` hold what `name` holds in `source`.

    Everything below is brought first, each blob asked for. Raises NotFound for a name or platform that is
    not there, Conflict for a tag that holds something else, unless the wish allows it.
    """
    document = source.get_manifest(name)
    chosen, children, lost = _chosen(source, name, document, wish, scope)
    steps: list[PlanStep] = []
    if children is None:
        steps.append(CopyFrom(source, Descriptor.of(document), name, wish.trust))
    else:
        steps += (
            CopyFrom(source, child, str(child.platform or child.digest.short), wish.trust) for child in children
        )
    if wish.referrers:
        check_stands_beside(target, "what refers to it")
        kept = None if children is None else {child.digest for child in children}
        steps += _referring(source, name, target, kept, scope=scope)
    notes = [f"{one.label} is gone from {source.label} and left out" for one in lost]
    if chosen is not document:
        notes.append(
            f"only {', '.join(map(str, wish.platforms))}: the index becomes {chosen.digest.short}, "
            f"it was {document.digest.short}"
        )
    if not wish.referrers and wish.tells:
        notes += filter(None, (left_behind(source, document, scope=scope),))
    for tag in tags:
        if as_digest(tag) is None:
            steps.append(Tag(tag, chosen, _held(target, tag, chosen, wish)))
        elif tag != chosen.digest:
            raise UsageError(f"{name} is {chosen.digest}, which is not {tag}", hint="name a tag to copy to")  # K062
        elif chosen is not document:
            steps.append(PutManifest(chosen))
    steps.sort(key=lambda step: (isinstance(step, Tag), isinstance(step, PutManifest)))
    return Plan(target.label, tuple(steps), notes=tuple(notes), names=tuple(tags), must_keep=False)


def plan_copy_tags(
    source: Reader,
    target: Store,
    wish: CopyOptions,
    *,
    scope: Scope,
    admit: Callable[[str], str] | None = None,
) -> Plan:
    """The plan that copies every tag of a repository or layout under its own name.

    What several tags reach is brought once, and images go before the indexes that list them, which would wait for
    the same blobs side by side. `admit` gives the digest that is to be used for a tag; signatures and other
    referrers then come along with what they belong to, and not by tags of theirs. Raises NotFound where there is no
    tag, and what `admit` raises.
    """
    names = [tag for tag in source.tags() if tag]
    beside = {tag for tag in names if admit is not None and subject_of(tag) is not None}
    names = [tag for tag in names if tag not in beside]
    if not names:
        raise NotFound(f"{source.label} has no tags", where=source.label)

    # Without `admit` cosign's tags and those that list referrers are among the names.
    wish = replace(wish, tells=False, referrers=wish.referrers or bool(beside))

    def plan(tag: str) -> Plan:
        return plan_copy(source, admit(tag) if admit else tag, target, [tag], wish, scope=scope)

    with TaskGroup(scope, source.traits.concurrency) as group:
        tasks = [group.spawn(plan, tag) for tag in names]
    steps: dict[object, PlanStep] = {}
    for task in tasks:
        for step in task.result.steps:
            key = (
                step.name
                if isinstance(step, Tag)
                else step.descriptor.digest
                if isinstance(step, CopyFrom)
                else step
            )
            steps.setdefault((type(step), key), step)
    ordered = sorted(steps.values(), key=lambda step: (isinstance(step, Tag), _is_of_index(step)))
    notes = [note for task in tasks for note in task.result.notes]
    come = {step.name for step in ordered if isinstance(step, Tag)}
    come |= {step.subject for step in ordered if isinstance(step, CopyFrom) and step.subject is not None}
    if left := sorted(tag for tag in beside if come.isdisjoint((tag, subject_of(tag)))):
        notes.append(f"tags of what belongs to other images stay behind ({len(left)}): {', '.join(left[:3])}")
    return Plan(target.label, tuple(ordered), notes=tuple(notes), must_keep=False)


def _is_of_index(step: PlanStep) -> bool:
    return isinstance(step, CopyFrom) and mediatype.is_index(step.descriptor.media_type)


def _chosen(
    source: Reader, name: str, document: Document, wish: CopyOptions, scope: Scope
) -> tuple[Document, tuple[Descriptor, ...] | None, tuple[IndexEntry, ...]]:
    """The document to tag, the children to bring (None for everything below it), and attestations that are gone.

    An attestation that the source lost does not keep the images of a subset from being copied (K221).
    """
    if not wish.platforms:
        return document, None, ()
    seen = view(document)
    wanted = Selector(wish.platforms)
    if isinstance(seen, Index):
        seen = settle_entries(source, seen)
        entries = entries_of(seen)
        try:
            wanted.check(entries, called(source, name))
        except NotFound as error:
            if any(mediatype.is_index(entry.media_type) for entry in seen.entries):
                error.hint += "; ocitool index flatten brings the entries of inner indexes up"
            raise
        kept = edit.as_index(edit.keep(seen, wanted))
        attested = [entry for entry in entries_of(kept) if entry.is_attestation]
        whole = collect(scope, lambda entry: _is_whole(source, entry), attested, source.traits.concurrency)
        lost = tuple(entry for entry, is_whole in zip(attested, whole, strict=True) if not is_whole)
        if lost:
            kept = edit.as_index(edit.remove(kept, Selector(digests=tuple(entry.digest for entry in lost))))
        below = tuple(entry.descriptor for entry in entries_of(kept))
        return (document if wish.sparse else kept.document), below, lost
    if isinstance(seen, Manifest) and seen.is_image:
        has = platform_of(source, seen, name)
        if any(p.same(has) for p in wish.platforms):
            return document, None, ()
        raise NotFound(f"{name} in {source.label} is for {has} only", name=name, where=source.label)
    raise UsageError(f"{name} in {source.label} has no platforms to choose from")


def _is_whole(source: Reader, entry: IndexEntry) -> bool:
    """Whether an entry's manifest is there, and what that names."""
    try:
        edges = children(source.get_manifest(str(entry.digest)))
    except NotFound:
        return False
    return all(source.has_blob(edge.descriptor) for edge in edges if edge.role is Role.BLOB)


def _held(target: Store, tag: str, document: Document, wish: CopyOptions) -> Document | None:
    held = find_manifest(target, tag)
    if held is None:
        return None
    if held.raw != document.raw and not wish.replaces:
        raise Conflict(
            f"{tag} in {target.label} holds {held.digest} already",
            tag=tag,
            expected=str(document.digest),
            found=str(held.digest),
            hint="--replace writes over it; the old bytes are backed up and undo brings them back",
        )
    return held


def _referring(
    source: Reader, name: str, target: Store, kept: set[Digest] | None, *, scope: Scope
) -> list[PlanStep]:
    """Steps for what refers to the manifests that are copied, and for cosign's tags about them."""
    snapshot = walk(source, name, scope=scope, width=source.traits.concurrency, tolerant=True)
    digests = [d for d in snapshot.documents if kept is None or d in kept or d == snapshot.root.digest]
    with TaskGroup(scope, source.traits.concurrency) as group:
        listed = {digest: group.spawn(source.referrers, digest) for digest in digests}
        tagged = {tag: group.spawn(find_manifest, source, tag) for digest in digests for tag in cosign_tags(digest)}
    steps: list[PlanStep] = []
    found = {one.digest: (one, subject) for subject, task in listed.items() for one in task.result}
    steps += (CopyFrom(source, one, one.artifact_type, subject=subject) for one, subject in found.values())
    for tag, task in tagged.items():
        if task.result is not None:
            steps += (
                CopyFrom(source, Descriptor.of(task.result), tag),
                Tag(tag, task.result, _held(target, tag, task.result, CopyOptions(replaces=True))),
            )
    return steps
