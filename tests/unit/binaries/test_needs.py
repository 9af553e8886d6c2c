"""Programs whose loader, libraries or interpreter the image lacks."""

import pytest

from ocitool.binaries.binary import Binary, BinaryKind, Format
from ocitool.binaries.needs import Missing, missing
from ocitool.model.platform import Platform

GLIBC = "/lib64/ld-linux-x86-64.so.2"
MUSL = "/lib/ld-musl-x86_64.so.1"


def elf(loader: str = GLIBC, needed: tuple[str, ...] = (), *, platform="linux/amd64", **more) -> Binary:
    return Binary(
        Format.ELF, BinaryKind.PROGRAM, "x86-64", (Platform.parse(platform),), loader=loader, needed=needed, **more
    )


def image(*paths: str):
    return lambda path: path in paths


def test_k173_loader_missing_in_scratch_and_in_another_libc():
    """K173: a glibc program in an empty image, and in one of musl."""
    program = elf(needed=("libc.so.6",))

    assert Missing("bin/app", GLIBC, ("libc.so.6",)) == missing(program, "bin/app", image())
    assert Missing("bin/app", GLIBC, ("libc.so.6",)) == missing(program, "bin/app", image(MUSL))
    assert f"/bin/app will not start: the image lacks its dynamic loader {GLIBC} and library libc.so.6" == str(
        missing(program, "bin/app", image())
    )


def test_k173_clean_where_loader_and_libraries_are():
    """K173: a base of the same libc, with libraries in the folder of Debian's architecture or in lib64."""
    program = elf(needed=("libc.so.6", "ld-linux-x86-64.so.2"))

    assert missing(program, "bin/app", image(GLIBC, "/lib/x86_64-linux-gnu/libc.so.6")) is None
    assert missing(program, "bin/app", image(GLIBC, "/usr/lib64/libc.so.6")) is None


def test_static_programs_need_nothing():
    assert missing(elf(loader=""), "bin/app", image()) is None


@pytest.mark.parametrize("name", ["libc.musl-x86_64.so.1", "libc.so", "libpthread.so.0"])
def test_musl_brings_the_c_library(name):
    assert missing(elf(MUSL, (name,)), "bin/app", image(MUSL)) is None
    assert Missing("bin/app", "", ("libz.so.1",)) == missing(elf(MUSL, ("libz.so.1",)), "bin/app", image(MUSL))


@pytest.mark.parametrize(
    ("folder", "rpath", "runpath", "library_path"),
    [
        ("/opt/lib", ("/opt/lib",), (), ()),
        ("/opt/lib", (), ("/opt/lib",), ()),
        ("/opt/lib", (), (), ("/opt/lib",)),
        ("/opt/app/lib", (), ("$ORIGIN/../lib",), ()),
        ("/opt/app/bin/x", ("${ORIGIN}/x",), (), ()),
        ("/opt/lib64", (), ("/opt/$LIB",), ()),
    ],
)
def test_search_paths_of_program_and_environment(folder, rpath, runpath, library_path):
    program = elf(needed=("libx.so",), rpath=rpath, runpath=runpath)

    assert missing(program, "opt/app/bin/app", image(GLIBC, f"{folder}/libx.so"), library_path=library_path) is None
    assert ("libx.so",) == missing(program, "opt/app/bin/app", image(GLIBC), library_path=library_path).libraries


def test_rpath_does_not_count_beside_runpath():
    program = elf(needed=("libx.so",), rpath=("/a",), runpath=("/b",))

    assert ("libx.so",) == missing(program, "bin/app", image(GLIBC, "/a/libx.so")).libraries


def test_what_the_loaders_cache_may_know_is_not_missing():
    program = elf(needed=("libcuda.so.1",))

    assert missing(program, "bin/app", image(GLIBC), is_cached=lambda name: name == "libcuda.so.1") is None


def test_libraries_are_checked_as_well():
    library = Binary(Format.ELF, BinaryKind.LIBRARY, "x", (Platform.parse("linux/arm64"),), needed=("libz.so.1",))

    assert Missing("lib/x.so", "", ("libz.so.1",)) == missing(library, "lib/x.so", image())
    assert missing(library, "lib/x.so", image("/usr/lib/aarch64-linux-gnu/libz.so.1")) is None


def test_a_script_needs_its_interpreter():
    script = Binary(Format.SCRIPT, BinaryKind.PROGRAM, "script", is_portable=True, loader="/bin/bash")

    assert "/run.sh will not start: the image lacks its interpreter /bin/bash" == str(
        missing(script, "run.sh", image())
    )
    assert missing(script, "run.sh", image("/bin/bash")) is None


def by_env(*wanted: str) -> Binary:
    return Binary(
        Format.SCRIPT, BinaryKind.PROGRAM, "script", is_portable=True, loader="/usr/bin/env", needed=wanted
    )


@pytest.mark.parametrize(
    ("wanted", "there", "program_path"),
    [
        ("bash", "/usr/local/bin/bash", ()),
        ("python3", "/opt/venv/bin/python3", ("/opt/venv/bin", "/bin")),
        ("/opt/node", "/opt/node", ()),
        ("./run", "", ()),
    ],
)
def test_what_env_looks_for_is_on_the_path(wanted, there, program_path):
    more = {"program_path": program_path} if program_path else {}

    assert missing(by_env(wanted), "run.sh", image("/usr/bin/env", there), **more) is None


def test_what_env_does_not_find():
    assert (
        "/run.sh will not start: the image lacks its interpreter bash, which /usr/bin/env looks for on the PATH"
        == str(missing(by_env("bash"), "run.sh", image("/usr/bin/env", "/opt/bin/bash")))
    )


def test_a_carriage_return_is_told():
    """The file is there by another name, and no terminal shows what is wrong."""
    script = Binary(Format.SCRIPT, BinaryKind.PROGRAM, "script", is_portable=True, loader="/bin/sh\r")

    assert (
        r"will not start: the image lacks its interpreter /bin/sh\r (its first line ends with a carriage return)"
        == missing(script, "run.sh", image("/bin/sh")).reason
    )


def test_programs_of_other_systems_are_not_judged():
    program = Binary(
        Format.MACHO, BinaryKind.PROGRAM, "x", (Platform.parse("darwin/arm64"),), loader="/usr/lib/dyld"
    )

    assert missing(program, "bin/app", image()) is None


def test_long_lists_are_cut():
    program = elf(needed=tuple(f"lib{n}.so" for n in range(20)))

    assert "lib7.so and more" in str(missing(program, "bin/app", image(GLIBC)))
