"""Sources of C and C++ straight to a program: the command, and when it need not be started again."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ocitool.errors import LocalIOError, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import CompileJob, Project, Target
from ocitool.toolchains.c import CToolchain, compiler_environ, find_sources, first_uses
from ocitool.toolchains.compilers import find_compiler
from ocitool.toolchains.options import CompilerOptions, CProgram, Program
from ocitool.toolchains.up_to_date import outdated
from tests.fakes.compilers import put_zig


def planned(tmp_path: Path, program: CProgram, **options) -> CompileJob:
    put_zig(tmp_path / "bin")
    platform = Platform.parse("linux/arm64")
    environ = {"PATH": str(tmp_path / "bin")}
    compiler = find_compiler(CompilerOptions(**options), platform, environ, packages=())
    target = Target(Program("app"), platform, tmp_path / "src", tmp_path / "out" / "app")
    return CToolchain(compiler, program, tuple(environ.items()), tmp_path / "cache").plan(target)


def test_the_command_has_no_path_of_this_machine_for_the_program(tmp_path):
    program = CProgram(("main.cpp", "lib/a.c"), ("-Iinclude",), ("-lz",))

    job = planned(tmp_path, program)

    assert (
        str(tmp_path / "bin" / "zig"), "c++", "-target", "aarch64-linux-musl", "-fno-sanitize=undefined", "-O2",
        f"-ffile-prefix-map={tmp_path}/src=.", "-Iinclude", "-o", str(tmp_path / "out" / "app"), "main.cpp", "lib/a.c",
        "-lz", "-s",
    ) == job.argv  # fmt: skip
    assert tmp_path / "src" == job.cwd
    assert ["musl for linux/arm64", "libc++ for linux/arm64"] == [
        use.words.partition(",")[0] for use in job.first_uses
    ]


def test_c_alone_needs_no_library_of_cpp(tmp_path):
    job = planned(tmp_path, CProgram(("main.c",)))

    assert "cc" == job.argv[1]
    assert 1 == len(job.first_uses)


def test_sources_are_those_in_the_folder_or_in_src_or_what_patterns_say(tmp_path):
    for name in ("b.cpp", "a.c", "a.h", "src/z.c", "lib/y.cc", "lib/deep/x.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    assert ("a.c", "b.cpp") == find_sources(tmp_path, ())
    assert ("lib/y.cc", "a.c") == find_sources(tmp_path, ("lib/*.cc", "a.c", "a.*c"))
    assert ("lib/deep/x.c",) == find_sources(tmp_path, ("lib/**/*.c",))
    with pytest.raises(UsageError, match="not a pattern of sources: "):
        find_sources(tmp_path, ("",))
    (tmp_path / "a.c").unlink()
    (tmp_path / "b.cpp").unlink()
    assert ("src/z.c",) == find_sources(tmp_path, ())


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x.c", "lib/../../x.c", "gone.c"])
def test_sources_stand_in_the_project(tmp_path, pattern):
    with pytest.raises(UsageError, match=r"stand in the project|no source gone\.c"):
        find_sources(tmp_path, (pattern,))


def test_a_compiler_sees_path_and_what_is_named_alone(tmp_path):
    environ = {
        "PATH": "/bin",
        "HOME": "/root",
        "CI_JOB_TOKEN": "t",
        "SSH_AUTH_SOCK": "/s",
        "HTTPS_PROXY": "http://user:secret@proxy",
        "NAMED": "n",
    }
    options = CompilerOptions(env=(("A", "1"),), passed=("NAMED", "ABSENT"))

    seen = compiler_environ(Project(tmp_path, tmp_path / "work", environ, tmp_path / "cache"), options)

    assert {
        "PATH": "/bin", "NAMED": "n", "A": "1", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "0",
        "ZIG_GLOBAL_CACHE_DIR": f"{tmp_path}/cache/zig",
    } == seen  # fmt: skip


class Notes(dict):
    """A memo in memory."""

    recall = dict.get
    remember = dict.__setitem__


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        ('#include <stdio.h>\n#include "a.h"\n', True),
        ("int main(void) { return 0; } // see ../README", True),
        ('#include "../a.h"\n', False),
        ("  #  include <sub/../../a.h>\n", False),
        ('#include "/etc/a.h"\n', False),
        ("#include HEADER\n", False),
        ('%:include "../a.h"\n', False),
        ('#/* x */include "../a.h"\n', False),
        ('__asm__(".incbin \\"x\\"");\n', False),
        ('#if __has_include("../a.h")\n#endif\n', False),
        ("#embed <../data>\n", False),
    ],
)
def test_inputs_are_known_where_no_include_leads_out(tmp_path, text, is_known):
    job = planned(tmp_path, CProgram(("a.c",)))
    job.cwd.mkdir()
    (job.cwd / "a.c").write_text(text)

    ((_, state),) = outdated([job], Notes())

    assert is_known == (state is not None)


@pytest.mark.parametrize("word", ["-I../include", "-include../x.h", "@args", "../other/a.c"])
def test_inputs_are_not_known_where_a_flag_leads_out(tmp_path, word):
    job = planned(tmp_path, CProgram(("a.c",), (word,)))
    job.cwd.mkdir()
    (job.cwd / "a.c").write_text("")

    assert [(job, None)] == list(outdated([job], Notes()))


def test_another_compiler_in_the_same_place_is_another_state(tmp_path):
    job = planned(tmp_path, CProgram(("a.c",)))
    job.cwd.mkdir()
    (job.cwd / "a.c").write_text("")
    ((_, before),) = outdated([job], Notes())

    os.utime(tmp_path / "bin" / "zig", (1, 1))
    ((_, after),) = outdated([replace(job)], Notes())

    assert before is not None
    assert after is not None
    assert before.digest != after.digest


def test_a_folder_without_sources_is_told_with_the_way_out(tmp_path):
    (tmp_path / "a.h").touch()

    with pytest.raises(UsageError, match="no C or C\\+\\+ source in ") as refused:
        find_sources(tmp_path, ())

    assert "[c] sources =" in refused.value.hint


def test_a_pattern_that_no_file_can_be_called_is_told(tmp_path):
    """Python's versions differ in whether they ask the system about it."""
    with pytest.raises((LocalIOError, UsageError), match=r"list the folder|no source aaa"):
        find_sources(tmp_path, ("a" * 300,))


def test_only_zig_makes_its_own_libraries_first(tmp_path):
    put_zig(tmp_path / "bin")
    zig = find_compiler(
        CompilerOptions(), Platform.parse("linux/arm64"), {"PATH": str(tmp_path / "bin")}, packages=()
    )

    assert 2 == len(first_uses(zig, tmp_path, is_cpp=True))
    assert () == first_uses(replace(zig, kind="gnu"), tmp_path, is_cpp=True)
