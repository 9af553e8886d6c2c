"""An ELF program without symbols and debug information, and the build id by which debuggers find what was left out.

Spec: System V gABI, chapters 4 and 5. What is loaded keeps its bytes and its place, so that the whole program
serves as the debug file of the small one.
"""

import struct
from typing import BinaryIO, Final

from ocitool.binaries.elf import file_header
from ocitool.binaries.window import Window
from ocitool.model.numbers import KIB
from ocitool.values import dataclass, replace

_SYMTAB, _RELA, _NOTE, _NOBITS, _REL, _ATTRIBUTES = 2, 4, 7, 8, 9, 0x70000003
_ALLOC, _INFO_LINK = 0x2, 0x40
_SECTIONS_LIMIT: Final = 65_000
_PIECE: Final = 256 * KIB
_NOTE_LIMIT: Final = 64 * KIB
_GNU_BUILD_ID: Final = 3


@dataclass(frozen=True, slots=True)
class _Section:
    """A section header: every field, and its name."""

    name: bytes
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int

    @property
    def is_kept(self) -> bool:
        """Whether it is part of the running program, or tells which processor that needs."""
        return bool(self.flags & _ALLOC) or self.kind in {0, _ATTRIBUTES}


@dataclass(frozen=True, slots=True)
class _Elf:
    order: str
    bits: int
    end: int  # of what segments and kept sections hold
    names: int  # the number of the section with names
    sections: tuple[_Section, ...]


def strip(file: BinaryIO, out: BinaryIO) -> bool:
    """Write the program into `out` without what only debuggers read; False, and nothing written, if it has none.

    Also False for what is no program or library of ELF, or has headers that do not hold. Raises OSError.
    """
    window = Window(file)
    elf = _read(window)
    if elf is None or not any(
        s.kind == _SYMTAB or s.name.startswith((b".debug_", b".zdebug_")) for s in elf.sections
    ):
        return False
    _copy(file, out, elf.end)
    numbers: dict[int, int] = {}
    kept: list[_Section] = []
    for number, section in enumerate(elf.sections):
        if section.is_kept:
            numbers[number] = len(kept)
            if section.kind == _ATTRIBUTES and not section.flags & _ALLOC:
                place = out.tell()
                out.write(window.exactly(section.offset, section.size) or b"")
                section = replace(section, offset=place)  # noqa: PLW2901 - the same section at its new place
            kept.append(section)
    names, places = b"\0", []
    for section in (*kept, elf.sections[elf.names]):
        places.append(len(names))
        names += section.name + b"\0"
    kept.append(replace(elf.sections[elf.names], offset=out.tell(), size=len(names)))
    out.write(names)
    out.write(b"\0" * (-out.tell() % 8))
    table = out.tell()
    for place, section in zip(places, kept, strict=True):
        refers = section.kind in {_REL, _RELA} or section.flags & _INFO_LINK
        info = numbers.get(section.info, 0) if refers else section.info
        moved = replace(section, link=numbers.get(section.link, 0), info=info)
        out.write(_header(elf, place, moved))
    _patch(out, elf, table, len(kept))
    return True


def build_id(file: BinaryIO) -> str:
    """The build id in hexadecimal digits; empty if the file has none."""
    window = Window(file)
    elf = _read(window)
    for section in elf.sections if elf is not None else ():
        data = window.at(section.offset, min(section.size, _NOTE_LIMIT)) if section.kind == _NOTE else b""
        at = 0
        while elf is not None and at + 12 <= len(data):
            name_size, size, kind = struct.unpack_from(elf.order + "III", data, at)
            start = at + 12 + -(-name_size // 4) * 4
            if kind == _GNU_BUILD_ID and data[at + 12 : at + 16] == b"GNU\0" and 0 < size <= 64:
                return data[start : start + size].hex()
            at = start + -(-size // 4) * 4
    return ""


def _read(window: Window) -> _Elf | None:
    found = file_header(window)
    if found is None:
        return None
    bits, order, _, fields = found
    kind, _, _, _, phoff, shoff, _, _, phsize, phnum, shsize, shnum, names = fields
    section, segment = _layouts(order, bits)
    if kind not in {2, 3} or shsize != struct.calcsize(section) or not names < shnum < _SECTIONS_LIMIT:
        return None
    rows = window.exactly(shoff, shsize * shnum)
    segments = window.exactly(phoff, phsize * phnum) if phsize == struct.calcsize(segment) else None
    if rows is None or (phnum and segments is None):
        return None
    table = [_Section(b"", *fields[1:]) for fields in struct.iter_unpack(section, rows)]
    strings = window.at(table[names].offset, table[names].size)
    starts = (fields[0] for fields in struct.iter_unpack(section, rows))
    sections = tuple(
        replace(one, name=strings[at : at + 256].partition(b"\0")[0]) for at, one in zip(starts, table, strict=True)
    )
    ends = [phoff + phsize * phnum]
    place, size = (2, 5) if bits == 64 else (1, 4)
    ends += [fields[place] + fields[size] for fields in struct.iter_unpack(segment, segments or b"")]
    ends += [one.offset + one.size for one in sections if one.flags & _ALLOC and one.kind != _NOBITS]
    return _Elf(order, bits, max(ends), names, sections) if max(ends) <= window.size else None


def _layouts(order: str, bits: int) -> tuple[str, str]:
    """Of a section's header and a segment's."""
    return (order + "IIQQQQIIQQ", order + "IIQQQQQQ") if bits == 64 else (order + "IIIIIIIIII", order + "IIIIIIII")


def _header(elf: _Elf, name: int, one: _Section) -> bytes:
    place = (one.flags, one.address, one.offset, one.size)
    return struct.pack(
        _layouts(elf.order, elf.bits)[0], name, one.kind, *place, one.link, one.info, one.align, one.entry
    )


def _patch(out: BinaryIO, elf: _Elf, table: int, count: int) -> None:
    """Let the ELF header name the new table of sections, whose last one has the names."""
    out.seek(40 if elf.bits == 64 else 32)
    out.write(struct.pack(elf.order + ("Q" if elf.bits == 64 else "I"), table))
    out.seek(60 if elf.bits == 64 else 48)
    out.write(struct.pack(elf.order + "HH", count, count - 1))


def _copy(file: BinaryIO, out: BinaryIO, size: int) -> None:
    file.seek(0)
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        out.write(piece)
        size -= len(piece)
