"""Plans that copy: all of what names hold, or the chosen platforms as smaller indexes (K040, K041)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from ocitool.change.followers import left_behind
from ocitool.change.plan import CopyFrom, Plan, PlanStep, PutManifest, Tag
from ocitool.errors import Conflict, NotFound, UsageError
from ocitool.graph.copy import at_side, read_all
from ocitool.graph.referrers import check_stands_beside, cosign_tags
from ocitool.graph.walk import MAX_DEPTH, Role, Snapshot, children, settle_entries, walk
from ocitool.index.entries import IndexEntry, Selector, entries_of
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document
from ocitool.model.platform_pattern import PlatformChoice
from ocitool.model.reference import subject_of
from ocitool.model.tag_filter import TagFilter
from ocitool.model.views import Descriptor, Index, Manifest, view
from ocitool.store.base import Reader, Store, called
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope, TaskGroup, collect
from ocitool.values import dataclass, replace

EVERY: TagFilter = TagFilter()


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How to copy.

    `platforms` takes only these, as an index of just those entries; with `sparse` the index stays as it is
    and only its other children stay behind. `replaces` allows a tag that holds something else. `trust`
    believes that a target with a manifest has everything below it. Without `referrers` it is asked what refers to
    the source and stays behind, if the copy `tells` that.
    """

    platforms: tuple[PlatformChoice, ...] = ()
    sparse: bool = False
    replaces: bool = False
    referrers: bool = False
    trust: bool = False
    tells: bool = True


@dataclass(frozen=True, slots=True)
class Copied:
    """What a name holds, read once and wherever it is to go.

    `document` is what a tag of it will hold, `is_changed` where that is not what the source has. `beside` are the
    documents that cosign keeps under tags of its own.
    """

    name: str
    document: Document
    is_changed: bool
    steps: tuple[CopyFrom, ...]
    beside: tuple[tuple[str, Document], ...] = ()
    notes: tuple[str, ...] = ()


def plan_copy(
    source: Reader, name: str, target: Store, tags: Sequence[str], wish: CopyOptions, *, scope: Scope
) -> Plan:
    """The plan that lets each tag in `target` hold what `name` holds in `source`.

    Everything below is brought first, each blob asked for. Raises NotFound for a name or platform that is
    not there, Conflict for a tag that holds something else, unless the wish allows it.
    """
    return plan_copied(read_copied(source, name, wish, scope=scope), target, tags, wish)


def read_copied(
    source: Reader,
    name: str,
    wish: CopyOptions,
    *,
    scope: Scope,
    deep: bool = False,
    beside: Iterable[Callable[[], object]] = (),
) -> Copied:
    """What is to be copied of a name. Raises NotFound for a name or platform that is not there.

    With `deep` the manifests below are read too, and not when the plan is carried out. What is `beside` is done
    next to all that, once the name was found.
    """
    document = source.get_manifest(name)
    with TaskGroup(scope, source.traits.concurrency) as group:
        tells = wish.tells and not wish.referrers and not wish.trust
        leaving = group.spawn(left_behind, source, document, scope=group.scope) if tells else None
        is_walked = deep and not wish.platforms and not wish.trust
        walking = group.spawn(_read_below, source, document, group.scope) if is_walked else None
        for function in beside:
            group.spawn(function)
        chosen, below, lost = _chosen(source, name, document, wish, group.scope)
    if below is None:
        snapshot = walking.result if walking is not None else None
        steps = [CopyFrom(source, Descriptor.of(document), name, wish.trust, document=document, snapshot=snapshot)]
    else:
        steps = [CopyFrom(source, child, str(child.platform or child.digest.short), wish.trust) for child in below]
    notes = [f"{one.label} is gone from {source.label} and left out" for one in lost]
    if chosen is not document:
        notes.append(
            f"only {', '.join(map(str, wish.platforms))}: the index becomes {chosen.digest.short}, "
            f"it was {document.digest.short}"
        )
    notes += [leaving.result] if leaving is not None and leaving.result else []
    others: list[tuple[str, Document]] = []
    if wish.referrers:
        kept = None if below is None else {child.digest for child in below}
        referring, others = _referring(source, name, kept, scope=scope)
        steps += referring
        steps += (CopyFrom(source, Descriptor.of(held), tag, document=held) for tag, held in others)
    return Copied(name, chosen, chosen is not document, tuple(steps), tuple(others), tuple(notes))


