"""A store that asks for small things once: manifests and configs, kept while they fit into a bound."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from ocitool.errors import NotFound
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.views import Descriptor
from ocitool.store.base import BlobStream, BytesSource, Reader, Traits
from ocitool.store.verify import read_blob

_KEPT: Final = 64 * 1024 * 1024
"""Most bytes that are kept; a guess that holds some ten thousand manifests and configs."""


class Once:
    """A reader in front of another: what was read by digest is not read again, what was absent not asked again."""

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        self._absent: set[str] = set()
        self._size = 0

    @property
    def traits(self) -> Traits:
        """Those of the store behind."""
        return self._store.traits

    @property
    def label(self) -> str:
        """That of the store behind."""
        return self._store.label

    def head(self, name: str) -> Descriptor | None:
        """Asked every time."""
        return self._store.head(name)

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest, from memory if it was read by this digest before."""
        if as_digest(name) is None:
            return self._store.get_manifest(name, limit=limit)
        if (known := self._recall(name)) is not None:
            return Document(*known)
        if name in self._absent:
            raise NotFound(f"no manifest {name} in {self.label}", name=name, where=self.label)
        try:
            document = self._store.get_manifest(name, limit=limit)
        except NotFound:
            self._absent.add(name)
            raise
        self._remember(name, document.raw, document.media_type)
        return document

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Asked every time."""
        return self._store.has_blob(descriptor)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> BlobStream:
        """The blob; a JSON one (a config) from memory if it was read before."""
        if offset or not descriptor.media_type.endswith("json") or descriptor.size > MANIFEST_LIMIT:
            return self._store.open_blob(descriptor, offset)
        key = f"{descriptor.digest}+{descriptor.size}"
        known = self._recall(key)
        if known is None:
            known = read_blob(self._store, descriptor, MANIFEST_LIMIT), ""
            self._remember(key, *known)
        return BytesSource(known[0]).open()

    def tags(self) -> Iterator[str]:
        """Those of the store behind."""
        return self._store.tags()

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """Those of the store behind."""
        return self._store.referrers(digest)

    def _recall(self, key: str) -> tuple[bytes, str] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _remember(self, key: str, raw: bytes, media_type: str) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (raw, media_type)
                self._size += len(raw)
            while self._size > _KEPT:
                _, (old, _) = self._kept.popitem(last=False)
                self._size -= len(old)
