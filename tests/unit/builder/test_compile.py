"""From a spec to jobs and places."""

from pathlib import Path

import pytest

from ocitool.builder.compile import Planned, compiled_entries, plan_compile, plan_native
from ocitool.dockerfile.run.native_build import NativeBuild
from ocitool.dockerfile.run.override_jobs import NativeTarget
from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec, Stamp, load_spec
from ocitool.toolchains.base import CompileJob, Program, Project, Target
from ocitool.toolchains.build_tree import BuildTree
from ocitool.toolchains.options import BuildSystemOptions, CProgram, RustOptions

AMD64, ARMV6, WINDOWS = (Platform.parse(text) for text in ("linux/amd64", "linux/arm/v6", "windows/amd64"))


@pytest.fixture
def environ(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("go", "make"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    return {"PATH": str(tools), "HOME": "/home/u", "TOKEN": "secret"}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "src"
    for name in ("web", "tool"):
        (folder / "cmd" / name).mkdir(parents=True)
        (folder / "cmd" / name / "main.go").write_text("package main\n")
    (folder / "go.mod").write_text("module example.com/app\n")
    return folder


def spec(source: Path, text: str) -> BuildSpec:
    (source / "ocitool.toml").write_text(text)
    return load_spec(source / "ocitool.toml", Stamp)


def shapes(planned) -> list[tuple[str, str, str]]:
    return [(str(p.platform), p.job.argv[-1], p.place) for p in planned]


def test_without_a_spec_the_sources_tell_the_programs(source, environ):
    planned = plan_compile("go", BuildSpec(), [AMD64, WINDOWS], Project(source, Path("/work"), environ))

    assert [
        ("linux/amd64", "./cmd/tool", "/bin/tool"),
        ("linux/amd64", "./cmd/web", "/bin/web"),
        ("windows/amd64", "./cmd/tool", "/bin/tool.exe"),
        ("windows/amd64", "./cmd/web", "/bin/web.exe"),
    ] == shapes(planned)
    assert "/work/windows-amd64/web.exe" == str(planned[3].job.outputs[0])
    assert "TOKEN" not in planned[0].job.env


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (("./cmd/web", "/bin/web"), "[go]\npackage = './cmd/web'"),
        (("./cmd/web", "/bin/server"), "name = 'server'\n[go]\npackage = './cmd/web'"),
        (("./cmd/tool", "/bin/tool"), "name = 'tool'"),
        (("./cmd/tool", "/usr/bin/t"), "[[program]]\nname = 'tool'\npath = '/usr/bin/t'"),
    ],
)
def test_a_spec_names_programs_and_packages(source, environ, program, text):
    planned = plan_compile("go", spec(source, text), [AMD64], Project(source, Path("/work"), environ))

    assert [("linux/amd64", *program)] == shapes(planned)


def test_a_name_that_fits_several_packages_is_refused(source, environ):
    with pytest.raises(UsageError, match=r"other could be any of \./cmd/tool, \./cmd/web") as refused:
        plan_compile("go", spec(source, "name = 'other'"), [AMD64], Project(source, Path("/work"), environ))

    assert 'say which one: package = "./cmd/tool"' == refused.value.hint


def test_differences_of_a_platform_reach_its_jobs(source, environ):
    text = "name = 'web'\n[go]\nldflags = '-s'\n[platform.'linux/arm/v6'.go]\nldflags = '-w'\ntags = ['small']\n"

    amd64, arm = plan_compile("go", spec(source, text), [AMD64, ARMV6], Project(source, Path("/work"), environ))

    assert "-ldflags=-buildid= -s" in amd64.job.argv
    assert {"-ldflags=-buildid= -w", "-tags=small"} <= set(arm.job.argv)


def test_programs_of_rust_are_those_of_the_package_or_of_the_spec(source, environ):
    (source / "src" / "bin").mkdir(parents=True)
    for name in ("src/main.rs", "src/bin/tool.rs"):
        (source / name).write_text("fn main() {}\n")
    (source / "Cargo.toml").write_text('[package]\nname = "shop"\nversion = "1.0.0"\n')
    for name in ("cargo", "rustc", "zig"):
        path = Path(environ["PATH"]) / name
        path.write_text(f"#!/bin/sh\necho {source}\n")
        path.chmod(0o755)
    for triple in ("x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"):
        (source / "lib/rustlib" / triple / "lib").mkdir(parents=True)
    named = spec(source, '[[program]]\nname = "tool"\npath = "/sbin/"\n')

    places = [
        [planned.place for planned in plan_compile("rust", one, [AMD64], Project(source, Path("/work"), environ))]
        for one in (BuildSpec(), named)
    ]

    assert [["/bin/shop", "/bin/tool"], ["/sbin/tool"]] == [sorted(row) for row in places]


def test_commands_and_their_names(source, environ):
    named = spec(source, "[command]\nrun = ['make', '{arch}']\noutput = 'out/{arch}/app'\n")

    (planned,) = plan_compile("command", named, [AMD64], Project(source, Path("/work"), environ))

    assert ((f"{environ['PATH']}/make", "amd64"), "/bin/app") == (planned.job.argv, planned.place)
    assert source / "out" / "amd64" / "app" == planned.job.outputs[0]


def test_a_command_without_a_name_is_named_after_its_folder(source, environ):
    (planned,) = plan_compile(
        "command", spec(source, "[command]\nrun = ['make']"), [AMD64], Project(source, Path("/work"), environ)
    )

    assert ("/bin/src", "/work/linux-amd64/src") == (planned.place, planned.job.env["OCITOOL_OUTPUT"])


