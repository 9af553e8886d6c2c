"""The store protocol: one repository, one layout or one archive, with tags and digests as names.

Registry, layout, archive and memory implement it; copying, building, checking know nothing else. Two kinds
of content: manifests are small and whole, blobs are streamed. Every store may be used from several
threads, and is a context manager: what it defers to the end is committed on a clean exit only.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from ocitool.errors import DigestMismatch, MalformedDocument, NotFound, local_io
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.files import temporary_beside
from ocitool.model.numbers import KIB
from ocitool.model.reference import subject_of
from ocitool.model.views import Descriptor, Index, Manifest, Opaque, effective_type, view
from ocitool.values import dataclass

PIECE: Final = 256 * KIB
"""Largest piece of a blob stream, in bytes."""

FULL_NAME: Final = "io.containerd.image.name"
"""The annotation of an entry in a layout that says which reference it stands for."""
CACHE_TAG: Final = "CACHEDIR.TAG"
CACHE_TAG_TEXT: Final = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of ocitool; it can be removed.\n"
)
"""What marks a folder as a cache; the first line is what other programs look for (bford.info/cachedir)."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a store can do, and its limits. Missing abilities raise Unsupported when used.

    `referrers` is api, tag (fallback tag), scan, or none. `part_min` and `part_max` are bytes, 0 for no
    limit. `concurrency` is how many operations at once are sensible. `reads_verified` says that
    `open_blob` itself compares digest and size, `compares_tags` that `put_manifest` looks at a tag and writes it
    in one step, so that nobody can come between, `edits` that a tag can be written again later, and undone.
    """

    deletes: bool = True
    referrers: str = "scan"
    part_min: int = 0
    part_max: int = 0
    concurrency: int = 16
    reads_verified: bool = True
    compares_tags: bool = False
    edits: bool = True


@dataclass(frozen=True, slots=True)
class Expect:
    """What a tag must hold for a write to be done: a digest, or nothing at all (None)."""

    digest: Digest | None


class Put(Enum):
    """What `put_blob` did."""

    EXISTED = "existed"
    MOUNTED = "mounted"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Stored:
    """What `put_manifest` did: the descriptor, and whether the store listed a subject's referrer by itself."""

    descriptor: Descriptor
    subject_indexed: bool = True


class BlobStream(AbstractContextManager["Iterator[bytes]"], Protocol):
    """An open blob: `with store.open_blob(d) as pieces: for piece in pieces: …`.

    Pieces are at most 1 MiB. Digest and size are compared after the last piece (not when read from an
    offset); DigestMismatch is raised then, so do not act on content before the stream has ended.
    """


class Source(Protocol):
    """A blob's origin that can be opened again: for retries, and for a sink that knows a shortcut.

    `origin` is the store it comes from, if any: a registry on the same host can mount instead. What `is_verified`
    compares itself what is read from the start, and need not be hashed again.
    """

    @property
    def is_verified(self) -> bool:
        """Whether `open` raises DigestMismatch, at the end of a stream from the start, for other bytes."""

    @property
    def origin(self) -> "Reader | None":
        """The store the blob lives in, or None for bytes of our own."""

    def open(self, offset: int = 0) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes from `offset` on, in pieces of at most 1 MiB."""


class Ingest(Protocol):
    """One pass into a store, the digest known at the end. Nothing is visible before `commit`."""

    def write(self, piece: bytes) -> None:
        """Take one piece."""

    def commit(self) -> tuple[Digest, int]:
        """Make the content visible under its digest; returns the digest and the size in bytes."""

    def abort(self) -> None:
        """Leave nothing behind; harmless after `commit`."""


def ingested(
    ingest: Ingest, pieces: Iterable[bytes], written: Callable[[], object] = lambda: None
) -> tuple[Digest, int]:
    """Digest and size in bytes of what was stored; nothing is left of it after an error, which is raised again.

    `written` is called once all of it came, before what the commit takes.
    """
    try:
        for piece in pieces:
            ingest.write(piece)
        written()
        return ingest.commit()
    except BaseException:
        ingest.abort()
        raise


@runtime_checkable
class Reader(Protocol):
    """The reading half. A `name` is a tag or a digest."""

    @property
    def traits(self) -> Traits:
        """What this store can do."""

    @property
    def label(self) -> str:
        """What people call this store, for messages: a repository, a path."""

    def head(self, name: str) -> Descriptor | None:
        """The manifest's descriptor; None if there is none. Anything but "not there" raises."""

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest's bytes, digest verified when asked by digest. Raises NotFound, DigestMismatch."""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there."""

    def blob_size(self, digest: Digest) -> int | None:
        """The size of a blob in bytes, None if it is not there."""

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> BlobStream:
        """The blob's bytes from `offset`. Raises NotFound, at the latest when the stream is entered."""

    def tags(self) -> Iterator[str]:
        """Every tag."""

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """The manifests here whose subject is `digest`, with artifact type and annotations."""


