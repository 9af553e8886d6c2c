"""Unpacked layers in this machine's store: what is found, kept, cleaned up and refused."""

import errno
import fcntl
import hashlib
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from ocitool.errors import DigestMismatch, Unsupported
from ocitool.executor.inside import _find, _remove
from ocitool.executor.stack import Lower, Stacks, make_upper, mount_tree, owner_of
from ocitool.executor.unpack import Attributes, Unpacked
from tests.unit.executor.test_unpack import WHEN, file, tar


@pytest.fixture
def stacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Stacks(str(tmp_path / "stacks"), is_single=True)
    made.prepare()
    return made


def put(stacks, *members):
    """The key of a layer that was added."""
    data = tar(*members)
    key = f"sha256:{hashlib.sha256(data).hexdigest()}"
    stacks.add([key], lambda: [data])
    return key


def lower(place, about, *names):
    """A layer in a new folder."""
    (place / "fs").mkdir(parents=True)
    for name in names:
        (place / "fs" / name).touch()
    found = Lower(str(place))
    found.__dict__["about"] = asdict(about)
    return found


def test_a_layer_that_is_there_is_not_read_again(stacks):
    key = put(stacks, file("a", b"x"))

    stacks.add([key], lambda: pytest.fail("it is there"))

    assert b"x" == Path(stacks.find([key]).files, "a").read_bytes()
    assert [] == os.listdir(f"{stacks.root}/runs")


def test_of_a_layer_with_another_digest_nothing_is_left(stacks):
    key = f"sha256:{'0' * 64}"

    with pytest.raises(DigestMismatch, match="a layer unpacks to"):
        stacks.add([key], lambda: [tar(file("a"))])

    assert stacks.find([key]) is None
    assert [[], []] == [os.listdir(f"{stacks.root}/{name}") for name in ("layers", "runs")]


def test_a_layer_that_has_vanished_is_told(stacks):
    key, other = put(stacks, file("a")), f"sha256:{'0' * 64}"

    with pytest.raises(FileNotFoundError, match="has vanished") as raised:
        stacks.lowers([key, other])

    assert other == raised.value.filename


def test_what_is_no_key_is_no_path(stacks):
    with pytest.raises(ValueError, match=r"no key of a layer: '\.\./x'"):
        stacks.find(["../x"])


def test_what_killed_commands_left_goes_and_what_others_write_stays(stacks):
    for name in ("left", "held"):
        os.makedirs(f"{stacks.root}/runs/{name}/upper")
        Path(f"{stacks.root}/runs/{name}.lock").touch()
    with open(f"{stacks.root}/runs/held.lock", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        Stacks(stacks.root, is_single=True).prepare()

    assert ["held", "held.lock"] == sorted(os.listdir(f"{stacks.root}/runs"))


def test_a_lock_whose_file_was_replaced_is_taken_anew(stacks, monkeypatch):
    """Who cleans up may remove the file between its opening and its lock."""
    path, real, took = f"{stacks.root}/locks/{'0' * 64}", fcntl.flock, []

    def flock(descriptor, how):
        real(descriptor, how)
        if not took:
            os.unlink(path)
            Path(path).touch()
        took.append(descriptor)

    monkeypatch.setattr(fcntl, "flock", flock)
    with stacks.lock(f"sha256:{'0' * 64}"), open(path, "rb") as other:
        with pytest.raises(OSError) as raised:
            real(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    assert (errno.EWOULDBLOCK, 2) == (raised.value.errno, len(took))


def test_a_tree_of_too_many_layers_is_refused(tmp_path):
    one = lower(tmp_path / "a", Unpacked(is_empty=False))

    with pytest.raises(Unsupported, match="a tree of 501 layers: overlayfs takes 500"):
        mount_tree([one] * 501, "/nowhere", str(tmp_path))


@pytest.mark.parametrize("is_single", [True, False])
def test_the_root_has_what_the_topmost_layer_says_of_it(tmp_path, is_single):
    own = Attributes(0o2750, os.getuid(), os.getgid(), WHEN * 10**9)
    other = Attributes(0o700, 7, 7, 0)
    about = (Unpacked(), Unpacked(root=own), Unpacked(root=other))
    lowers = [lower(tmp_path / str(number), one) for number, one in enumerate(about)]

    make_upper(lowers, str(tmp_path / "upper"), is_single=is_single)
    status = (tmp_path / "upper/files").stat()

    assert (0o42750, WHEN, os.getuid()) == (status.st_mode, int(status.st_mtime), status.st_uid)
    assert (tmp_path / "upper/work").is_dir()


def test_a_root_that_no_layer_speaks_of_is_as_it_is_made(tmp_path):
    make_upper([lower(tmp_path / "a", Unpacked())], str(tmp_path / "upper"), is_single=True)

    assert 0o40755 == (tmp_path / "upper/files").stat().st_mode


def test_the_owner_of_a_file_is_that_of_the_topmost_layer_that_has_it(tmp_path):
    lowers = [
        lower(tmp_path / "a", Unpacked(owners={"x": (5, 6)}), "x", "y"),
        lower(tmp_path / "b", Unpacked(owners={"x": (1, 1), "y": (2, 2), "z": (3, 4)}), "x", "y", "z"),
    ]

    assert [(5, 6), (0, 0), (3, 4), (0, 0)] == [owner_of(lowers, path) for path in ("x", "y", "z", "none")]


def test_what_a_store_holds_is_told_and_removed(stacks):
    key, other = put(stacks, file("a")), f"sha256:{'0' * 64}"
    (Path(stacks.root) / "caches/x/0").mkdir(parents=True)

    found = _find(None, {"keys": [key, other]}, [], stacks, "")
    _remove(None, {}, [], stacks, "")

    assert ({"missing": [1]}, []) == (found, os.listdir(stacks.root))
