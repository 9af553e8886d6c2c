"""Carry out a plan: the only place that compares a tag and then writes it.

There is no conditional write in the distribution protocol, and registries ignore If-Match. So the tag is
looked at right before the write, and again after at least as long as look and write took: whoever came
between is seen by one of the two, and the one who lost raises Conflict. The first look of a single tag stands
beside the last manifests. A store that compares under its own lock needs no second look, and what takes nothing
from a tag that was not there needs none either: nothing of anybody is at stake.
Old bytes are kept on this machine before a tag is written.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final

from ocitool.change.content import ContentWriter
from ocitool.change.difference import is_carried
from ocitool.change.journal import REPOSITORY, Journal, Record
from ocitool.change.plan import ContentStep, CopyFrom, Delete, Plan, PutBlob, PutManifest, PutSnapshot, Tag
from ocitool.change.removal import Remover
from ocitool.errors import (
    AuthError,
    Conflict,
    DigestMismatch,
    LocalIOError,
    MalformedDocument,
    NetworkError,
    NotFound,
    OcitoolError,
    RegistryError,
    SeveralErrors,
    Unsupported,
)
from ocitool.events import Done, Listener, Noted, silent
from ocitool.graph.copy import CopyReport, kept_elsewhere
from ocitool.graph.referrers import put_referrer
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor
from ocitool.store.base import Batching, Expect, Put, Store
from ocitool.store.verify import check_expected
from ocitool.tasks import Scope, TaskGroup, collect
from ocitool.values import dataclass, field

SETTLE_S: Final = 0.05
"""Shortest wait before the second look, in seconds; a guess at how far two writers' clocks of events differ."""
FEW: Final = 8
"""So many tags are written one after the other, in their order; a guess at what is no burden."""
ATTEMPTS: Final = 5
"""How often a push writes a tag again that a store found changed; a guess."""


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What was done: tags with what they held before and hold now, and how much content was stored.

    `copies` are what was copied or published, one report for each manifest that came with all below it. `names` are
    the tags that were asked for, also those that were left alone, with what they hold now.
    """

    target: str
    tags: tuple[tuple[str, Digest | None, Digest | None], ...] = ()
    stored: int = 0
    existed: int = 0
    backups: tuple[Digest, ...] = field(default=())
    copies: tuple[CopyReport, ...] = ()
    names: tuple[tuple[str, Digest], ...] = ()

    @property
    def digest(self) -> Digest | None:
        """What the first of the names holds now; None where it is gone."""
        return self.names[0][1] if self.names else None

    @property
    def changed(self) -> bool:
        """Whether any tag holds something else than before."""
        return any(before != after for _, before, after in self.tags)

    @property
    def replaced(self) -> tuple[tuple[str, Digest], ...]:
        """The tags that held something else, and what that was."""
        return tuple((tag, before) for tag, before, after in self.tags if before is not None and before != after)

    def to_tree(self) -> dict[str, Any]:
        """The report for JSON output."""
        return {
            "target": self.target,
            "changed": self.changed,
            "tags": [{"tag": tag, "before": before, "after": after} for tag, before, after in self.tags],
            "replaced": [{"tag": tag, "digest": digest} for tag, digest in self.replaced],
            "stored": self.stored,
            "existed": self.existed,
            "backups": list(self.backups),
        }


def refuse(_tag: str, _before: Digest | None, error: OcitoolError) -> None:
    """Stop a change that cannot be taken back: raise `error`."""
    raise error


def _nothing(tag: str, before: Document) -> None:
    """What is called where nobody asked to be told."""


def apply(
    plan: Plan,
    store: Store,
    journal: Journal | None,
    scope: Scope,
    listener: Listener = silent,
    *,
    width: int = 16,
    unkept: Callable[[str, Digest | None, OcitoolError], None] = refuse,
    replacing: Callable[[str, Document], None] = _nothing,
    clock: Callable[[], float] = time.monotonic,
) -> ChangeReport:
    """Do what the plan says, or raise Conflict if a tag no longer holds what it held when the plan was made.

    Order: look, back up, blobs, children, manifests, look again, note, tags, settle, look, deletes. At most `width`
    things are done at once; `clock` counts seconds. On Conflict before a tag is written nothing is visible under
    it; content that was already stored stays under its digests and is named in a note. A tag that holds the wanted
    bytes already is left alone; if content was put back below it, that is noted as a change of its own.

    Where the old bytes or the change cannot be kept, as without a journal, `unkept` is told the tag, what it held
    and why, and stops the change by raising; what it lets pass can only be undone while the registry has the old
    bytes. `replacing` is told what a tag holds before a push writes over it.
    """
    if plan.is_empty:
        return ChangeReport(plan.target, names=_held(plan, store, {}))
    plan.check_sizes()
    work = _Work(
        plan,
        store,
        journal,
        scope=scope,
        listener=listener,
        width=width,
        unkept=unkept,
        replacing=replacing,
        clock=clock,
    )
    content = [step for step in plan.steps if not isinstance(step, Tag | Delete)]
    deletes = [step for step in plan.steps if isinstance(step, Delete)]
    if content:  # fail before an upload rather than after it
        for tag in plan.tags:
            if not tag.takes_over:
                work.look(tag)
    work.back_up(deletes)
    work.check_unmoved()
    work.note_refill(content)
    work.put(content)
    work.tag(plan.tags)
    work.delete()
    return work.report()


class _Work:
    """One run of `apply`: what has been pushed and written so far."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        journal: Journal | None,
        *,
        scope: Scope,
        listener: Listener,
        width: int,
        unkept: Callable[[str, Digest | None, OcitoolError], None],
        replacing: Callable[[str, Document], None],
        clock: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._store = store
        self._width = width
        self._journal = journal if store.traits.edits else None
        self._scope = scope
        self._listener = listener
        self._unkept = unkept
        self._replacing = replacing
        self._clock = clock
        tagged = {tag.document.digest for tag in plan.tags if not tag.is_kept}
        self._content = ContentWriter(store, scope, listener, width=width, tagged=tagged)
        self._tags: list[tuple[str, Digest | None, Digest | None]] = []
        self._kept: list[Digest] = []
        self._refill: Record | None = None
        self._attachment: Record | None = None
        self._seen: dict[str, tuple[Digest | None, Document | None]] = {}
        self._latest: dict[str, tuple[float, Digest | None]] = {}
        self._remover = Remover(plan, store, scope, width=width, note=self._note_removal)

    def look(self, tag: Tag) -> bool:
        """Whether the tag is still to be written; False if it holds the new bytes. Raises Conflict."""
        held = self._taken(tag)
        if held == tag.document.digest:
            return False
        try:
            check_expected(tag.name, _expect(tag), held, self._store.label)
        except Conflict as error:
            self._explain(error)
            raise
        return True

    def _taken(self, tag: Tag) -> Digest | None:
        """What a tag holds, as it was seen beside the last manifests or else now; a look is used once."""
        found = self._latest.pop(tag.name, None)
        return self._held(tag) if found is None else found[1]

    def _held(self, tag: Tag) -> Digest | None:
        if not tag.replaces and tag.base is None and not self._store.traits.compares_tags:
            return self._read(tag.name)[0]  # nothing, most likely, and a HEAD that finds nothing is asked again
        found = self._store.head(tag.name)
        return found.digest if found is not None else None

    def back_up(self, deletes: Sequence[Delete]) -> None:
        """Keep every document that a tag is known to lose, once the change itself can be noted."""
        planned = [tag for tag in self._plan.tags if not tag.replaces]
        written = [tag.name for tag in planned if not tag.is_kept]
        written += [name for step in deletes for name in ((step.name,) if step.is_tag else step.tags)]
        documents = [tag.base for tag in planned if tag.base] + [step.base for step in deletes]
        first = next((tag for tag in planned if tag.base and not tag.is_kept), None)
        self._keep(
            [*documents, *self._plan.replaced],
            first.name if first else next(iter(written), ""),
            first.base.digest if first and first.base else next((step.base.digest for step in deletes), None),
            written,
        )

    def _keep(
        self, documents: Iterable[Document], tag: str, before: Digest | None, written: Iterable[str] = ()
    ) -> None:
        """Put documents into the backup before anything is lost; where that cannot be, ask whether to go on."""
        distinct = {document.digest: document for document in documents}
        if self._journal is None:
            if distinct and before is not None and self._store.traits.edits:
                self._unkept(tag, before, LocalIOError("there is no backup on this machine to keep it in"))
            return
        try:
            self._journal.check_writable(self._plan.target, written)
            if distinct:
                self._journal.keep(distinct.values())
        except LocalIOError as error:
            self._unkept(tag, before, error)
            self._journal = None
        else:
            self._kept += distinct

    def note_refill(self, content: Iterable[ContentStep]) -> None:
        """Note what is put back or attached below the first tag of the plan, where that keeps what it holds."""
        match self._plan.tags:
            case (tag, *others) if self._plan.attaches and self._plan.undoes is None:
                if tag.is_kept:
                    held = tag.document.digest
                    self._attachment = self._announce(tag.name, held, held, **self._beside(others))
            case (tag,) if tag.is_kept and content:
                stored = [_digest(step) for step in content if not isinstance(step, PutBlob)]
                self._refill = self._announce(tag.name, tag.document.digest, tag.document.digest, stored=stored)

    def put(self, content: Sequence[ContentStep]) -> None:
        """Store the content, and look meanwhile: at tags that are taken over, and last at a single one."""
        tags = [tag for tag in self._plan.tags if tag.name and (tag.replaces or content)]
        over = [tag for tag in tags if tag.takes_over]
        with batched(self._store), TaskGroup(self._scope, min(len(over), self._width) + 1) as group:
            beside = [partial(self._look_beside, tag) for tag in tags] if len(tags) == 1 else []
            group.spawn(self._content.put, content, group.scope, beside)
            for tag in over:
                group.spawn(self._look_early, tag)

    def _look_early(self, tag: Tag) -> None:
        if tag.replaces:
            self._seen[tag.name] = self._read(tag.name)
        else:
            self.look(tag)

    def _look_beside(self, tag: Tag) -> None:
        """Look at a tag that is about to be written; the wait after that is as long as the time since now."""
        began = self._clock()
        if self._store.traits.compares_tags or (tag.replaces and not self._is_in_the_way(tag)):
            return
        self._latest[tag.name] = began, self._held(tag)

    def _is_in_the_way(self, tag: Tag) -> bool:
        """Whether a tag that is written over was seen to hold something else."""
        digest, _ = self._seen.get(tag.name, (None, None))
        return digest not in {None, tag.document.digest}

    def tag(self, tags: Sequence[Tag]) -> None:
        """Write the tags: one after the other, many side by side, or all in one write where the store can.

        What stands beside a tag that is written goes before it, so that nobody finds the tag without.
        """
        if tags and self._plan.attaches and self._plan.undoes is None and not tags[0].is_kept:
            tags = sorted(tags, key=lambda tag: self._is_asked(tag.name))
        if isinstance(self._store, Batching):
            self._tag_together(tags)
        elif len(tags) <= FEW or self._plan.attaches:
            for tag in tags:
                self._tag_together([tag])
        else:
            self._tag_side_by_side(tags)

    def _tag_side_by_side(self, tags: Sequence[Tag]) -> None:
        """Write many tags; after one that fails no other is begun, and those under way come to their end."""
        failed: list[OcitoolError] = []

        def write(tag: Tag) -> None:
            if failed:
                return
            try:
                self._tag_together([tag])
            except OcitoolError as error:
                failed.append(error)

        collect(self._scope, write, tags, min(self._width, self._store.traits.concurrency))
        if failed:
            raise failed[0] if len(failed) == 1 else SeveralErrors(failed)
        order = {tag.name: number for number, tag in enumerate(tags)}
        self._tags.sort(key=lambda done: order[done[0]])

    def _tag_together(self, tags: Sequence[Tag], attempt: int = 1) -> None:
        """Look, keep, note, write, settle, look. Raises Conflict if anybody came between."""
        began = min([self._clock(), *(self._latest[tag.name][0] for tag in tags if tag.name in self._latest)])
        due = [(tag, before) for tag in tags for before in self._due(tag)]
        records = [self._note(tag, before) for tag, before in due]
        try:
            with batched(self._store):
                for tag, before in due:
                    self._write(tag, before)
        except Conflict as error:
            for record in records:
                self._forget(record)
            again = [tag for tag, _ in due]
            if attempt < ATTEMPTS and any(tag.replaces for tag in again):  # what somebody wrote gives way too
                self._seen |= {tag.name: self._read(tag.name) for tag in again if tag.replaces and tag.name}
                self._tag_together(again, attempt + 1)
                return
            self._explain(error)
            raise
        records = [self._settled(record) for record in records]
        for (tag, before), record in zip(due, records, strict=True):
            after = tag.document.digest
            if not (self._store.traits.compares_tags or (tag.takes_over and before is None)):
                self._scope.sleep(max(SETTLE_S, self._clock() - began))
                after = self._verified(tag, record)
            if tag.replaces:
                self._listener(Done(str(tag.document.digest), "tagged", tag.document.size))
            self._tags.append((tag.name, before, after))

    def _note(self, tag: Tag, before: Digest | None) -> Record | None:
        """Note that a tag is about to be written, with what is beside it; what is beside has no note of its own."""
        after, more = tag.document.digest, {}
        if self._plan.attaches:
            asked = [one for one in self._plan.tags if self._is_asked(one.name)]
            if tag not in asked or tag.is_kept or self._plan.undoes is not None:
                return None
            if len(asked) == 1:  # else what is beside belongs to several, and stays when one of them is taken back
                more = self._beside([one for one in self._plan.tags if one not in asked])
        stored = [digest for digest in self._content.referrers if digest not in more.get("attached", ())]
        return self._announce(tag.name, before, after, stored=stored, **more)

    def _beside(self, others: Iterable[Tag]) -> dict[str, Any]:
        """What is noted of tags and referrers that stand beside the tag."""
        from ocitool.change.attachment import beside

        return beside(self._plan, others)

    def _due(self, tag: Tag) -> Iterator[Digest | None]:
        """What the tag holds, if it is to be written; nothing for one that holds the new bytes. Raises Conflict."""
        before = self._replaced(tag) if tag.replaces else tag.base.digest if tag.base else None
        if before != tag.document.digest if tag.replaces else self.look(tag):
            yield before
            return
        if tag.document.digest in self._content.lacking:  # under the tag, and yet not there by its digest
            put_referrer(self._store, tag.document, scope=self._scope)
        self._tags.append((tag.name, tag.document.digest, tag.document.digest))
        self._settle_refill()

    def _replaced(self, tag: Tag) -> Digest | None:
        """What a tag holds that is written over, once that is kept; None for nothing.

        The early look is believed where it found nothing or the new bytes. Else the tag is looked at again right
        before it is written, and read again if it changed.
        """
        digest, held = self._seen.get(tag.name, (None, None))
        if not self._is_in_the_way(tag):
            return digest
        found = self._taken(tag)
        if found is None or found == tag.document.digest:
            return found
        try:
            if held is None or held.digest != found:
                held = self._store.get_manifest(str(found))
        except (AuthError, DigestMismatch, MalformedDocument, NetworkError, NotFound, RegistryError) as error:
            self._unkept(tag.name, found, error)
            return found
        self._replacing(tag.name, held)
        self._keep([held], tag.name, held.digest, [tag.name])
        return held.digest

    def _read(self, name: str) -> tuple[Digest | None, Document | None]:
        """What a tag holds, and its bytes if they can be read: by GET, since a HEAD that finds nothing may lie."""
        try:
            document = self._store.get_manifest(name)
        except NotFound:
            return None, None
        except (AuthError, DigestMismatch, MalformedDocument, NetworkError, RegistryError):
            found = self._store.head(name)
            return (found.digest, None) if found is not None else (None, None)
        return document.digest, document

    def _write(self, tag: Tag, before: Digest | None) -> None:
        expect = Expect(before) if tag.name else None
        with kept_elsewhere(self._content.skipped):
            self._content.patiently(
                lambda: put_referrer(self._store, tag.document, tag.name, scope=self._scope, expect=expect)
            )
        self._content.lacking.discard(tag.document.digest)

    def _verified(self, tag: Tag, record: Record | None) -> Digest:
        """What the tag holds: what was written, or an index of another writer who kept that. Raises Conflict."""
        found = self._store.head(tag.name)
        if found is not None and (found.digest == tag.document.digest or self._is_carried(tag, found)):
            return found.digest
        self._forget(record)
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

    def _is_carried(self, tag: Tag, found: Descriptor) -> bool:
        """Whether another writer of an index had read ours and built upon it: then nothing is lost (K267)."""
        if tag.replaces or not mediatype.is_index(tag.document.media_type):
            return False
        try:
            theirs = self._store.get_manifest(str(found.digest))
            is_kept = is_carried(tag.base, tag.document, theirs)
        except (AuthError, DigestMismatch, MalformedDocument, NetworkError, NotFound, RegistryError):
            return False
        if is_kept:
            what = f"{tag.name} in {self._store.label} holds {found.digest} now"
            self._listener(Noted(f"{what}: somebody else changed it right after us, and kept our change", "notice"))
        return is_kept

    def _settle_refill(self) -> None:
        if self._refill is None:
            return
        if Put.STORED in self._content.outcomes:
            self._settled(self._refill)
        elif self._journal is not None:  # all of it was there
            self._journal.discard(self._refill)

    def check_unmoved(self) -> None:
        """Raise Conflict where the repository is not what it was when the plan was made, if that matters to it."""
        self._remover.check_unmoved()

    def delete(self) -> None:
        """Remove what the plan deletes, and note all of it as one change if the plan says so."""
        whole = self._plan.removal
        if whole is None:
            self._remove()
            return
        record = self._announce(REPOSITORY, None, None, removed=whole.manifests, untagged=whole.tags)
        try:
            self._remove()
        except (AuthError, Conflict, Unsupported):
            if record is not None and self._journal is not None and not self._remover.removed:
                self._journal.discard(record)  # refused at once
            raise
        if self._journal is not None:
            for one in list(self._journal.changes(self._plan.target, REPOSITORY)):
                if one.is_pending:  # ours, and those of runs that died, whose rest went with ours
                    self._journal.settle(one)

    def _remove(self) -> None:
        try:
            self._remover.remove()
        except Conflict as error:
            self._explain(error)
            raise
        finally:
            self._tags += [(name, before, None) for name, before in self._remover.removed]

    def _note_removal(self, name: str, before: Digest, step: Delete) -> Callable[[], object]:
        record = self._announce(
            name,
            before,
            None,
            removed=step.along.manifests,
            untagged=step.along.tags if step.is_tag or name != step.name else _with_tags(step),
        )
        return lambda: self._settled(record)

    def _announce(
        self,
        tag: str,
        before: Digest | None,
        after: Digest | None,
        **beside: Any,  # noqa: ANN401 - the journal's
    ) -> Record | None:
        """Note the change before it is made: whoever dies over it can still take it back."""
        if self._journal is None or not tag:
            return None
        undone = self._plan.undoes
        undoes = undone.number if undone is not None and undone.tag == tag else 0
        try:
            return self._journal.announce(self._plan.target, tag, before, after, undoes=undoes, **beside)
        except LocalIOError as error:
            self._unkept(tag, before, error)
            self._journal = None
            return None

    def _settled(self, record: Record | None) -> Record | None:
        return self._journal.settle(record) if record is not None and self._journal is not None else None

    def _forget(self, record: Record | None) -> None:
        if record is not None and self._journal is not None:
            self._journal.forget(record)

    def report(self) -> ChangeReport:
        self._settled(self._attachment)
        existed = self._content.outcomes.count(Put.EXISTED)
        return ChangeReport(
            self._plan.target,
            tuple(self._tags),
            len(self._content.outcomes) - existed,
            existed,
            tuple(dict.fromkeys(self._kept)),
            tuple(self._content.copies),
            _held(self._plan, self._store, {tag: after for tag, _, after in self._tags if self._is_asked(tag)}),
        )

    def _is_asked(self, tag: str) -> bool:
        return not self._plan.attaches or tag in self._plan.names

    def _explain(self, error: Conflict) -> None:
        if written := [name for name, before, after in self._tags if before != after]:
            error.add_note(f"written before that: {', '.join(written)}")
        if self._content.pushed:
            error.add_note(
                f"{len(self._content.pushed)} manifests of ours stay in {self._store.label} without a tag"
            )


def batched(store: Store) -> AbstractContextManager[None]:
    """A block whose changes of names a store makes in one write, if it can."""
    return store.batch() if isinstance(store, Batching) else nullcontext()


def _digest(step: CopyFrom | PutSnapshot | PutManifest) -> Digest:
    return step.document.digest if isinstance(step, PutManifest) else step.descriptor.digest


def _with_tags(step: Delete) -> tuple[tuple[str, Digest], ...]:
    """What comes back with a manifest: tags that went along with it, and those that were on it."""
    return (*((tag, step.base.digest) for tag in step.tags), *step.along.tags)


def _expect(tag: Tag) -> Expect:
    return Expect(tag.base.digest if tag.base else None)


def _held(plan: Plan, store: Store, written: Mapping[str, Digest | None]) -> tuple[tuple[str, Digest], ...]:
    """What the tags hold that were written, and then the others that were asked for."""
    left = {name: found.digest for name in plan.names if name not in written and (found := store.head(name))}
    return tuple((tag, digest) for tag, digest in {**written, **left}.items() if digest is not None)
