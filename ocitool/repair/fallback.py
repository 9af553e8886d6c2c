"""Where what a registry lost may still be: found by digest, or, if a human wants that, by platform.

An image of the same platform from an older tag is another image, so it only stands in for a lost one by
consent, and attestations of the lost one do not go to it (K022, K034).
"""

from collections.abc import Iterable, Iterator, Sequence

from ocitool.errors import DigestMismatch, HeaderMismatch, NotFound, OcitoolError
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor, Index, Manifest, effective_type, view
from ocitool.store.base import BlobStream, Reader
from ocitool.store.forwarding import ForwardingReader
from ocitool.store.verify import read_config
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class FallbackSource:
    """A place that a human named: the store, the name in it, and what they called it."""

    store: Reader
    name: str
    label: str


class FallbackReader(ForwardingReader):
    """A store that shows what it lost as sources have it, so that a repair sees all that there will be.

    `manifests` and `blobs` tell afterwards what came from where; `wrong` are manifests in whose place the store has
    other bytes. `errors` are those of the sources: what they did not answer, or answered wrongly, is in no look.
    Nothing stands in for `root`. Safe from several threads, as the store and the sources are.
    """

    def __init__(self, store: Reader, sources: Sequence[FallbackSource] = (), root: str = "") -> None:
        super().__init__(store)
        self._sources, self._root = tuple(sources), root
        self.manifests: dict[Digest, FallbackSource] = {}
        self.blobs: dict[Digest, FallbackSource] = {}
        self.wrong: set[Digest] = set()
        self.errors: list[OcitoolError] = []

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The store's manifest, or that of the first source where the store has none or other bytes."""
        digest = as_digest(name)
        try:
            return self._store.get_manifest(name, limit=limit)
        except (NotFound, DigestMismatch) as error:
            if digest is None or name == self._root or isinstance(error, HeaderMismatch):
                raise
            found = self._elsewhere(digest, limit)
            if found is None:
                raise
            if isinstance(error, DigestMismatch):
                self.wrong.add(digest)
            return found

    def _elsewhere(self, digest: Digest, limit: int) -> Document | None:
        try:
            for source in self._sources:
                if source.store.head(str(digest)) is not None:
                    found = source.store.get_manifest(str(digest), limit=limit)
                    self.manifests[digest] = source
                    return found
        except OcitoolError as error:
            self.errors.append(error)
            raise
        return None

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the store or one of the sources has it; what only a source has is among `blobs`."""
        if self._store.has_blob(descriptor):
            return True
        source = next((one for one in self._sources if one.store.has_blob(descriptor)), None)
        if source is not None:
            self.blobs[descriptor.digest] = source
        return source is not None

    def is_held(self, descriptor: Descriptor) -> bool:
        """Whether the store itself has it."""
        return self._store.has_blob(descriptor)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> BlobStream:
        """The store's blob, or that of the first source where the store has none."""
        if self._sources and not self._store.has_blob(descriptor):
            source = next((one for one in self._sources if one.store.has_blob(descriptor)), None)
            if source is not None:
                self.blobs[descriptor.digest] = source
                return source.store.open_blob(descriptor, offset)
        return self._store.open_blob(descriptor, offset)


def stand_in(
    sources: Iterable[FallbackSource], entry: Descriptor, family: Family
) -> tuple[FallbackSource, Descriptor] | None:
    """The first image for the platform of an entry, of the family of its index."""
    for source in sources:
        for other in _images(source):
            is_kin = mediatype.family_of(other.media_type) in (None, family)
            is_same = bool(entry.platform and other.platform and other.platform.same(entry.platform))
            is_same = is_same and other.is_zstd_image == entry.is_zstd_image
            if is_kin and is_same and source.store.head(str(other.digest)) is not None:
                return source, other
    return None


def _images(source: FallbackSource) -> Iterator[Descriptor]:
    """What a source's name offers; nothing if there is no such name, or it is no image."""
    try:
        document = source.store.get_manifest(source.name)
    except NotFound:
        return
    seen = view(document)
    if isinstance(seen, Index):
        yield from seen.platforms
    elif isinstance(seen, Manifest) and seen.is_image:
        config = read_config(source.store, seen.config)
        yield Descriptor(effective_type(document), document.digest, document.size, config.platform)
