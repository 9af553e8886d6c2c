"""An OCI image layout directory as a store.

Blobs are written to a temporary file and renamed to their digest; `index.json` is edited under a lock
(on the `oci-layout` file) and replaced by rename, so a reader never sees half of anything. What stands in
`index.json` and is not ours is kept byte for byte. Spec: image-spec image-layout.md.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ocitool.errors import MalformedDocument, NotFound, UsageError, local_io
from ocitool.model import mediatype
from ocitool.model.digest import Digest, Tap, is_digest
from ocitool.model.document import MANIFEST_LIMIT, PRETTY, Document, write
from ocitool.model.files import temporary_beside
from ocitool.model.views import Descriptor, Index, effective_type, view
from ocitool.store.base import Expect, Pieces, Put, Source, Stored, Traits, read_file
from ocitool.store.memory import referrers_among
from ocitool.store.verify import check_bytes, check_expected, verified

REF_NAME: Final = "org.opencontainers.image.ref.name"
LAYOUT_FILES: Final = ("oci-layout", "index.json", "blobs")
"""What a layout has at its top (image-spec image-layout.md)."""
FULL_NAME: Final = "io.containerd.image.name"
INDEX_LIMIT: Final = 64 * 1024 * 1024
"""Largest index.json that is read, in bytes: a layout may hold more images than any manifest has entries."""
_MARKER: Final = b'{"imageLayoutVersion":"1.0.0"}'


class LayoutStore:
    """A layout directory; tags are the `ref.name` annotations of `index.json`, "" an entry without a name.

    With `create` a missing layout is made on first write. With `durable` (the default) blobs are flushed to
    the disk before they are visible; a cache can do without.
    """

    traits = Traits(referrers="scan", compares_tags=True)

    def __init__(self, path: Path, *, create: bool = False, durable: bool = True) -> None:
        self.path = path
        self.label = f"oci:{path}"
        self._durable = durable
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
        return iter([name for entry in self._index().entries if (name := entry.annotations.get(REF_NAME))])

    def entries(self) -> tuple[Descriptor, ...]:
        """The descriptors of index.json."""
        return self._index().entries

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """The manifests listed in index.json whose subject is `digest`."""
        documents = (self._document(e.digest, e.media_type, MANIFEST_LIMIT) for e in self._index().entries)
        return referrers_among(documents, digest)

    def blob_path(self, digest: Digest) -> Path:
        """Where a blob's file is or would be."""
        return self.path / "blobs" / digest.algorithm / digest.hex

    # Writing

    def put_blob(self, descriptor: Descriptor, source: Source) -> Put:
        """Store the blob after verifying it."""
        if self.has_blob(descriptor):
            return Put.EXISTED
        with source.open() as pieces:
            self._write(descriptor.digest, verified(pieces, descriptor, "the source"))
        return Put.STORED

    def put_manifest(self, document: Document, *tags: str, expect: Expect | None = None) -> Stored:
        """Store the bytes, then point each tag at them ("" adds an entry without a name).

        A manifest with a subject is listed in index.json, so that `referrers` finds it.
        """
        media_type = effective_type(document)
        digest = document.digest
        if self._size(digest) != document.size or not self._holds(document):
            self._write(digest, iter((document.raw,)))
        descriptor = Descriptor(media_type, digest, document.size)
        seen = view(document)
        names = tags or (("",) if seen.subject is not None else ())

        def point(entries: list[Any]) -> None:
            for name in names:
                found = next((Digest(e["digest"]) for e in entries if name and _name_of(e) == name), None)
                check_expected(name, expect, found, self.label)
            _point(entries, descriptor, names)

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
            self._edit_index(lambda entries: _drop(entries, lambda e: e.get("digest") == name))
            self.blob_path(digest).unlink(missing_ok=True)
            return
        if self._entry(name) is None:
            raise NotFound(f"no image {name!r} in {self.label}", name=name, where=self.label, hint=self._offer())
        self._edit_index(
            lambda entries: _drop(entries, lambda e: (e.get("annotations") or {}).get(REF_NAME) == name)
        )

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

    def _index(self) -> Index:
        try:
            seen = view(self._index_document())
        except MalformedDocument as error:
            error.add_note(f"in {self.path / 'index.json'}")
            raise
        if not isinstance(seen, Index):
            raise MalformedDocument(f"{self.path / 'index.json'} is not an index")
        return seen

    def _entry(self, name: str) -> Descriptor | None:
        entries = self._index().entries
        if not name:
            distinct = {entry.digest for entry in entries}
            if len(distinct) > 1:
                raise UsageError(f"{self.label} holds {len(distinct)} images", hint=self._offer())
            return entries[0] if entries else None
        found = [e for e in entries if e.annotations.get(REF_NAME) == name]
        found = found or [e for e in entries if e.annotations.get(FULL_NAME) == name]
        found = found or [e for e in entries if str(e.digest) == name]
        if len({entry.digest for entry in found}) > 1:
            raise MalformedDocument(
                f"{self.label} holds several images named {name!r}", hint="name one by its digest"
            )
        return found[0] if found else None

    def _offer(self) -> str:
        names = [e.annotations.get(REF_NAME) or str(e.digest) for e in self._index().entries]
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

    def _write(self, digest: Digest, pieces: Iterator[bytes]) -> None:
        self._prepare()
        ingest = LayoutIngest(self, digest.algorithm)
        try:
            for piece in pieces:
                ingest.write(piece)
            ingest.commit()
        except BaseException:
            ingest.abort()
            raise

    def _edit_index(self, change: Callable[[list[Any]], None]) -> None:
        self._prepare()
        with self._locked():
            before = self._index_document()
            after = before.edit(lambda tree: change(tree["manifests"]))
            if after is not before:
                try:
                    self._replace("index.json", after.raw)
                except OSError as error:
                    raise local_io(error, f"write {self.path / 'index.json'}") from error

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
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.path / "oci-layout").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class LayoutIngest:
    """A temporary file next to the blobs, renamed to its digest by `commit`."""

    def __init__(self, store: LayoutStore, algorithm: str = "sha256") -> None:
        self._store = store
        self._tap = Tap(algorithm)
        self._path = store.path / f".ingest-{secrets.token_hex(8)}"
        try:
            self._file = self._path.open("xb", buffering=0)
        except OSError as error:
            raise local_io(error, f"write into {store.path}") from error

    def write(self, piece: bytes) -> None:
        """Append one piece. Raises LocalIOError (disk full and the like)."""
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
        target = self._store.blob_path(self._tap.digest)
        try:
            if self._store._durable:  # noqa: SLF001 - one class in two parts
                os.fsync(self._file.fileno())
            self._file.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
        except OSError as error:
            self.abort()
            raise local_io(error, f"write into {self._store.path}") from error
        return self._tap.digest, self._tap.size

    def abort(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _point(entries: list[Any], descriptor: Descriptor, names: tuple[str, ...]) -> None:
    """Let each name stand on `descriptor` alone; an unnamed entry of the same digest is added once."""
    for name in names:
        tree = descriptor.to_tree()
        if name:
            tree["annotations"] = {REF_NAME: name}
        place = next((n for n, e in enumerate(entries) if _name_of(e) == name and (name or _same(e, tree))), None)
        if place is None:
            entries.append(tree)
        elif not _same(entries[place], tree):
            entries[place] = tree


def _name_of(entry: Any) -> str:  # noqa: ANN401 - JSON
    return str((entry.get("annotations") or {}).get(REF_NAME, ""))


def _same(entry: Any, tree: Any) -> bool:  # noqa: ANN401 - JSON
    return bool(entry.get("digest") == tree["digest"])


def _drop(entries: list[Any], condemned: Callable[[Any], bool]) -> None:
    entries[:] = [entry for entry in entries if not condemned(entry)]


__all__ = ["FULL_NAME", "REF_NAME", "LayoutIngest", "LayoutStore"]
