"""The last change of ours taken back, or a tag let hold a digest again, as plans like any other.

What a tag held before comes from the registry if it still has it, else from the backup on this machine;
children that are gone and were kept are put back too. Where somebody else wrote since, undo refuses; a tag that
is gone was not written by anybody, and gets back what it held.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ocitool.change.attachment import taken_back
from ocitool.change.journal import REPOSITORY, Journal, Record
from ocitool.change.plan import CopyFrom, Delete, Plan, PlanStep, PutManifest, Tag, in_order
from ocitool.change.reason import ChangeReason
from ocitool.change.restore import restored
from ocitool.errors import Conflict, NotFound, RegistryError, Unsupported, UsageError
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document
from ocitool.model.views import Index, Manifest, view
from ocitool.store.base import Reader, Store, called
from ocitool.store.placeholder import SIZE_LIMIT, stands_for
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope

_GONE: Final = ("MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN")


def plan_undo(
    store: Store,
    tag: str,
    journal: Journal,
    *,
    sources: Sequence[Reader] = (),
    drop_referrers: bool = False,
    replaces: bool = False,
    scope: Scope | None = None,
) -> Plan:
    """The plan that lets `tag` hold again what it held before our last change, which `undoes` names.

    A refill left the tag as it was, so the plan for it is empty. A tag that was lost since is restored (K215), and
    what was deleted comes back with all that went along. Raises NotFound if we never changed it (UsageError for a
    digest), it was lost and held nothing before, or the old bytes are nowhere, Conflict if it holds something else
    than we wrote, unless that is `replaces`-d, Unsupported where blobs of what was deleted are gone. Children
    that are gone come from the backup or from `sources`. With `drop_referrers` what the change attached is
    deleted. Apply the plan inside `taking_back`.
    """
    steps: tuple[PlanStep, ...]
    target, place = store.label, called(store, tag)
    now, left_over = _held(store, tag)
    record = _last(target, tag, now, journal)
    if record is None:
        _check_tag(store, tag)
        raise NotFound(
            f"no change of {place} is known on this machine",
            name=tag,
            where=str(journal.root),
            hint="undo works where the change was made, from the backups kept there; with --to DIGEST it works "
            "anywhere while the registry still has that digest",
        )
    if record.is_attachment and record.keeps_tag and now is not None:
        did = "puts back what was detached" if record.detached else "takes back what was attached"
        story = ChangeReason(f"{did}, the change of {_moment(record)} beside {tag}")
        steps = taken_back(record, store, journal)
        return Plan(target, steps, undoes=record, reasons=(story,), names=(tag,), returns=True, attaches=True)
    if now is not None and now != record.after and not replaces:
        raise Conflict(
            f"{tag} in {store.label} holds {now}, our last change left "
            f"{record.after or 'nothing'} there: somebody else wrote since",
            tag=tag,
            expected=str(record.after or ""),
            found=str(now),
            hint=f"--replace takes back their change too; before ours it held {record.before or 'nothing'}",
        )
    if now is None and record.after is not None and record.before is None:
        raise NotFound(
            f"{tag} is gone from {store.label}, and before our last change it held nothing",
            name=tag,
            where=store.label,
            hint=f"ocitool undo {place} --to {record.after} brings back what we left there",
        )
    current = left_over or (store.get_manifest(tag) if now else None)
    if record.before is not None and record.after is None:
        back = restored(record, store, journal, sources, current, scope=scope or Scope())
        lost = () if record.removed else _children(_old(record.before, store, journal), store, journal, sources)
        steps = tuple(in_order((*lost, *back)))
    elif record.is_refill and now == record.after:
        steps = ()
    elif record.before is None:
        steps = (Delete(tag, current),) if current is not None else ()
    else:
        old = _old(record.before, store, journal)
        steps = (*_children(old, store, journal, sources), Tag(tag, old, current))
        steps += _referrers(record, store) if drop_referrers else ()
    if record.is_attachment:  # the tag is lost or changes back, and what stands beside it goes with the change
        steps = tuple(in_order((*steps, *taken_back(record, store, journal))))
    reason = ChangeReason(_story(record, journal, now))
    names, beside = ((tag,), True) if record.is_attachment else ((), False)
    return Plan(target, steps, undoes=record, reasons=(reason,), names=names, returns=True, attaches=beside)


def plan_undo_removal(
    store: Store, journal: Journal, *, sources: Sequence[Reader] = (), scope: Scope | None = None
) -> Plan:
    """The plan that brings back all that the last prune took away, from this machine's backup.

    A tag that holds something again is left alone, and told. Raises NotFound where no prune is known, Unsupported
    where blobs of what was deleted are gone. Apply the plan inside `taking_back`.
    """
    record = next(journal.changes(store.label, REPOSITORY), None)
    if record is None:
        raise NotFound(
            f"no prune of {store.label} is known on this machine",
            name=store.label,
            where=str(journal.root),
            hint="undo works where the change was made, from the backups kept there",
        )
    steps = restored(record, store, journal, sources, scope=scope or Scope())
    back = {step.name for step in steps if isinstance(step, Tag)}
    taken = [name for name, digest in record.untagged if name not in back and _held(store, name)[0] != digest]
    notes = tuple(f"{name} holds something else by now and is left as it is" for name in taken)
    story = ChangeReason(f"brings back what the prune of {_moment(record)} took away")
    return Plan(store.label, steps, notes=notes, undoes=record, reasons=(story,), returns=True)


def plan_return(
    store: Store, tag: str, digest: Digest, journal: Journal, *, sources: Sequence[Reader] = ()
) -> Plan:
    """The plan that lets `tag` hold `digest` again, whatever it holds now; empty if it does.

    No record is needed: the bytes come from the store, or from the backup of this machine. Raises NotFound if they
    are nowhere, UsageError for a `tag` that is a digest.
    """
    _check_tag(store, tag)
    try:
        current = store.get_manifest(tag)
    except NotFound:
        current = None
    if current is not None and current.digest == digest:
        return Plan(store.label, must_keep=False, returns=True)
    old = _old(digest, store, journal)
    steps = (*_children(old, store, journal, sources), Tag(tag, old, current))
    return Plan(store.label, steps, must_keep=False, returns=True)


def _check_tag(store: Store, tag: str) -> None:
    if as_digest(tag) is not None:
        raise UsageError(
            f"{called(store, tag)} is a digest, and a digest never holds anything else",
            hint=f"name the tag: ocitool undo {store.label}:TAG takes its last change back, and with --to {tag} "
            "lets it hold this again",
        )


def undo_hint(store: Store, tag: str, journal: Journal) -> str:
    """What brings back a tag that is lost and was changed on this machine; empty where nothing is known of it."""
    if all(record.after is None for record in journal.changes(store.label, tag)):
        return ""
    return f"ocitool undo {called(store, tag)} brings back what it held, as far as this machine knows"


@contextmanager
def taking_back(plan: Plan, store: Store, journal: Journal) -> Iterator[None]:
    """Around the `apply` of a plan of this module: afterwards the change counts as taken back.

    Raises Unsupported where the registry does not take the old bytes since it lost children of theirs.
    """
    try:
        yield
    except RegistryError as error:
        better = cannot_return(plan.result, store, error, journal.root)
        if better is None:
            raise
        raise better from error
    if plan.undoes is not None:
        settle_undo(plan.undoes, journal)


def settle_undo(record: Record, journal: Journal) -> None:
    """Note that a change was taken back, so that the next undo goes one further.

    The change is forgotten before what took it back: who dies between the two leaves a note that is passed over.
    """
    later = [one for one in journal.changes(record.target, record.tag) if one.undoes == record.number]
    for one in (record, *later):
        journal.forget(one)


def _story(record: Record, journal: Journal, now: Digest | None) -> str:
    """What the change did, and, if there is nothing of it to take back, what the next undo will."""
    if now is None and record.after is not None:
        what = f"{record.tag} is gone; it gets back what it held before the change of {_moment(record)}"
        return f"{what}, which left {record.after} there" if record.after != record.before else what
    if record.before is None:
        return f"takes back the change of {_moment(record)}, before which {record.tag} held nothing: it is deleted"
    if not record.is_refill or now != record.after:
        return f"takes back the change of {_moment(record)}"
    older = (one for one in journal.changes(record.target, record.tag) if one.number < record.number)
    further = next((f"; undo again takes back the change of {_moment(one)}" for one in older), "")
    back = ", ".join(digest.short for digest in record.stored) or "blobs"
    did = "began to put" if record.is_pending else "put"  # it may have died over the first of them
    return (
        f"the last change, of {_moment(record)}, {did} {back} back and left {record.tag} as it was: "
        f"there is nothing to take back{further}"
    )


def _moment(record: Record) -> str:
    return f"{datetime.fromtimestamp(record.when, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _last(target: str, tag: str, now: Digest | None, journal: Journal) -> Record | None:
    """The newest change that was made and not taken back, by what the tag holds `now`.

    One that was announced and never made is passed over; of a tag that is gone nobody knows, and either way it held
    what is noted as before. An undo that died before it noted its end is no
    change to be taken back: its end is noted here.
    """
    taken_back = 0
    for record in journal.changes(target, tag):
        if record.number == taken_back:
            settle_undo(record, journal)
        elif record.is_pending and now != record.after and (now is not None or record.before is None):
            continue
        elif record.undoes and now == record.after:
            taken_back = record.undoes
        else:
            return record
    return None


def _held(store: Store, tag: str) -> tuple[Digest | None, Document | None]:
    """What a name holds, and the placeholder of a deletion that died, which stands for nothing."""
    found = store.head(tag)
    if found is None:
        return None, None
    if found.size <= SIZE_LIMIT and as_digest(tag) is None:
        document = find_manifest(store, tag)
        if document is not None and stands_for(document) is not None:
            return None, document
    return found.digest, None


def _old(digest: Digest, store: Store, journal: Journal) -> Document:
    kept = journal.document(digest)
    if kept is not None:
        return kept
    if store.head(str(digest)) is None:
        raise NotFound(f"{digest} is neither in {store.label} nor in {journal.root}", name=str(digest))
    return store.get_manifest(str(digest))


def cannot_return(old: Document | None, store: Store, error: RegistryError, backup: Path) -> Unsupported | None:
    """What to raise where the registry does not take the old bytes back because children of theirs are gone.

    None if that is not why it refused.
    """
    if not error.has(*_GONE) or old is None:
        return None
    seen = view(old)
    entries = seen.entries if isinstance(seen, Index) else ()
    blobs = (seen.config, *seen.layers) if isinstance(seen, Manifest) else ()
    gone = [str(entry.digest) for entry in entries if store.head(str(entry.digest)) is None]
    gone += [str(blob.digest) for blob in blobs if not store.has_blob(blob)]
    if not gone:
        return None
    return Unsupported(
        f"{store.label} does not take {old.digest} back: it no longer has {', '.join(gone)}",
        ability="undo",
        hint=f"--source PLACE brings them from where they still are; the old bytes are in {backup}",
    )


def _referrers(record: Record, store: Store) -> tuple[Delete, ...]:
    """Deletes of what the change attached to other manifests and the store still has."""
    names = [str(digest) for digest in record.stored]
    return tuple(Delete(name, store.get_manifest(name)) for name in names if store.head(name) is not None)


def _children(
    old: Document, store: Store, journal: Journal, sources: Sequence[Reader]
) -> list[CopyFrom | PutManifest]:
    """Children of the old document that the store lost, from the backup or from elsewhere."""
    seen = view(old)
    steps: list[CopyFrom | PutManifest] = []
    for entry in seen.entries if isinstance(seen, Index) else ():
        if store.head(str(entry.digest)) is not None:
            continue
        kept = journal.document(entry.digest)
        origin = next((one for one in sources if one.head(str(entry.digest)) is not None), None)
        if kept is not None:
            steps.append(PutManifest(kept))
        elif origin is not None:
            steps.append(CopyFrom(origin, entry))
    return sorted(steps, key=lambda step: isinstance(step, PutManifest))
