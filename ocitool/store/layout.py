"""An OCI image layout directory as a store.

Blobs are written to a temporary file and renamed to their digest; `index.json` is edited under a lock
(on the `oci-layout` file) and replaced by rename, so a reader never sees half of anything. It is read again
only when it is another file, and written once for all that a `batch` changes. What stands in it and is not
ours is kept byte for byte. Spec: image-spec image-layout.md.
"""

import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from ocitool.errors import MalformedDocument, NotFound, UsageError, local_io
from ocitool.model import mediatype
from ocitool.model.digest import Digest, Tap, is_digest
from ocitool.model.document import MANIFEST_LIMIT, PRETTY, Document, write
from ocitool.model.files import is_temporary, temporary_beside
from ocitool.model.numbers import MIB
from ocitool.model.views import Descriptor, effective_type, view
from ocitool.store.base import (
    Expect,
    FullNames,
    Pieces,
    Put,
    Source,
    Stored,
    Traits,
    images_among,
    ingested,
    no_names,
    read_file,
    referrers_among,
)
from ocitool.store.layout_index import (
    REF_NAME,
    LayoutEntries,
    LayoutIndex,
    edited,
    is_settled,
    name_of,
    stamp_of,
)
from ocitool.store.verify import check_bytes, opened, verified
from ocitool.tasks import Turns

LAYOUT_FILES: Final = ("oci-layout", "index.json", "blobs")
"""What a layout has at its top (image-spec image-layout.md)."""
INDEX_LIMIT: Final = 64 * MIB
"""Largest index.json that is read, in bytes: a layout may hold more images than any manifest has entries."""
_LARGE: Final = MIB
"""Bytes of a blob that is worth a turn."""
_MARKER: Final = b'{"imageLayoutVersion":"1.0.0"}'


def check_layout_may_be(path: Path) -> None:
    """Raise UsageError for a folder with files in it that is no layout: they would lie among a layout's.

    What a killed run left of a layout is one. What cannot be looked into is told by the first write.
    """
    try:
        names = [] if (path / "oci-layout").exists() else [one.name for one in path.iterdir()]
    except OSError:
        return
    others = [name for name in names if name not in LAYOUT_FILES and not is_temporary(name)]
    if others:
        raise UsageError(
            f"{path} is a folder with other files in it, such as {min(others)}, and no OCI layout",
            hint=f"name a new or empty folder, as in oci:{path / 'image'}",
        )


