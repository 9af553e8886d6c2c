"""`ocitool doctor`: what can be compiled here, before it is needed."""

import json

import pytest


@pytest.fixture
def tools(home, monkeypatch):
    """A PATH with a go that only tells its version, and a folder with a Go program."""
    folder = home / "tools"
    folder.mkdir()
    (folder / "go").write_text("#!/bin/sh\necho go1.27.3\n")
    (folder / "go").chmod(0o755)
    (home / "app").mkdir()
    (home / "app" / "go.mod").write_text("module example.com/app\n")
    (home / "app" / "main.go").write_text("package main\n")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(home)
    return folder


def test_this_machine(tools, run, monkeypatch):
    run("doctor", "--help")  # what the command needs is loaded before packages are out of sight
    monkeypatch.setattr("sys.path", [])

    done = run("doctor")

    assert 0 == done.exit_code
    lines = done.stdout.splitlines()
    assert ["go", "go1.27.3", f"{tools}/go", "(PATH)"] == lines[1].split()
    assert ["linux/arm/v6", "works", "missing", "missing"] in [line.split() for line in lines]
    assert ["linux/mips64le", "works", "missing", "impossible"] in [line.split() for line in lines]
    assert "hint: pip install 'ocitool[zig]'" in done.stderr


def test_a_dockerfile_is_not_looked_into_and_what_does_is_named(tools, home, run):
    (home / "image").mkdir()
    (home / "image" / "Dockerfile").write_text("FROM scratch\nRUN true\n")

    assert "hint: ocitool build --check image says whether" in run("doctor", "image").stderr
    assert "--check" not in run("doctor", "app").stderr


def test_a_project_and_a_platform_that_cannot_be(tools, run):
    done = run("doctor", "app", "--platform", "linux/amd64,linux/sparc64")

    assert 1 == done.exit_code
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert ["linux/amd64", "go", "/bin/app"] in rows
    assert ["linux/sparc64", "-", "go cannot compile for linux/sparc64"] in rows
    assert "hint: for linux go compiles" in done.stderr


def test_no_compiler(tools, run, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.path", [])

    done = run("doctor", "app", "--json")

    assert 1 == done.exit_code
    data = json.loads(done.stdout)["data"]
    assert "no go compiler on PATH" == data["compilers"][0]["problem"]
    assert {"no go compiler on PATH"} == {one["problem"] for one in data["platforms"]}


def test_platforms_of_the_spec(tools, run, home):
    (home / "app" / "ocitool.toml").write_text("platforms = ['linux/arm/v6', 'linux/riscv64']\n")

    data = json.loads(run("doctor", "app", "--json").stdout)["data"]

    assert ["linux/arm/v6", "linux/riscv64"] == [one["platform"] for one in data["platforms"]]
    assert ("go", [["/bin/app"], ["/bin/app"]]) == (
        data["toolchain"],
        [one["programs"] for one in data["platforms"]],
    )


@pytest.mark.parametrize(
    ("code", "message", "path"), [(3, "no folder gone", "gone"), (2, "says how to build it", "tools")]
)
def test_what_is_no_project(tools, run, code, message, path):
    done = run("doctor", path)

    assert code == done.exit_code
    assert message in done.stderr
