"""The files that git tracks in a folder, read from the index of its checkout; no process is started."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ocitool.model.numbers import MIB

_LIMIT: Final = 64 * MIB
"""Bytes of an index that are read: some 600,000 files."""
_LINK_LIMIT: Final = 1 << 14
_NAME_LIMIT: Final = 4096
_STAT_SIZE: Final = 40
_NAME_BITS: Final = 0xFFF
_EXTENDED: Final = 0x4000


def tracked_files(folder: Path) -> frozenset[str]:
    """The paths below an absolute folder that git tracks, seen from it; none where git's files cannot be read.

    An index that is split over two files is as good as none.
    """
    top = next((up for up in (folder, *folder.parents) if os.path.lexists(up / ".git")), None)
    if top is None:
        return frozenset()
    try:
        home = _git_folder(top)
        index = _read(home / "index", _LIMIT)
        config = _read(_common(home) / "config", _LIMIT)
        hash_size = 32 if re.search(rb"(?im)^\s*objectformat\s*=\s*sha256\b", config) else 20
        below = "" if top == folder else f"{folder.relative_to(top)}/"
        names = (os.fsdecode(name) for name in _names(index, hash_size))
        return frozenset(name.removeprefix(below) for name in names if name.startswith(below))
    except (OSError, ValueError, IndexError):
        return frozenset()


def _git_folder(top: Path) -> Path:
    """`.git`, or where a file of that name points: worktrees and submodules have one."""
    place = top / ".git"
    if place.is_dir():
        return place
    return top / os.fsdecode(_read(place, _LINK_LIMIT).removeprefix(b"gitdir:").strip())


def _common(home: Path) -> Path:
    """Where what all worktrees share is."""
    pointer = home / "commondir"
    return home / os.fsdecode(_read(pointer, _LINK_LIMIT).strip()) if pointer.is_file() else home


def _read(path: Path, limit: int) -> bytes:
    """A regular file of at most so many bytes. Raises OSError, ValueError."""
    if not path.is_file():
        raise ValueError(path)
    with path.open("rb") as opened:
        data = opened.read(limit + 1)
    if len(data) > limit:
        raise ValueError(path)
    return data


def _names(index: bytes, hash_size: int) -> Iterator[bytes]:
    """The paths in an index of version 2, 3 or 4 (gitformat-index). Raises ValueError, IndexError."""
    version, count = int.from_bytes(index[4:8], "big"), int.from_bytes(index[8:12], "big")
    if index[:4] != b"DIRC" or version not in {2, 3, 4}:
        raise ValueError(version)
    at, name = 12, b""
    for _ in range(count):
        flags_at = at + _STAT_SIZE + hash_size
        flags = int.from_bytes(index[flags_at : flags_at + 2], "big")
        begin = flags_at + (4 if flags & _EXTENDED else 2)
        if version == 4:
            cut, begin = _varint(index, begin)
            end = index.index(b"\0", begin)
            name, after = name[: len(name) - cut] + index[begin:end], end + 1
        else:
            end = index.index(b"\0", begin + min(flags & _NAME_BITS, len(index)))
            name, after = index[begin:end], end + 8 - (end - at) % 8
        if len(name) > _NAME_LIMIT:  # longer than any path; version 4 could double it with each one
            raise ValueError(len(name))
        yield name
        at = after


def _varint(index: bytes, at: int) -> tuple[int, int]:
    """A number as git writes it before a name of version 4, and where it ends."""
    value = index[at] & 0x7F
    while index[at] & 0x80:
        at += 1
        value = (value + 1 << 7) | (index[at] & 0x7F)
    return value, at + 1
