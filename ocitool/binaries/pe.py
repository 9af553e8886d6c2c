"""Windows PE headers: the machine, and whether the file is .NET code that any machine may run.

Spec: Microsoft "PE Format".
"""

import struct
from typing import Final

from ocitool.binaries.binary import Binary, BinaryKind, Format, GoBuildInfo
from ocitool.binaries.goinfo import arm_variant, read_go_build
from ocitool.binaries.window import Window
from ocitool.model.platform import Platform

_MACHINES: Final = {0x8664: "amd64", 0x14C: "386", 0xAA64: "arm64", 0x1C4: "arm", 0x1C0: "arm"}
_NAMES: Final = {0x8664: "x86-64", 0x14C: "x86", 0xAA64: "AArch64", 0x1C4: "ARM Thumb-2", 0x1C0: "ARM"}
_IS_LIBRARY: Final = 0x2000
_CLR_DIRECTORY: Final = 14


def read_pe(window: Window) -> Binary | None:
    """What a PE file says of itself, or None if it is only a DOS program or cut off."""
    place = window.exactly(0x3C, 4)
    start = int.from_bytes(place, "little") if place else 0
    head = window.exactly(start, 24)
    if head is None or head[:4] != b"PE\0\0":
        return None
    machine, sections, _, _, _, optional_size, characteristics = struct.unpack("<HHIIIHH", head[4:])
    optional = window.at(start + 24, optional_size)
    kind = BinaryKind.LIBRARY if characteristics & _IS_LIBRARY else BinaryKind.PROGRAM
    name = _NAMES.get(machine, f"PE machine {machine:#06x}")
    if _is_managed(optional):
        return Binary(Format.PE, kind, ".NET", is_portable=True)
    architecture = _MACHINES.get(machine)
    go = _go_build(window, start + 24 + optional_size, sections)
    return Binary(
        Format.PE,
        kind,
        name,
        (Platform("windows", architecture, _variant(architecture, go)),) if architecture else (),
        flags=characteristics,
        is_static=go is not None and go.get("CGO_ENABLED") == "0",
        go=go,
    )


def _variant(architecture: str, go: GoBuildInfo | None) -> str:
    if go is None:
        return ""
    if architecture == "arm":
        return arm_variant(go.get("GOARM"))
    return go.get({"amd64": "GOAMD64", "arm64": "GOARM64"}.get(architecture, "")).partition(",")[0]


def _is_managed(optional: bytes) -> bool:
    """Whether the CLR header's directory entry is there."""
    if len(optional) < 2:
        return False
    first = 112 if optional[:2] == b"\x0b\x02" else 96  # PE32+ has wider fields before the directories
    count = int.from_bytes(optional[first - 4 : first], "little")
    entry = optional[first + 8 * _CLR_DIRECTORY :][:8]
    return count > _CLR_DIRECTORY and len(entry) == 8 and any(entry)


def _go_build(window: Window, table: int, count: int) -> GoBuildInfo | None:
    """The build information, which Go puts at the start of the first writable section of data."""
    data = window.at(table, 40 * min(count, 96))
    for at in range(0, len(data) - 39, 40):
        size, offset = struct.unpack_from("<II", data, at + 16)
        (flags,) = struct.unpack_from("<I", data, at + 36)
        if flags & 0x80000000 and flags & 0x40:
            return read_go_build(window, offset, size)
    return None
