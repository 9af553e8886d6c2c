"""ELF headers: machine, level, loader and needed libraries, read with bounds from any file.

Spec: System V gABI, chapters 4 and 5; the flags and notes are those of the processor supplements.
"""

import struct
from collections.abc import Iterator
from typing import Final, TypeAlias

from ocitool.binaries.attributes import arm_attributes, riscv_isa
from ocitool.binaries.auditable import read_audit_data
from ocitool.binaries.binary import ELF_MAGIC, Binary, BinaryKind, Format, GoBuildInfo
from ocitool.binaries.goinfo import arm_variant, read_go_build
from ocitool.binaries.window import Window
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform
from ocitool.model.platform_names import ARCHITECTURES
from ocitool.values import dataclass

_MACHINES: Final[dict[tuple[int, int, str], str]] = {
    (3, 32, "<"): "386", (62, 64, "<"): "amd64", (40, 32, "<"): "arm", (40, 32, ">"): "armbe",
    (183, 64, "<"): "arm64", (183, 64, ">"): "arm64be", (20, 32, ">"): "ppc", (21, 64, ">"): "ppc64",
    (21, 64, "<"): "ppc64le", (243, 64, "<"): "riscv64", (243, 32, "<"): "riscv", (22, 64, ">"): "s390x",
    (22, 32, ">"): "s390", (258, 64, "<"): "loong64", (8, 32, ">"): "mips", (8, 32, "<"): "mipsle",
    (8, 64, ">"): "mips64", (8, 64, "<"): "mips64le", (43, 64, ">"): "sparc64", (2, 32, ">"): "sparc",
}  # fmt: skip
_NAMES: Final = {
    3: "x86", 62: "x86-64", 40: "ARM", 183: "AArch64", 20: "PowerPC", 21: "PowerPC64", 243: "RISC-V",
    22: "S/390", 258: "LoongArch", 8: "MIPS", 43: "SPARC64", 2: "SPARC", 247: "BPF", 50: "Itanium",
    83: "AVR", 94: "Xtensa", 224: "AMD GPU", 190: "CUDA", 4: "m68k", 15: "PA-RISC", 42: "SuperH", 195: "ARC",
    36902: "Alpha",
}  # fmt: skip
_OSABI: Final = {2: "netbsd", 6: "solaris", 9: "freebsd", 12: "openbsd"}
_ABI_TAG_OS: Final = {0: "linux", 1: "hurd", 2: "solaris", 3: "freebsd"}
_NOTE_OS: Final = {b"FreeBSD": "freebsd", b"NetBSD": "netbsd", b"OpenBSD": "openbsd", b"Android": "android"}
_MIPS_N32: Final = 0x20

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE, _PT_GNU_PROPERTY = 1, 2, 3, 4, 0x6474E553
_SHT_PROC_ATTRIBUTES: Final = 0x70000003
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH, _DT_FLAGS_1 = 1, 5, 10, 15, 29, 0x6FFFFFFB
_DF_1_PIE: Final = 0x08000000
_X86_ISA_NEEDED: Final = 0xC0008002

_HEADERS_LIMIT: Final = 512 * KIB
_PART_LIMIT: Final = 64 * KIB
_NEEDED_LIMIT: Final = 512

_Table: TypeAlias = tuple[int, int, int]  # offset, bytes from one header to the next, how many


@dataclass(frozen=True, slots=True)
class _Segment:
    type: int
    flags: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class _Section:
    name: int
    type: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _Header:
    bits: int
    order: str
    osabi: int
    type: int
    machine: int
    flags: int
    segments: tuple[_Segment, ...]
    sections: tuple[_Section, ...]
    names: int


@dataclass(frozen=True, slots=True)
class _Dynamic:
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    is_pie: bool = False


def read_elf(window: Window) -> Binary | None:
    """What an ELF file says of itself, or None if its header is cut off or nonsense.

    Tables that are cut off, overlapping or wild are read as far as they hold; no part is read beyond fixed
    bounds.
    """
    header = _header(window)
    if header is None:
        return None
    loader = next((window.text(s.offset, min(s.size, 4096)) for s in header.segments if s.type == _PT_INTERP), "")
    dynamic = _dynamic(window, header)
    go = _go_build(window, header)
    os, os_is_guess = _os(window, header, loader, go)
    variant, float_abi, isa = _level(window, header, go)
    architecture = _architecture(header)
    known = architecture in ARCHITECTURES
    return Binary(
        format=Format.ELF,
        kind=_kind(header, loader, dynamic),
        machine=_machine_name(header),
        platforms=(Platform(os, architecture, variant),) if known else (),
        os_is_guess=os_is_guess,
        loader=loader,
        needed=dynamic.needed,
        rpath=dynamic.rpath,
        runpath=dynamic.runpath,
        is_static=not loader and not dynamic.needed,
        flags=header.flags,
        float_abi=float_abi,
        isa=isa,
        go=go,
        crates=_crates(window, header),
    )


