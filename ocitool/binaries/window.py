"""Bounded reads at any place of a file whose content nobody has vouched for."""

from typing import Final, Protocol

from ocitool.model.numbers import MIB

READ_LIMIT: Final = MIB
"""Most bytes that one read gives, whatever a header asks for."""


class Seekable(Protocol):
    """A binary file open for reading."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move, and give the new place."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes from there."""


class Window:
    """A file seen as bytes at offsets: reads beyond its end are short or empty, and never raise.

    Offsets and sizes come from headers, so any number is taken. The file stays the caller's to close.
    """

    def __init__(self, file: Seekable) -> None:
        self._file = file
        self.size = file.seek(0, 2)

    def at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes (1 MiB at most) from `offset`."""
        if not 0 <= offset < self.size or size <= 0:
            return b""
        self._file.seek(offset)
        return self._file.read(min(size, READ_LIMIT, self.size - offset))

    def exactly(self, offset: int, size: int) -> bytes | None:
        """`size` bytes from `offset`, or None if the file ends before."""
        data = self.at(offset, size)
        return data if len(data) == size else None

    def text(self, offset: int, limit: int = 4096) -> str:
        """The NUL-terminated string at `offset`, cut at `limit` bytes; undecodable bytes are escaped."""
        data, _, _ = self.at(offset, limit).partition(b"\0")
        return data.decode("utf-8", "backslashreplace")
