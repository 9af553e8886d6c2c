import errno
import io
import os
import socket
import stat
import tarfile

import pytest

from ocitool.errors import BuildError
from ocitool.executor.changes import write_changes
from ocitool.executor.removal import remove_tree
from ocitool.executor.unpack import OPAQUE_ATTRIBUTE, unpack
from ocitool.model.digest import Digest

WHEN = 1_600_000_000


@pytest.fixture
def both(tmp_path, monkeypatch):
    """An upper folder and the tree below it."""
    monkeypatch.chdir(tmp_path)
    upper, below = tmp_path / "upper", tmp_path / "below"
    upper.mkdir()
    below.mkdir()
    return upper, below


def put(path, data=b"", mode=0o644, when=WHEN):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, (when, when))


def hide(path):
    path.parent.mkdir(exist_ok=True, parents=True)
    os.mknod(path, stat.S_IFCHR, 0)


def changes(both, **options):
    """(What was written, names in the tar in order, the archive)."""
    upper, below = both
    buffer = io.BytesIO()
    written = write_changes(str(upper), str(below), buffer, lambda _path, _status, _below: (0, 0), **options)
    data = buffer.getvalue()
    assert written.key == str(Digest.of(data))
    assert written.size == len(data)
    archive = tarfile.open(fileobj=io.BytesIO(data))
    assert written.is_empty == (not archive.getmembers())
    return archive


def names(both, **options):
    return changes(both, **options).getnames()


def test_a_file_brings_the_folders_above_it(both):
    put(both[0] / "a/b/f", b"new")
    (both[1] / "a").mkdir()

    archive = changes(both)

    assert ["a", "a/b", "a/b/f"] == archive.getnames()
    assert archive.extractfile("a/b/f").read() == b"new"


def test_what_was_only_copied_up_is_left_out_and_gone(both):
    for top in both:
        put(top / "a/f", b"same")
        (top / "a/l").symlink_to("f")
        os.utime(top / "a/l", (WHEN, WHEN), follow_symlinks=False)

    assert [] == names(both)
    assert [] == os.listdir(both[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o600),
        lambda path: put(path, b"Same"),
        lambda path: os.utime(path, (WHEN, WHEN + 1)),
        lambda path: os.setxattr(path, "user.x", b"1"),
    ],
)
def test_a_change_of_bytes_mode_time_or_attributes_is_one(both, change):
    for top in both:
        put(top / "f", b"same")
    change(both[0] / "f")

    assert ["f"] == names(both)


def test_a_folder_is_there_for_its_mode_and_not_for_its_time(both):
    for top in both:
        (top / "a").mkdir()
        (top / "b").mkdir()
    os.utime(both[0] / "a", (1, 1))
    (both[0] / "b").chmod(0o700)

    assert ["b"] == names(both)


def test_what_was_removed_is_a_whiteout_if_it_was_there(both):
    put(both[1] / "a/gone")
    hide(both[0] / "a/gone")
    hide(both[0] / "a/never")

    assert ["a", "a/.wh.gone"] == names(both)
    assert ["gone"] == os.listdir(both[0] / "a")


def test_a_folder_that_was_replaced_hides_each_name_of_the_old_one(both):
    for name in ("one", "two", "three/x"):
        put(both[1] / "a" / name)
    put(both[0] / "a/two")
    put(both[0] / "a/new")
    os.setxattr(both[0] / "a", OPAQUE_ATTRIBUTE, b"y")

    assert ["a", "a/new", "a/.wh.one", "a/.wh.three"] == names(both)


def test_a_folder_in_the_place_of_a_file_is_all_new(both):
    put(both[1] / "a", b"a file")
    put(both[0] / "a/f")
    os.setxattr(both[0] / "a", OPAQUE_ATTRIBUTE, b"y")

    assert ["a", "a/f"] == names(both)


def test_a_link_below_does_not_stand_for_the_folder_above_it(both):
    put(both[1] / "real/f", b"x")
    (both[1] / "a").symlink_to("real")
    put(both[0] / "a/f", b"x")

    assert ["a", "a/f"] == names(both)


def test_names_of_one_file_are_hard_links(both):
    put(both[0] / "b/one", b"x")
    os.link(both[0] / "b/one", both[0] / "a")

    archive = changes(both)

    assert [("a", False, ""), ("b", False, ""), ("b/one", True, "a")] == [
        (member.name, member.islnk(), member.linkname) for member in archive
    ]


def test_sockets_are_left_out(both):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("upper/s")

    assert [] == names(both)


def test_the_order_is_that_of_bytes(both):
    for name in ("b", "a-", "a/x", "B", "\udcff"):
        put(both[0] / name)

    assert ["B", "a", "a/x", "a-", "b", "\udcff"] == names(both)


