"""Where what a registry lost may still be: found by digest, or, if a human wants that, by platform.

An image of the same platform from an older tag is another image, so it only stands in for a lost one by
consent, and attestations of the lost one do not go to it (K022, K034).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ocitool.errors import NotFound
from ocitool.model import mediatype
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor, ImageConfig, Index, Manifest, effective_type, view
from ocitool.store.base import Reader
from ocitool.store.verify import read_blob


@dataclass(frozen=True, slots=True)
class Origin:
    """A place that a human named: the store, the name in it, and what they called it."""

    store: Reader
    name: str
    label: str


def holder(origins: Iterable[Origin], entry: Descriptor) -> Origin | None:
    """The first that has the manifest of an entry. Raises what keeps one of them from answering."""
    for origin in origins:
        if origin.store.head(str(entry.digest)) is not None:
            return origin
    return None


def stand_in(origins: Iterable[Origin], entry: Descriptor, family: Family) -> tuple[Origin, Descriptor] | None:
    """The first image for the platform of an entry, of the family of its index."""
    for origin in origins:
        for other in _images(origin):
            is_kin = mediatype.family_of(other.media_type) in (None, family)
            is_same = bool(entry.platform and other.platform and other.platform.same(entry.platform))
            if is_kin and is_same and origin.store.head(str(other.digest)) is not None:
                return origin, other
    return None


def _images(origin: Origin) -> Iterator[Descriptor]:
    """What an origin's name offers; nothing if there is no such name, or it is no image."""
    try:
        document = origin.store.get_manifest(origin.name)
    except NotFound:
        return
    seen = view(document)
    if isinstance(seen, Index):
        yield from seen.platforms
    elif isinstance(seen, Manifest) and seen.is_image:
        config = ImageConfig.of(
            Document(read_blob(origin.store, seen.config, MANIFEST_LIMIT), seen.config.media_type)
        )
        yield Descriptor(effective_type(document), document.digest, document.size, config.platform)