def file_header(window: Window) -> tuple[int, str, int, tuple[int, ...]] | None:
    """(32 or 64, byte order for `struct`, OS ABI, fields after e_ident); None for what is no ELF file."""
    ident = window.at(0, 16)
    if len(ident) < 16 or ident[:4] != ELF_MAGIC or ident[4] not in {1, 2} or ident[5] not in {1, 2}:
        return None
    bits, order = (64, 32)[ident[4] == 1], "<>"[ident[5] == 2]
    layout = order + ("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH")
    raw = window.exactly(16, struct.calcsize(layout))
    return None if raw is None else (bits, order, ident[7], struct.unpack(layout, raw))


def _header(window: Window) -> _Header | None:
    found = file_header(window)
    if found is None:
        return None
    bits, order, abi, fields = found
    kind, machine, _, _, phoff, shoff, flags, _, phsize, phnum, shsize, shnum, shstr = fields
    segments = tuple(_segments(window, bits, order, (phoff, phsize, phnum)))
    sections = tuple(_sections(window, bits, order, (shoff, shsize, shnum)))
    names = sections[shstr].offset if shstr < len(sections) else 0
    return _Header(bits, order, abi, kind, machine, flags, segments, sections, names)


def _records(window: Window, layout: str, table: _Table) -> Iterator[tuple[int, ...]]:
    """The whole records of a table of headers, as far as the file and half a MiB reach."""
    offset, step, count = table
    size = struct.calcsize(layout)
    if step < size:
        return
    data = window.at(offset, min(step * count, _HEADERS_LIMIT))
    for at in range(0, len(data) - size + 1, step):
        yield struct.unpack_from(layout, data, at)


def _segments(window: Window, bits: int, order: str, table: _Table) -> Iterator[_Segment]:
    if bits == 64:
        for kind, flags, start, address, _, size, _, _ in _records(window, order + "IIQQQQQQ", table):
            yield _Segment(kind, flags, start, address, size)
    else:
        for kind, start, address, _, size, _, flags, _ in _records(window, order + "IIIIIIII", table):
            yield _Segment(kind, flags, start, address, size)


def _sections(window: Window, bits: int, order: str, table: _Table) -> Iterator[_Section]:
    layout = order + ("IIQQQQ" if bits == 64 else "IIIIII")
    for name, kind, _, _, start, size in _records(window, layout, table):
        yield _Section(name, kind, start, size)


def _architecture(header: _Header) -> str:
    """The GOARCH name, or an empty string where no image architecture exists for the machine and ABI."""
    if header.machine == 8 and header.bits == 32 and header.flags & _MIPS_N32:
        return ""
    return _MACHINES.get((header.machine, header.bits, header.order), "")


def _machine_name(header: _Header) -> str:
    name = _NAMES.get(header.machine, f"ELF machine {header.machine}")
    if header.machine == 62 and header.bits == 32:
        return "x86-64 (x32)"
    if header.machine == 8 and header.bits == 32 and header.flags & _MIPS_N32:
        return "MIPS (n32)"
    usual = {arch[1:] for arch in _MACHINES if arch[0] == header.machine}
    if len(usual) > 1:
        return f"{name} {header.bits}-bit {'big' if header.order == '>' else 'little'} endian"
    return name


def _kind(header: _Header, loader: str, dynamic: _Dynamic) -> BinaryKind:
    if header.type == 2 or (header.type == 3 and (loader or dynamic.is_pie)):
        return BinaryKind.PROGRAM
    return BinaryKind.LIBRARY if header.type == 3 else BinaryKind.OBJECT


def _level(window: Window, header: _Header, go: GoBuildInfo | None) -> tuple[str, str, str]:
    """(variant, float ABI, RISC-V architecture string), each empty where the file does not record it."""
    if header.machine == 40:
        variant, float_abi = arm_attributes(_attributes(window, header), header.order)
        if header.flags & 0x600:
            float_abi = "hard" if header.flags & 0x400 else "soft"
        return arm_variant(go.get("GOARM")) or variant if go else variant, float_abi, ""
    if header.machine == 243:
        variant = go.get("GORISCV64") if go else ""
        return variant, "", riscv_isa(_attributes(window, header), header.order)
    if header.machine == 62:
        return (go.get("GOAMD64") if go else "") or _x86_level(window, header), "", ""
    if header.machine == 183 and go:
        return go.get("GOARM64").partition(",")[0], "", ""
    if header.machine == 21 and go:
        return go.get("GOPPC64"), "", ""
    return "", "", ""


def _attributes(window: Window, header: _Header) -> bytes:
    section = next((s for s in header.sections if s.type == _SHT_PROC_ATTRIBUTES), None)
    segment = next((s for s in header.segments if s.type == _SHT_PROC_ATTRIBUTES), None)
    found = section or (segment if header.machine == 243 else None)
    return window.at(found.offset, min(found.size, _PART_LIMIT)) if found else b""