def test_stubs_of_mounts_are_left_out_unless_something_was_put_in(both):
    put(both[0] / "etc/hosts")
    (both[0] / "run/secrets").mkdir(parents=True)
    put(both[0] / "cache/f")
    (both[1] / "etc").mkdir()

    assert ["cache", "cache/f"] == names(both, stubs=["etc/hosts", "run", "run/secrets", "cache"])


def test_no_time_is_later_than_the_epoch(both):
    put(both[0] / "late/f", when=WHEN + 5)
    put(both[0] / "early", when=5)

    archive = changes(both, epoch=WHEN)

    assert {"late": WHEN, "late/f": WHEN, "early": 5} == {member.name: member.mtime for member in archive}
    assert {WHEN} == {int((both[0] / path).stat().st_mtime) for path in ("late", "late/f")}


def test_attributes_of_the_overlay_do_not_leak(both):
    put(both[0] / "f")
    os.setxattr(both[0] / "f", "user.overlay.origin", b"x")
    os.setxattr(both[0] / "f", "user.mine", b"y")

    assert {"SCHILY.xattr.user.mine": "y"} == changes(both).getmember("f").pax_headers


def test_more_bytes_than_may_be_written_are_an_error(both):
    with (both[0] / "hole").open("wb") as file:
        file.truncate(10**12)

    with pytest.raises(BuildError, match="more than 1000000 bytes"):
        changes(both, limit=1_000_000)


@pytest.mark.slow
def test_holes_are_written_as_holes(both, tmp_path):
    with (both[0] / "hole").open("wb") as file:
        file.truncate(50_000_000)

    with (tmp_path / "tar").open("wb") as file:
        written = write_changes(*map(str, both), file, lambda *_: (0, 0))

    assert (tmp_path / "tar").stat().st_size == written.size > 50_000_000
    assert (tmp_path / "tar").stat().st_blocks * 512 < 2_000_000


@pytest.mark.slow
def test_folders_nested_deeper_than_calls_are_read(both):
    here = both[0]
    for _ in range(1050):
        here = here / "d"
        os.mkdir(here)

    found = names(both)
    remove_tree(str(both[0]))  # pytest's own way of removing it is one call a folder

    assert len(found) == 1050


def test_the_folder_left_behind_is_what_the_tar_unpacks_to(both, tmp_path):
    upper, below = both
    for name in ("keep/same", "keep/gone", "swap/old", "swap/same", "etc/hosts"):
        put(below / name, b"1")
    put(upper / "keep/same", b"1")
    hide(upper / "keep/gone")
    put(upper / "swap/same", b"1")
    put(upper / "swap/new", b"2")
    os.setxattr(upper / "swap", OPAQUE_ATTRIBUTE, b"y")
    hide(upper / "never")
    (upper / "etc").mkdir()
    (upper / "new").symlink_to("x")
    buffer = io.BytesIO()
    write_changes(str(upper), str(below), buffer, lambda *_: (0, 0))

    unpack([buffer.getvalue()], str(tmp_path / "again"), lambda: None, is_single=True)

    def seen(top):
        return {
            str(path.relative_to(top)): (
                stat.S_IFMT(path.lstat().st_mode),
                os.listxattr(path, follow_symlinks=False),
            )
            for path in top.rglob("*")
        }

    assert seen(upper) == seen(tmp_path / "again")


def fail(number):
    raise OSError(number, "no")


def write(both, owner):
    write_changes(str(both[0]), str(both[1]), io.BytesIO(), lambda path, status, below: owner(path) or (0, 0))


def test_a_path_that_no_image_can_hold_is_told(both):
    put(both[0] / "f")

    with pytest.raises(BuildError, match="longer than an image can hold"):
        write(both, lambda _: fail(errno.ENAMETOOLONG))
    with pytest.raises(OSError) as raised:
        write(both, lambda _: fail(errno.EIO))

    assert errno.EIO == raised.value.errno


def test_a_file_that_shrinks_while_it_is_read_is_told(both):
    put(both[0] / "f", b"12345")

    with pytest.raises(BuildError, match="/f was changed after the command had ended"):
        write(both, lambda path: os.truncate(path, 2))


def test_what_was_put_into_the_places_of_mounts_stays(both):
    for name in ("empty", "folder/file"):
        put(both[0] / name)
    put(both[0] / "filled", b"x")
    (both[0] / "link").symlink_to("x")
    (both[0] / "gone").mkdir()

    assert ["filled", "folder", "folder/file", "link"] == names(
        both, stubs=["empty", "filled", "folder", "gone", "link", "never"]
    )
