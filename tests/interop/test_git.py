"""A real git, asked about real checkouts."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ocitool.builder.git import read_checkout

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t.test", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_a_real_checkout_tells_revision_version_and_source(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "v1.0")
    git(tmp_path, "remote", "add", "origin", "https://user:secret@git.test/o/r.git")
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()

    clean = read_checkout(tmp_path, os.environ)
    (tmp_path / "a").write_text("2")
    dirty = read_checkout(tmp_path, os.environ)

    assert (head, "v1.0", "https://git.test/o/r") == (clean.revision, clean.version, clean.source)
    assert (f"{head}-dirty", "v1.0-dirty") == (dirty.revision, dirty.version)


def test_folders_that_git_does_not_track_have_no_revision(tmp_path):
    git(tmp_path, "init", "-q")
    assert read_checkout(tmp_path, os.environ) is None
    (tmp_path / "a").write_text("1")
    (tmp_path / "out").mkdir()
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "one")

    assert read_checkout(tmp_path / "out", os.environ) is None
    assert read_checkout(tmp_path, {"PATH": "/nowhere"}) is None
