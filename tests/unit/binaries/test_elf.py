"""ELF files of every machine, level and defect."""

import io

import pytest

from ocitool.binaries.binary import Binary, BinaryKind, Format
from ocitool.binaries.identify import inspect_binary
from tests.fakes.programs import Elf, attributes, dynamic, go_build, note, uleb


def inspect(data: bytes) -> Binary | None:
    return inspect_binary(lambda: io.BytesIO(data))


def read(data: bytes) -> Binary:
    found = inspect(data)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("platform", "machine", "bits", "order", "flags"),
    [
        ("linux/amd64", 62, 64, "<", 0),
        ("linux/386", 3, 32, "<", 0),
        ("linux/arm", 40, 32, "<", 0x05000400),
        ("linux/armbe", 40, 32, ">", 0x05800000),
        ("linux/arm64", 183, 64, "<", 0),
        ("linux/ppc64", 21, 64, ">", 1),
        ("linux/ppc64le", 21, 64, "<", 2),
        ("linux/riscv64", 243, 64, "<", 5),
        ("linux/s390x", 22, 64, ">", 0),
        ("linux/loong64", 258, 64, "<", 0x43),
        ("linux/mips", 8, 32, ">", 0x50001004),
        ("linux/mipsle", 8, 32, "<", 0x70001005),
        ("linux/mips64", 8, 64, ">", 0x20000004),
        ("linux/mips64le", 8, 64, "<", 0x80000005),
    ],
)
def test_machine_class_and_byte_order_give_the_architecture(platform, machine, bits, order, flags):
    found = read(Elf(machine, bits, order, flags=flags).build())

    assert platform == str(found.platform)
    assert (Format.ELF, BinaryKind.PROGRAM, flags) == (found.format, found.kind, found.flags)


@pytest.mark.parametrize(
    ("name", "machine", "bits", "flags"),
    [
        ("x86-64 (x32)", 62, 32, 0),
        ("MIPS (n32)", 8, 32, 0x20),
        ("BPF", 247, 64, 0),
        ("ELF machine 999", 999, 64, 0),
        # Sizes and byte orders that no image has, so that the name is all there is to say.
        ("RISC-V 64-bit big endian", 243, 64, 0),
        ("AArch64 32-bit big endian", 183, 32, 0),
        ("PowerPC", 20, 64, 0),
        ("PowerPC64 32-bit big endian", 21, 32, 0),
        ("S/390 64-bit little endian", 22, 64, 0),
        ("LoongArch", 258, 32, 0),
        ("SPARC64", 43, 32, 0),
        ("SPARC", 2, 64, 0),
        ("Itanium", 50, 64, 0),
        ("AVR", 83, 32, 0),
        ("Xtensa", 94, 32, 0),
        ("AMD GPU", 224, 64, 0),
        ("CUDA", 190, 64, 0),
        ("m68k", 4, 32, 0),
        ("PA-RISC", 15, 32, 0),
        ("SuperH", 42, 32, 0),
        ("ARC", 195, 32, 0),
        ("Alpha", 36902, 64, 0),
    ],
)
def test_machines_without_an_image_architecture_are_named(name, machine, bits, flags):
    order = ">" if "big" in name else "<"
    found = read(Elf(machine, bits, flags=flags, order=order).build())

    assert (None, (), name) == (found.platform, found.platforms, found.machine)


@pytest.mark.parametrize(
    ("variant", "cpu_arch"),
    [("v5", 1), ("v5", 4), ("v6", 6), ("v6", 9), ("v6", 11), ("v7", 10), ("v7", 13), ("v8", 14), ("v8", 17)],
)
def test_arm_attributes_give_the_variant(variant, cpu_arch):
    pairs = b"\x05" + b"7-A\0" + uleb(32) + uleb(1) + b"x\0" + uleb(6) + uleb(cpu_arch) + uleb(28) + uleb(1)
    section = (".ARM.attributes", 0x70000003, attributes("aeabi", pairs))

    found = read(Elf(40, 32, flags=0x05000000, sections=[section]).build())

    assert (variant, "hard") == (found.platform.variant, found.float_abi)


