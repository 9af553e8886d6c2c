"""Files of other kinds, and files that come as a stream."""

import io
import struct

import pytest

from ocitool.binaries.binary import Binary, Format
from ocitool.binaries.compatibility import Misfit, mismatch
from ocitool.binaries.identify import inspect_binary, inspect_stream
from ocitool.model.platform import Platform
from tests.fakes.programs import Elf, fat, go_build, macho, pe


def inspect(data: bytes) -> Binary | None:
    return inspect_binary(lambda: io.BytesIO(data))


@pytest.mark.parametrize("data", [b"", b"M", b"\x7fEL", b"\x7fELF", b"plain text\n", b"MZ", b"PK\3\4", b"\0asm"])
def test_data_and_stumps_are_no_program(data):
    assert inspect(data) is None


@pytest.mark.parametrize(
    ("platform", "machine"),
    [("windows/amd64", 0x8664), ("windows/386", 0x14C), ("windows/arm64", 0xAA64), ("windows/arm", 0x1C4)],
)
def test_pe_machine(platform, machine):
    found = inspect(pe(machine))

    assert (Format.PE, platform) == (found.format, str(found.platform))


def test_dotnet_assemblies_run_anywhere():
    found = inspect(pe(0x14C, clr=True))

    assert (True, ()) == (found.is_portable, found.platforms)


@pytest.mark.parametrize(
    ("machine", "line", "platform", "runs", "lower"),
    [
        (0x8664, "GOAMD64=v3", "windows/amd64/v3", "windows/amd64/v4", "windows/amd64"),
        (0xAA64, "GOARM64=v8.2,lse", "windows/arm64/v8.2", "windows/arm64/v9", "windows/arm64"),
        (0x1C4, "GOARM=7", "windows/arm/v7", "windows/arm", "windows/arm/v6"),
    ],
)
def test_levels_of_windows_programs(machine, line, platform, runs, lower):
    """K253: Go's build information stands at the start of the first writable section of data."""
    blob = go_build(f"build\t{line}\nbuild\tCGO_ENABLED=0\n")
    place = len(pe(machine, sections=b"\0" * 80))
    text = b".text\0\0\0" + struct.pack("<IIIIIIHHI", 0, 0, 64, 0, 0, 0, 0, 0, 0x60000020)
    data = b".data\0\0\0" + struct.pack("<IIIIIIHHI", 0, 0, len(blob), place, 0, 0, 0, 0, 0xC0000040)

    found = inspect(pe(machine, sections=text + data) + blob)

    assert (platform, True) == (str(found.platform), found.is_static)
    assert mismatch(found, Platform.parse(runs)) is None
    assert (Misfit.LEVEL, True) == ((low := mismatch(found, Platform.parse(lower))).misfit, low.is_fatal)


def test_dos_program_without_pe_header_is_none():
    assert inspect(b"MZ".ljust(0x40, b"\0")) is None


@pytest.mark.parametrize(("platform", "cpu"), [("darwin/amd64", 0x01000007), ("darwin/arm64", 0x0100000C)])
def test_macho_cpu(platform, cpu):
    loader = (0xE).to_bytes(4, "little") + (32).to_bytes(4, "little") + (12).to_bytes(4, "little")
    loader += b"/usr/lib/dyld".ljust(20, b"\0")

    found = inspect(macho(cpu, commands=(loader,)))

    assert (Format.MACHO, platform, "/usr/lib/dyld") == (found.format, str(found.platform), found.loader)


@pytest.mark.parametrize("is_wide", [True, False], ids=["64", "32"])
def test_go_build_information_of_macho(is_wide):
    """In the section __go_buildinfo of a segment, whose headers are of either width."""
    blob = go_build("path\tx\nbuild\tGOARM=7\n")
    word = "Q" if is_wide else "I"
    size = (72 + 80) if is_wide else (56 + 68)
    at = 32 + size
    segment = struct.pack("<II16s", 0x19 if is_wide else 1, size, b"__DATA")
    segment += struct.pack(f"<4{word}IIII", 0, len(blob), at, len(blob), 3, 3, 1, 0)
    section = struct.pack("<16s16s", b"__go_buildinfo", b"__DATA") + struct.pack(f"<2{word}I", 0, len(blob), at)
    segment += section.ljust(80 if is_wide else 68, b"\0")

    found = inspect(macho(0x0100000C, commands=(segment,)) + blob)

    assert "go1.26.8" == found.go.version


