"""Entries of an index that are images or attestations, decided where their own words leave it open."""

from itertools import islice
from typing import Final

from ocitool.errors import Cancelled, OcitoolError
from ocitool.model.digest import Digest
from ocitool.model.views import ImageConfig, Index, Manifest, View, settled, view
from ocitool.store.base import Reader
from ocitool.store.verify import read_config

_MOST: Final = 64
"""Entries of one index that are looked into; a guess far above what anybody publishes."""


def settle_entries(store: Reader, index: Index) -> Index:
    """The index, entries that say unknown/unknown and no more settled by their manifests and configs (K218).

    Two requests for each such entry, one after the other; none for the others, and so none for an index as BuildKit
    writes it. What cannot be read, and what comes after very many, is left as its words say.
    """
    doubtful = dict.fromkeys(entry.digest for entry in index.entries if entry.is_nameless)
    children, configs = dict[Digest, View](), dict[Digest, ImageConfig]()
    for digest in islice(doubtful, _MOST):
        try:
            child = children[digest] = view(store.get_manifest(str(digest)))
            if isinstance(child, Manifest) and child.is_image and not child.is_statement:
                configs[child.config.digest] = read_config(store, child.config)
        except Cancelled:
            raise
        except OcitoolError:  # whoever needs it will say so
            continue
    return settled(index, children, configs) if children else index
