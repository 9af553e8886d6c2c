"""Two clones of the same sources, in other folders, by other users, with other compilers' caches (K140)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import process_environment

PLATFORMS = "linux/amd64,linux/arm64"
# No fmt: each of the two caches begins empty, and all that a program imports is compiled into it.
SOURCES = {
    "go.mod": "module example.org/hello\n\ngo 1.21\n",
    "main.go": 'package main\n\nimport "example.org/hello/word"\n\nfunc main() { print(word.Word()) }\n',
    "word/word.go": 'package word\n\nimport "runtime"\n\n'
    "// Word names the file that it stands in.\n"
    "func Word() string { _, file, _, _ := runtime.Caller(0); return file }\n",
}


def build(folder: Path, cache: Path, *argv: str, umask: int, **env: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "ocitool", "build", str(folder), "--json", "--cache-dir", str(cache), *argv],
        env=process_environment(env),
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["data"]


def clone(source: Path, target: Path, *, backwards: bool) -> Path:
    """A copy whose files were made in another order, by another user, at another time."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*"), reverse=backwards):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            place.chmod(0o775 if os.access(path, os.X_OK) else 0o664)
            os.utime(place, (1_000_000_000, 1_000_000_000) if backwards else None)
            if backwards and os.geteuid() == 0:
                os.chown(place, 1234, 4321)
    return target


def two_ways(source: Path, tmp_path: Path, *argv: str) -> tuple[dict, dict]:
    here = clone(source, tmp_path / "one", backwards=False)
    there = clone(source, tmp_path / "somewhere" / "else" / "two", backwards=True)
    first = build(here, tmp_path / "c1", *argv, "--jobs", "1", umask=0o022, TZ="UTC", LANG="C.UTF-8")
    second = build(
        there,
        tmp_path / "c2",
        *argv,
        "--jobs",
        "8",
        umask=0o077,
        TZ="Asia/Kolkata",
        LANG="tr_TR.UTF-8",
        USER="other",
    )
    return first, second


def test_two_clones_of_go_sources_give_one_digest(tmp_path):
    for name, text in SOURCES.items():
        (tmp_path / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sources" / name).write_text(text)

    first, second = two_ways(tmp_path / "sources", tmp_path, "--platform", PLATFORMS)

    assert first["digest"] == second["digest"]
    assert first["layers"] == second["layers"]


@pytest.fixture
def ready(tmp_path) -> Path:
    """A folder with a ready program."""
    program = tmp_path / "ready" / "out" / "amd64" / "app"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path / "ready"


READY = ["--toolchain", "prebuilt", "--copy", "out/{arch}/app:/bin/"]


def test_source_date_epoch_is_written_and_nothing_else_of_time(ready, tmp_path):
    """K142"""
    argv = [*READY, "--platform", "linux/amd64", "-o", f"oci:{tmp_path}/out"]
    dated = build(ready, tmp_path / "c", *argv, umask=0o022, SOURCE_DATE_EPOCH="1000000000")

    config = dated["platforms"][0]["config"].replace(":", "/")
    tree = json.loads((tmp_path / "out" / "blobs" / config).read_text())
    assert {"2001-09-09T01:46:40Z"} == {tree["created"], *(step["created"] for step in tree["history"])}


@pytest.mark.parametrize("epoch", ["abc", "-1", "1e9", "1700000000.5"])
def test_a_bad_epoch_is_refused(run, monkeypatch, ready, epoch):
    """K142"""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)

    done = run("build", ready, *READY)

    assert 2 == done.exit_code
    assert "SOURCE_DATE_EPOCH" in done.stderr
