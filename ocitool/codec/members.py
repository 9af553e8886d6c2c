r"""The member table: where each gzip member of a layer starts, kept in the layer itself.

A layer is a row of gzip members of one block each (RFC 1952 2.2). After them stand one or more empty
members whose FEXTRA field lists the compressed sizes, so that whoever knows this can read any stretch of
the layer by Range. Every gzip reader that loops over members skips them.

    FEXTRA subfield "OT":  u8 version=1, 3 zero bytes, u32 block, u32 first, u32 size × n, u32 tail, "ocitool\0"

`block` is the uncompressed size of every member but the last, `first` the number of the first member
listed, `tail` the length of all table members up to and including this one. Little-endian.
"""

import struct
from collections.abc import Sequence
from typing import Final

from ocitool.values import dataclass

_HEADER: Final = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"  # deflate, FEXTRA, no time, os unknown
_EMPTY: Final = b"\x03\x00" + bytes(8)  # an empty deflate stream, crc 0, length 0
_MAGIC: Final = b"ocitool\0"
_PER_TABLE: Final = 16_000  # sizes in one FEXTRA field, which holds at most 65,535 bytes
FRAME: Final = len(_HEADER) + 2 + 4 + len(_EMPTY)
"""Bytes of an empty member beside what it carries."""

TAIL: Final = 22
"""Bytes to read from the end of a blob to learn how long its table is."""


@dataclass(frozen=True, slots=True)
class MemberTable:
    """`sizes` are the compressed lengths of the members in order; `block` the uncompressed length of each."""

    block: int
    sizes: tuple[int, ...]

    def members_for(self, start: int, end: int) -> tuple[int, int, int]:
        """Where to read for the uncompressed bytes [start, end).

        Returns the compressed range as (offset, length) and how many leading bytes of what it
        decompresses to stand before `start`.
        """
        first, last = start // self.block, min((end - 1) // self.block, len(self.sizes) - 1)
        offset = sum(self.sizes[:first])
        return offset, sum(self.sizes[first : last + 1]), start - first * self.block


def empty_member(name: bytes, payload: bytes) -> bytes:
    """A gzip member without content that carries at most 65,531 bytes in an FEXTRA subfield of this name."""
    field = name + struct.pack("<H", len(payload)) + payload
    return _HEADER + struct.pack("<H", len(field)) + field + _EMPTY


def payload_at(data: bytes, at: int, name: bytes) -> bytes | None:
    """What the member at an offset carries in its only subfield, of this name; None for another member."""
    length = int.from_bytes(data[at + 14 : at + 16], "little")
    payload = data[at + 16 : at + 16 + length]
    return payload if data[at:].startswith(empty_member(name, payload)) and len(payload) == length else None


def table_bytes(block: int, sizes: Sequence[int]) -> bytes:
    """The empty members that list `sizes`; at least one, also for no members at all."""
    out = b""
    for first in range(0, max(len(sizes), 1), _PER_TABLE):
        part = sizes[first : first + _PER_TABLE]
        tail = len(out) + FRAME + 24 + 4 * len(part)
        payload = struct.pack(f"<B3xII{len(part)}II", 1, block, first, *part, tail) + _MAGIC
        out += empty_member(b"OT", payload)
    return out


def tail_length(end: bytes) -> int | None:
    """How many bytes the table takes, told by the last TAIL bytes of a blob; None where there is no table."""
    if len(end) < TAIL or end[-18:] != _MAGIC + _EMPTY:
        return None
    length: int = struct.unpack("<I", end[-22:-18])[0]
    return length


def read_table(tail: bytes) -> MemberTable | None:
    """The table in the last `tail_length` bytes of a blob; None if they do not hold together."""
    sizes: list[int] = []
    block, at = 0, 0
    while at < len(tail):
        payload = payload_at(tail, at, b"OT")
        if payload is None or len(payload) < 24 or len(payload) % 4 or not payload.endswith(_MAGIC):
            return None
        version, block, first, *rest = struct.unpack(f"<B3xII{len(payload) // 4 - 6}II", payload[:-8])
        at += FRAME + len(payload)
        if version != 1 or first != len(sizes) or rest[-1] != at or not block:
            return None
        sizes += rest[:-1]
    return MemberTable(block, tuple(sizes)) if block else None
