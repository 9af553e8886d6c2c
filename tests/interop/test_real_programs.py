"""Programs that no one here wrote, unedited, by each build system: built for four platforms, and they answer."""

import os
from dataclasses import dataclass

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.base import find_program
from ocitool.toolchains.compilers import find_zig
from tests.fakes.emulated import say
from tests.fakes.sources import debian_source

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")
pytestmark = [pytest.mark.interop, pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Real:
    """A Debian source package, the spec beside it, and what its program answers, by its {version} or {series}.

    Optimising is the dearest part of a compile and changes nothing that is asserted, so it is left out.
    """

    package: str
    needs: str
    spec: str
    argv: tuple[str, ...]
    answer: str
    stdin: bytes = b""


REAL = {
    "make": Real(
        "lua5.4",
        "make",
        '[make]\ntargets = ["linux"]\nvariables = { MYCFLAGS = "-O0" }\ninstall = ["install", "INSTALL_TOP={destdir}/usr"]\nfiles = ["usr/bin/lua"]\n',
        ("/usr/bin/lua", "-e", "print(6 * 7, _VERSION)"),
        "42\tLua {series}\n",
    ),
    "autotools": Real(
        "xz-utils",
        "make",
        '[autotools]\narguments = ["--disable-nls", "--disable-doc"]\nvariables = { CFLAGS = "-O0" }\nfiles = ["usr/bin/xz"]\n',
        ("/usr/bin/xz", "--version"),
        "xz (XZ Utils) {version}\nliblzma {version}\n",
    ),
    "cmake": Real(
        "brotli",
        "cmake",
        '[cmake]\narguments = ["-DCMAKE_C_FLAGS_RELEASE=-O0"]\nfiles = ["usr/bin/*"]\n',
        ("/usr/bin/brotli", "--version"),
        "brotli {version}\n",
    ),
    "meson": Real(
        "libzstd",
        "meson",
        '[meson]\ndirectory = "build/meson"\narguments = ["-Dbin_programs=true", "-Doptimization=0"]\nfiles = ["usr/bin/zstd"]\n',
        ("/usr/bin/zstd", "-d", "-c"),
        "a frame",
        stdin=bytes.fromhex("28b52ffd0058390000") + b"a frame",
    ),
}


@pytest.fixture(autouse=True)
def _compiler():
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        pytest.skip(f"{missing}: {missing.hint}")


@pytest.mark.parametrize("system", REAL)
def test_an_unedited_program_is_built_for_four_platforms_and_answers(run, home, system):
    real = REAL[system]
    if find_program(real.needs, os.environ) is None:
        pytest.skip(f"{real.needs} is not installed")
    found = debian_source(real.package, home / real.package)
    source, series = found.folder, ".".join(found.version.split(".")[:2])
    answer = real.answer.format(version=found.version, series=series)
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*") if path.is_file()}
    (home / "ocitool.toml").write_text(real.spec)

    done = run(
        "build",
        source,
        "--spec",
        home / "ocitool.toml",
        "--platform",
        ",".join(PLATFORMS),
        "-o",
        f"oci:{home}/img:1",
    )

    assert 0 == done.exit_code, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in source.rglob("*") if path.is_file()}
    for platform in PLATFORMS:
        root = home / platform.replace("/", "-")
        assert 0 == run("export", f"oci:{home}/img:1", "--platform", platform, "-o", root).exit_code
        assert answer == say(root, platform, *real.argv, stdin=real.stdin)
