"""The last change of ours taken back, as a plan like any other.

What a tag held before comes from the registry if it still has it, else from the backup on this machine;
children that are gone and were kept are put back too. Where somebody else wrote since, undo refuses.
"""

from ocitool.change.journal import Journal, Record
from ocitool.change.plan import Delete, Plan, PutManifest, Tag
from ocitool.errors import Conflict, NotFound
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Index, view
from ocitool.store.base import Store


def plan_undo(target: str, tag: str, store: Store, journal: Journal) -> tuple[Plan, Record]:
    """The plan that lets `tag` hold again what it held before our last change, and that change's record.

    Raises NotFound if we never changed it or the old bytes are nowhere, Conflict if it no longer holds what
    we wrote. After applying the plan, hand the record to `settle_undo`.
    """
    record = journal.last(target, tag)
    if record is None:
        raise NotFound(
            f"no change of {target}:{tag} is known on this machine",
            name=tag,
            where=str(journal.root),
            hint="undo works where the change was made, from the backups kept there",
        )
    found = store.head(tag)
    now = found.digest if found else None
    if now != record.after:
        raise Conflict(
            f"{tag} in {store.label} {f'holds {now}' if now else 'is gone'}, our last change left "
            f"{record.after or 'nothing'} there: somebody else wrote since",
            tag=tag,
            expected=str(record.after or ""),
            found=str(now or ""),
            hint="undo would take back their change too; the old bytes are "
            f"{record.before or 'none'} in {journal.root}",
        )
    current = store.get_manifest(tag) if now else None
    if record.before is None:
        if current is None:
            return Plan(target), record
        return Plan(target, (Delete(tag, current),)), record
    old = _old(record.before, store, journal)
    return Plan(target, (*_children(old, store, journal), Tag(tag, old, current))), record


def settle_undo(record: Record, journal: Journal) -> None:
    """Note that a change was taken back, so that the next undo goes one further."""
    undo = journal.last(record.target, record.tag)
    if undo is not None and undo.path != record.path:
        journal.forget(undo)
    journal.forget(record)


def _old(digest: Digest, store: Store, journal: Journal) -> Document:
    kept = journal.document(digest)
    if kept is not None:
        return kept
    if store.head(str(digest)) is None:
        raise NotFound(f"{digest} is neither in {store.label} nor in {journal.root}", name=str(digest))
    return store.get_manifest(str(digest))


def _children(old: Document, store: Store, journal: Journal) -> list[PutManifest]:
    """Children of the old document that the store lost and the backup holds."""
    seen = view(old)
    if not isinstance(seen, Index):
        return []
    kept = [journal.document(entry.digest) for entry in seen.entries]
    return [PutManifest(child) for child in kept if child and store.head(str(child.digest)) is None]
