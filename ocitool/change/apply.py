"""Carry out a plan: the only place that compares a tag and then writes it.

There is no conditional write in the distribution protocol, and registries ignore If-Match. So the tag is
looked at right before the write, and again after at least as long as look and write took: whoever came
between is seen by one of the two, and the one who lost raises Conflict. A store that compares under its own
lock needs no second look. Old bytes are kept on this machine before anything is written.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ocitool.change.journal import Journal, Record
from ocitool.change.plan import CopyFrom, Delete, Plan, PutBlob, PutManifest, Tag
from ocitool.errors import Conflict, DigestMismatch, RegistryError
from ocitool.events import Done, Listener, Started, silent
from ocitool.graph.copy import copy
from ocitool.graph.referrers import drop_referrer, is_found, put_referrer
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.store.base import Expect, Put, Store
from ocitool.store.verify import check_expected
from ocitool.tasks import Scope, TaskGroup

SETTLE_S: Final = 0.05
"""Shortest wait before the second look, in seconds; a guess at how far two writers' clocks of events differ."""
_LATE: Final = ("MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN")


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What was done: tags with what they held before and hold now, and how much content was stored."""

    target: str
    tags: tuple[tuple[str, Digest | None, Digest | None], ...] = ()
    stored: int = 0
    existed: int = 0
    backups: tuple[Digest, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether any tag holds something else than before."""
        return any(before != after for _, before, after in self.tags)

    def to_tree(self) -> dict[str, Any]:
        """The report for JSON output."""
        return {
            "target": self.target,
            "changed": self.changed,
            "tags": [{"tag": tag, "before": before, "after": after} for tag, before, after in self.tags],
            "stored": self.stored,
            "existed": self.existed,
            "backups": list(self.backups),
        }