def _notes(window: Window, header: _Header, kind: int) -> Iterator[tuple[bytes, int, bytes]]:
    """(name, type, descriptor) of each note in the segments of that kind."""
    for segment in header.segments[:64]:
        if segment.type != kind:
            continue
        # Notes of GNU_PROPERTY segments are padded to the word size of the class, the others to four.
        pad = header.bits // 8 if kind == _PT_GNU_PROPERTY else 4
        data = window.at(segment.offset, min(segment.size, _PART_LIMIT))
        at = 0
        while at + 12 <= len(data):
            name_size, size, note = struct.unpack_from(header.order + "III", data, at)
            start = at + 12 + -(-name_size // 4) * 4
            start = -(-start // pad) * pad
            yield data[at + 12 : at + 12 + name_size].rstrip(b"\0"), note, data[start : start + size]
            at = start + -(-size // pad) * pad


def _x86_level(window: Window, header: _Header) -> str:
    """The level that GNU property notes say the code needs: v2, v3, v4, or empty."""
    for name, note, data in _notes(window, header, _PT_GNU_PROPERTY):
        at = 0
        while name == b"GNU" and note == 5 and at + 8 <= len(data):
            kind, size = struct.unpack_from(header.order + "II", data, at)
            if kind == _X86_ISA_NEEDED and size == 4 and at + 12 <= len(data):
                (bits,) = struct.unpack_from(header.order + "I", data, at + 8)
                return next((f"v{n}" for n in (4, 3, 2) if bits >> (n - 1) & 1), "")
            at += 8 + -(-size // 8) * 8
    return ""


def _os(window: Window, header: _Header, loader: str, go: GoBuildInfo | None) -> tuple[str, bool]:
    """The GOOS, and whether it is only the usual one."""
    if go and go.get("GOOS"):
        return go.get("GOOS"), False
    if header.osabi in _OSABI:
        return _OSABI[header.osabi], False
    for name, note, data in _notes(window, header, _PT_NOTE):
        if name in _NOTE_OS:
            return _NOTE_OS[name], False
        if name == b"GNU" and note == 1 and len(data) >= 4:
            (number,) = struct.unpack_from(header.order + "I", data)
            return _ABI_TAG_OS.get(number, "linux"), number not in _ABI_TAG_OS
    base = loader.rpartition("/")[2]
    return "linux", not base.startswith(("ld-linux", "ld-musl", "ld64.so"))


def _dynamic(window: Window, header: _Header) -> _Dynamic:
    segment = next((s for s in header.segments if s.type == _PT_DYNAMIC), None)
    if segment is None:
        return _Dynamic()
    layout = header.order + ("qQ" if header.bits == 64 else "iI")
    step = struct.calcsize(layout)
    data = window.at(segment.offset, min(segment.size, _PART_LIMIT))
    values: dict[int, list[int]] = {}
    for at in range(0, len(data) - step + 1, step):
        tag, value = struct.unpack_from(layout, data, at)
        if tag == 0:
            break
        values.setdefault(tag, []).append(value)
    table = _file_offset(header, values.get(_DT_STRTAB, [0])[0])
    limit = values.get(_DT_STRSZ, [0])[0]

    def strings(tag: int) -> tuple[str, ...]:
        if table is None:
            return ()
        wanted = values.get(tag, [])[:_NEEDED_LIMIT]
        return tuple(window.text(table + value, min(4096, limit - value)) for value in wanted if value < limit)

    def folders(tag: int) -> tuple[str, ...]:
        return tuple(folder for text in strings(tag) for folder in text.split(":") if folder)

    return _Dynamic(
        needed=strings(_DT_NEEDED),
        rpath=folders(_DT_RPATH),
        runpath=folders(_DT_RUNPATH),
        is_pie=bool(values.get(_DT_FLAGS_1, [0])[0] & _DF_1_PIE),
    )


def _file_offset(header: _Header, address: int) -> int | None:
    """Where the byte at a virtual address stands in the file."""
    for segment in header.segments:
        if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    return None


def _crates(window: Window, header: _Header) -> tuple[tuple[str, str], ...]:
    for section in header.sections:
        if section.size and header.names and window.at(header.names + section.name, 8) == b".dep-v0\0":
            return read_audit_data(window, section.offset, section.size)
    return ()


def _go_build(window: Window, header: _Header) -> GoBuildInfo | None:
    for section in header.sections:
        if section.size and header.names and window.at(header.names + section.name, 14) == b".go.buildinfo\0":
            return read_go_build(window, section.offset, section.size)
    # Without section headers the blob is near the start of the first segment of data.
    for segment in header.segments:
        if segment.type == _PT_LOAD and segment.flags & 2:
            return read_go_build(window, segment.offset, segment.size)
    return None
