"""A store in dictionaries: for tests, and for documents on their way somewhere else."""

import threading
from collections.abc import Iterator
from types import TracebackType

from ocitool.errors import NotFound
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.views import Descriptor, effective_type
from ocitool.store.base import PIECE, Expect, Pieces, Put, Source, Stored, Traits, referrers_among
from ocitool.store.verify import check_expected, opened, verified
from ocitool.values import replace


class MemoryStore:
    """Tags, manifests and blobs in dictionaries behind one lock; forgets everything with the object."""

    traits = Traits(compares_tags=True)

    def __init__(self, label: str = "memory") -> None:
        self.label = label
        self._lock = threading.Lock()
        self._blobs: dict[Digest, bytes] = {}
        self._manifests: dict[Digest, Document] = {}
        self._tags: dict[str, Digest] = {}

    def head(self, name: str) -> Descriptor | None:
        """The descriptor under a tag or digest, None if there is none."""
        with self._lock:
            document = self._manifests.get(self._tags.get(name) or _digest_or_none(name) or Digest.of(b"\0"))
        return Descriptor.of(document) if document else None

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:  # noqa: ARG002 - it is here already
        """The manifest under a tag or digest."""
        found = self.head(name)
        if found is None:
            raise NotFound(f"no manifest {name} in {self.label}", name=name, where=self.label)
        return self._manifests[found.digest]

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there."""
        return descriptor.digest in self._blobs

    def blob_size(self, digest: Digest) -> int | None:
        """The blob's size in bytes, None if it is not there."""
        data = self._blobs.get(digest)
        return len(data) if data is not None else None

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> Pieces:
        """The blob's bytes from `offset`."""
        data = self._blobs.get(descriptor.digest)
        if data is None:
            raise NotFound(
                f"no blob {descriptor.digest} in {self.label}", name=str(descriptor.digest), where=self.label
            )
        stream = (data[at : at + PIECE] for at in range(offset, len(data), PIECE))
        return Pieces(lambda: stream if offset else verified(stream, descriptor, self.label))

    def tags(self) -> Iterator[str]:
        """Every tag, sorted."""
        with self._lock:
            return iter(sorted(self._tags))

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """The manifests whose subject is `digest`."""
        with self._lock:
            documents = list(self._manifests.values())
        return referrers_among(documents, digest)

    def put_blob(self, descriptor: Descriptor, source: Source) -> Put:
        """Store the blob after verifying it."""
        if self.has_blob(descriptor):
            return Put.EXISTED
        with opened(source, descriptor) as pieces:
            data = b"".join(pieces)
        with self._lock:
            self._blobs[descriptor.digest] = data
        return Put.STORED

    def put_manifest(self, document: Document, *tags: str, expect: Expect | None = None) -> Stored:
        """Store the bytes by digest and under each tag, all of them or none."""
        document = replace(document, media_type=effective_type(document), served=None)
        with self._lock:
            for tag in tags:
                check_expected(tag, expect, self._tags.get(tag), self.label)
            self._manifests[document.digest] = document
            self._tags |= {tag: document.digest for tag in tags if tag}
        return Stored(Descriptor.of(document))

    def ingest(self) -> "_MemoryIngest":
        """A buffer that becomes a blob."""
        return _MemoryIngest(self._blobs)

    def delete(self, name: str) -> None:
        """Remove a tag, or a manifest and its tags."""
        with self._lock:
            if name in self._tags:
                del self._tags[name]
                return
            digest = _digest_or_none(name)
            if digest is None or self._manifests.pop(digest, None) is None:
                raise NotFound(f"no manifest {name} in {self.label}", name=name, where=self.label)
            self._tags = {tag: at for tag, at in self._tags.items() if at != digest}

    def __enter__(self) -> "MemoryStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to release."""


class _MemoryIngest:
    def __init__(self, blobs: dict[Digest, bytes]) -> None:
        self._blobs = blobs
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def commit(self) -> tuple[Digest, int]:
        data = b"".join(self._pieces)
        digest = Digest.of(data)
        self._blobs[digest] = data
        return digest, len(data)

    def abort(self) -> None:
        self._pieces.clear()


def _digest_or_none(name: str) -> Digest | None:
    return Digest(name) if ":" in name else None
