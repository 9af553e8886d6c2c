"""Projects of other shapes, built as a user would: what stops them says what to write, and that works."""

import bz2
import os

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.base import find_program
from ocitool.toolchains.compilers import find_zig
from tests.fakes.emulated import say
from tests.fakes.sources import debian_source, shared_sysroots

PLATFORM = "linux/arm64"
pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _compiler():
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        pytest.skip(f"{missing}: {missing.hint}")


def needs(*programs: str) -> None:
    for name in programs:
        if find_program(name, os.environ) is None:
            pytest.skip(f"{name} is not installed")


def test_a_makefile_with_its_own_compiler_and_tests_needs_what_the_hints_say(run, home):
    """bzip2 says CC=gcc and AR=ar, starts what it compiled, and installs without DESTDIR."""
    needs("make")
    source = debian_source("bzip2", home / "bzip2").folder
    spec = home / "ocitool.toml"
    words = ("build", source, "--spec", spec, "--platform", PLATFORM, "-o", f"oci:{home}/img:1")
    spec.write_text("[make]\n")

    not_here = run(*words)
    line = not_here.stderr.partition("how it installs: ")[2].splitlines()[0]
    spec.write_text(f"[make]\n{line}\n")
    started = run(*words)
    spec.write_text(
        f'[image]\nentrypoint = ["/usr/bin/bzip2"]\n[make]\ntargets = ["bzip2"]\n{line}\nfiles = ["usr/bin/bz*"]\n'
    )
    done = run(*words)

    assert (2, "") == (not_here.exit_code, not_here.stdout)
    assert (7, True) == (started.exit_code, "such as by targets" in started.stderr), started.stderr
    assert 0 == done.exit_code, done.stderr
    assert "usr/bin/bzcmp -> /usr/bin/bzdiff\n" in run("files", f"oci:{home}/img:1", "-l").stdout
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "root").exit_code
    packed = bz2.compress(b"hello, world\n")
    assert "hello, world\n" == say(home / "root", PLATFORM, "/usr/bin/bzip2", "-dc", stdin=packed)


def test_a_library_of_cpp_with_a_program_and_install_rules_needs_no_settings(run, home):
    needs("cmake")
    source = debian_source("uchardet", home / "uchardet").folder

    done = run("build", source, "--platform", PLATFORM, "-o", f"oci:{home}/img:1")

    assert 0 == done.exit_code, done.stderr
    assert {"usr/include/uchardet/uchardet.h", "usr/lib/libuchardet.a"} < set(
        run("files", f"oci:{home}/img:1").stdout.split()
    )
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "root").exit_code
    assert "UTF-8\n" == say(home / "root", PLATFORM, "/usr/bin/uchardet", stdin="zwölf Boxkämpfer".encode())


def test_a_configure_script_finds_a_library_of_the_sysroot(run, home):
    needs("make", "apt-get")
    source = debian_source("less", home / "less")
    shared_sysroots(home)
    (home / "ocitool.toml").write_text(
        '[sysroot]\npackages = ["libncurses-dev"]\ncopy-libraries = true\n\n[autotools]\nfiles = ["usr/bin/less"]\n'
    )
    words = ("--spec", home / "ocitool.toml", "--platform", PLATFORM, "-o", f"oci:{home}/img:1")

    done = run("build", source.folder, *words)

    if "cannot make the sysroot" in done.stderr:
        pytest.skip(f"Debian's packages cannot be fetched here: {done.stderr[-200:]}")
    assert 0 == done.exit_code, done.stderr
    assert "will not start" not in done.stderr
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "root").exit_code
    said = say(home / "root", PLATFORM, "/usr/bin/less", "--version")
    assert f"less {source.version} " == said[: len(f"less {source.version} ")]
    assert 0 == run("check", f"oci:{home}/img:1", "--deep").exit_code


GENERATED = {
    "meson.build": "project('app', 'c', version: '1.2')\nword = subproject('word').get_variable('word_dep')\n"
    "add_languages('c', native: true)\nmake_table = executable('make-table', 'table.c', native: true)\n"
    "table = custom_target('table', output: 'table.h', command: [make_table], capture: true)\n"
    "executable('app', 'main.c', table, dependencies: word, install: true)\n",
    "table.c": '#include <stdio.h>\nint main(void) { printf("static const int table[] = {40, %d};\\n", 42); return 0; }\n',
    "main.c": '#include <stdio.h>\n#include "table.h"\nconst char *word(void);\n'
    'int main(void) { printf("%s %d\\n", word(), table[1]); return 0; }\n',
    "subprojects/word/meson.build": "project('word', 'c')\nword_lib = library('word', 'word.c')\n"
    "word_dep = declare_dependency(link_with: word_lib)\n",
    "subprojects/word/word.c": 'const char *word(void) { return "from a subproject"; }\n',
}


def test_a_generator_of_meson_is_compiled_where_this_machine_has_no_compiler(run, home, monkeypatch):
    needs("meson", "ninja")
    zig = find_zig(os.environ)
    (home / "only").mkdir()
    for name in ("meson", "ninja", "rm", "cp", "mkdir", "chmod"):
        (home / "only" / name).symlink_to(find_program(name, os.environ))
    (home / "only/zig").symlink_to(zig)
    for name, text in GENERATED.items():
        (home / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "app" / name).write_text(text)
    before = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{home}/only")

    done = run("build", home / "app", "--platform", PLATFORM, "-o", f"oci:{home}/img:1")

    monkeypatch.setenv("PATH", before)
    assert 0 == done.exit_code, done.stderr
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "root").exit_code
    assert "from a subproject 42\n" == say(home / "root", PLATFORM, "/usr/bin/app")