def test_float_abi_of_the_flags_wins_over_a_missing_attribute():
    assert "soft" == read(Elf(40, 32, flags=0x05000200).build()).float_abi


def test_riscv_attributes_give_the_isa_string():
    section = (".riscv.attributes", 0x70000003, attributes("riscv", b"\x05rv64i2p1_m2p0\0"))

    assert "rv64i2p1_m2p0" == read(Elf(243, sections=[section]).build()).isa


@pytest.mark.parametrize(
    ("variant", "bits"), [("", 0b1), ("v2", 0b11), ("v3", 0b111), ("v4", 0b1111), ("v4", 0b1000)]
)
def test_gnu_property_gives_the_x86_level(variant, bits):
    properties = (0xC0000002).to_bytes(4, "little") + (4).to_bytes(4, "little") + bytes(8)
    properties += (0xC0008002).to_bytes(4, "little") + (4).to_bytes(4, "little") + bits.to_bytes(8, "little")

    found = read(Elf(62, segments=[(0x6474E553, 4, note(b"GNU", 5, properties))]).build())

    assert variant == found.platform.variant


@pytest.mark.parametrize(
    ("platform", "machine", "bits", "settings"),
    [
        ("linux/arm/v6", 40, 32, "build\tGOOS=linux\nbuild\tGOARCH=arm\nbuild\tGOARM=6\n"),
        ("linux/arm/v5", 40, 32, "build\tGOOS=linux\nbuild\tGOARM=5,softfloat\n"),
        ("linux/amd64/v3", 62, 64, "build\tGOOS=linux\nbuild\tGOAMD64=v3\n"),
        ("freebsd/arm64/v8.2", 183, 64, "build\tGOOS=freebsd\nbuild\tGOARM64=v8.2,lse\n"),
        ("linux/riscv64/rva22u64", 243, 64, "build\tGOOS=linux\nbuild\tGORISCV64=rva22u64\n"),
        ("linux/ppc64le/power9", 21, 64, "build\tGOOS=linux\nbuild\tGOPPC64=power9\n"),
    ],
)
@pytest.mark.parametrize("has_sections", [True, False])
def test_go_build_information_gives_os_and_level(platform, machine, bits, settings, has_sections):
    blob = go_build(f"path\texample.com/app/cmd/app\nmod\texample.com/app\tv1.2.3\t\n{settings}")
    sections = [(".go.buildinfo", 1, blob)] if has_sections else []
    segments = [] if has_sections else [(1, 6, b"\0" * 48 + blob)]

    found = read(Elf(machine, bits, sections=sections, segments=segments).build())

    assert (platform, False) == (str(found.platform), found.os_is_guess)
    assert ("go1.26.8", "example.com/app", "v1.2.3") == (found.go.version, found.go.module, found.go.module_version)


@pytest.mark.parametrize("pointers", [0, 1], ids=["little", "big"])
def test_pointers_of_old_go_versions_are_not_followed(pointers):
    inline = go_build("path\tx\nbuild\tGOARM=7\n")  # whatever stands there, the flag says that it is pointers
    blob = inline[:15] + bytes([pointers]) + inline[16:]

    found = read(Elf(62, sections=[(".go.buildinfo", 1, blob)]).build())

    assert ("", ()) == (found.go.version, found.go.settings)


