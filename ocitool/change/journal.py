"""The record of our changes, and the bytes that stood there before: the memory that undo works from.

    ROOT/oci-layout, index.json, blobs/     the old documents, an OCI layout anybody can read
    ROOT/records/KEY/NUMBER.json            one change of one tag; KEY is derived from target and tag
    ROOT/records/KEY/NUMBER.pending         one that is about to be written, or whose writer died over it
    ROOT/records/KEY/NUMBER.undone          one that was taken back

A backup is bytes on this machine first, because a registry may have dropped children of the old index
and then refuses to take it back. A change is noted before it is made, so that none is made unnoted.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocitool.errors import MalformedDocument, OcitoolError, local_io
from ocitool.events import Listener, Noted
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree, parse
from ocitool.model.files import temporary_in
from ocitool.model.numbers import is_digits
from ocitool.model.views import Descriptor
from ocitool.store.base import Reader, called
from ocitool.store.machine import MachineStore
from ocitool.values import dataclass, replace

if TYPE_CHECKING:
    from ocitool.store.layout import LayoutStore

REPOSITORY: Final = "*"
"""Stands for a tag in the record of what was taken away from a repository as a whole; no tag is called so."""
_MADE: Final = ".json"
_PENDING: Final = ".pending"
_UNDONE: Final = ".undone"


@dataclass(frozen=True, slots=True)
class Sibling:
    """A tag beside the one that a change was made for: what it held before and after, and what it gained.

    `gained` are entries of a list that several writers share, which leave it again when the change is taken back.
    """

    tag: str
    before: Digest | None
    after: Digest
    gained: tuple[Descriptor, ...]

    def to_tree(self) -> dict[str, Any]:
        """The sibling as it is stored."""
        gained = [entry.to_tree() for entry in self.gained]
        return {"tag": self.tag, "before": self.before, "after": self.after, "gained": gained}

    @classmethod
    def from_tree(cls, tree: JsonTree) -> "Sibling":
        """What was stored. Raises MalformedDocument, KeyError or TypeError for something else."""
        gained = tuple(Descriptor.from_tree(entry, f"/gained/{n}") for n, entry in enumerate(tree["gained"]))
        before = Digest(tree["before"]) if tree["before"] else None
        return cls(str(tree["tag"]), before, Digest(tree["after"]), gained)


@dataclass(frozen=True, slots=True)
class Record:
    """One change of one tag: what it held before and after (None for nothing), and when, in epoch seconds.

    `undoes` is the number of the change that this one takes back, 0 for an ordinary one. `stored` are manifests
    that were put there beside the tag: all of a refill, which leaves the tag as it is, else what refers to others.
    An attachment may leave the tag as it is too: it was made of `siblings`, of `attached`, which refer to what the
    tag or a child of it holds, and of `detached`, which did so before. What was deleted took along manifests, which
    are `removed`, and tags, which are `untagged` with what they held.
    """

    target: str
    tag: str
    before: Digest | None
    after: Digest | None
    when: int
    path: Path
    undoes: int = 0
    stored: tuple[Digest, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    attached: tuple[Digest, ...] = ()
    detached: tuple[Digest, ...] = ()
    removed: tuple[Digest, ...] = ()
    untagged: tuple[tuple[str, Digest], ...] = ()

    @property
    def is_attachment(self) -> bool:
        """Whether something beside the tag was changed, as by signing."""
        return bool(self.siblings or self.attached or self.detached)

    @property
    def keeps_tag(self) -> bool:
        """Whether the tag itself was left as it was."""
        return self.before == self.after

    @property
    def is_refill(self) -> bool:
        """Whether only what was lost was put back, under a tag that keeps what it holds."""
        return self.before == self.after and not self.is_attachment

    @property
    def number(self) -> int:
        """The place in the sequence of the tag's changes, from 1."""
        return int(self.path.name[:8])

    @property
    def is_pending(self) -> bool:
        """Whether it may never have been made: only the tag itself can say."""
        return self.path.suffix == _PENDING

    def to_tree(self) -> dict[str, Any]:
        """The record as it is stored."""
        tree: dict[str, Any] = {
            "target": self.target,
            "tag": self.tag,
            "before": self.before,
            "after": self.after,
            "when": self.when,
            "undoes": self.undoes,
            "stored": list(self.stored),
        }
        if self.removed or self.untagged:
            tree |= {"removed": list(self.removed), "untagged": dict(self.untagged)}
        if not self.is_attachment:
            return tree
        return tree | {
            "siblings": [sibling.to_tree() for sibling in self.siblings],
            "attached": list(self.attached),
            "detached": list(self.detached),
        }


