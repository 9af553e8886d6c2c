"""C and C++ compilers: what each is told for a platform, and what it says where it cannot."""

import re

import pytest

from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.compilers import find_compiler, find_zig
from ocitool.toolchains.options import CompilerOptions
from ocitool.toolchains.sysroot import Sysroot
from tests.fakes.compilers import put_zig

GNU_TOOLS = ("gcc", "g++", "ar", "ranlib", "ld", "objcopy")
CLANG_TOOLS = ("clang", "clang++", "llvm-ar", "llvm-ranlib", "ld.lld", "llvm-objcopy")


@pytest.fixture
def environ(tmp_path):
    """A PATH with zig, two GNU cross compilers and clang."""
    folder = tmp_path / "bin"
    put_zig(folder)
    names = [f"{prefix}-{tool}" for prefix in ("aarch64-linux-gnu", "arm-linux-gnueabi") for tool in GNU_TOOLS]
    for name in (*names, *CLANG_TOOLS):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def compiler(environ, platform, **options):
    return find_compiler(CompilerOptions(**options), Platform.parse(platform), environ, packages=())


@pytest.mark.parametrize(
    ("platform", "told"),
    [
        ("linux/amd64", ("-target", "x86_64-linux-musl")),
        ("linux/amd64/v1", ("-target", "x86_64-linux-musl")),
        ("linux/amd64/v3", ("-target", "x86_64-linux-musl", "-mcpu=x86_64_v3")),
        ("linux/386", ("-target", "x86-linux-musl")),
        ("linux/arm", ("-target", "arm-linux-musleabihf")),
        ("linux/arm/v7", ("-target", "arm-linux-musleabihf")),
        ("linux/arm/v6", ("-target", "arm-linux-musleabihf", "-mcpu=arm1176jzf_s")),
        ("linux/arm64/v8", ("-target", "aarch64-linux-musl")),
        ("linux/arm64/v8.2", ("-target", "aarch64-linux-musl", "-mcpu=generic+v8_2a")),
        ("linux/arm64/v9", ("-target", "aarch64-linux-musl", "-mcpu=generic+v9a")),
        ("linux/ppc64le/power9", ("-target", "powerpc64le-linux-musl", "-mcpu=pwr9")),
        ("linux/riscv64/rva22u64", ("-target", "riscv64-linux-musl", "-mcpu=generic_rv64+rva22u64")),
        ("linux/s390x", ("-target", "s390x-linux-musl")),
        ("linux/loong64", ("-target", "loongarch64-linux-musl")),
        ("linux/mips64le", ("-target", "mips64el-linux-muslabi64")),
    ],
)
def test_what_zig_is_told_for_a_platform(environ, platform, told):
    assert (*told, "-fno-sanitize=undefined") == compiler(environ, platform).flags


@pytest.mark.parametrize(
    ("libc", "triple", "is_static"),
    [
        ("", "aarch64-linux-musl", True),
        ("musl", "aarch64-linux-musl", True),
        ("glibc", "aarch64-linux-gnu", False),
        ("glibc:2.31", "aarch64-linux-gnu.2.31", False),
    ],
)
def test_the_c_library_is_part_of_zigs_target(environ, libc, triple, is_static):
    found = compiler(environ, "linux/arm64", libc=libc)

    assert (triple, is_static) == (found.flags[1], found.is_static)


def test_programs_are_stripped_unless_that_is_not_wanted(environ):
    assert ("-s",) == compiler(environ, "linux/arm64").link_flags
    assert () == compiler(environ, "linux/arm64", strip=False).link_flags
    assert ("-dynamic", "-s") == compiler(environ, "linux/arm64", static=False).link_flags


def test_gnu_compilers_are_debians_of_the_platform(environ):
    found = compiler(environ, "linux/arm/v6", use="gnu", static=True)

    assert f"{environ['PATH']}/arm-linux-gnueabi-g++" == found.tools["c++"][0]
    assert (("-march=armv6",), ("-static", "-s")) == (found.flags, found.link_flags)
    assert ("glibc", "arm-linux-gnueabi") == (found.libc, found.triple)


