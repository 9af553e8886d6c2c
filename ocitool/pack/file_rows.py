"""Plain files of a folder as rows of bytes, a hundred thousand in little memory, and contents of small ones."""

import marshal
import os
import threading
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Final

from ocitool.model.numbers import KIB
from ocitool.pack.file_identity import stamp_of

ROW: Final = Struct("=3Q2qH")
"""A stamp, and the mode."""
MOST_ROWS: Final = 1024
"""So many are compressed together."""
_NAMED: Final = Struct("=3Q2qHI")
_NAME_AT: Final = Struct("=I")
"""A row, and behind it where the name begins."""
_SMALL: Final = 4 * KIB
_NONE_HELD: Final = array("i")
_HELD: Final = 128 * KIB
_OPEN_HELD: Final = 4
"""Bytes of contents that are compressed together, and such blocks that are open: one for each layer at a time."""


class FewOpen:
    """The few of many things that are not compressed at a time: what is looked at stands side by side."""

    __slots__ = ("_most", "_shut")

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._shut: deque[Callable[[], None]] = deque()

    def note(self, shut: Callable[[], None]) -> None:
        """Something was opened that `shut` compresses; what was opened longest ago is shut."""
        self._shut.append(shut)
        if len(self._shut) > self._most:
            self._shut.popleft()()


class HeldContents:
    """Contents by the numbers that they get, compressed as soon as there are many.

    They are asked for in about the order in which they came: of a block that others were asked for after it nothing
    is kept. Threads may share one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: list[bytes] = []
        self._size = 0
        self._firsts = [0]
        self._blocks: list[bytes] = []
        self._open: dict[int, list[bytes | None]] = {}

    def add(self, data: bytes) -> int:
        """The number of a content."""
        with self._lock:
            number = self._firsts[-1] + len(self._new)
            self._new.append(data)
            self._size += len(data)
            if self._size >= _HELD:
                self._blocks.append(zlib.compress(marshal.dumps(self._new), 1))
                self._firsts.append(number + 1)
                self._new, self._size = [], 0
            return number

    def get(self, number: int) -> bytes | None:
        """The content, None if it is kept no more."""
        with self._lock:
            block = bisect_right(self._firsts, number) - 1
            if block == len(self._blocks):
                return self._new[number - self._firsts[-1]]
            if block not in self._open:
                packed, self._blocks[block] = self._blocks[block], b""
                if not packed:
                    return None
                if len(self._open) == _OPEN_HELD:
                    del self._open[next(iter(self._open))]
                self._open[block] = marshal.loads(zlib.decompress(packed))  # noqa: S302 - our own bytes
            return self._open[block][number - self._firsts[block]]


class FileRows:
    """Files of one folder as they were found, at most `MOST_ROWS`, by numbers from 0.

    `folder` ends with a slash. They are added one by one, and then looked at.
    """

    __slots__ = ("_count", "_few", "_held", "_held_in", "_opened", "_packed", "folder")

    def __init__(self, folder: str, few: FewOpen) -> None:
        self.folder = folder
        self._few = few
        self._count = 0
        self._opened: tuple[bytes | bytearray, bytes | bytearray] | None = (bytearray(), bytearray())
        self._packed = b""
        self._held_in: HeldContents | None = None
        self._held = _NONE_HELD

    def __len__(self) -> int:
        """How many files there are."""
        return self._count

    def add(self, name: bytes, status: os.stat_result) -> None:
        """One more file."""
        rows, names = self._open()
        rows += _NAMED.pack(*stamp_of(status), status.st_mode, len(names))
        names += name + b"\0"
        self._count += 1

    def finish(self) -> None:
        """No file is added any more."""
        rows, names = map(bytes, self._open())
        self._opened = rows, names
        if len(rows) > _SMALL:
            self._packed = zlib.compress(rows + names, 1)
            self._few.note(self.shut)

    def shut(self) -> None:
        """Let go of what is not compressed."""
        self._opened = None

    def _open(self) -> tuple[bytes | bytearray, bytes | bytearray]:
        opened = self._opened
        if opened is None:
            data, size = zlib.decompress(self._packed), self._count * _NAMED.size
            opened = self._opened = data[:size], data[size:]
            self._few.note(self.shut)
        return opened

    def name(self, number: int) -> bytes:
        """The name of a file."""
        rows, names = self._open()
        begin = _NAME_AT.unpack_from(rows, (number + 1) * _NAMED.size - _NAME_AT.size)[0]
        return bytes(names[begin : names.index(0, begin)])

    def row(self, number: int) -> bytes:
        """The stamp and mode of a file, and its name."""
        rows, names = self._open()
        at = number * _NAMED.size
        begin = _NAME_AT.unpack_from(rows, at + ROW.size)[0]
        return bytes(rows[at : at + ROW.size] + names[begin : names.index(0, begin)])

    def hold(self, number: int, data: bytes, held: HeldContents) -> None:
        """Keep the content of a file among others."""
        if self._held_in is not held:
            self._held_in, self._held = held, array("i", (-1,)) * self._count
        self._held[number] = held.add(data)

    def held(self, number: int, *, last: bool = False) -> bytes | None:
        """The content of a file if it is kept, which it is no more after the `last` time."""
        held = self._held[number] if self._held_in is not None else -1
        if self._held_in is None or held < 0:  # asked once: another thread may let go of it meanwhile
            return None
        data = self._held_in.get(held)
        if last or data is None:
            self._held[number] = -1
        return data