def apply(
    plan: Plan,
    store: Store,
    journal: Journal,
    scope: Scope,
    listener: Listener = silent,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> ChangeReport:
    """Do what the plan says, or raise Conflict if a tag no longer holds what it held when the plan was made.

    Order: look, back up, blobs, children, manifests, look again, note, tags, settle, look, deletes. `clock`
    counts seconds. On Conflict before a tag is written nothing is visible under it; content that was
    already stored stays under its digests and is named in a note. A tag that holds the wanted bytes already
    is left alone; if content was put back below it, that is noted as a change of its own.
    """
    if plan.is_empty:
        return ChangeReport(plan.target)
    work = _Work(plan, store, journal, scope=scope, listener=listener, clock=clock)
    content = [step for step in plan.steps if isinstance(step, PutBlob | CopyFrom | PutManifest)]
    deletes = [step for step in plan.steps if isinstance(step, Delete)]
    if content:  # fail before an upload rather than after it
        for tag in plan.tags:
            work.look(tag)
    work.back_up(deletes)
    if content:
        work.note_refill(content)
    work.put(content)
    for tag in plan.tags:
        work.tag(tag)
    for step in deletes:
        work.delete(step)
    return work.report()


class _Work:
    """One run of `apply`: what has been pushed and written so far."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        journal: Journal,
        *,
        scope: Scope,
        listener: Listener,
        clock: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._store = store
        self._journal = journal
        self._scope = scope
        self._listener = listener
        self._clock = clock
        self._pushed: set[Digest] = set()
        self._outcomes: list[Put] = []
        self._tags: list[tuple[str, Digest | None, Digest | None]] = []
        self._kept: tuple[Digest, ...] = ()
        self._referrers: list[Digest] = []
        self._refill: Record | None = None

    def look(self, tag: Tag) -> bool:
        """Whether the tag is still to be written; False if it holds the new bytes. Raises Conflict."""
        found = self._store.head(tag.name)
        if found is not None and found.digest == tag.document.digest:
            return False
        try:
            check_expected(tag.name, _expect(tag), found.digest if found else None, self._store.label)
        except Conflict as error:
            self._explain(error)
            raise
        return True

    def back_up(self, deletes: Sequence[Delete]) -> None:
        """Keep every document that a tag is about to lose, once the change itself can be noted."""
        written = [tag.name for tag in self._plan.tags if not tag.is_kept]
        self._journal.check_writable(self._plan.target, written)
        kept = [tag.base for tag in self._plan.tags if tag.base] + [step.base for step in deletes]
        documents = {document.digest: document for document in (*kept, *self._plan.replaced)}
        if documents:
            self._journal.keep(documents.values())
        self._kept = tuple(documents)

    def note_refill(self, content: Iterable[PutBlob | CopyFrom | PutManifest]) -> None:
        """Note that what is brought back belongs below the one tag of the plan, which keeps what it holds."""
        match self._plan.tags:
            case (tag,) if tag.is_kept:
                stored = [_digest(step) for step in content if not isinstance(step, PutBlob)]
                self._refill = self._announce(tag.name, tag.document.digest, tag.document.digest, stored)

    def put(self, content: Sequence[PutBlob | CopyFrom | PutManifest]) -> None:
        """Blobs and children side by side, then images; what may share a fallback tag, and indexes, one by one."""
        manifests = [step for step in content if isinstance(step, PutManifest)]
        alone = [step for step in manifests if view(step.document).subject is not None]  # may share a fallback tag
        alone += [step for step in manifests if step not in alone and mediatype.is_index(step.document.media_type)]
        self._side_by_side(step for step in content if not isinstance(step, PutManifest))
        self._side_by_side(step for step in manifests if step not in alone)
        self._one_by_one(alone)

    def _side_by_side(self, steps: Iterable[PutBlob | CopyFrom | PutManifest]) -> None:
        lanes: dict[object, list[PutBlob | CopyFrom | PutManifest]] = {}
        for number, step in enumerate(steps):
            subject = step.subject if isinstance(step, CopyFrom) else None
            lanes.setdefault(subject or number, []).append(step)
        with TaskGroup(self._scope, self._store.traits.concurrency) as group:
            for lane in lanes.values():
                group.spawn(self._one_by_one, lane)

    def _one_by_one(self, steps: Iterable[PutBlob | CopyFrom | PutManifest]) -> None:
        for step in steps:
            self._put_one(step)

    def _put_one(self, step: PutBlob | CopyFrom | PutManifest) -> None:
        match step:
            case PutBlob(descriptor, source, label):
                self._listener(Started(str(descriptor.digest), label, descriptor.size))
                outcome = self._store.put_blob(descriptor, source)
                self._listener(Done(str(descriptor.digest), outcome.value, descriptor.size))
            case PutManifest(document, label):
                key = str(document.digest)
                self._listener(Started(key, label or f"manifest {document.digest.short}", document.size))
                outcome = Put.EXISTED if self._store.head(key) else Put.STORED
                # A run that was killed may have stored a referrer that the fallback tag does not list yet.
                if outcome is Put.STORED or not is_found(self._store, document):
                    self._patiently(lambda: put_referrer(self._store, document, scope=self._scope))
                    self._pushed.add(document.digest)
                if outcome is Put.STORED and view(document).subject is not None:
                    self._referrers.append(document.digest)
                self._listener(Done(key, outcome.value, document.size))
            case CopyFrom(origin, descriptor, trust=trust, anew=anew):
                report = copy(
                    origin,
                    str(descriptor.digest),
                    self._store,
                    scope=self._scope,
                    trust=trust,
                    anew=anew,
                    listener=self._listener,
                )
                if anew:
                    self._check_healed(descriptor.digest)
                sent = report.manifests_sent + sum(n for put, n in report.puts.items() if put is not Put.EXISTED)
                outcome = Put.STORED if sent else Put.EXISTED
                self._pushed.add(descriptor.digest)
        self._outcomes.append(outcome)

    def _check_healed(self, digest: Digest) -> None:
        """Raise DigestMismatch if other bytes are still served under a digest whose own were put there again."""
        try:
            self._store.get_manifest(str(digest))
        except DigestMismatch as error:
            error.add_note(f"{self._store.label} took the right bytes and kept the others, as most registries do")
            error.hint = (
                "delete the manifest and let the registry collect its garbage, then repair again; "
                f"or drop the entry: ocitool index remove REF --digest {digest}"
            )
            raise

    def tag(self, tag: Tag) -> None:
        """Look, write, note, settle, look. Raises Conflict if anybody came between."""
        began = self._clock()
        if not self.look(tag):
            self._tags.append((tag.name, tag.document.digest, tag.document.digest))
            self._settle_refill()
            return
        before = tag.base.digest if tag.base else None
        record = self._announce(tag.name, before, tag.document.digest, self._referrers)
        try:
            self._patiently(lambda: self._store.put_manifest(tag.document, tag.name, expect=_expect(tag)))
        except Conflict as error:
            self._journal.forget(record)
            self._explain(error)
            raise
        record = self._journal.settle(record)
        if not self._store.traits.compares_tags:
            self._scope.sleep(max(SETTLE_S, self._clock() - began))
            found = self._store.head(tag.name)
            if found is None or found.digest != tag.document.digest:
                self._journal.forget(record)
                now = f"holds {found.digest}" if found else "is gone"
                conflict = Conflict(
                    f"{tag.name} in {self._store.label} was written by somebody else right after us: it {now}",
                    tag=tag.name,
                    expected=str(tag.document.digest),
                    found=str(found.digest) if found else "",
                    hint="their change stands and ours is lost; look at it and run the command again",
                )
                self._explain(conflict)
                raise conflict
        self._tags.append((tag.name, before, tag.document.digest))

    def _settle_refill(self) -> None:
        if self._refill is None:
            return
        if Put.STORED in self._outcomes:
            self._journal.settle(self._refill)
        else:  # all of it was there
            self._journal.discard(self._refill)

    def delete(self, step: Delete) -> None:
        """Remove a name that still holds what it held, a referrer also from its list. Raises Conflict."""
        found = self._store.head(step.name)
        if found is None:
            return
        check_expected(step.name, Expect(step.base.digest), found.digest, self._store.label)
        record = None if step.name == str(step.base.digest) else self._announce(step.name, step.base.digest, None)
        self._store.delete(step.name)
        subject = view(step.base).subject
        if record is None and subject is not None:
            drop_referrer(self._store, subject.digest, step.base.digest, scope=self._scope)
        if record is not None:
            self._journal.settle(record)
        self._tags.append((step.name, step.base.digest, None))

    def _announce(
        self, tag: str, before: Digest | None, after: Digest | None, stored: Iterable[Digest] = ()
    ) -> Record:
        """Note the change before it is made: whoever dies over it can still take it back."""
        return self._journal.announce(
            self._plan.target, tag, before, after, undoes=self._plan.undoes, stored=stored
        )

    def report(self) -> ChangeReport:
        existed = self._outcomes.count(Put.EXISTED)
        return ChangeReport(
            self._plan.target, tuple(self._tags), len(self._outcomes) - existed, existed, self._kept
        )

    def _patiently(self, write: Callable[[], object]) -> None:
        """Do a write, and again when a registry does not know yet what it took a moment ago (K115)."""
        for wait_s in (0.5, 1.5, None):
            try:
                write()
            except RegistryError as error:
                if wait_s is None or not self._is_late(error):
                    raise
                self._scope.sleep(wait_s)
            else:
                return

    def _is_late(self, error: RegistryError) -> bool:
        said = " ".join(f"{message} {detail}" for _, message, detail in error.diagnostics)
        return error.has(*_LATE) and any(digest in said for digest in self._pushed)

    def _explain(self, error: Conflict) -> None:
        if written := [name for name, before, after in self._tags if before != after]:
            error.add_note(f"written before that: {', '.join(written)}")
        if self._pushed:
            error.add_note(f"{len(self._pushed)} manifests of ours stay in {self._store.label} without a tag")


def _digest(step: CopyFrom | PutManifest) -> Digest:
    return step.descriptor.digest if isinstance(step, CopyFrom) else step.document.digest


def _expect(tag: Tag) -> Expect:
    return Expect(tag.base.digest if tag.base else None)
