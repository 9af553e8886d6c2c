"""What can be compiled here, and why something cannot."""

from pathlib import Path

import pytest

from ocitool.builder.doctor import Ability, FoundCompiler, find_compilers, general_abilities, project_abilities
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec, PlatformSpec
from ocitool.toolchains.base import Project
from ocitool.toolchains.options import GoOptions
from tests.fakes.compilers import put_zig

AMD64, SPARC = Platform("linux", "amd64"), Platform("linux", "sparc64")


def fake_go(folder: Path, says: str) -> dict[str, str]:
    (folder / "go").write_text(f"#!/bin/sh\n{says}\n")
    (folder / "go").chmod(0o755)
    return {"PATH": f"{folder}:/bin"}


@pytest.mark.slow
def test_the_compiler_its_origin_and_version(tmp_path):
    environ = fake_go(tmp_path, 'test "$*" = "env GOVERSION" && echo go1.27.3')

    assert FoundCompiler("go", str(tmp_path / "go"), "PATH", "go1.27.3") == find_compilers(environ)[0]


@pytest.mark.slow
def test_zig_and_build_systems_tell_their_versions(tmp_path):
    for name, words in (
        ("zig", "0.17.1"),
        ("cargo", "cargo 1.95.0 (f2d3ce0bd)"),
        ("cmake", "cmake version 3.25.1"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{words}'\n")
        (tmp_path / name).chmod(0o755)

    found = {one.toolchain: one.version for one in find_compilers({"PATH": f"{tmp_path}:/bin"})}

    assert ("0.17.1", "1.95.0", "3.25.1") == (found["zig"], found["cargo"], found["cmake"])


@pytest.mark.slow
def test_a_compiler_that_does_not_answer(tmp_path):
    assert "it does not answer" == find_compilers(fake_go(tmp_path, "exit 1"))[0].problem


def test_no_compiler_is_a_problem_with_a_hint(monkeypatch):
    monkeypatch.setattr("sys.path", [])

    go, zig, cargo = find_compilers({"PATH": "/nowhere"})

    assert ("", "no go compiler on PATH") == (go.path, go.problem)
    assert ["ocitool[go]", "ocitool[zig]", "rustup"] == [
        word for one, word in ((go, "ocitool[go]"), (zig, "ocitool[zig]"), (cargo, "rustup")) if word in one.hint
    ]


def test_abilities_without_sources(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [])
    fake_go(tmp_path, "exit 0")
    go = FoundCompiler("go", str(tmp_path / "go"), "PATH", "go1.27")

    found = general_abilities([AMD64, SPARC], [go], {"PATH": "/nowhere"})

    assert [
        ("linux/amd64", "go", "works"), ("linux/amd64", "c", "missing"), ("linux/amd64", "rust", "missing"),
        ("linux/sparc64", "go", "impossible"), ("linux/sparc64", "c", "impossible"),
        ("linux/sparc64", "rust", "impossible"),
    ] == [(str(one.platform), one.toolchain, one.word) for one in found]  # fmt: skip


def test_c_works_where_its_compiler_compiles(tmp_path):
    go = FoundCompiler("go", problem="none")
    put_zig(tmp_path, body='echo object > "$out"')
    works = general_abilities([AMD64], [go], {"PATH": f"{tmp_path}:/bin"})[1]
    put_zig(tmp_path, body="exit 1")
    fails = general_abilities([AMD64], [go], {"PATH": f"{tmp_path}:/bin"})[1]

    assert ("works", "zig does not compile") == (works.word, fails.problem)


def test_go_and_rust_work_where_their_compilers_compile(tmp_path):
    (tmp_path / "lib/rustlib/x86_64-unknown-linux-musl/lib").mkdir(parents=True)
    rustc = f'[ "$1" = --print ] && exec echo {tmp_path}\n'
    words = []
    for code in (0, 1):
        compiles = f'case $* in *" -o tiny.o tiny."*) exit {code};; esac'
        environ = fake_go(tmp_path, compiles)
        for name, text in (("rustc", rustc + compiles), ("cargo", "")):
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        go = FoundCompiler("go", str(tmp_path / "go"), "PATH", "go1.27")
        found = {one.toolchain: one for one in general_abilities([AMD64], [go], environ)}
        words += [found["go"].problem, found["rust"].problem]

    assert ["", "", "go does not compile", "rustc does not compile"] == words


def test_abilities_of_a_project(tmp_path):
    environ = fake_go(tmp_path, "exit 0")
    (tmp_path / "main.go").write_text("package main\n")
    (tmp_path / "go.mod").write_text("module example.com/app\n")
    project = Project(tmp_path, Path("/work"), environ)

    able, unable = project_abilities("go", BuildSpec(), [AMD64, SPARC], project)

    assert Ability(AMD64, "go", ("/bin/app",)) == able
    assert "go cannot compile for linux/sparc64" == unable.problem


def test_cgo_without_a_c_compiler_is_a_problem(tmp_path, monkeypatch):
    """K244: the build fails for want of it."""
    monkeypatch.setattr("sys.path", [])
    environ = fake_go(tmp_path, "exit 0") | {"PATH": str(tmp_path)}
    (tmp_path / "main.go").write_text("package main\n")
    (tmp_path / "go.mod").write_text("module example.com/app\n")
    spec = BuildSpec(common=PlatformSpec(go=GoOptions(cgo=True)))

    (lacks,) = project_abilities("go", spec, [AMD64], Project(tmp_path, Path("/work"), environ))
    (named,) = project_abilities("go", spec, [AMD64], Project(tmp_path, Path("/work"), environ | {"CC": "zig cc"}))
    put_zig(tmp_path)
    (has,) = project_abilities("go", spec, [AMD64], Project(tmp_path, Path("/work"), environ))

    assert ((), "no C compiler: zig is not installed") == (lacks.programs, lacks.problem)
    assert "cgo needs a C compiler, and zig is not on PATH" == named.problem
    assert (("/bin/app",), "") == (has.programs, has.problem)
