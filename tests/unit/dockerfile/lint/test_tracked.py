"""What git's own indexes tell; git makes them here, and no process is started to read them."""

import os
import shutil
import subprocess

import pytest

from ocitool.dockerfile.lint.tracked import tracked_files

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
NAMES = {
    "a",
    "dir/b",
    "dir/deeper/é",
    "dir-like/c",
    f"{'l' * 200}/{'m' * 100}",
    *(f"n{'x' * count}" for count in range(9)),
}


def git(folder, *words):
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """`checkout("--object-format=sha256")`: a folder with NAMES, which git tracks, and one file that it does not."""

    def make(*flags):
        top = tmp_path / "top"
        git(tmp_path, "init", "-q", *flags, "top")
        for name in NAMES:
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(name)
        git(top, "add", ".")
        (top / "untracked").write_text("")
        return top

    return make


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
def test_k203_every_name_of_an_index(checkout, version, hashes):
    top = checkout(f"--object-format={hashes}")
    (top / "later").write_text("")
    git(top, "add", "--intent-to-add", "later")  # has flags of its own
    git(top, "update-index", "--index-version", version)

    assert NAMES | {"later"} == tracked_files(top)


def test_names_are_seen_from_the_folder(checkout):
    top = checkout()

    assert {"b", "deeper/é"} == tracked_files(top / "dir")


def test_a_worktree_has_an_index_of_its_own(checkout, tmp_path):
    top = checkout("--object-format=sha256")
    git(top, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x")
    git(top, "rm", "-q", "--cached", "a")
    git(top, "worktree", "add", "-q", "--detach", "../beside")

    assert NAMES - {"a"} == tracked_files(top)
    assert NAMES == tracked_files(tmp_path / "beside")


def test_outside_of_a_checkout_nothing_is_tracked(tmp_path):
    assert frozenset() == tracked_files(tmp_path)


def test_a_checkout_without_an_index_has_nothing(tmp_path):
    git(tmp_path, "init", "-q")

    assert frozenset() == tracked_files(tmp_path)


def test_a_damaged_index_is_none(checkout):
    top = checkout()
    index = top / ".git" / "index"
    whole = index.read_bytes()

    for harm in (
        b"",
        whole[:8],
        whole[:100],
        b"JUNK" + whole[4:],
        whole[:7] + b"\x09" + whole[8:],
        whole[:8] + b"\xff" * 4 + whole[12:],
    ):
        index.write_bytes(harm)
        assert frozenset() == tracked_files(top)


def test_a_pipe_in_place_of_an_index_is_not_waited_for(checkout, tmp_path):
    top = checkout()
    (top / ".git" / "index").unlink()
    os.mkfifo(top / ".git" / "index")

    assert frozenset() == tracked_files(top)


def test_an_index_larger_than_any_is_not_read(checkout, monkeypatch):
    top = checkout()
    size = (top / ".git" / "index").stat().st_size

    monkeypatch.setattr("ocitool.dockerfile.lint.tracked._LIMIT", size)
    assert NAMES == tracked_files(top)
    monkeypatch.setattr("ocitool.dockerfile.lint.tracked._LIMIT", size - 1)
    assert frozenset() == tracked_files(top)


def test_a_name_longer_than_any_path_is_none(tmp_path):
    """Written by hand: git makes no such."""

    def entry(name):
        whole = bytes(60) + min(len(name), 0xFFF).to_bytes(2, "big") + name
        return whole + bytes(8 - len(whole) % 8)

    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").touch()
    for name in (b"n" * 4096, b"n" * 4097):
        index = b"DIRC" + (2).to_bytes(4, "big") + (2).to_bytes(4, "big") + entry(b"a") + entry(name)
        (tmp_path / ".git" / "index").write_bytes(index)

        assert ({"a", name.decode()} if len(name) == 4096 else frozenset()) == tracked_files(tmp_path)
