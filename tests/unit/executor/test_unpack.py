import errno
import io
import os
import stat
import tarfile

import pytest

from ocitool.errors import EscapingPath, MalformedDocument, Unsupported
from ocitool.executor.unpack import OPAQUE_ATTRIBUTE, Attributes, unpack

WHEN = 1_600_000_000


def tar(*members):
    """Members as (name, keywords of TarInfo, data)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields, data in members:
            info = tarfile.TarInfo(name)
            info.mtime, info.mode, info.size = WHEN, 0o644, len(data)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def folder(name, mode=0o755, **more):
    return (name, {"type": tarfile.DIRTYPE, "mode": mode, **more}, b"")


def file(name, data=b"", **more):
    return (name, more, data)


def link(name, target, kind=tarfile.SYMTYPE):
    return (name, {"type": kind, "linkname": target}, b"")


@pytest.fixture
def layer(tmp_path, monkeypatch):
    """Unpacks members as one user who stands for all; gives (the folder, what is known of it)."""
    monkeypatch.chdir(tmp_path)
    count = iter(range(100))

    def run(*members, base=None, is_single=True):
        target = tmp_path / f"layer-{next(count)}"
        opened = os.open(base, os.O_PATH) if base is not None else None
        about = unpack([tar(*members)], str(target), lambda: opened, is_single=is_single)
        return target, about

    return run


def is_whiteout(path):
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def test_files_have_their_bytes_modes_and_times(layer):
    files, about = layer(folder("a", 0o2750), file("a/f", b"hello", mode=0o4711), link("a/l", "../x"))

    assert (files / "a/f").read_bytes() == b"hello"
    assert stat.S_IMODE((files / "a/f").stat().st_mode) == 0o4711
    assert stat.S_IMODE((files / "a").stat().st_mode) == 0o2750
    assert {WHEN} == {int(path.lstat().st_mtime) for path in (files / "a", files / "a/f", files / "a/l")}
    assert os.readlink(files / "a/l") == "../x"
    assert not about.is_empty
    assert not about.has_borrowed


def test_owners_that_files_cannot_have_are_remembered(layer):
    _, about = layer(
        folder("home", uid=82, gid=83), file("home/f", uid=5), link("home/h", "home/f", tarfile.LNKTYPE)
    )

    assert {"home": (82, 83), "home/f": (5, 0), "home/h": (5, 0)} == about.owners


def test_whiteouts_are_devices_and_hide_nothing_of_their_own_layer(layer):
    files, _ = layer(
        folder("a"), file("a/.wh.gone"), file("a/.wh.kept"), file("a/kept", b"new"), file("a/.wh.d"), folder("a/d")
    )

    assert is_whiteout(files / "a/gone")
    assert (files / "a/kept").read_bytes() == b"new"
    assert os.getxattr(files / "a/d", OPAQUE_ATTRIBUTE) == b"y"


def test_an_opaque_folder_is_marked_and_aufs_files_are_left_out(layer):
    files, _ = layer(folder("a"), file("a/.wh..wh..opq"), file("a/.wh..wh.plnk"), file(".wh..wh.aufs"))

    assert os.getxattr(files / "a", OPAQUE_ATTRIBUTE) == b"y"
    assert [] == os.listdir(files / "a")
    assert ["a"] == os.listdir(files)


def test_attributes_of_the_overlay_itself_cannot_be_smuggled_in(layer):
    headers = {"pax_headers": {f"SCHILY.xattr.{OPAQUE_ATTRIBUTE}": "y", "SCHILY.xattr.user.kept": "v"}}
    files, _ = layer(folder("a", **headers))

    assert ["user.kept"] == os.listxattr(files / "a")


def test_devices_are_left_out(layer):
    files, _ = layer(
        folder("dev"), ("dev/null", {"type": tarfile.CHRTYPE}, b""), ("dev/sda", {"type": tarfile.BLKTYPE}, b"")
    )

    assert [] == os.listdir(files / "dev")


@pytest.mark.parametrize("target", ["/", "../../..", "/etc", "..", "b/../../../.."])
def test_links_on_the_way_stay_in_the_layer(layer, tmp_path, target):
    files, _ = layer(folder("b"), link("out", target), file("out/new", b"inside"))

    assert [path for path in tmp_path.rglob("new") if files not in path.parents] == []
    assert not os.path.exists("/new")
    assert not os.path.exists("/etc/new")
    assert len(list(files.rglob("new"))) == 1


def test_names_that_lead_out_are_refused(layer):
    with pytest.raises(EscapingPath):
        layer(file("../x"))


def test_links_in_a_circle_are_refused(layer):
    with pytest.raises(MalformedDocument, match="too many symbolic links"):
        layer(link("a", "b"), link("b", "a"), file("a/x"))


def test_a_later_member_takes_the_place_of_an_earlier_one(layer):
    files, _ = layer(
        folder("a"), file("a/f", b"1"), file("a", b"now a file"), link("l", "x"), file("l", b"2"), folder("l")
    )

    assert (files / "a").read_bytes() == b"now a file"
    assert (files / "l").is_dir()


def test_a_link_in_the_place_of_a_folder_is_not_followed_into_it(layer):
    files, _ = layer(folder("a"), folder("b"), link("a", "b"), file("a/f", b"in b"))

    assert (files / "b/f").read_bytes() == b"in b"
    assert (files / "a").is_symlink()


def test_hard_links_are_one_file(layer):
    files, _ = layer(file("a", b"x"), link("b", "a", tarfile.LNKTYPE), link("a", "a", tarfile.LNKTYPE))

    assert (files / "a").stat().st_ino == (files / "b").stat().st_ino


def test_a_hard_link_to_nothing_is_refused(layer):
    with pytest.raises(MalformedDocument, match="not there"):
        layer(link("b", "/etc/passwd", tarfile.LNKTYPE))


def test_folders_that_a_layer_does_not_name_are_those_below(layer):
    base, _ = layer(folder("opt", 0o711), link("bin", "usr/bin"), folder("usr"), folder("usr/bin"))
    files, about = layer(file("opt/f"), file("bin/tool", b"t"), base=base)

    assert stat.S_IMODE((files / "opt").stat().st_mode) == 0o711
    assert (files / "usr/bin/tool").read_bytes() == b"t"
    assert not (files / "bin").exists()
    assert about.has_borrowed


def test_a_hard_link_to_a_file_below_is_a_copy_of_it(layer):
    base, _ = layer(file("f", b"below", mode=0o640))
    files, about = layer(link("g", "f", tarfile.LNKTYPE), base=base)

    assert (files / "g").read_bytes() == b"below"
    assert stat.S_IMODE((files / "g").stat().st_mode) == 0o640
    assert about.has_borrowed


def test_holes_stay_holes(layer, tmp_path):
    target = tmp_path / "sparse"
    header = tarfile.TarInfo("f")
    header.size = 512
    header.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(10**9),
        "GNU.sparse.name": "f",
    }
    data = b"0\n".ljust(512, b"\0")
    buffer = header.tobuf(tarfile.PAX_FORMAT) + data + bytes(1024)
    unpack([buffer], str(target), lambda: None, is_single=True)

    assert (target / "f").stat().st_size == 10**9
    assert (target / "f").stat().st_blocks < 100


def test_the_root_has_the_attributes_that_a_layer_gives_it(layer):
    files, about = layer(folder("./", 0o700))

    assert Attributes(0o700, 0, 0, WHEN * 10**9) == about.root
    assert about.is_empty
    assert stat.S_IMODE(files.stat().st_mode) == 0o700


def test_an_empty_tar_is_an_empty_layer(layer):
    assert layer()[1].is_empty


@pytest.mark.parametrize("name", [".wh.a/f", "b/.wh.c/d/f", "b/.wh..", "b/.wh...", "b/.wh."])
def test_names_that_hide_nothing_are_left_out(layer, name):
    files, _ = layer(folder("b"), file("b/..."), file(name))

    assert ["b", "b/..."] == sorted(str(path.relative_to(files)) for path in files.rglob("*"))


def test_a_root_that_is_no_folder_says_nothing(layer):
    files, about = layer(link("./", "/etc"))

    assert (None, True) == (about.root, about.is_empty)
    assert files.is_dir()


def test_a_name_that_no_file_can_have_is_told(layer):
    with pytest.raises(MalformedDocument, match=r"/aaa.* cannot be made: File name too long"):
        layer(file("a" * 300))


def test_a_disk_that_fails_is_no_fault_of_the_layer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def pieces():
        yield tar(file("f", bytes(5000)))[:1024]
        raise OSError(errno.EIO, "no")

    with pytest.raises(OSError) as raised:
        unpack(pieces(), str(tmp_path / "layer"), lambda: None, is_single=True)

    assert errno.EIO == raised.value.errno


def test_a_hard_link_to_a_folder_is_refused(layer):
    with pytest.raises(MalformedDocument, match="/b is a hard link to a folder"):
        layer(folder("a"), link("b", "a", tarfile.LNKTYPE))


def test_a_file_below_gives_way_to_a_folder(layer):
    base, _ = layer(file("a", b"x", mode=0o600))
    files, about = layer(file("a/f"), base=base)

    assert 0o40755 == (files / "a").stat().st_mode
    assert about.has_borrowed


@pytest.fixture
def owned(layer):
    """The same as root, who can give files away."""
    if os.getuid():
        pytest.skip("only root can give files away")
    return lambda *members, base=None: layer(*members, base=base, is_single=False)


def test_owners_are_those_of_the_files(owned):
    base, _ = owned(file("below", b"x", uid=5, gid=6, mode=0o600), folder("opt", uid=7))
    files, about = owned(
        folder("d", uid=82, gid=83),
        file("d/f", uid=1, gid=70_000),
        link("d/l", "f"),
        link("copy", "below", tarfile.LNKTYPE),
        file("opt/f"),
        base=base,
    )
    status = {str(path.relative_to(files)): path.lstat() for path in files.rglob("*")}

    assert {
        "d": (82, 83),
        "d/f": (1, 70_000),
        "d/l": (0, 0),
        "copy": (5, 6),
        "below": (5, 6),
        "opt": (7, 0),
        "opt/f": (0, 0),
    } == {path: (one.st_uid, one.st_gid) for path, one in status.items()}
    assert {} == about.owners


def test_an_owner_beyond_the_ids_there_are_is_told(owned):
    with pytest.raises(Unsupported, match="/d belongs to 4294967295:0, which is beyond") as raised:
        owned(folder("d", uid=4294967295))

    assert "/etc/subuid" in raised.value.hint


def test_a_file_of_the_layer_gives_way_to_a_folder_and_a_folder_that_comes_again_has_the_last_mode(layer):
    files, _ = layer(file("a", b"x"), file("a/f", b"y"), folder("d", 0o700), file("d/f"), folder("d", 0o750))

    assert b"y" == (files / "a/f").read_bytes()
    assert 0o40750 == (files / "d").stat().st_mode
    assert (files / "d/f").exists()


def test_what_stands_behind_a_hole_stands_there(layer, tmp_path):
    header = tarfile.TarInfo("f")
    header.size = 1024
    header.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": "5000",
        "GNU.sparse.name": "f",
    }
    data = b"1\n4996\n4\n".ljust(512, b"\0") + b"last".ljust(512, b"\0")
    header.size = 516
    unpack(
        [header.tobuf(tarfile.PAX_FORMAT) + data + bytes(1024)], str(tmp_path / "x"), lambda: None, is_single=True
    )

    assert bytes(4996) + b"last" == (tmp_path / "x/f").read_bytes()