class Journal:
    """A folder of backups and records; made when first written. Safe for several processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of(cls, machine: MachineStore) -> "Journal | None":
        """The journal in this machine's store; None for a store that is gone after this run."""
        return cls(machine.backup) if machine.lasts else None

    def keep(self, documents: Iterable[Document]) -> None:
        """Store documents as backup, each named by its digest. Raises LocalIOError."""
        store = self._layout(create=True)
        with store.batch():
            for document in documents:
                store.put_manifest(document, str(document.digest).replace(":", "-"))

    def document(self, digest: Digest) -> Document | None:
        """A document that was kept, None if it was not or is gone."""
        return self.documents([digest]).get(digest)

    def documents(self, digests: Iterable[Digest]) -> dict[Digest, Document]:
        """Those of some documents that were kept and are not gone."""
        if not (self.root / "oci-layout").is_file():
            return {}
        store = self._layout()
        return {one: store.get_manifest(str(one)) for one in digests if store.head(str(one)) is not None}

    def _layout(self, *, create: bool = False) -> "LayoutStore":
        from ocitool.store.layout import LayoutStore

        return LayoutStore(self.root, create=create)

    def check_writable(self, target: str, tags: Iterable[str]) -> None:
        """Raise LocalIOError now, before anything is sent, if changes of these tags could not be noted."""
        for tag in tags:
            folder = self._folder(target, tag)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe = temporary_in(folder)
                probe.write_bytes(bytes(4096))  # about what a note takes on a disk
                probe.unlink()
            except OSError as error:
                raise local_io(error, f"note changes in {folder}") from error

    def announce(
        self,
        target: str,
        tag: str,
        before: Digest | None,
        after: Digest | None,
        *,
        undoes: int = 0,
        stored: Iterable[Digest] = (),
        siblings: Iterable[Sibling] = (),
        attached: Iterable[Digest] = (),
        detached: Iterable[Digest] = (),
        removed: Iterable[Digest] = (),
        untagged: Iterable[tuple[str, Digest]] = (),
    ) -> Record:
        """Note a change that is about to be made. Raises LocalIOError."""
        folder = self._folder(target, tag)
        more = (
            tuple(stored),
            tuple(siblings),
            tuple(attached),
            tuple(detached),
            tuple(removed),
            tuple(untagged),
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while True:
                number = max(
                    (int(path.name[:8]) for path in folder.iterdir() if is_digits(path.name[:8])), default=0
                )
                path = folder / f"{number + 1:08}{_PENDING}"
                record = Record(target, tag, before, after, int(time.time()), path, undoes, *more)
                temporary = temporary_in(folder)
                temporary.write_text(json.dumps(record.to_tree()))
                try:
                    os.link(temporary, path)  # fails if another process took the number
                except FileExistsError:
                    continue
                finally:
                    temporary.unlink()
                if any(path.with_suffix(suffix).exists() for suffix in (_MADE, _UNDONE)):
                    path.unlink()  # taken and settled since the folder was read: settling ours would write over it
                    continue
                return record
        except OSError as error:
            raise local_io(error, f"note the change in {folder}") from error

    def settle(self, record: Record) -> Record:
        """Note that an announced change was made. Raises LocalIOError."""
        path = record.path.with_suffix(_MADE)
        try:
            record.path.rename(path)
        except OSError as error:
            raise local_io(error, f"note the change in {path.parent}") from error
        return replace(record, path=path)

    def discard(self, record: Record) -> None:
        """Drop the note of a change that turned out to be none. Raises LocalIOError."""
        try:
            record.path.unlink(missing_ok=True)
        except OSError as error:
            raise local_io(error, f"drop the note {record.path}") from error

    def changes(self, target: str, tag: str) -> Iterator[Record]:
        """The changes of this tag that were not taken back, the newest first; pending ones are among them."""
        folder = self._folder(target, tag)
        if folder.is_dir():
            paths = [path for path in folder.iterdir() if path.suffix in {_MADE, _PENDING}]
            yield from map(_read, sorted(paths, key=lambda path: path.name[:8], reverse=True))

    def forget(self, record: Record) -> None:
        """Mark a change as taken back, or as never made."""
        try:
            record.path.rename(record.path.with_suffix(_UNDONE))
        except FileNotFoundError:
            return
        except OSError as error:
            raise local_io(error, f"note the undo in {record.path.parent}") from error

    def _folder(self, target: str, tag: str) -> Path:
        """Where the changes of a tag are; a layout is known by its absolute path, wherever it is named from."""
        scheme, colon, path = target.partition(":")
        place = f"oci:{Path(path).absolute()}" if colon and scheme == "oci" else target
        key = f"{place}\n{tag}".encode(errors="surrogateescape")  # a path may be any bytes
        return self.root / "records" / Digest.of(key).hex[:32]


def unfinished(journal: Journal, target: str) -> tuple[Digest, ...]:
    """The manifests that runs meant to take away from a repository as a whole, and died over."""
    pending = (record for record in journal.changes(target, REPOSITORY) if record.is_pending)
    return tuple(dict.fromkeys(digest for record in pending for digest in record.removed))


def _read(path: Path) -> Record:
    try:
        tree = parse(path.read_bytes())
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    try:
        return Record(
            target=str(tree["target"]),
            tag=str(tree["tag"]),
            before=Digest(tree["before"]) if tree["before"] else None,
            after=Digest(tree["after"]) if tree["after"] else None,
            when=int(tree["when"]),
            path=path,
            undoes=int(tree.get("undoes", 0)),
            stored=tuple(map(Digest, tree.get("stored", ()))),
            siblings=tuple(map(Sibling.from_tree, tree.get("siblings", ()))),
            attached=tuple(map(Digest, tree.get("attached", ()))),
            detached=tuple(map(Digest, tree.get("detached", ()))),
            removed=tuple(map(Digest, tree.get("removed", ()))),
            untagged=tuple((str(name), Digest(held)) for name, held in dict(tree.get("untagged", {})).items()),
        )
    except (KeyError, TypeError, ValueError, MalformedDocument):
        raise MalformedDocument(f"{path} is not a record of a change", where=str(path)) from None


class WarnOnce:
    """What lets a push go on where old bytes cannot be kept: the listener hears one warning, with the digest."""

    def __init__(self, target: Reader, listener: Listener) -> None:
        self._target, self._listener = target, listener
        self._told = False

    def __call__(self, tag: str, before: Digest | None, error: OcitoolError) -> None:
        """Warn of the first tag that held something."""
        if before is None or self._told:
            return
        self._told = True
        place = called(self._target, tag)
        undo = f"ocitool undo {place} --to {before}"
        self._listener(Noted(f"{place} held {before}, which is not kept here: {error}; {undo} brings it back"))