def _read_below(source: Reader, root: Document, scope: Scope) -> Snapshot:
    with at_side("source"):
        return read_all(source, root, scope=scope, width=source.traits.concurrency)


def plan_copied(
    found: Copied,
    target: Store,
    tags: Sequence[str],
    wish: CopyOptions,
    seen: Mapping[str, Document | None] = MappingProxyType({}),
) -> Plan:
    """The plan that lets each tag in `target` hold it; `seen` is what tags hold, as far as that was looked at.

    Raises Conflict as `plan_copy`.
    """
    if wish.referrers:
        check_stands_beside(target, "what refers to it")
    chosen, steps = found.document, list[PlanStep](found.steps)
    for tag in tags:
        if as_digest(tag) is None:
            steps.append(Tag(tag, chosen, _held(target, tag, chosen, wish, seen), is_derived=False))
        elif tag != chosen.digest:
            raise UsageError(
                f"{found.name} is {chosen.digest}, which is not {tag}", hint="name a tag to copy to"
            )  # K062
        elif found.is_changed:
            steps.append(PutManifest(chosen))
    steps += (Tag(tag, held, _held(target, tag, held, replace(wish, replaces=True))) for tag, held in found.beside)
    steps.sort(key=lambda step: (isinstance(step, Tag), isinstance(step, PutManifest)))
    named = [step for step in steps if isinstance(step, Tag)]
    if wish.trust and not wish.referrers and len(named) == len(tags) and all(tag.is_kept for tag in named):
        steps = [*named]
    return Plan(target.label, tuple(steps), notes=found.notes, names=tuple(tags), must_keep=False)


def plan_copy_tags(
    source: Reader,
    target: Store,
    wish: CopyOptions,
    *,
    scope: Scope,
    wanted: TagFilter = EVERY,
    admit: Callable[[str], str] | None = None,
) -> Plan:
    """The plan that copies tags of a repository or layout under their own names: see `read_tags`."""
    return plan_tags(read_tags(source, wish, scope=scope, wanted=wanted, admit=admit), target, wish, scope=scope)


@dataclass(frozen=True, slots=True)
class CopiedTags:
    """What tags hold, by their names; `beside` are tags that belong to other images and are none of them."""

    tags: tuple[tuple[str, Copied], ...]
    beside: frozenset[str] = frozenset()


def read_tags(
    source: Reader,
    wish: CopyOptions,
    *,
    scope: Scope,
    wanted: TagFilter = EVERY,
    admit: Callable[[str], str] | None = None,
) -> CopiedTags:
    """What all tags that are `wanted` hold.

    `admit` gives the digest that is to be used for a tag. With it, and where tags are chosen, signatures and other
    referrers come along with what they belong to, and not by tags of theirs. Raises NotFound where there is no tag,
    and what `admit` raises.
    """
    names = [tag for tag in source.tags() if tag]
    is_chosen = admit is not None or wanted != EVERY
    beside = frozenset(tag for tag in names if is_chosen and subject_of(_tag_of(tag)) is not None)
    names = [tag for tag in names if tag not in beside and wanted.holds(_tag_of(tag))]
    if not names:
        raise NotFound(
            f"{source.label} has no tags{' of those' if wanted != EVERY else ''}",
            where=source.label,
            hint=f"ocitool tags {source.label} lists them" if wanted != EVERY else "",
        )
    # Without `admit` cosign's tags and those that list referrers are among the names.
    wish = replace(wish, tells=False, referrers=wish.referrers or (admit is not None and bool(beside)))

    def read(tag: str) -> Copied:
        return read_copied(source, admit(tag) if admit else tag, wish, scope=scope)

    return CopiedTags(
        tuple(zip(names, collect(scope, read, names, source.traits.concurrency), strict=True)), beside
    )


