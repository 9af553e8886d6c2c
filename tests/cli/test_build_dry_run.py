"""`ocitool build --dry-run`: the plan, and nothing but the plan."""

import json
import shlex

import pytest

from tests.fakes.programs import Elf


@pytest.fixture
def project(home, monkeypatch):
    (home / "tools").mkdir()
    (home / "tools" / "go").write_text("#!/bin/sh\ntouch started\n")
    (home / "tools" / "go").chmod(0o755)
    (home / "go.mod").write_text("module example.com/app\n")
    (home / "main.go").write_text("package main\n")
    (home / "conf").mkdir()
    (home / "conf" / "a").write_text("12345")
    (home / "conf" / "b").write_text("1")
    monkeypatch.setenv("PATH", str(home / "tools"))
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.test:1")
    monkeypatch.chdir(home)
    return home


FLAGS = (
    "build", ".", "--dry-run", "--platform", "linux/arm/v6", "--no-git-labels", "--copy", "conf:/etc/app",
    "--with", "tmp", "--user", "7", "-t", "reg.test/app:1", "--push", "-o", "oci:out:1",
)  # fmt: skip


def test_text_names_commands_contents_and_destinations(project, run):
    done = run(*FLAGS)

    assert 0 == done.exit_code, done.stderr
    lines = done.stdout.splitlines()
    assert "compile app for linux/arm/v6" == lines[0]
    assert f"  cd {project} && CGO_ENABLED=0 GOARCH=arm GOARM=6 GOOS=linux {project}/tools/go build" in lines[1]
    assert [
        "pack linux/arm/v6 on scratch",
        "  with tmp",
        "  copy conf to /etc/app: 2 file(s), 6 bytes",
        "  program /bin/app",
        "send docker image to oci:out:1",
        "send docker image to reg.test/app:1",
    ] == lines[2:]


def test_json_says_the_same(project, run):
    data = json.loads(run(*FLAGS, "--json").stdout)["data"]

    assert {"CGO_ENABLED": "0", "GOARCH": "arm", "GOARM": "6", "GOOS": "linux"} == data["compile"][0]["env"]
    assert [{"source": "conf", "destination": "/etc/app", "files": 2, "size": 6}] == data["pack"][0]["copy"]
    assert ({"user": "7"}, ["/bin/app"]) == (data["pack"][0]["settings"], data["pack"][0]["programs"])
    assert (["oci:out:1", "reg.test/app:1"], False) == (data["send"], data["index"])


def test_debug_files_ask_the_compiler_for_what_they_hold(project, run):
    said = [shlex.split(run(*FLAGS, *more).stdout) for more in ((), ("--debug-files", "debug"))]

    assert ["-ldflags=-buildid=", "-ldflags=-B gobuildid"] == [
        word for words in said for word in words if word.startswith("-ldflags")
    ]


def test_nothing_is_started_written_or_told_of_the_environment(project, run):
    before = sorted(project.rglob("*"))

    for flags in (FLAGS, (*FLAGS, "--json")):
        assert "secret" not in run(*flags).stdout

    assert before == sorted(project.rglob("*"))


def test_a_source_that_is_missing_is_an_error(project, run):
    done = run("build", ".", "--dry-run", "--copy", "gone:/")

    assert 3 == done.exit_code
    assert "gone" in done.stderr


def test_ready_programs_have_nothing_to_compile(home, run, monkeypatch):
    monkeypatch.chdir(home)
    (home / "app").write_bytes(Elf(62).build())

    done = run(
        "build", ".", "--dry-run", "--toolchain", "prebuilt", "--platform", "linux/amd64", "--copy", "app:/bin/"
    )

    assert [
        "pack linux/amd64 on scratch",
        f"  copy app to /bin/: 1 file(s), {len(Elf(62).build())} bytes",
        "send docker image to this machine's store",
    ] == done.stdout.splitlines()


def test_a_file_of_holes_is_planned_where_that_is_meant(project, run):
    """K158: with a Dockerfile and without, the same words let it in."""
    with (project / "conf" / "disk").open("wb") as file:
        file.truncate(3 * 1024**3)

    refused, meant = run(*FLAGS), run(*FLAGS, "--allow-sparse", "--json")

    assert (2, True) == (refused.exit_code, "say --allow-sparse" in refused.stderr)
    assert 3 * 1024**3 + 6 == json.loads(meant.stdout)["data"]["pack"][0]["copy"][0]["size"]
