"""State of a sync in this machine's store: what digests mean, and what was put where.

All of it may be lost at any time: then more is asked, and nothing is done otherwise.
"""

import json
from typing import Any

from ocitool.errors import MalformedDocument
from ocitool.index.copy_plans import CopyOptions
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.store.base import Memo
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class CopiedTree:
    """What a manifest becomes when it is copied, and every blob below that: the same for as long as bytes are."""

    root: Digest
    blobs: tuple[Descriptor, ...]


class SyncState:
    """The state for copies of one kind; with `anew` what is there is not read."""

    def __init__(self, memo: Memo, wish: CopyOptions, *, anew: bool = False) -> None:
        self._memo = memo
        self._anew = anew
        self._wish = [sorted(map(str, wish.platforms)), wish.referrers]
        self._fresh: set[str] = set()

    def tree(self, source: Digest) -> CopiedTree | None:
        """What a manifest of the source becomes; None where that is not known."""
        found = self._recall("tree", source)
        if found is None:
            return None
        try:
            blobs = (Descriptor(mediatype.OCTETS, Digest(digest), int(size)) for digest, size in found["blobs"])
            return CopiedTree(Digest(found["root"]), tuple(blobs))
        except (KeyError, TypeError, ValueError, MalformedDocument):
            return None

    def set_tree(self, source: Digest, tree: CopiedTree) -> None:
        """Remember that."""
        blobs = [[str(blob.digest), blob.size] for blob in tree.blobs]
        self._remember({"root": str(tree.root), "blobs": blobs}, "tree", source)

    def is_put(self, target: str, tag: str, source: Digest) -> bool:
        """Whether the tag of the target was last seen to hold what the manifest becomes."""
        return (self._recall("put", target, tag) or {}).get("source") == str(source)

    def set_put(self, target: str, tag: str, source: Digest) -> None:
        """Remember that it does."""
        if not self.is_put(target, tag, source):
            self._remember({"source": str(source)}, "put", target, tag)

    def _recall(self, *words: str) -> dict[str, Any] | None:
        key = self._key(words)
        return None if self._anew and key not in self._fresh else self._memo.recall(key)

    def _remember(self, value: dict[str, Any], *words: str) -> None:
        key = self._key(words)
        self._fresh.add(key)
        self._memo.remember(key, value)

    def _key(self, words: tuple[str, ...]) -> str:
        return json.dumps(["sync", *map(str, words), self._wish])
