"""Which layer each copied file goes into: what platforms have in common apart from what they have not (K213).

Three groups, the one that changes least first: files that are the same for every platform, files of one platform,
and its programs. A changed program sends no data again, and what several platforms share is packed and sent once.
A group that would be empty is none.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from enum import IntEnum
from typing import Final

from ocitool.builder.programs import Holding
from ocitool.codec.codecs import PIECE, blocks
from ocitool.model.files import FileKind, parent
from ocitool.pack.entries import Content, Entry, FileContent
from ocitool.pack.file_identity import has_foreign_clock, is_settled
from ocitool.store.base import Memo
from ocitool.values import dataclass


class Group(IntEnum):
    """The layers of copied files, bottom first."""

    SHARED = 0
    OWN = 1
    PROGRAMS = 2


WORDS: Final = {Group.SHARED: "", Group.OWN: " (files of this platform)", Group.PROGRAMS: " (programs)"}
"""What history says of each layer where there are several."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The copied files of one platform, as `place` returned them, and the paths of those that are its programs."""

    entries: tuple[Entry, ...]
    programs: frozenset[str]


def split(
    images: Sequence[Placed], memo: Memo | None, holding: Holding, *, clock_ns: Callable[[], int] = time.time_ns
) -> tuple[Mapping[Group, tuple[Entry, ...]], ...]:
    """The entries of each image by group, in their order; names of one file stay together.

    A directory is where the first thing in it is, or where a file of its kind would be. Files of equal size are
    read to be compared, unless `memo` knows how that ended. Raises LocalIOError.
    """
    shared = _shared(images, _Comparing(memo, holding, clock_ns))
    return tuple(_grouped(image, shared) for image in images)


def _grouped(image: Placed, shared: frozenset[str]) -> Mapping[Group, tuple[Entry, ...]]:
    if len(shared) == len(image.entries):
        return {Group.SHARED: image.entries} if shared else {}
    groups: dict[str, Group] = {}
    first_in: dict[str, Group] = {}
    for entry in image.entries:
        if entry.kind is FileKind.DIRECTORY:
            continue
        first = entry.link if entry.kind is FileKind.HARDLINK else entry.path
        group = Group.SHARED if first in shared else Group.PROGRAMS if first in image.programs else Group.OWN
        groups[entry.path] = group
        above = entry.path
        while (above := parent(above)) and group < first_in.get(above, len(Group)):
            first_in[above] = group
    found: dict[Group, list[Entry]] = {}
    for entry in image.entries:
        empty = Group.SHARED if entry.path in shared else Group.OWN
        found.setdefault(groups.get(entry.path, first_in.get(entry.path, empty)), []).append(entry)
    return {group: tuple(found[group]) for group in sorted(found)}


def _shared(images: Sequence[Placed], comparing: "_Comparing") -> frozenset[str]:
    """The paths of what is the same in every image: of one image all that is no program."""
    first, *others = images
    if not others:
        return frozenset(entry.path for entry in first.entries) - first.programs
    if all(one.entries == first.entries for one in others):  # by identity: nothing is read
        return frozenset(entry.path for entry in first.entries)
    # The names of one file are together, so what differs in one of them differs in all.
    paths = [{entry.path: entry for entry in one.entries} for one in others]
    names = [_names(one.entries) for one in images]
    rows: dict[str, list[Content | None]] = {}
    for entry in first.entries:
        alike = [found for one in paths if (found := one.get(entry.path)) and _is_alike(found, entry)]
        linked = [one.get(entry.path) for one in names]
        if len(alike) == len(others) and linked.count(linked[0]) == len(linked):
            rows[entry.path] = [entry.content, *(one.content for one in alike)]
    return comparing.equal(rows)


def are_alike(one: Sequence[Entry], other: Sequence[Entry]) -> bool:
    """Whether two sequences of entries say the same of all files but their content."""
    return len(one) == len(other) and all(map(_is_alike, one, other))


def _is_alike(one: Entry, other: Entry) -> bool:
    return one is other or _attributes(one) == _attributes(other)


def _attributes(entry: Entry) -> tuple[object, ...]:
    """All that is said of a file but its content."""
    return (
        entry.path,
        entry.kind,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime,
        entry.link,
        entry.xattrs,
        entry.device,
    )


def _names(entries: Sequence[Entry]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry.kind is FileKind.HARDLINK:
            found.setdefault(entry.link, []).append(entry.path)
    return found


class _Comparing:
    """Compares contents across platforms, by identity where that is enough and by their bytes where not."""

    def __init__(self, memo: Memo | None, holding: Holding, clock_ns: Callable[[], int]) -> None:
        self._memo = memo
        self._holding = holding
        self._clock_ns = clock_ns

    def equal(self, rows: Mapping[str, Sequence[Content | None]]) -> frozenset[str]:
        """The paths whose contents are the same."""
        same = {path for path, contents in rows.items() if len(set(map(_identity, contents))) == 1}
        doubtful = {
            path: [one for one in contents if one is not None]
            for path, contents in rows.items()
            if path not in same and None not in contents and len({one.size for one in contents if one}) == 1
        }
        return frozenset(same | (self._compared(doubtful) if doubtful else set()))

    def _compared(self, rows: Mapping[str, Sequence[Content]]) -> set[str]:
        """Those whose bytes are the same, from the memo if that was found out about these very files."""
        taken_ns = self._clock_ns()
        stamps = [(path, [one.stamp for one in contents]) for path, contents in rows.items()]
        key = f"shared:{hashlib.sha256(repr(stamps).encode()).hexdigest()}"
        known = self._memo.recall(key) if self._memo is not None else None
        if known is not None:
            return set(known["paths"])
        same = {path for path, contents in rows.items() if self._are_equal(contents)}
        every = [stamp for _, row in stamps for stamp in row]
        is_sure = (
            None not in every
            and is_settled(max(time_ns for stamp in every if stamp for time_ns in stamp[3:]), taken_ns)
            and not has_foreign_clock({stamp[0] for stamp in every if stamp})
        )
        if self._memo is not None and is_sure:
            self._memo.remember(key, {"paths": sorted(same)})
        return same

    def _are_equal(self, contents: Sequence[Content]) -> bool:
        files = [one for one in contents if isinstance(one, FileContent)]
        for one in files:
            self._holding.take(one)
        if any(one.is_held for one in files) or len(files) < len(contents):
            return len(set(map(_digest, contents))) == 1
        with ExitStack() as stack:  # side by side: most that differ do so in their first piece
            # Cut anew: what a file system gives at once may be less than a piece, and less here than there.
            streams = [blocks(stack.enter_context(closing(one.pieces())), PIECE) for one in files]
            return all(pieces.count(pieces[0]) == len(pieces) for pieces in zip(*streams, strict=True))


def _digest(content: Content) -> bytes:
    is_held = isinstance(content, FileContent) and content.is_held
    pieces: Iterator[bytes] = iter((content.hold(),)) if is_held else content.pieces()  # type: ignore[attr-defined]
    tap = hashlib.sha256()
    for piece in pieces:
        tap.update(piece)
    return tap.digest()


def _identity(content: Content | None) -> object:
    """What equal contents alone have in common."""
    if content is None:
        return None
    return content.stamp or content.identity or id(content)
