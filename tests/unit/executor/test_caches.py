"""Folders of `RUN --mount=type=cache`: what a new one begins with, and whose it is."""

import os
import stat

import pytest

from ocitool.executor.caches import cache_folder, release
from ocitool.executor.stack import Stacks

WHEN = 1_600_000_000


@pytest.fixture
def place(tmp_path):
    """`place(stacks, …)`: the folder of a cache, as one user who stands for all, or not."""
    locks = []

    def call(source=lambda: pytest.fail("there are no layers"), *, is_single=True, **fields):
        mount = {"cache": "a", "sharing": "shared", "layers": [], "uid": 0, "gid": 0, "mode": 0o755, **fields}
        return cache_folder(mount, Stacks(str(tmp_path), is_single=is_single), locks, source)

    yield call
    for lock in locks:
        os.close(lock)


@pytest.fixture
def source(tmp_path):
    """A folder with one of each kind in it."""
    top = tmp_path / "source"
    (top / "folder").mkdir(parents=True)
    (top / "folder/file").write_bytes(b"x")
    (top / "folder/file").chmod(0o640)
    (top / "link").symlink_to("folder/file")
    os.mkfifo(top / "pipe")
    for path in (top / "folder/file", top / "folder", top / "link"):
        os.utime(path, (WHEN, WHEN), follow_symlinks=False)
    top.chmod(0o2711)
    return str(top)


@pytest.mark.parametrize("is_single", [True, False])
def test_a_new_cache_is_a_copy_without_pipes(place, source, is_single):
    made = place(lambda: source, layers=["sha256:x"], is_single=is_single)

    assert ["folder", "link"] == sorted(os.listdir(made))
    assert "folder/file" == os.readlink(f"{made}/link")
    with open(f"{made}/folder/file", "rb") as file:
        assert (b"x", 0o100640) == (file.read(), os.fstat(file.fileno()).st_mode)
    assert [WHEN, WHEN] == [int(os.lstat(f"{made}/{name}").st_mtime) for name in ("folder/file", "link")]
    assert 0o2711 == stat.S_IMODE(os.stat(made).st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_come_along_and_a_link_has_its_own(place, source):
    os.chown(f"{source}/folder/file", 5, 6)
    os.chown(f"{source}/link", 7, 8, follow_symlinks=False)

    made = place(lambda: source, layers=["sha256:x"], is_single=False)

    owners = [os.lstat(f"{made}/{name}") for name in ("folder/file", "link")]
    assert [(5, 6), (7, 8)] == [(one.st_uid, one.st_gid) for one in owners]


def test_a_cache_that_says_its_mode_has_it_whatever_it_begins_with(place, source):
    made = place(lambda: source, layers=["sha256:x"], mode=0o700)

    assert (0o700, True) == (stat.S_IMODE(os.stat(made).st_mode), os.path.exists(f"{made}/link"))


def test_a_cache_begins_empty_where_the_source_is_a_file(place, source):
    assert [] == os.listdir(place(lambda: f"{source}/folder/file", layers=["sha256:x"]))


def test_what_is_there_stays(place):
    with open(f"{place()}/kept", "wb"):
        pass

    assert ["kept"] == os.listdir(place(layers=["sha256:x"]))


def test_a_cache_that_others_made_meanwhile_is_theirs(place, tmp_path):
    def source():
        (top,) = (tmp_path / "caches").iterdir()
        (top / "0").mkdir()
        (top / "0/theirs").touch()
        return ""

    made = place(source, layers=["sha256:x"])

    assert ["theirs"] == os.listdir(made)
    assert ["0", "0.lock"] == sorted(os.listdir(os.path.dirname(made)))


def test_of_a_cache_that_cannot_be_made_nothing_is_left(place, tmp_path):
    def source():
        (top,) = (tmp_path / "caches").iterdir()
        (top / "0").touch()
        return ""

    with pytest.raises(NotADirectoryError):
        place(source, layers=["sha256:x"])

    (top,) = (tmp_path / "caches").iterdir()
    assert ["0", "0.lock"] == sorted(os.listdir(top))


def test_a_private_cache_is_the_first_that_nobody_has(tmp_path):
    stacks, mine, others = Stacks(str(tmp_path), is_single=True), [], []
    mount = {"cache": "a", "sharing": "private", "layers": [], "uid": 0, "gid": 0, "mode": 0o755}

    taken = [os.path.basename(cache_folder(mount, stacks, locks, str)) for locks in (mine, others, others)]
    release(mine)
    again = os.path.basename(cache_folder(mount, stacks, others, str))
    for lock in (*mine, *others):
        os.close(lock)

    assert (["0", "1", "2"], "0") == (taken, again)