class LayoutStore:
    """A layout directory; tags are the `ref.name` annotations of `index.json`, "" an entry without a name.

    With `create` a missing layout is made on first write. With `durable` (the default) blobs are flushed to
    the disk before they are visible; a cache can do without. `full_names` are the references that a tag stands for,
    of which the first is noted beside it.
    """

    traits = Traits(referrers="scan", compares_tags=True)

    def __init__(
        self, path: Path, *, create: bool = False, durable: bool = True, full_names: FullNames = no_names
    ) -> None:
        self.path = path
        self.label = f"oci:{path}"
        self._durable = durable
        self._full_names = full_names
        self._lock = threading.Lock()
        self._read: LayoutIndex | None = None
        self._written_last: tuple[tuple[int, ...], Document | None] = ((), None)
        self._batches = 0
        self._turns = Turns(max(4, 2 * (os.cpu_count() or 1)))
        self._waiting: list[Callable[[LayoutEntries], None]] = []
        if create:  # what stands in the way is told by the first write
            return
        try:
            is_layout, is_there = (path / "oci-layout").is_file(), path.exists()
        except OSError as error:
            raise local_io(error, f"read {path}") from error
        if is_there and not is_layout:
            raise NotFound(f"{path} is not an OCI layout: it has no oci-layout file", name=str(path))
        if not is_layout:
            raise NotFound(f"no OCI layout at {path}", name=str(path))

    # Reading

    def head(self, name: str) -> Descriptor | None:
        """The descriptor under a tag, a digest, or "" for the only entry."""
        entry = self._entry(name)
        if entry is not None:
            return entry if self._size(entry.digest) is not None else None
        if ":" not in name or not is_digest(name):
            return None
        digest = Digest(name)
        if self._size(digest) is None:
            return None
        return Descriptor.of(self._document(digest, "", MANIFEST_LIMIT))

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest's bytes, compared with its digest."""
        entry = self._entry(name)
        if entry is not None:
            return self._document(entry.digest, entry.media_type, limit)
        if ":" in name and is_digest(name):
            return self._document(Digest(name), "", limit)
        raise NotFound(
            f"no image {name!r} in {self.label}" if name else f"{self.label} holds no image",
            name=name,
            where=self.label,
            hint=self._offer(),
        )

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a file of that digest and size is there; a torn file of another size is not."""
        return self._size(descriptor.digest) == descriptor.size

    def blob_size(self, digest: Digest) -> int | None:
        """The size of the blob's file in bytes, None if there is none."""
        return self._size(digest)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> Pieces:
        """The blob's bytes, verified when read from the start."""
        path = self.blob_path(descriptor.digest)
        if not path.is_file():
            raise NotFound(
                f"no blob {descriptor.digest} in {self.label}", name=str(descriptor.digest), where=self.label
            )
        if offset:
            return Pieces(lambda: read_file(path, offset))
        return Pieces(lambda: verified(read_file(path), descriptor, self.label))

    def tags(self) -> Iterator[str]:
        """Every name in index.json, in its order."""
        return iter(self._index().tags)

    def entries(self) -> tuple[Descriptor, ...]:
        """The descriptors of index.json."""
        return self._index().entries

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """The manifests listed in index.json whose subject is `digest`."""
        index = self._index()
        if index.referrers is None:
            found: dict[Digest, list[Descriptor]] = {}
            for entry in index.entries:
                document = self._document(entry.digest, entry.media_type, MANIFEST_LIMIT)
                if (subject := view(document).subject) is not None:
                    found.setdefault(subject.digest, []).extend(referrers_among([document], subject.digest))
            index.referrers = found
        return list(index.referrers.get(digest, ()))

    def blob_path(self, digest: Digest) -> Path:
        """Where a blob's file is or would be."""
        return self.path / "blobs" / digest.algorithm / digest.hex

    # Writing

    def put_blob(self, descriptor: Descriptor, source: Source) -> Put:
        """Store the blob after verifying it."""
        if self.has_blob(descriptor):
            return Put.EXISTED
        with ExitStack() as asked:
            asked.enter_context(self._turn(descriptor))
            pieces = asked.enter_context(opened(source, descriptor))
            self._write(descriptor.digest, pieces, asked.close)
        return Put.STORED

    def put_manifest(self, document: Document, *tags: str, expect: Expect | None = None) -> Stored:
        """Store the bytes, then point each tag at them ("" adds an entry without a name).

        A manifest with a subject is listed in index.json, so that `referrers` finds it.
        """
        media_type = effective_type(document)
        digest = document.digest
        if self._size(digest) != document.size or not self._holds(document):
            self._write(digest, (document.raw,))
        descriptor = Descriptor(media_type, digest, document.size)
        seen = view(document)
        names = tags or (("",) if seen.subject is not None else ())

        def point(entries: LayoutEntries) -> None:
            for name in names:
                full = next(iter(self._full_names(name)), "") if tags else ""
                entries.point(descriptor, name, full, expect if name else None)

        if names:
            self._edit_index(point)
        return Stored(descriptor)

    def ingest(self) -> "LayoutIngest":
        """A temporary file that becomes a blob."""
        self._prepare()
        return LayoutIngest(self)

    def delete(self, name: str) -> None:
        """Remove a name, or a manifest with all its names."""
        if ":" in name and is_digest(name):
            digest = Digest(name)
            if self._size(digest) is None:
                raise NotFound(f"no manifest {name} in {self.label}", name=name, where=self.label)
            self._edit_index(lambda entries: entries.drop(lambda e: e.get("digest") == name))
            self.blob_path(digest).unlink(missing_ok=True)
            return
        if self._entry(name) is None:
            raise NotFound(f"no image {name!r} in {self.label}", name=name, where=self.label, hint=self._offer())
        self._edit_index(lambda entries: entries.drop(lambda e: bool(name) and name_of(e) == name))

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Write index.json once, at the end, for all that is put or deleted inside; not at all after an error.

        What is inside is not seen by name before the end; what other threads put through this object meanwhile is
        part of it. Raises Conflict, at the end, if a tag does not hold what
        was expected; nothing is changed then.
        """
        with self._lock:
            self._batches += 1
        try:
            yield
        except BaseException:
            with self._lock:
                self._batches -= 1
                self._waiting.clear()
            raise
        with self._lock:
            self._batches -= 1
            changes = tuple(self._waiting) if not self._batches else ()
            self._waiting = [] if not self._batches else self._waiting
        if changes:
            self._write_index(changes)

    def __enter__(self) -> "LayoutStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to release: every write is whole when it returns."""

    # Inside

    def _index_document(self) -> Document:
        path = self.path / "index.json"
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > INDEX_LIMIT:
                raise MalformedDocument(f"{path} is not a file of at most {INDEX_LIMIT} bytes")
            raw = path.read_bytes()
        except FileNotFoundError:
            empty = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": []}
            return write(empty, mediatype.OCI_INDEX, PRETTY)
        except OSError as error:
            raise local_io(error, f"read {path}") from error
        return Document(raw, mediatype.OCI_INDEX)

    def _index(self) -> LayoutIndex:
        """The entries; read and parsed again only where index.json is another file than the last time."""
        stamp = self._stamp()
        known = self._read
        if known is not None and known.stamp == stamp:
            return known
        with self._lock:
            if self._read is not None and self._read.stamp == stamp:
                return self._read
            written, document = self._written_last
            settled = is_settled(stamp)
            try:
                held = document if document is not None and written == stamp else self._index_document()
                self._read = LayoutIndex(held, stamp, is_settled=settled)
            except MalformedDocument as error:
                error.add_note(f"in {self.path / 'index.json'}")
                raise
            return self._read

    def _stamp(self) -> tuple[int, ...]:
        try:
            return stamp_of(self.path / "index.json")
        except OSError as error:
            raise local_io(error, f"read {self.path / 'index.json'}") from error

    def _current(self) -> Document:
        """index.json as it is now, under the lock: not read again where it is certain that it is the same."""
        known = self._read
        if known is not None and known.is_settled and known.stamp == self._stamp():
            return known.document
        return self._index_document()

    def _entry(self, name: str) -> Descriptor | None:
        index = self._index()
        if not name:
            images = self._images(index)
            if len(images) > 1:
                raise UsageError(f"{self.label} holds {len(images)} images", hint=self._offer())
            return images[0] if images else None
        found = index.find(name)
        if len({entry.digest for entry in found}) > 1:
            raise MalformedDocument(
                f"{self.label} holds several images named {name!r}", hint="name one by its digest"
            )
        return found[0] if found else None

    def _images(self, index: LayoutIndex) -> list[Descriptor]:
        """The entries that are images of their own."""
        named = ((entry.annotations.get(REF_NAME, ""), entry) for entry in index.entries)
        return images_among(named, lambda entry: self._document(entry.digest, entry.media_type, MANIFEST_LIMIT))

    def _offer(self) -> str:
        names = [e.annotations.get(REF_NAME) or str(e.digest) for e in self._images(self._index())]
        return f"it holds {', '.join(names[:10])}{' …' if len(names) > 10 else ''}" if names else "it is empty"

    def _document(self, digest: Digest, media_type: str, limit: int) -> Document:
        path = self.blob_path(digest)
        size = self._size(digest)
        if size is None:
            raise NotFound(f"no manifest {digest} in {self.label}", name=str(digest), where=self.label)
        if size > limit:
            raise MalformedDocument(f"manifest {digest} in {self.label} has {size} bytes, more than {limit}")
        raw = b"".join(read_file(path))
        check_bytes(raw, digest, self.label)
        if media_type and (mediatype.is_index(media_type) or mediatype.is_manifest(media_type)):
            return Document(raw, media_type, algorithm=digest.algorithm)
        return Document(raw, effective_type(Document(raw, media_type)), algorithm=digest.algorithm)

    def _size(self, digest: Digest) -> int | None:
        try:
            status = self.blob_path(digest).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise local_io(error, "look into the layout") from error
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def _holds(self, document: Document) -> bool:
        """Whether the bytes on disk are those, and not others of their size that a bad disk or hand left."""
        return b"".join(read_file(self.blob_path(document.digest))) == document.raw

    def _prepare(self) -> None:
        try:
            (self.path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            if not (self.path / "oci-layout").is_file():
                self._create("oci-layout", _MARKER)
            if not (self.path / "index.json").is_file():
                with self._locked():
                    if not (self.path / "index.json").is_file():
                        self._replace("index.json", self._index_document().raw)
        except OSError as error:
            raise local_io(error, f"create a layout in {self.path}") from error

    def _write(self, digest: Digest, pieces: Iterable[bytes], written: Callable[[], object] = lambda: None) -> None:
        """Store bytes that are known to have a digest once the last of them came, and were `written`."""
        self._prepare()
        ingested(LayoutIngest(self, digest), pieces, written)

    def _turn(self, blob: Descriptor) -> AbstractContextManager[None]:
        """What a large blob waits for before it is asked for; what the disk takes at its end needs none."""
        return self._turns.turn() if blob.size >= _LARGE else nullcontext()

    def _edit_index(self, change: Callable[[LayoutEntries], None]) -> None:
        with self._lock:
            if self._batches:
                self._waiting.append(change)
                return
        self._write_index((change,))

    def _write_index(self, changes: Iterable[Callable[[LayoutEntries], None]]) -> None:
        self._prepare()
        with self._locked():
            before, self._read = self._current(), None  # not held twice while it is edited
            after = edited(before, self.label, changes)
            if after is not before:
                try:
                    self._replace("index.json", after.raw)
                except OSError as error:
                    raise local_io(error, f"write {self.path / 'index.json'}") from error
                self._written_last = (self._stamp(), after)

    def _replace(self, name: str, data: bytes) -> None:
        with self._written(name, data) as temporary:
            temporary.replace(self.path / name)

    def _create(self, name: str, data: bytes) -> None:
        """The file with `data`; one that is there already stays, since somebody may hold its lock."""
        with suppress(FileExistsError), self._written(name, data) as temporary:
            try:
                (self.path / name).hardlink_to(temporary)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links, such as FAT
                with (self.path / name).open("xb", buffering=0) as file:
                    file.write(data)

    @contextmanager
    def _written(self, name: str, data: bytes) -> Iterator[Path]:
        temporary = temporary_beside(self.path / name)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                if self._durable:
                    os.fsync(file.fileno())
            yield temporary
        finally:
            with suppress(OSError):  # what went wrong before is what is told
                temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.path / "oci-layout").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class LayoutIngest:
    """A temporary file next to the blobs, renamed by `commit` to the digest that is `known`, or to its own."""

    def __init__(self, store: LayoutStore, known: Digest | None = None) -> None:
        self._store = store
        self._known = known
        self._tap = Tap()
        self._size = 0
        self._path = store.path / f".ingest-{os.urandom(8).hex()}"
        try:
            self._file = self._path.open("xb", buffering=0)
        except OSError as error:
            raise local_io(error, f"write into {store.path}") from error

    def write(self, piece: bytes) -> None:
        """Append one piece. Raises LocalIOError (disk full and the like)."""
        self._size += len(piece)
        if self._known is None:
            self._tap.update(piece)
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.abort()
            raise local_io(error, f"write into {self._store.path}") from error

    def commit(self) -> tuple[Digest, int]:
        """Make the file visible under its digest."""
        digest = self._known or self._tap.digest
        target = self._store.blob_path(digest)
        try:
            if self._store._durable:  # noqa: SLF001 - one class in two parts
                os.fsync(self._file.fileno())
            self._file.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
        except OSError as error:
            self.abort()
            raise local_io(error, f"write into {self._store.path}") from error
        return digest, self._size

    def abort(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


class NewBlob:
    """The source of a blob that this process wrote into a layout and hashed as it did.

    It is not hashed again as it is read, unless it is read once more or its file has another size by now: then
    somebody was not content with what came, or the file is no longer what was written.
    """

    is_verified = True

    def __init__(self, descriptor: Descriptor, origin: LayoutStore) -> None:
        self._descriptor = descriptor
        self.origin = origin
        self._was_read = False

    def open(self, offset: int = 0) -> Pieces:
        """The bytes from `offset`. Raises NotFound, DigestMismatch, LocalIOError."""
        is_again, self._was_read = self._was_read, True
        if is_again or not self.origin.has_blob(self._descriptor):
            return self.origin.open_blob(self._descriptor, offset)
        return Pieces(lambda: read_file(self.origin.blob_path(self._descriptor.digest), offset))


__all__ = ["REF_NAME", "LayoutIngest", "LayoutStore", "NewBlob"]