@runtime_checkable
class Store(Reader, Protocol):
    """A store that can be written."""

    def put_blob(self, descriptor: Descriptor, source: Source) -> Put:
        """Store the blob, or notice that it is there already.

        Idempotent. The source is opened once per attempt. Raises DigestMismatch if the source is not what
        the descriptor says; nothing is visible then. Spec: distribution-spec, "Pushing blobs".
        """

    def put_manifest(self, document: Document, *tags: str, expect: Expect | None = None) -> Stored:
        """Store the exact bytes by digest and then under each tag, in order.

        With `expect`, raises Conflict where the store can tell that a tag holds something else. Only a store
        whose traits say `compares_tags` can always tell; a registry is sent If-Match, and most ignore it.
        """

    def ingest(self) -> Ingest:
        """Start a one-pass write of a blob."""

    def delete(self, name: str) -> None:
        """Remove a tag, or a manifest with all its tags. Raises NotFound, Unsupported."""

    def __enter__(self) -> "Store":
        """The store itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what was deferred after a clean block, discard it after an error, release everything."""


@runtime_checkable
class Batching(Protocol):
    """A store that can make several changes of its names in one write."""

    def batch(self) -> AbstractContextManager[None]:
        """All changes of names inside are made at the end, together, or not at all after an error."""


@runtime_checkable
class Ranging(Protocol):
    """A store for which it matters where reading a part of a blob ends: the rest would be sent in vain."""

    def open_range(self, descriptor: Descriptor, offset: int, size: int) -> BlobStream:
        """`size` bytes of the blob from `offset` on, not compared with anything; fewer where it ends.

        Raises NotFound; Unsupported where only whole blobs are sent.
        """


@contextmanager
def opened_range(store: Reader, descriptor: Descriptor, offset: int, size: int) -> Iterator[Iterator[bytes]]:
    """`size` bytes of a blob from `offset` on, as `Ranging` gives them, and never more; of any store."""
    if isinstance(store, Ranging):
        opened = store.open_range(descriptor, offset, size)
    else:
        opened = store.open_blob(descriptor, offset)
    with opened as pieces:
        yield _first(pieces, size)


