"""The rule that decides whether a program may go into an image of a platform."""

from dataclasses import replace

import pytest

from ocitool.binaries.binary import Binary, BinaryKind, Format, GoBuildInfo
from ocitool.binaries.compatibility import Misfit, describe, mismatch
from ocitool.model.platform import Platform


def elf(
    platform: str, *, machine: str = "machine", kind: BinaryKind = BinaryKind.PROGRAM, guess: bool = False
) -> Binary:
    os, architecture, *variant = platform.split("/")
    has = Platform(os, architecture, variant[0] if variant else "")
    return Binary(Format.ELF, kind, machine, (has,), os_is_guess=guess)


def test_k010_x86_64_program_under_arm64_is_refused():
    """K010: both architectures are named, whichever way round."""
    found = mismatch(elf("linux/amd64", machine="x86-64"), Platform.parse("linux/arm64"))

    assert (Misfit.ARCHITECTURE, True) == (found.misfit, found.is_fatal)
    assert ("linux/amd64", "linux/arm64") == (found.found, found.expected)
    assert "its header says x86-64" == found.reason
    assert mismatch(elf("linux/arm64"), Platform.parse("linux/amd64")).is_fatal


@pytest.mark.parametrize(
    ("has", "wants"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v3"),
        ("linux/amd64", "linux/amd64/v3"),
        ("linux/arm/v5", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm"),
        ("linux/arm", "linux/arm/v6"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/arm64/v8.2", "linux/arm64/v9"),
        ("linux/ppc64le/power8", "linux/ppc64le"),
        ("linux/ppc64le/power9", "linux/ppc64le/power10"),
        ("linux/riscv64/rva20u64", "linux/riscv64"),
        ("freebsd/amd64", "freebsd/amd64"),
    ],
)
def test_equal_and_lower_levels_fit(has, wants):
    assert mismatch(elf(has), Platform.parse(wants)) is None


@pytest.mark.parametrize(
    ("has", "wants"),
    [
        ("linux/amd64/v3", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v2"),
        ("linux/arm/v7", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v5"),
        ("linux/arm64/v8.2", "linux/arm64"),
        ("linux/arm64/v9.0", "linux/arm64/v8"),
        ("linux/ppc64le/power10", "linux/ppc64le"),
        ("linux/riscv64/rva23u64", "linux/riscv64/rva22u64"),
    ],
)
def test_higher_levels_are_refused(has, wants):
    found = mismatch(elf(has), Platform.parse(wants))

    assert (Misfit.LEVEL, True) == (found.misfit, found.is_fatal)


@pytest.mark.parametrize(("has", "wants"), [("linux/386", "linux/amd64"), ("linux/arm/v7", "linux/arm64")])
def test_32_bit_sisters_are_a_warning(has, wants):
    found = mismatch(elf(has), Platform.parse(wants))

    assert (Misfit.COMPATIBILITY, False) == (found.misfit, found.is_fatal)


@pytest.mark.parametrize(("has", "wants"), [("linux/amd64", "linux/386"), ("linux/arm64", "linux/arm/v8")])
def test_64_bit_programs_do_not_fit_32_bit_images(has, wants):
    assert Misfit.ARCHITECTURE is mismatch(elf(has), Platform.parse(wants)).misfit


def test_unmarked_os_fits_every_os_with_elf_programs():
    assert mismatch(elf("linux/amd64", guess=True), Platform.parse("freebsd/amd64")) is None
    assert Misfit.OS is mismatch(elf("linux/amd64"), Platform.parse("freebsd/amd64")).misfit


@pytest.mark.parametrize("is_executable", [True, False])
def test_windows_program_in_a_linux_image_is_fatal_only_if_executable(is_executable):
    """K010: launchers for Windows lie as data in many Python packages."""
    launcher = Binary(Format.PE, BinaryKind.PROGRAM, "x86-64", (Platform("windows", "amd64"),))

    found = mismatch(launcher, Platform.parse("linux/amd64"), is_executable=is_executable)

    assert (Misfit.OS, is_executable) == (found.misfit, found.is_fatal)


def test_machine_without_a_platform_is_named():
    firmware = Binary(Format.ELF, BinaryKind.PROGRAM, "AVR")

    found = mismatch(firmware, Platform.parse("linux/amd64"), is_executable=False)

    assert ("AVR", False) == (found.found, found.is_fatal)
    assert mismatch(firmware, Platform.parse("linux/amd64")).is_fatal


def test_scripts_portable_code_and_objects_fit_everywhere():
    """K010: scripts and data do not trip the check."""
    script = Binary(Format.SCRIPT, BinaryKind.PROGRAM, "script", is_portable=True, loader="/bin/sh")

    assert mismatch(script, Platform.parse("linux/arm64")) is None
    assert mismatch(elf("linux/amd64", kind=BinaryKind.OBJECT), Platform.parse("linux/arm64")) is None


def test_one_fitting_part_of_a_fat_file_is_enough():
    both = Binary(Format.MACHO, BinaryKind.PROGRAM, "x", (Platform("darwin", "amd64"), Platform("darwin", "arm64")))

    assert mismatch(both, Platform.parse("darwin/arm64")) is None
    assert mismatch(both, Platform.parse("linux/arm64")).is_fatal


@pytest.mark.parametrize(
    ("text", "platform"),
    [("linux/amd64", "linux/amd64/v1"), ("linux/arm/v6", "linux/arm/v6"), ("linux/arm64", "linux/arm64/v8.0")],
)
def test_describe_leaves_out_the_lowest_level(text, platform):
    assert text == describe(elf(platform))


def test_code_for_arm_may_choose_at_run_time():
    """Debian's armel has libraries with parts for v6 and v7, and PostgreSQL's programs some for v8."""
    v5 = Platform.parse("linux/arm/v5")

    assert not mismatch(elf("linux/arm/v7", kind=BinaryKind.LIBRARY), v5).is_fatal
    assert not mismatch(elf("linux/arm/v8"), v5).is_fatal
    assert mismatch(elf("linux/arm/v7"), v5).is_fatal
    assert mismatch(replace(elf("linux/arm/v7", kind=BinaryKind.LIBRARY), go=GoBuildInfo()), v5).is_fatal
