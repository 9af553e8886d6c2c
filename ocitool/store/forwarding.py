"""A reader that passes every question on to another one: what it answers itself is what a subclass is about."""

from collections.abc import Iterator

from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.views import Descriptor
from ocitool.store.base import BlobStream, Reader, Traits


class ForwardingReader:
    """The store behind, question by question. Safe from several threads, as that store is."""

    def __init__(self, store: Reader) -> None:
        self._store = store

    @property
    def traits(self) -> Traits:
        """Those of the store behind."""
        return self._store.traits

    @property
    def label(self) -> str:
        """That of the store behind."""
        return self._store.label

    def head(self, name: str) -> Descriptor | None:
        """What the store behind says."""
        return self._store.head(name)

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest of the store behind."""
        return self._store.get_manifest(name, limit=limit)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the store behind has it."""
        return self._store.has_blob(descriptor)

    def blob_size(self, digest: Digest) -> int | None:
        """What the store behind says."""
        return self._store.blob_size(digest)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> BlobStream:
        """The blob of the store behind."""
        return self._store.open_blob(descriptor, offset)

    def tags(self) -> Iterator[str]:
        """Those of the store behind."""
        return self._store.tags()

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """Those in the store behind."""
        return self._store.referrers(digest)
