"""Mach-O headers of macOS programs, thin and fat.

Spec: Apple `mach-o/loader.h` and `mach-o/fat.h`.
"""

import struct
from typing import Final

from ocitool.binaries.binary import Binary, BinaryKind, Format, GoBuildInfo
from ocitool.binaries.goinfo import read_go_build
from ocitool.binaries.window import Window
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform

_THIN: Final = {
    b"\xcf\xfa\xed\xfe": ("<", 64),
    b"\xce\xfa\xed\xfe": ("<", 32),
    b"\xfe\xed\xfa\xcf": (">", 64),
    b"\xfe\xed\xfa\xce": (">", 32),
}
_FAT: Final = {b"\xca\xfe\xba\xbe": 20, b"\xca\xfe\xba\xbf": 32}

_CPUS: Final = {0x01000007: "amd64", 0x0100000C: "arm64", 7: "386", 12: "arm", 18: "ppc", 0x01000012: "ppc64"}
_NAMES: Final = {0x01000007: "x86-64", 0x0100000C: "AArch64", 7: "x86", 12: "ARM", 18: "PowerPC"}
_KINDS: Final = {2: BinaryKind.PROGRAM, 6: BinaryKind.LIBRARY, 8: BinaryKind.LIBRARY, 9: BinaryKind.LIBRARY}
_FAT_LIMIT: Final = 16
_COMMANDS_LIMIT: Final = 256 * KIB
_SEGMENT, _SEGMENT_64, _LOAD_DYLIB, _LOAD_DYLINKER = 1, 0x19, 0xC, 0xE


def read_macho(window: Window) -> Binary | None:
    """What a Mach-O file says of itself, or None; a fat one has a platform for each program in it."""
    magic = window.at(0, 4)
    if magic in _FAT:
        return _fat(window, _FAT[magic])
    return _thin(window, 0)


def _fat(window: Window, step: int) -> Binary | None:
    head = window.exactly(4, 4)
    count = int.from_bytes(head, "big") if head else 0
    # Java class files have the same magic; their version stands where the count does and is above 40.
    if not 1 <= count <= _FAT_LIMIT:
        return None
    table = window.exactly(8, step * count)
    if table is None:
        return None
    wide = step == 32
    offsets = [struct.unpack_from(">Q" if wide else ">I", table, at + 8)[0] for at in range(0, len(table), step)]
    parts = [part for offset in offsets if (part := _thin(window, offset)) is not None]
    if not parts:
        return None
    return Binary(
        Format.MACHO,
        parts[0].kind,
        " and ".join(part.machine for part in parts),
        tuple(platform for part in parts for platform in part.platforms),
        loader=parts[0].loader,
        needed=parts[0].needed,
    )


def _thin(window: Window, start: int) -> Binary | None:
    known = _THIN.get(window.at(start, 4))
    if known is None:
        return None
    order, bits = known
    raw = window.exactly(start + 4, 24)
    if raw is None:
        return None
    cpu, _, file_type, _, size, flags = struct.unpack(order + "IIIIII", raw)
    commands = window.at(start + (32 if bits == 64 else 28), min(size, _COMMANDS_LIMIT))
    loader, needed, buildinfo = _commands(commands, order)
    go: GoBuildInfo | None = read_go_build(window, start + buildinfo[0], buildinfo[1]) if buildinfo else None
    architecture = _CPUS.get(cpu)
    os = (go.get("GOOS") if go else "") or "darwin"
    return Binary(
        Format.MACHO,
        _KINDS.get(file_type, BinaryKind.OBJECT),
        _NAMES.get(cpu, f"Mach-O cpu {cpu:#x}"),
        (Platform(os, architecture),) if architecture else (),
        loader=loader,
        needed=needed,
        is_static=not loader and not needed,
        flags=flags,
        go=go,
    )


def _commands(data: bytes, order: str) -> tuple[str, tuple[str, ...], tuple[int, int] | None]:
    """(loader, libraries, offset and size of Go's build information) from the load commands."""
    loader, needed, buildinfo = "", [], None
    at = 0
    while at + 8 <= len(data):
        command, size = struct.unpack_from(order + "II", data, at)
        if size < 8:
            break
        body = data[at : at + size]
        kind = command & 0x7FFFFFFF
        if kind in {_LOAD_DYLIB, _LOAD_DYLINKER} and len(body) >= 12:
            (text_at,) = struct.unpack_from(order + "I", body, 8)
            text = body[text_at:].partition(b"\0")[0].decode("utf-8", "backslashreplace")
            if kind == _LOAD_DYLINKER:
                loader = text
            else:
                needed.append(text)
        elif kind in {_SEGMENT, _SEGMENT_64}:
            buildinfo = buildinfo or _section(body, order, is_wide=kind == _SEGMENT_64)
        at += size
    return loader, tuple(needed), buildinfo


def _section(body: bytes, order: str, *, is_wide: bool) -> tuple[int, int] | None:
    first, step = (72, 80) if is_wide else (56, 68)
    for at in range(first, len(body) - step + 1, step):
        if body[at : at + 16].rstrip(b"\0") == b"__go_buildinfo":
            size_at = at + (40 if is_wide else 36)
            size, offset = struct.unpack_from(order + ("QI" if is_wide else "II"), body, size_at)
            return offset, size
    return None
