"""The entries of a layout's index.json: found by name without a search, edited together, else kept as they are."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, view
from ocitool.store.base import FULL_NAME, Expect
from ocitool.store.verify import check_expected

REF_NAME: Final = "org.opencontainers.image.ref.name"
TICK_NS: Final = 3_000_000_000
"""More than the coarsest clock of a file system, the two seconds of FAT."""


class LayoutIndex:
    """index.json as it was read at one moment; `stamp` says which file that was.

    It `is_settled` if any later file is sure to have another stamp: this one had not just been written when read.
    """

    def __init__(self, document: Document, stamp: tuple[int, ...], *, is_settled: bool) -> None:
        seen = view(document)
        if not isinstance(seen, Index):
            raise MalformedDocument("index.json is not an index")
        self.document, self.stamp, self.is_settled = document, stamp, is_settled
        self.entries = seen.entries
        self.referrers: dict[Digest, list[Descriptor]] | None = None
        """What refers to a manifest, by its digest; made when first asked for."""
        self._named: dict[str, list[Descriptor]] = {}
        self._full: dict[str, list[Descriptor]] = {}
        self._by_digest: dict[str, list[Descriptor]] = {}
        for entry in seen.entries:
            self._by_digest.setdefault(str(entry.digest), []).append(entry)
            if name := entry.annotations.get(REF_NAME):
                self._named.setdefault(name, []).append(entry)
            if name := entry.annotations.get(FULL_NAME):
                self._full.setdefault(name, []).append(entry)

    @property
    def tags(self) -> list[str]:
        """Every name, in the order of the entries."""
        return [name for entry in self.entries if (name := entry.annotations.get(REF_NAME))]

    def find(self, name: str) -> list[Descriptor]:
        """The entries of a tag, else of a full name, else of a digest."""
        return self._named.get(name) or self._full.get(name) or self._by_digest.get(name) or []


def stamp_of(path: Path) -> tuple[int, ...]:
    """What tells one index.json from the next: another file, another size or time; () for none. Raises OSError.

    A file system counts time in ticks of some milliseconds, and gives the number of a file that was removed to the
    next: see `LayoutIndex.is_settled`.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_settled(stamp: tuple[int, ...]) -> bool:
    """Whether a file with this stamp was written so long ago that no later one can have the same."""
    return bool(stamp) and time.time_ns() - max(stamp[2:]) > TICK_NS


class LayoutEntries:
    """The entries of index.json as they are edited: plain JSON, with a place for each name."""

    def __init__(self, entries: list[Any], where: str) -> None:
        self._entries, self._where = entries, where
        self._places: dict[tuple[str, str], int] = {}
        self._note()

    def point(self, descriptor: Descriptor, name: str, full: str, expect: Expect | None) -> None:
        """Let a name stand on `descriptor` alone; an entry without a name is added once for each digest.

        `full` is the full reference, where one is known. Raises Conflict if `expect` says so.
        """
        tree = descriptor.to_tree()
        place = self._places.get((name, "") if name else ("", str(tree["digest"])))
        held = self._entries[place] if place is not None else None
        check_expected(name, expect, Digest(held["digest"]) if held and name else None, self._where)
        if held is not None and held.get("digest") == tree["digest"]:
            return
        if notes := {key: value for key, value in ((REF_NAME, name), (FULL_NAME, full)) if value}:
            tree["annotations"] = notes
        if place is None:
            self._entries.append(tree)
            self._places[(name, "") if name else ("", str(tree["digest"]))] = len(self._entries) - 1
        else:
            self._entries[place] = tree

    def drop(self, condemned: Callable[[Any], bool]) -> None:
        """Remove entries."""
        self._entries[:] = [entry for entry in self._entries if not condemned(entry)]
        self._note()

    def _note(self) -> None:
        self._places.clear()
        for place, entry in enumerate(self._entries):
            name = name_of(entry)
            self._places.setdefault((name, "") if name else ("", str(entry.get("digest"))), place)


def name_of(entry: Any) -> str:  # noqa: ANN401 - JSON
    """The tag of an entry, "" for none."""
    return str((entry.get("annotations") or {}).get(REF_NAME, ""))


def edited(document: Document, where: str, changes: Iterable[Callable[[LayoutEntries], None]]) -> Document:
    """index.json after these changes; the very document if they change nothing."""

    def change(tree: Any) -> None:  # noqa: ANN401 - JSON
        entries = LayoutEntries(tree["manifests"], where)
        for one in changes:
            one(entries)

    return document.edit(change)
