"""`--debug-files`: programs of every toolchain are small in the image, run, and are found again by their build id."""

import os
import re
import subprocess

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.base import find_program
from ocitool.toolchains.compilers import find_zig
from tests.fakes.emulated import say
from tests.fakes.sources import shared_sysroots

pytestmark = [pytest.mark.interop, pytest.mark.slow]
C = '#include <stdio.h>\nint main(void) { printf("hello\\n"); return 0; }\n'
GLIBC = '[compiler]\nlibc = "glibc"\n[sysroot]\npackages = ["libc6", "libgcc-s1"]\ndependencies = false\ncopy-libraries = true\n'
PROJECTS = {
    "c": {"main.c": C, "ocitool.toml": "[c]\n"},
    "make": {"main.c": C, "Makefile": "app: main.c\n\t$(CC) -o app main.c\n", "ocitool.toml": '[make]\nprograms = ["app"]\n'},
    "cmake": {
        "main.c": C,
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(app C)\nadd_executable(app main.c)\n"
        "install(TARGETS app)\n",
    },
    "meson": {"main.c": C, "meson.build": "project('app', 'c')\nexecutable('app', 'main.c', install: true)\n"},
    "autotools": {
        "main.c": C,
        "configure.ac": "AC_INIT([app], [1.0])\nAC_PROG_CC\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n",
        "Makefile.in": "app: main.c\n\t@CC@ @CFLAGS@ -o app main.c\n"
        "install: app\n\tinstall -D -s --strip-program=$(STRIP) app $(DESTDIR)@prefix@/bin/app\n",
    },
    "go": {
        "go.mod": "module example.com/app\n\ngo 1.22\n",
        "main.go": 'package main\n\nimport "os"\n\nfunc main() { os.Stdout.WriteString("hello\\n") }\n',
        "ocitool.toml": '[go]\nldflags = "-s -w"\n',
    },
    "cgo": {
        "go.mod": "module example.com/app\n\ngo 1.22\n",
        "main.go": 'package main\n\n// #include <stdio.h>\n// static void hello(void) { puts("hello"); fflush(stdout); }\n'
        'import "C"\n\nfunc main() { C.hello() }\n',
        "ocitool.toml": '[go]\ncgo = true\nldflags = "-s -w"\n',
    },
    "cargo": {
        "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/main.rs": 'fn main() { println!("hello"); }\n',
        "ocitool.toml": GLIBC,
    },
}  # fmt: skip


PROGRAMS = {"c": (), "autotools": ("make", "autoreconf"), "cgo": ("go",)}


def readelf(*words) -> str:
    return subprocess.run(["readelf", *words], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("kind", PROJECTS)
def test_the_program_of_the_image_is_found_by_its_build_id(run, home, monkeypatch, kind):
    platform = "linux/amd64" if kind == "cargo" else "linux/arm64"
    if kind == "cargo":
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        shared_sysroots(home)
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        pytest.skip(str(missing))
    for needed in ("readelf", *PROGRAMS.get(kind, (kind,))):
        if find_program(needed, os.environ) is None:
            pytest.skip(f"{needed} is not installed")
    for name, text in PROJECTS[kind].items():
        (home / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "app" / name).write_text(text)
    words = ("--platform", platform, "-o", f"oci:{home}/img:1", "--debug-files", home / "debug")

    done = run("build", home / "app", *words)

    if "cannot make the sysroot" in done.stderr:
        pytest.skip(f"Debian's packages cannot be fetched here: {done.stderr[-200:]}")
    assert 0 == done.exit_code, done.stderr
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "root").exit_code
    path = "/bin/app" if (home / "root/bin/app").exists() else "/usr/bin/app"
    assert "hello\n" == say(home / "root", platform, path)
    small, kept = (
        home / "root" / path.lstrip("/"),
        home / "debug" / platform.replace("/", "-") / f"{path[1:]}.debug",
    )
    assert not re.search(r"\.z?debug_(?:info|line)|\.symtab", readelf("-SW", small))
    assert ".debug_line" in readelf("-SW", kept)
    found = re.search(r"Build ID: ([0-9a-f]+)", readelf("-n", small))[1]
    assert kept.samefile(home / "debug/.build-id" / found[:2] / f"{found[2:]}.debug")
    assert 0 == run("check", f"oci:{home}/img:1", "--deep").exit_code