def test_clang_is_told_the_triple_and_links_by_lld(environ):
    found = compiler(environ, "linux/arm64/v8.2", use="clang")

    assert ("--target=aarch64-linux-gnu", "-march=armv8.2-a", "-Qunused-arguments") == found.flags
    assert ("-fuse-ld=lld", "-s") == found.link_flags


@pytest.mark.parametrize(
    ("platform", "options", "what", "hint"),
    [
        ("linux/arm/v5", {}, "zig cannot compile for linux/arm/v5", "gnu and clang can"),
        ("linux/riscv64/rva22u64", {"use": "gnu"}, "gnu cannot compile for linux/riscv64/rva22u64", "zig can"),
        ("linux/arm64/v9.7", {}, "zig cannot compile for linux/arm64/v9.7", "levels of arm64 are v8.1, "),
        ("linux/s390x/z15", {}, "zig cannot compile for linux/s390x/z15", "leave the variant out"),
        ("linux/sparc64", {}, "zig cannot compile for linux/sparc64", "known: linux/amd64"),
        ("windows/amd64", {}, "zig cannot compile for windows/amd64", "known: linux/amd64"),
        ("linux/arm64", {"use": "gnu", "libc": "musl"}, "gnu links the glibc that belongs to it", "zig can"),
        ("linux/arm64", {"use": "gnu", "libc": "glibc:2.31"}, "not glibc:2.31", "zig can"),
        ("linux/arm64", {"libc": "glibc", "static": True}, "does not link glibc statically", 'libc = "musl"'),
        ("linux/s390x", {"use": "gnu"}, "no s390x-linux-gnu-gcc on PATH", "apt-get install gcc-s390x-linux-gnu"),
        ("linux/amd64", {"use": "gnu"}, "no x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu g\\+\\+-x86-64"),
        ("linux/arm64", {"path": "/nowhere"}, "zig is not installed", "pip install"),
    ],
)
def test_what_cannot_be_names_what_can(environ, platform, options, what, hint):
    with pytest.raises(Unsupported, match=what) as refused:
        compiler(environ, platform, **options)

    assert re.search(hint, refused.value.hint)


def test_a_c_library_nobody_knows(environ):
    with pytest.raises(UsageError, match="not a C library: 'uclibc'"):
        compiler(environ, "linux/arm64", libc="uclibc")


def test_zig_of_the_python_package_is_found_where_packages_are(tmp_path):
    (tmp_path / "site" / "ziglang" / "lib").mkdir(parents=True)
    program = put_zig(tmp_path / "site" / "ziglang")

    assert program == find_zig({"PATH": "/nowhere"}, [str(tmp_path), str(tmp_path / "site")])
    with pytest.raises(Unsupported, match="zig is not installed"):
        find_zig({"PATH": "ziglang:."}, ["site", ""])


def test_debug_information_comes_with_a_build_id_and_is_not_stripped(environ):
    found = compiler(environ, "linux/arm64", with_debug=True)
    other = compiler(environ, "linux/arm64")

    assert (("-g",), True) == (found.flags[len(other.flags) :], found.has_debug)
    assert ("-Wl,--build-id=sha1" in found.link_flags, "-s" in found.link_flags) == (True, False)
    assert ("-Wl,--build-id=sha1" in other.link_flags, "-s" in other.link_flags) == (False, True)


def test_a_compiler_without_a_c_library_of_its_own_takes_all_of_a_sysroot(environ, tmp_path):
    (tmp_path / "root/usr/include").mkdir(parents=True)
    root = Sysroot(tmp_path / "root", libc="glibc")
    platform = Platform.parse("linux/arm64")

    gnu, zig = (
        find_compiler(CompilerOptions(use=use, libc="glibc"), platform, environ, root, ()) for use in ("gnu", "zig")
    )

    assert f"--sysroot={root.folder}" in gnu.flags
    assert [] == [flag for flag in zig.flags if flag.startswith("--sysroot")]
    assert str(root.folder / "usr/include") in zig.flags
