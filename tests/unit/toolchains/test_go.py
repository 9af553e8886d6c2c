"""The command that compiles a Go program for a platform."""

from pathlib import Path

import pytest

from ocitool.errors import LocalIOError, Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import Inputs, Target
from ocitool.toolchains.compilers import find_compiler
from ocitool.toolchains.go import (
    GoToolchain,
    find_go,
    find_programs,
    go_environ,
    go_platform,
    has_own_compiler,
    program_name,
    programs_below,
)
from ocitool.toolchains.options import CompilerOptions, GoOptions, Program
from tests.fakes.compilers import put_zig

DEFAULTS = GoOptions()


def plan(platform: str = "linux/arm/v6", options: GoOptions = DEFAULTS, environ=(("HOME", "/home/u"),)):
    target = Target(Program("hello"), Platform.parse(platform), Path("/src"), Path("/work/hello"))
    return GoToolchain(Path("/go/bin/go"), environ, options).plan(target)


def test_plan_is_the_whole_command():
    job = plan()

    assert (
        "/go/bin/go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-buildid=", "-o", "/work/hello", "."
    ) == job.argv  # fmt: skip
    assert {"HOME": "/home/u", "GOOS": "linux", "GOARCH": "arm", "GOARM": "6", "CGO_ENABLED": "0"} == job.env
    assert (Path("/src"), (Path("/work/hello"),)) == (job.cwd, job.outputs)


def test_options_are_added_and_the_target_wins():
    job = plan(
        options=GoOptions(
            tags=("netgo", "osusergo"),
            ldflags="-s -X main.version=1.2",
            flags=("-mod=vendor",),
            env=(("GOARM", "7"), ("GOPRIVATE", "example.com")),
            cgo=True,
            vcs=True,
        )
    )

    assert (
        "/go/bin/go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-buildid= -s -X main.version=1.2",
        "-tags=netgo,osusergo", "-mod=vendor", "-o", "/work/hello", ".",
    ) == job.argv  # fmt: skip
    assert ("6", "example.com", "1") == (job.env["GOARM"], job.env["GOPRIVATE"], job.env["CGO_ENABLED"])


def test_caches_stay_in_the_work_folder_where_there_is_no_home():
    env = plan(environ=()).env

    assert ("/work/go-build", "/work/go-path") == (env["GOCACHE"], env["GOPATH"])


@pytest.mark.parametrize(
    ("platform", "env"),
    [
        ("linux/amd64", {"GOAMD64": "v1"}),
        ("linux/amd64/v3", {"GOAMD64": "v3"}),
        ("linux/386", {"GO386": "sse2"}),
        ("linux/arm", {"GOARM": "7"}),
        ("linux/arm/v5", {"GOARM": "5"}),
        ("linux/arm/v6", {"GOARM": "6"}),
        ("linux/arm/v8", {"GOARM": "7"}),
        ("linux/arm64", {"GOARM64": "v8.0"}),
        ("linux/arm64/v8", {"GOARM64": "v8.0"}),
        ("linux/arm64/v8.2", {"GOARM64": "v8.2"}),
        ("linux/arm64/v9", {"GOARM64": "v9.0"}),
        ("linux/mipsle", {"GOMIPS": "hardfloat"}),
        ("linux/mips64le", {"GOMIPS64": "hardfloat"}),
        ("linux/ppc64le", {"GOPPC64": "power8"}),
        ("linux/ppc64le/power10", {"GOPPC64": "power10"}),
        ("linux/riscv64", {"GORISCV64": "rva20u64"}),
        ("linux/riscv64/rva23u64", {"GORISCV64": "rva23u64"}),
        ("linux/s390x", {}),
        ("linux/loong64", {}),
        ("windows(10.0.20348.1)/amd64", {"GOAMD64": "v1"}),
        ("wasip1/wasm", {}),
    ],
)
def test_variables_of_a_platform(platform, env):
    wanted = Platform.parse(platform)

    assert {"GOOS": wanted.os, "GOARCH": wanted.architecture, **env} == go_platform(wanted)


