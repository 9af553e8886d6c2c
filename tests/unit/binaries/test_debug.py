"""Programs without debug information: what is loaded stays as it is, what a debugger reads goes."""

import io
import struct

import pytest

from ocitool.binaries.debug import build_id, strip
from ocitool.binaries.window import Window

SECTIONS = (
    # name, type, flags, content, link, info
    (b"", 0, 0, b"", 0, 0),
    (b".note.gnu.build-id", 7, 2, None, 0, 0),
    (b".comment", 1, 0, b"made by", 0, 0),
    (b".dynstr", 3, 2, b"\0libc\0\0\0", 0, 0),
    (b".dynsym", 11, 2, bytes(16), 3, 1),
    (b".bss", 8, 3, b"", 0, 0),
    (b".debug_info", 1, 0, b"d" * 100, 0, 0),
    (b".ARM.attributes", 0x70000003, 0, b"Aattributes", 0, 0),
    (b".symtab", 2, 0, b"s" * 48, 9, 0),
    (b".strtab", 3, 0, b"\0main\0", 0, 0),
)


def elf(bits=64, order="<", *, kind=2, without=()) -> bytes:
    """A program of two segments' worth of text, then sections in the order of the table."""
    head, segment = (64, "IIQQQQQQ") if bits == 64 else (52, "IIIIIIII")
    note = struct.pack(order + "III", 4, 4, 3) + b"GNU\0" + b"\xab\xcd\xef\x01"
    chosen = [row for row in SECTIONS if row[0] not in without]
    body, rows, names = b"", b"", b"\0.shstrtab\0"
    start = head + struct.calcsize(order + segment)
    wide = order + ("IIQQQQIIQQ" if bits == 64 else "IIIIIIIIII")
    for name, type_, flags, said, link, info in chosen:
        content = note if said is None else said
        place = len(names) if name else 0
        rows += struct.pack(wide, place, type_, flags, 0, start + len(body), len(content), link, info, 1, 0)
        names += name + b"\0"
        body += content
    loaded = start + sum(len(note if row[3] is None else row[3]) for row in chosen[:5])
    rows += struct.pack(wide, 1, 3, 0, 0, start + len(body), len(names), 0, 0, 1, 0)
    body += names
    fields = (1, 5, 0, 0, 0, loaded, loaded, 4096) if bits == 64 else (1, 0, 0, 0, loaded, loaded, 5, 4096)
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    layout = order + ("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH")
    sizes = (head, struct.calcsize(order + segment), 1, struct.calcsize(wide), len(chosen) + 1, len(chosen))
    header = ident + struct.pack(layout, kind, 40, 1, 0, head, start + len(body), 0, *sizes)
    return header + struct.pack(order + segment, *fields) + body + rows


def stripped(raw: bytes) -> bytes | None:
    out = io.BytesIO()
    return out.getvalue() if strip(io.BytesIO(raw), out) else None


def sections(raw: bytes, bits: int, order: str) -> dict[bytes, tuple[int, bytes]]:
    """(link's name, content) of each section by its name, read with what the header says."""
    window, wide = Window(io.BytesIO(raw)), order + ("IIQQQQIIQQ" if bits == 64 else "IIIIIIIIII")
    (table,) = struct.unpack_from(order + ("Q" if bits == 64 else "I"), raw, 40 if bits == 64 else 32)
    count, last = struct.unpack_from(order + "HH", raw, 60 if bits == 64 else 48)
    rows = [struct.unpack_from(wide, raw, table + n * struct.calcsize(wide)) for n in range(count)]
    names = [window.text(rows[last][4] + row[0]).encode() for row in rows]
    return {
        name: (names[row[6]], b"" if row[1] == 8 else raw[row[4] : row[4] + row[5]])
        for name, row in zip(names, rows, strict=True)
    }


@pytest.mark.parametrize(("bits", "order"), [(64, "<"), (64, ">"), (32, "<"), (32, ">")])
def test_what_is_loaded_stays_and_what_debuggers_read_goes(bits, order):
    raw = elf(bits, order)

    small = stripped(raw)

    found = sections(small, bits, order)
    assert [
        b"", b".note.gnu.build-id", b".dynstr", b".dynsym", b".bss", b".ARM.attributes", b".shstrtab",
    ] == list(found)  # fmt: skip
    assert (b".dynstr", b"Aattributes") == (found[b".dynsym"][0], found[b".ARM.attributes"][1])
    assert b"\0libc\0\0\0" == found[b".dynstr"][1]
    at = raw.index(b"made by")
    assert raw[64:at] == small[64:at]
    assert b"dddd" not in small
    assert "abcdef01" == build_id(io.BytesIO(small)) == build_id(io.BytesIO(raw))


def test_a_program_that_has_nothing_to_lose_is_left_as_it_is():
    assert stripped(elf(without=(b".debug_info", b".symtab"))) is None
    assert stripped(elf(kind=1)) is None
    assert stripped(b"#!/bin/sh\n") is None
    assert "" == build_id(io.BytesIO(elf(without=(b".note.gnu.build-id",))))


def test_broken_headers_write_nothing_and_never_raise():
    raw = elf()
    for size in range(0, len(raw), 7):
        assert stripped(raw[:size]) is None
    for at in range(16, 64):
        for value in (0, 0xFF):
            stripped(raw[:at] + bytes([value]) + raw[at + 1 :])
            build_id(io.BytesIO(raw[:at] + bytes([value]) + raw[at + 1 :]))