def plan_tags(found: CopiedTags, target: Store, wish: CopyOptions, *, scope: Scope) -> Plan:
    """The plan that lets tags of `target` hold what was read, each under its own name; tells what stays behind."""
    wish = replace(wish, referrers=wish.referrers or any(copied.beside for _, copied in found.tags))

    def plan(one: tuple[str, Copied]) -> Plan:
        return plan_copied(one[1], target, [one[0]], wish)

    merged = merge(target.label, collect(scope, plan, found.tags, target.traits.concurrency))
    come = {tag.name for tag in merged.tags}
    come |= {step.subject for step in merged.steps if isinstance(step, CopyFrom) and step.subject is not None}
    if left := sorted(tag for tag in found.beside if come.isdisjoint((tag, subject_of(_tag_of(tag))))):
        note = f"tags of what belongs to other images stay behind ({len(left)}): {', '.join(left[:3])}"
        return replace(merged, notes=(*merged.notes, note))
    return merged


def merge(target: str, plans: Iterable[Plan]) -> Plan:
    """One plan of several that copy to one place.

    What several of them bring is brought once, and images go before the indexes that list them, which would wait
    for the same blobs side by side.
    """
    steps: dict[object, PlanStep] = {}
    notes: list[str] = []
    for one in plans:
        notes += one.notes
        for step in one.steps:
            key = (
                step.name
                if isinstance(step, Tag)
                else step.descriptor.digest
                if isinstance(step, CopyFrom)
                else step
            )
            steps.setdefault((type(step), key), step)
    ordered = sorted(steps.values(), key=lambda step: (isinstance(step, Tag), _is_of_index(step)))
    return Plan(target, tuple(ordered), notes=tuple(notes), must_keep=False)


def _tag_of(name: str) -> str:
    """The tag of a name, which in a layout or archive may be a full reference."""
    return name.rpartition(":")[2]


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
    from ocitool.index import edit
    from ocitool.index.sources import platform_of

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


def _held(
    target: Store,
    tag: str,
    document: Document,
    wish: CopyOptions,
    seen: Mapping[str, Document | None] = MappingProxyType({}),
) -> Document | None:
    held = seen[tag] if tag in seen else find_manifest(target, tag)
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
    source: Reader, name: str, kept: set[Digest] | None, *, scope: Scope
) -> tuple[list[CopyFrom], list[tuple[str, Document]]]:
    """Steps for what refers to the manifests that are copied, and to that again; and cosign's tags about them."""
    width = source.traits.concurrency
    snapshot = walk(source, name, scope=scope, width=width, tolerant=True)
    digests = [d for d in snapshot.documents if kept is None or d in kept or d == snapshot.root.digest]
    names = [tag for digest in digests for tag in cosign_tags(digest)]
    with TaskGroup(scope, width) as group:
        listing = group.spawn(_referrers, source, digests, group.scope, width)
        tagged = [(tag, group.spawn(find_manifest, source, tag)) for tag in names]
    steps = [CopyFrom(source, one, one.artifact_type, subject=subject) for one, subject in listing.result]
    return steps, [(tag, task.result) for tag, task in tagged if task.result is not None]


def _referrers(
    source: Reader, digests: Sequence[Digest], scope: Scope, width: int
) -> list[tuple[Descriptor, Digest]]:
    """What refers to the manifests, with its subject: in rounds, each about what the one before found."""
    found: dict[Digest, tuple[Descriptor, Digest]] = {}
    asked, due = set[Digest](), list(digests)
    for _ in range(MAX_DEPTH):
        asked.update(due)
        listed = collect(scope, source.referrers, due, width)
        found |= {one.digest: (one, subject) for subject, ones in zip(due, listed, strict=True) for one in ones}
        due = [digest for digest in found if digest not in asked]
        if not due:
            break
    return list(found.values())