@pytest.mark.parametrize(
    "platform",
    ["linux/sparc64", "hurd/386", "linux/amd64/v5", "linux/s390x/z15", "linux/arm64/v9.9", "linux/386/x"],
)
def test_platforms_without_a_port_are_refused(platform):
    os, architecture, *variant = platform.split("/")
    wanted = Platform(os, architecture, variant[0] if variant else "")
    if platform == "linux/386/x":  # normalising drops it, as everywhere
        assert "386" == go_platform(wanted)["GOARCH"]
        return

    with pytest.raises(Unsupported) as refused:
        go_platform(wanted)

    assert 9 == refused.value.exit_code
    assert refused.value.hint


def test_environment_of_the_target_does_not_pass():
    environ = {"GOOS": "plan9", "GOARM": "5", "GOFLAGS": "-mod=mod", "GOCACHE": "/c", "CC": "evil", "TOKEN": "x"}

    assert {"GOFLAGS": "-mod=mod", "GOCACHE": "/c"} == dict(go_environ(environ, Path("/go/bin/go"), GoOptions()))
    assert ("CC", "evil") in go_environ(environ, Path("/go/bin/go"), GoOptions(cgo=True))


@pytest.mark.parametrize(("kept", "root"), [(True, "/go"), (False, "/other")])
def test_goroot_passes_only_to_its_own_go(kept, root):
    assert kept == (("GOROOT", root) in go_environ({"GOROOT": root}, Path("/go/bin/go"), GoOptions()))


def fake_go(folder: Path, *, executable: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "go"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755 if executable else 0o644)
    return path


def test_go_on_path_comes_first(tmp_path):
    on_path = fake_go(tmp_path / "bin")
    fake_go(tmp_path / "site" / "go" / "bin")
    (tmp_path / "site" / "go" / "VERSION").write_text("go1.27")

    assert on_path == find_go({"PATH": str(tmp_path / "bin")}, [str(tmp_path / "site")])


def test_go_of_the_python_package(tmp_path):
    packaged = fake_go(tmp_path / "site" / "go" / "bin")
    (tmp_path / "site" / "go" / "VERSION").write_text("go1.27")

    assert packaged == find_go({"PATH": "/nowhere"}, ["", str(tmp_path / "site")])


def test_a_folder_named_go_where_the_user_stands_is_not_the_package(tmp_path, monkeypatch):
    fake_go(tmp_path / "go" / "bin")
    (tmp_path / "go" / "VERSION").write_text("go1.27")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Unsupported, match="no go compiler on PATH") as missing:
        find_go({"PATH": ""}, ["", str(tmp_path)])

    assert "pip install 'ocitool[go]'" in missing.value.hint


def module(folder: Path, name: str = "example.com/app") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"// a module\nmodule {name}\n\ngo 1.24\n")
    return folder


@pytest.mark.parametrize(
    ("name", "path"),
    [("app", "example.com/app"), ("app", "example.com/app/v2"), ("v2", "v2"), ("x", '"example.com/x"')],
)
def test_program_at_the_root_is_named_after_the_module(tmp_path, name, path):
    (module(tmp_path, path) / "main.go").write_text("/* package other */\n// words\npackage main\n")

    assert (Program(name),) == find_programs(tmp_path)


def test_programs_under_cmd_when_the_root_is_a_library(tmp_path):
    (module(tmp_path) / "lib.go").write_text("package app\n")
    (tmp_path / "gen.go").write_text("//go:build ignore\n\npackage main\n")
    (tmp_path / "x_test.go").write_text("package main\n")
    for name, package in (("web", "main"), ("cli", "main"), ("lib", "lib")):
        (tmp_path / "cmd" / name).mkdir(parents=True)
        (tmp_path / "cmd" / name / "a.go").write_text(f"package {package}\n")

    assert (Program("cli", "./cmd/cli"), Program("web", "./cmd/web")) == find_programs(tmp_path)


