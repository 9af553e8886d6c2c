"""What can be compiled here, and why something cannot."""

from pathlib import Path

from ocitool.builder.doctor import Ability, FoundCompiler, find_compilers, general_abilities, project_abilities
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec, PlatformSpec
from ocitool.toolchains.base import Project
from ocitool.toolchains.go import GoOptions

AMD64, SPARC = Platform("linux", "amd64"), Platform("linux", "sparc64")


def fake_go(folder: Path, says: str) -> dict[str, str]:
    (folder / "go").write_text(f"#!/bin/sh\n{says}\n")
    (folder / "go").chmod(0o755)
    return {"PATH": f"{folder}:/bin"}


def test_the_compiler_its_origin_and_version(tmp_path):
    environ = fake_go(tmp_path, 'test "$*" = "env GOVERSION" && echo go1.27.3')

    assert (FoundCompiler("go", str(tmp_path / "go"), "PATH", "go1.27.3"),) == find_compilers(environ)


def test_a_compiler_that_does_not_answer(tmp_path):
    assert "it does not answer" == find_compilers(fake_go(tmp_path, "exit 1"))[0].problem


def test_no_compiler_is_a_problem_with_a_hint(monkeypatch):
    monkeypatch.setattr("sys.path", [])

    (found,) = find_compilers({"PATH": "/nowhere"})

    assert ("", "no go compiler on PATH") == (found.path, found.problem)
    assert "ocitool[go]" in found.hint


def test_abilities_without_sources():
    able, unable = general_abilities([AMD64, SPARC], [FoundCompiler("go", "/go", "PATH", "go1.27")])

    assert Ability(AMD64, "go") == able
    assert "go cannot compile for linux/sparc64" == unable.problem


def test_abilities_of_a_project(tmp_path):
    environ = fake_go(tmp_path, "exit 0")
    (tmp_path / "main.go").write_text("package main\n")
    (tmp_path / "go.mod").write_text("module example.com/app\n")
    project = Project(tmp_path, Path("/work"), environ)

    able, unable = project_abilities("go", BuildSpec(), [AMD64, SPARC], project)

    assert Ability(AMD64, "go", ("/bin/app",)) == able
    assert "go cannot compile for linux/sparc64" == unable.problem


def test_cgo_without_a_c_compiler_is_a_problem(tmp_path):
    """K244: the build fails for want of it."""
    environ = fake_go(tmp_path, "exit 0") | {"PATH": str(tmp_path)}
    (tmp_path / "main.go").write_text("package main\n")
    (tmp_path / "go.mod").write_text("module example.com/app\n")
    spec = BuildSpec(common=PlatformSpec(go=GoOptions(cgo=True)))

    (lacks,) = project_abilities("go", spec, [AMD64], Project(tmp_path, Path("/work"), environ))
    (named,) = project_abilities("go", spec, [AMD64], Project(tmp_path, Path("/work"), environ | {"CC": "zig cc"}))
    (tmp_path / "gcc").touch(0o755)
    (has,) = project_abilities("go", spec, [AMD64], Project(tmp_path, Path("/work"), environ))

    assert ((), "cgo needs a C compiler, and gcc is not on PATH") == (lacks.programs, lacks.problem)
    assert "cgo needs a C compiler, and zig is not on PATH" == named.problem
    assert (("/bin/app",), "") == (has.programs, has.problem)