@pytest.mark.parametrize(
    ("error", "toolchain", "platform", "path"),
    [
        ("no go compiler on PATH", "go", AMD64, ""),
        ("go cannot compile for linux/sparc64", "go", Platform("linux", "sparc64"), None),
        ("the command make is not there", "command", AMD64, "/nowhere"),
        ("no toolchain 'cobol'", "cobol", AMD64, None),
    ],
)
def test_what_cannot_be_compiled_is_unsupported(source, environ, monkeypatch, error, toolchain, platform, path):
    monkeypatch.setattr("sys.path", [])
    environ = environ if path is None else {**environ, "PATH": path}
    made = spec(source, "[command]\nrun = ['make']")

    with pytest.raises(Unsupported, match=error):
        plan_compile(toolchain, made, [platform], Project(source, Path("/work"), environ))


def test_prebuilt_compiles_nothing(source):
    assert () == plan_compile("prebuilt", BuildSpec(), [AMD64], Project(source, Path("/work"), {}))


@pytest.fixture
def native(source, environ, tmp_path):
    """`native("make", build, text)`: the job of one program of a stage, with what ocitool.toml says."""
    for name in ("cargo", "rustc", "zig", "make", "install"):
        path = Path(environ["PATH"]) / name
        path.write_text(f"#!/bin/sh\necho {source}\n")
        path.chmod(0o755)
    for triple in ("x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"):
        (source / "lib/rustlib" / triple / "lib").mkdir(parents=True)
    (source / "a.c").write_text("int main(void) { return 0; }\n")
    (source / "b.c").write_text("int b;\n")
    (source / "Makefile").write_text("all:\n")
    (source / "Cargo.toml").write_text('[package]\nname = "shop"\nversion = "1.0.0"\n')

    def call(toolchain, build, text=""):
        target = Target(Program("shop"), AMD64, source, tmp_path / "shop")
        wanted = NativeTarget(toolchain, target, build, "out/shop")
        return plan_native(wanted, spec(source, text), Project(Path("/elsewhere"), Path("/work"), environ), {})

    return call


def test_a_stages_rust_has_the_flags_of_its_run_lines_unless_the_spec_says_others(native):
    build = NativeBuild("rust", "/src", "/src/target", rust=RustOptions(flags=("--locked", "--config=lines")))

    theirs = native("rust", build)
    ours = native("rust", build, "[rust]\nflags = ['--config=spec']\n")

    assert (True, False) == ("--config=lines" in theirs.argv, "--config=lines" in ours.argv)
    assert "--config=spec" in ours.argv


def test_a_stages_c_has_the_sources_of_its_run_lines_unless_the_spec_says_others(native):
    build = NativeBuild("c", "/src", "/src", c=CProgram(("a.c",), ("-DLINES",)))

    theirs = native("c", build)
    ours = native("c", build, "[c]\nsources = ['b.c']\n")

    assert [["a.c"], ["b.c"]] == [
        [name for name in ("a.c", "b.c") if any(word.endswith(name) for word in job.argv)] for job in (theirs, ours)
    ]
    assert ("-DLINES" in theirs.argv, "-DLINES" in ours.argv) == (True, False)


def test_a_stages_build_system_gives_the_one_file_that_is_wanted(native):
    build = NativeBuild("make", "/src", "/src", system=BuildSystemOptions(targets=("release",)))

    theirs = native("make", build)
    ours = native("make", build, "[make]\ntargets = ['fast']\n")

    for job, target in ((theirs, "release"), (ours, "fast")):
        *_, built, _install = job.commands
        assert target == built.argv[-1]
        assert ("install", "out/shop") == (Path(job.argv[0]).name, job.argv[-1])


def test_a_build_system_has_one_program_in_the_spec(source, environ):
    text = "[[program]]\nname = 'a'\n[[program]]\nname = 'b'\n"

    with pytest.raises(UsageError, match=r"\[\[program\]\] says nothing to make") as refused:
        plan_compile("make", spec(source, text), [AMD64], Project(source, Path("/work"), environ))

    assert "[make]" in refused.value.hint


@pytest.fixture
def installed(tmp_path):
    """What a build system installed: programs and a page."""
    tree = BuildTree(tmp_path, "", tmp_path / "installed")
    for path in ("usr/bin/a", "usr/bin/b", "usr/share/man/a.1"):
        (tree.installed / path).parent.mkdir(parents=True, exist_ok=True)
        (tree.installed / path).write_text(path)
    job = CompileJob(Target(Program("a"), AMD64, tmp_path, tmp_path), ("make",), {}, tmp_path, (), tree=tree)
    return lambda *files: compiled_entries(Planned(job, "/", files=files))


def test_patterns_choose_of_what_is_installed(installed):
    everything = {"usr", "usr/bin", "usr/bin/a", "usr/bin/b", "usr/share", "usr/share/man", "usr/share/man/a.1"}

    assert everything == {entry.path for entry in installed()}
    assert {"usr", "usr/bin", "usr/bin/a"} == {entry.path for entry in installed("usr/bin/a*")}


def test_patterns_that_nothing_fits_are_refused_with_what_there_is(installed):
    with pytest.raises(UsageError, match=r"none of the installed files is one of bin/\*") as refused:
        installed("bin/*")

    assert "usr/bin/a" in refused.value.hint