def test_a_package_inside_a_module_is_named_after_its_folder(tmp_path):
    tool = tmp_path / "cmd" / "tool"
    tool.mkdir(parents=True)
    (tool / "main.go").write_text("package main\n")

    assert (Program("tool"),) == find_programs(tool)


def test_module_without_a_program_is_a_usage_error(tmp_path):
    (module(tmp_path) / "lib.go").write_text("package app\n")

    with pytest.raises(UsageError, match="no Go program"):
        find_programs(tmp_path)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        (".", "shop"), ("./cmd/api", "api"), ("cmd/api/", "api"), ("example.com/x/tool/v3", "tool"),
        ("./main.go", "main"), ("./v2", "v2"),
    ],
)  # fmt: skip
def test_the_name_that_go_gives(tmp_path, package, name):
    (tmp_path / "go.mod").write_text("module example.com/shop/v2\n")

    assert name == program_name(tmp_path, package)


def test_programs_of_a_pattern(tmp_path):
    for folder in (".", "cmd/b", "cmd/a", "cmd/a/deep", "vendor/x", "cmd/testdata", "_old", ".git", "other"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "main.go").write_text("package main\n")
    (tmp_path / "go.mod").write_text("module shop\n")
    (tmp_path / "other" / "go.mod").write_text("module other\n")
    (tmp_path / "cmd" / "b" / "main.go").write_text("package b\n")

    below = (Program("a", "./cmd/a"), Program("deep", "./cmd/a/deep"))
    assert (Program("shop", "."), *below) == programs_below(tmp_path, ".")
    assert below == programs_below(tmp_path, "./cmd/")
    assert () == programs_below(tmp_path, "nowhere")


def test_cgo_gets_a_compiler_for_the_platform_and_links_by_it(tmp_path):
    put_zig(tmp_path / "bin")
    platform = Platform.parse("linux/arm/v7")
    compiler = find_compiler(CompilerOptions(), platform, {"PATH": str(tmp_path / "bin")}, packages=())
    toolchain = GoToolchain(
        Path("/go/bin/go"), (), GoOptions(cgo=True, ldflags="-X a=b"), compiler, tmp_path / "cache"
    )

    job = toolchain.plan(Target(Program("app"), platform, tmp_path, tmp_path / "out" / "app"))

    assert "-ldflags=-buildid= -X a=b -linkmode=external" in job.argv
    assert (str(tmp_path / "out/wrappers/cc"), "1") == (job.env["CC"], job.env["CGO_ENABLED"])
    assert Inputs.GO_MODULE is job.inputs
    assert not has_own_compiler({}, GoOptions(cgo=True))
    assert has_own_compiler({"CC": "gcc"}, GoOptions(cgo=True))
    assert has_own_compiler({}, GoOptions(cgo=True, env=(("CC", "gcc"),)))


def test_private_modules_are_added_to_those_of_the_environment():
    options = GoOptions(private=("a.example", "b.example"))

    alone, more = (plan(options=options, environ=environ).env for environ in ((), (("GOPRIVATE", "c.example"),)))

    assert ("a.example,b.example", "c.example,a.example,b.example") == (alone["GOPRIVATE"], more["GOPRIVATE"])


def test_half_a_distribution_is_none(tmp_path):
    for name in ("half", "whole"):
        (tmp_path / name / "go").mkdir(parents=True)
        (tmp_path / name / "go" / "VERSION").write_text("go1.27")
    packaged = fake_go(tmp_path / "whole" / "go" / "bin")

    assert packaged == find_go({"PATH": "/nowhere"}, [str(tmp_path / "half"), str(tmp_path / "whole")])


def test_a_module_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "go.mod").mkdir()

    with pytest.raises(LocalIOError, match=r"go\.mod"):
        find_programs(tmp_path)