def _first(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            return


FullNames: TypeAlias = Callable[[str], tuple[str, ...]]
"""The full references that a tag of a layout or archive stands for, such as `docker.io/library/app:v1` for `v1`."""


def renamed_to(path: Path) -> Path | None:
    """The file that gets its name by a rename when it is complete, behind any links that lead to it.

    None for what cannot be made beside itself and is written straight: a pipe, a device, an open descriptor.
    """
    if str(path.absolute()).startswith(("/dev/", "/proc/")):
        return None
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except OSError:  # nothing there yet, or a link that leads to nothing yet
        is_file = True
    return Path(os.path.realpath(path)) if is_file or path.is_dir() else None


def write_whole(pieces: Iterable[bytes], path: Path) -> None:
    """Write a file that gets its name when the last piece is there, or straight into a pipe or device.

    Raises LocalIOError.
    """
    try:
        target = renamed_to(path)
        if target is None:
            with path.open("wb") as straight:
                straight.writelines(pieces)
            return
        temporary = temporary_beside(target)
        try:
            with temporary.open("xb") as file:
                file.writelines(pieces)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise local_io(error, f"write {path}") from error


def no_names(_tag: str) -> tuple[str, ...]:
    """No full reference is known."""
    return ()


class Memo(Protocol):
    """What was worked out before, by a key that names everything it depends on; may forget at any time."""

    def recall(self, key: str) -> dict[str, Any] | None:
        """What was remembered under `key`, None if nothing."""

    def remember(self, key: str, value: dict[str, Any]) -> None:
        """Keep a JSON object under `key`."""


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Content of our own in memory: configs, small layers."""

    data: bytes
    origin: "Reader | None" = None
    is_verified: bool = False

    def open(self, offset: int = 0) -> "Pieces":
        """The bytes from `offset`."""
        return Pieces(lambda: (self.data[at : at + PIECE] for at in range(offset, len(self.data), PIECE)))


@dataclass(frozen=True, slots=True)
class DiskSource:
    """A file of this machine, read anew for every attempt and never held whole."""

    path: Path
    origin: "Reader | None" = None
    is_verified: bool = False

    def open(self, offset: int = 0) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes from `offset`, in pieces of at most 256 KiB. Raises LocalIOError."""
        return Pieces(lambda: read_file(self.path, offset))


@dataclass(frozen=True, slots=True)
class StoreSource:
    """A blob in another store."""

    descriptor: Descriptor
    origin: "Reader | None"

    @property
    def is_verified(self) -> bool:
        """Whether its store compares what it gives."""
        return self.origin is not None and self.origin.traits.reads_verified

    def open(self, offset: int = 0) -> AbstractContextManager[Iterator[bytes]]:
        """The blob's bytes from `offset`, verified by the store."""
        if self.origin is None:
            raise ValueError("a StoreSource needs its store")
        return self.origin.open_blob(self.descriptor, offset)


class Pieces:
    """A generator function as a BlobStream: entering starts it, leaving closes it."""

    def __init__(self, start: Callable[[], Iterable[bytes]]) -> None:
        self._start = start
        self._stream: Iterator[bytes] | None = None

    def __enter__(self) -> Iterator[bytes]:
        self._stream = iter(self._start())
        return self._stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()


def called(store: Reader, name: str) -> str:
    """What people call a name in a store: `REPO:TAG`, `REPO@DIGEST`, or the store alone for its only entry."""
    if not name:
        return store.label
    return f"{store.label}{'@' if as_digest(name) else ':'}{name}"


def read_file(path: Path, offset: int = 0) -> Iterator[bytes]:
    """The bytes of a file from `offset` in pieces of 256 KiB. Raises LocalIOError."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise local_io(error, f"read {path}") from error


def referrers_among(documents: Iterable[Document], digest: Digest) -> list[Descriptor]:
    """The descriptors of those documents whose subject is `digest`, as the referrers API lists them.

    Spec: distribution-spec, "Listing Referrers".
    """
    found = []
    for document in documents:
        seen = view(document)
        subject = seen.subject
        if subject is None or subject.digest != digest:
            continue
        annotations: Mapping[str, str] = {} if isinstance(seen, Opaque) else seen.annotations
        match seen:
            case Manifest():
                kind = seen.effective_artifact_type
            case Index():
                kind = seen.artifact_type
            case _:
                kind = ""
        found.append(
            Descriptor(
                effective_type(document),
                document.digest,
                document.size,
                annotations=annotations,
                artifact_type=kind,
            )
        )
    return found


def images_among(
    listed: Iterable[tuple[str, Descriptor]], read: Callable[[Descriptor], Document]
) -> list[Descriptor]:
    """The entries of a list that stand for themselves, each once: nothing that belongs to another, as signatures.

    What cannot be read stands for itself, and all do where nothing else is listed.
    """
    entries: dict[Digest, Descriptor] = {}
    standing: set[Digest] = set()
    for name, entry in listed:
        entries.setdefault(entry.digest, entry)
        if subject_of(name) is None:
            standing.add(entry.digest)
    if len(entries) < 2:
        return list(entries.values())
    own = [entry for entry in entries.values() if entry.digest in standing and not _refers(entry, read)]
    return own or list(entries.values())


def _refers(entry: Descriptor, read: Callable[[Descriptor], Document]) -> bool:
    try:
        return view(read(entry)).subject is not None
    except (DigestMismatch, MalformedDocument, NotFound):
        return False