def test_fat_macho_has_a_platform_for_each_part():
    found = inspect(fat((0x01000007, macho(0x01000007)), (0x0100000C, macho(0x0100000C))))

    assert (["darwin/amd64", "darwin/arm64"], None) == ([str(p) for p in found.platforms], found.platform)


def test_java_class_is_not_a_fat_macho():
    assert inspect(b"\xca\xfe\xba\xbe\x00\x00\x00\x41" + b"\0" * 64) is None


def test_wasm_module():
    found = inspect(b"\0asm\1\0\0\0")

    assert ("wasm", True) == (found.platform.architecture, found.os_is_guess)


@pytest.mark.parametrize(
    ("interpreter", "line"),
    [("/bin/sh", b"#!/bin/sh -e\n"), ("/usr/bin/env", b"#! /usr/bin/env python3\n"), ("", b"#!\n")],
)
def test_script_names_its_interpreter(interpreter, line):
    found = inspect(line + b"echo\n")

    assert (Format.SCRIPT, interpreter, True) == (found.format, found.loader, found.is_portable)


@pytest.mark.parametrize(
    ("line", "interpreter", "wanted"),
    [
        (b"#!/bin/sh\r\necho\n", "/bin/sh\r", ()),
        (b"#!/bin/sh -e\r\n", "/bin/sh", ()),
        (b"#!\t/bin/sh\0x\n", "/bin/sh", ()),
        (b"#!/usr/bin/env bash", "/usr/bin/env", ("bash",)),
        (b"#!/usr/bin/env bash\r\n", "/usr/bin/env", ("bash\r",)),
        (b"#!/usr/bin/env  python3 -u \n", "/usr/bin/env", ("python3 -u",)),
        (b"#!/usr/bin/env -S python3 -u\n", "/usr/bin/env", ("python3",)),
        (b"#!/usr/bin/env -Snode\n", "/usr/bin/env", ("node",)),
        (b"#!/usr/bin/env -S A=b deno run\n", "/usr/bin/env", ("deno",)),
        (b"#!/usr/bin/env -S -i perl\n", "/usr/bin/env", ()),
        (b"#!/usr/bin/env -i\n", "/usr/bin/env", ()),
        (b"#!/usr/bin/env\n", "/usr/bin/env", ()),
        (b"#!/usr/bin/python3 -u\n", "/usr/bin/python3", ()),
    ],
)
def test_a_first_line_is_read_as_the_kernel_reads_it(line, interpreter, wanted):
    """A carriage return belongs to the name, and all behind the interpreter is one argument. See execve(2), env(1)."""
    found = inspect(line)

    assert (interpreter, wanted) == (found.loader, found.needed)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_stream_gives_what_the_file_gives(size):
    blob = go_build("build\tGOOS=linux\nbuild\tGOARM=6\n")
    data = Elf(40, 32, sections=[(".go.buildinfo", 1, blob)]).build()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert inspect(data) == inspect_stream(pieces)
    assert "linux/arm/v6" == str(inspect_stream(pieces).platform)


def test_stream_of_data_is_consumed_and_is_no_program():
    pieces = iter([b"te", b"xt", b"more"])

    assert inspect_stream(pieces) is None
    assert [] == list(pieces)


@pytest.mark.parametrize(
    "data", [pe(0x8664), macho(7, commands=(b"\x19\0\0\0\x08\0\0\0",)), fat((7, macho(7)), (12, macho(12)))]
)
def test_damaged_files_never_raise(data):
    for at in range(len(data)):
        inspect(data[:at])
        for value in (0x00, 0x7F, 0xFF):
            inspect(data[:at] + bytes([value]) + data[at + 1 :])
