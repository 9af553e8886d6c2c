"""Plans for an index: a new one from sources, or an edit of one that is published.

Reading happens here, deciding in the pure edits, writing in `change.apply`. Children that live in another
repository or in a layout are brought to the target before the index names them (K035).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ocitool.change import plan as plans
from ocitool.change.plan import ContentStep, Plan, PutManifest, Tag
from ocitool.change.reason import ChangeReason
from ocitool.errors import UsageError
from ocitool.graph.convert import KEEP_ALL, Losses, convert
from ocitool.graph.walk import settle_entries
from ocitool.image.annotations import Annotations
from ocitool.index import edit
from ocitool.index.entries import IndexEntry, check_duplicates, check_family, family_of_entries
from ocitool.index.members import Fitted, elsewhere, fit
from ocitool.index.sources import Member, MemberSource, inner_indexes, resolve
from ocitool.model.digest import as_digest
from ocitool.model.document import Document, JsonTree, write
from ocitool.model.mediatype import Family
from ocitool.model.views import Index, view
from ocitool.store.base import Reader, Store
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, field

NO_ANNOTATIONS: Final = Annotations()


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """How an index is to be made.

    `family` None takes the children's (K023); naming one converts children of the other. `append` starts
    from what the first tag holds. `placed` are annotations that name their place, the index or its entries.
    `losses` says what a conversion may leave behind.
    """

    sources: tuple[MemberSource, ...]
    family: Family | None = None
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    placed: Annotations = NO_ANNOTATIONS
    append: bool = False
    allow_duplicates: bool = False
    attestations: bool = True
    skip_missing: bool = False
    losses: Losses = KEEP_ALL


def plan_create(
    target: Store,
    tags: Sequence[str],
    request: IndexRequest,
    *,
    scope: Scope,
    judge: Callable[[Sequence[Member]], Iterable[str]] = lambda _members: (),
) -> Plan:
    """The plan of an index of the sources under every tag; `judge` gives notes on the members that were found.

    Raises UsageError for two sources of one platform, mixed families without a choice, annotations on a Docker list
    (K032) and an empty result; NotFound for a missing source; what `judge` raises.
    """
    if digest := next((tag for tag in tags if as_digest(tag)), None):
        raise UsageError(f"an index cannot be made to be {digest}", hint="name a tag to write to")  # K062
    with TaskGroup(scope, target.traits.concurrency) as group:
        looks = {tag: group.spawn(find_manifest, target, tag) for tag in tags}
        resolving = group.spawn(
            resolve,
            request.sources,
            scope=group.scope,
            attestations=request.attestations,
            skip_missing=request.skip_missing,
        )
    held = {tag: task.result for tag, task in looks.items()}
    members, skipped = resolving.result
    said = tuple(judge(members))
    start = _start(target, held[tags[0]], tags[0]) if request.append else None
    family = request.family
    if family is None:
        family = edit.family_of(start) if start else family_of_entries(m.entry for m in members)
    fitted = fit(members, target, family, request.losses)
    notes = [*fitted.notes, *said]
    notes += [f"{source.label or source.name} is missing and left out" for source in skipped]
    entries = [m.entry for m in fitted.members]
    if not entries and start is None:
        raise UsageError("an index of nothing", hint="name at least one image that exists")
    if start is not None:
        document = edit.upsert(start, entries, keep_both=request.allow_duplicates)
        if request.annotations:
            document = edit.annotate_index(edit.as_index(document), request.annotations)
    else:
        if not request.allow_duplicates:
            check_duplicates(entries)
        if any(entry.descriptor.is_zstd_image for entry in entries):
            entries = edit.zstd_last(entries)
        document = _compose(entries, family, request.annotations)
    if request.placed:
        document = edit.annotate_placed(settle_entries(target, edit.as_index(document)), request.placed)
    steps: list[plans.PlanStep] = [*fitted.content]
    for tag, before in held.items():
        if before is None or before.raw != document.raw:
            steps.append(Tag(tag, document, before, is_derived=request.append))
            notes += _vanishing(before, document, tag)
    if not any(isinstance(step, Tag) for step in steps):
        return Plan(target.label, notes=tuple(notes))
    return Plan(target.label, tuple(steps), notes=tuple(notes))


def plan_add(target: Store, name: str, request: IndexRequest, *, tags: Sequence[str] = (), scope: Scope) -> Plan:
    """The plan that puts the sources into the index under `name`; a platform that is there is replaced.

    With `family` set in the request, sources of another family than the index are converted.
    """
    before = target.get_manifest(name)
    index = settle_entries(target, edit.as_index(before, name))
    members, skipped = resolve(
        request.sources, scope=scope, attestations=request.attestations, skip_missing=request.skip_missing
    )
    notes = [f"{source.label or source.name} is missing and left out" for source in skipped]
    if request.family is None:
        fitted = Fitted(members, tuple(elsewhere(members, target)))
    else:
        fitted = fit(members, target, edit.family_of(index), request.losses)
    after = edit.upsert(index, [m.entry for m in fitted.members], keep_both=request.allow_duplicates)
    return write_back(target, name, before, after, tags, content=fitted.content, notes=[*notes, *fitted.notes])


def plan_edit(target: Store, name: str, change: Callable[[Index], Document], *, tags: Sequence[str] = ()) -> Plan:
    """The plan of a pure edit of the index under `name`, written back there or under `tags` instead."""
    before = target.get_manifest(name)
    return write_back(target, name, before, change(settle_entries(target, edit.as_index(before, name))), tags)


def plan_flatten(target: Store, name: str, *, tags: Sequence[str] = (), scope: Scope) -> Plan:
    """The plan that leaves one level of an index of indexes (K020)."""
    before = target.get_manifest(name)
    index = settle_entries(target, edit.as_index(before, name))
    after = edit.flatten(index, inner_indexes(target, index, scope=scope))
    return write_back(target, name, before, after, tags)


def plan_convert(
    target: Store,
    name: str,
    family: Family,
    *,
    losses: Losses = KEEP_ALL,
    tags: Sequence[str] = (),
    scope: Scope,
) -> Plan:
    """The plan that turns an image or index, children first, into the other family (K026)."""
    before = target.get_manifest(name)
    done = convert(target, before, family, losses=losses, scope=scope, width=target.traits.concurrency)
    notes = list(done.notes)
    if done.document is not before:
        notes.append("digests change: signatures and whatever else names the old ones no longer fit")
    content = [PutManifest(child) for child in done.children.values()]
    return write_back(
        target, name, before, done.document, tags, content=content, replaced=done.originals, notes=notes
    )


def plan_tag(store: Store, name: str, tags: Sequence[str]) -> Plan:
    """The plan that lets further tags hold what `name` holds."""
    document = store.get_manifest(name)
    steps = [Tag(tag, document, before) for tag in tags if (before := find_manifest(store, tag)) != document]
    return Plan(store.label, tuple(steps))


def write_back(
    target: Store,
    name: str,
    before: Document,
    after: Document,
    tags: Sequence[str],
    *,
    content: Iterable[ContentStep] = (),
    replaced: Iterable[Document] = (),
    notes: Iterable[str] = (),
    reasons: Iterable[ChangeReason] = (),
) -> Plan:
    """Write `after` back under `name`, or under `tags` if there are any, whatever they hold now."""
    if not tags:
        if as_digest(name):
            raise UsageError(
                f"{name} is a digest, which always means the same bytes",
                hint="say where the result goes: -t NAME:TAG",
            )
        if before.raw == after.raw:
            return Plan(target.label, notes=tuple(notes))
        return plans.replace(
            target.label, [name], before, after, content=content, replaced=replaced, notes=notes, reasons=reasons
        )
    written = [Tag(tag, after, held) for tag in tags if (held := find_manifest(target, tag)) != after]
    return (
        Plan(
            target.label,
            (*plans.in_order(content), *written),
            tuple(replaced),
            tuple(notes),
            reasons=tuple(reasons),
        )
        if written
        else Plan(target.label, notes=tuple(notes))
    )


def _start(store: Reader, held: Document | None, tag: str) -> Index | None:
    return None if held is None else settle_entries(store, edit.as_index(held, tag))


def _compose(entries: Sequence[IndexEntry], family: Family, annotations: Mapping[str, str]) -> Document:
    check_family(entries, family)
    if annotations and family is Family.DOCKER:
        raise UsageError("a Docker manifest list cannot carry annotations", hint="add --format oci")  # K032
    tree: dict[str, JsonTree] = {
        "schemaVersion": 2,
        "mediaType": family.index,
        "manifests": [entry.tree for entry in entries],
    }
    if annotations:
        tree["annotations"] = dict(sorted(annotations.items()))
    return write(tree, family.index)


def _vanishing(before: Document | None, after: Document, tag: str) -> list[str]:
    """Notes on the platforms that a tag offers now and will not any more (K038)."""
    if before is None:
        return []
    old, new = view(before), view(after)
    if not isinstance(old, Index) or not isinstance(new, Index):
        return []
    gone = old.without(entry.platform for entry in new.platforms if entry.platform)
    return [f"{tag} holds {', '.join(map(str, gone))} now and will not any more"] if gone else []