@pytest.mark.parametrize(("bits", "order"), [(64, "<"), (64, ">"), (32, "<"), (32, ">")])
def test_loader_libraries_and_search_paths(bits, order):
    machine = {(64, "<"): 62, (64, ">"): 22, (32, "<"): 40, (32, ">"): 8}[bits, order]
    names = b"\0libc.so.6\0libz.so.1\0/opt/lib:$ORIGIN/../lib\0/usr/local/lib\0"

    def build(at: int) -> bytes:
        entries = [(1, 1), (1, 11), (15, 21), (29, 45), (5, at), (10, len(names))]
        return Elf(
            machine,
            bits,
            order,
            segments=[(3, 4, b"/lib/ld.so\0"), (1, 4, names), (2, 6, dynamic(order, bits, entries))],
        ).build()

    found = read(build(build(0).index(names)))

    assert ("/lib/ld.so", ("libc.so.6", "libz.so.1")) == (found.loader, found.needed)
    assert (("/opt/lib", "$ORIGIN/../lib"), ("/usr/local/lib",)) == (found.rpath, found.runpath)
    assert not found.is_static


@pytest.mark.parametrize(
    ("kind", "elf_type", "tags", "is_static"),
    [
        (BinaryKind.PROGRAM, 2, [], True),
        (BinaryKind.PROGRAM, 3, [(0x6FFFFFFB, 0x08000000)], True),
        (BinaryKind.LIBRARY, 3, [], True),
        (BinaryKind.OBJECT, 1, [], True),
        (BinaryKind.OBJECT, 4, [], True),
    ],
)
def test_program_library_or_object(kind, elf_type, tags, is_static):
    found = read(Elf(kind=elf_type, segments=[(2, 6, dynamic("<", 64, tags))]).build())

    assert (kind, is_static) == (found.kind, found.is_static)


@pytest.mark.parametrize(
    ("os", "is_guess", "elf"),
    [
        ("linux", True, Elf()),
        ("linux", False, Elf(segments=[(3, 4, b"/lib64/ld-linux-x86-64.so.2\0")])),
        ("linux", False, Elf(segments=[(3, 4, b"/lib/ld-musl-x86_64.so.1\0")])),
        ("linux", False, Elf(segments=[(4, 4, note(b"GNU", 1, bytes(16)))])),
        ("freebsd", False, Elf(osabi=9)),
        ("freebsd", False, Elf(segments=[(4, 4, note(b"FreeBSD", 1, bytes(4)))])),
        ("solaris", False, Elf(osabi=6)),
    ],
)
def test_os_and_whether_anything_speaks_for_it(os, is_guess, elf):
    found = read(elf.build())

    assert (os, is_guess) == (found.platform.os, found.os_is_guess)


def _hostile() -> bytes:
    blob = go_build("path\tx\nmod\tx\tv1\nbuild\tGOARM=7\n")
    pairs = uleb(6) + uleb(10)
    return Elf(
        40,
        32,
        segments=[
            (3, 4, b"/lib/ld-linux-armhf.so.3\0"),
            (2, 6, dynamic("<", 32, [(1, 1), (5, 52), (10, 400)])),
            (4, 4, note(b"GNU", 1, bytes(16))),
            (1, 6, bytes(64)),
        ],
        sections=[(".ARM.attributes", 0x70000003, attributes("aeabi", pairs)), (".go.buildinfo", 1, blob)],
    ).build()


def test_truncated_anywhere_is_read_as_far_as_it_goes():
    data = _hostile()

    for size in range(len(data)):
        found = inspect(data[:size])
        assert found is None if size < 52 else found.platform.architecture == "arm"


def test_any_byte_wrong_never_raises():
    data = _hostile()

    for at in range(4, len(data)):
        for value in (0x00, 0x7F, 0xFF):
            inspect(data[:at] + bytes([value]) + data[at + 1 :])


def test_offsets_beyond_any_file_are_taken_as_missing():
    data = bytearray(Elf(62, segments=[(3, 4, b"/lib/x\0")]).build())
    data[32:40] = b"\xff" * 8  # program headers
    data[40:48] = b"\xff" * 8  # section headers

    found = read(bytes(data))

    assert ("linux/amd64", "") == (str(found.platform), found.loader)
