"""The merged file system in a directory: what is in it, and that nothing is ever outside it."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from ocitool.errors import LocalIOError, MalformedDocument, UsageError
from ocitool.model.files import FileKind
from ocitool.rootfs.extract import contents
from ocitool.rootfs.folder import export_folder
from ocitool.rootfs.tree import Listed, Node, Tree, read_tree
from ocitool.tasks import Scope
from tests.fakes.layers import stored, tar

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root keeps the bits together with the owner")


def export(target: Path, *layers: bytes):
    store, manifest = stored(*layers)
    tree = read_tree(store, manifest, None, scope=Scope())
    return export_folder(store, manifest, tree, contents(tree), target, scope=Scope())


def below(root: Path) -> dict[str, str]:
    """Every path with its type and mode, links with their text."""
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}"
        if path.is_symlink()
        else stat.filemode(path.stat().st_mode)
        for path in sorted(root.rglob("*"))
    }


def test_files_of_all_layers_are_in_the_directory(tmp_path):
    export(
        tmp_path / "out",
        tar(("etc/", "750"), ("etc/a", "one"), ("etc/b", "two", {"mode": 0o640, "mtime": 99})),
        tar(("etc/.wh.a", ""), ("etc/l", "-> /etc/b"), ("run/p", "p", {"mode": 0o600})),
        tar(("etc/h", "= etc/b", {"mode": 0o640, "mtime": 99})),
    )

    assert {
        "etc": "drwxr-x---",
        "etc/b": "-rw-r-----",
        "etc/h": "-rw-r-----",
        "etc/l": "-> /etc/b",
        "run": "drwxr-xr-x",
        "run/p": "prw-------",
    } == below(tmp_path / "out")
    assert ("two", 99) == ((tmp_path / "out/etc/h").read_text(), int((tmp_path / "out/etc/b").stat().st_mtime))
    assert (tmp_path / "out/etc/h").samefile(tmp_path / "out/etc/b")


def test_a_file_whose_first_name_is_deleted_keeps_its_data(tmp_path):
    """K143"""
    export(tmp_path / "out", tar(("A", "data"), ("B", "= A")), tar((".wh.A", "")))

    assert {"B": "-rw-r--r--"} == below(tmp_path / "out")
    assert "data" == (tmp_path / "out/B").read_text()


HOSTILE = {
    "climbing": [("../x", "x")],
    "climbing in the middle": [("a/../../x", "x")],
    "absolute": [("/x", "x")],
    "through an absolute link": [("p", "-> {outside}"), ("p/x", "x")],
    "through a climbing link": [("p", "-> ../outside"), ("p/x", "x")],
    "through two links": [("a", "-> b"), ("b", "-> {outside}"), ("a/x", "x")],
    "through a link below a link": [("d/up", "-> .."), ("e", "-> d/up/outside"), ("e/x", "x")],
    "over a link": [("x", "-> {outside}/x"), ("x", "x")],
    "a directory over a link": [("p", "-> {outside}"), ("p/", ""), ("p/x", "x")],
    "a hard link out": [("h", "= ../outside/victim"), ("h", "x")],
    "a hard link through a link": [("p", "-> {outside}"), ("h", "= p/victim"), ("h", "x")],
    "a hard link to a link, then content": [("l", "-> {outside}/victim"), ("h", "= l"), ("h", "x")],
    "a link whose own name climbs": [("../s", "-> x")],
    "a whiteout outside": [("p", "-> {outside}"), ("p/.wh.victim", "")],
    "a whiteout that climbs": [("../outside/.wh.victim", "")],
    "an opaque link": [("p", "-> {outside}"), ("p/.wh..wh..opq", "")],
    "a device": [("sda", "c 8 0")],
    "a name of a mebibyte": [("a/" * 512 * 1024 + "f", "x")],
    "a name of ten thousand bytes": [("n" * 10_000, "x")],
    "a loop": [("a", "-> a"), ("a/x", "x")],
    "names twice": [("x", "a"), ("x/", ""), ("x", "-> {outside}"), ("x", "b")],
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("together", [True, False], ids=["one layer", "a layer each"])
def test_nothing_is_made_or_changed_outside(tmp_path, files, together):
    """K154: contained, or refused with nothing left behind."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("as it was")
    entries = [(path, what.format(outside=outside)) for path, what in files]
    layers = [tar(*entries)] if together else [tar(entry) for entry in entries]

    with suppress(MalformedDocument, LocalIOError):
        export(tmp_path / "out", *layers)

    assert {"outside", "out"} >= {path.name for path in tmp_path.iterdir()}
    assert ["victim"] == [path.name for path in outside.iterdir()]
    assert "as it was" == (outside / "victim").read_text()
    assert 1 == (outside / "victim").stat().st_nlink
    for path in (tmp_path / "out").rglob("*"):
        mode = path.lstat().st_mode
        assert not stat.S_ISCHR(mode)
        assert not stat.S_ISBLK(mode)


def test_links_keep_their_text_wherever_they_lead(tmp_path):
    """K155"""
    text = "../../../../../../../../etc/pki/java/cacerts"

    export(tmp_path / "out", tar(("usr/lib/cacerts", f"-> {text}"), ("certs", "-> /etc/ssl/certs")))

    assert (text, "/etc/ssl/certs") == (
        os.readlink(tmp_path / "out/usr/lib/cacerts"),
        os.readlink(tmp_path / "out/certs"),
    )


def test_names_that_are_not_utf8_keep_their_bytes(tmp_path):
    listing = [Listed("caf\udce9", Node(FileKind.DIRECTORY, offset=0))]
    tree = Tree([listing])
    store, manifest = stored(tar())

    export_folder(store, manifest, tree, contents(tree), tmp_path / "out", scope=Scope())

    assert [b"caf\xe9"] == os.listdir(os.fsencode(tmp_path / "out"))


def test_a_read_only_directory_is_filled_before_it_is_closed(tmp_path):
    export(tmp_path / "out", tar(("d/", "555"), ("d/f", "x"), ("d/e/", "500"), ("d/e/g", "y")))

    assert "dr-xr-xr-x" == stat.filemode((tmp_path / "out/d").stat().st_mode)
    assert "y" == (tmp_path / "out/d/e/g").read_text()


@as_root
def test_root_keeps_owners_and_the_bits_that_go_with_them(tmp_path):
    """K157: chown would clear them, so they are set after it."""
    owner = {"uid": 1000, "gid": 2000}
    export(
        tmp_path / "out",
        tar(
            ("s", "x", {"mode": 0o4755, **owner}),
            ("g", "x", {"mode": 0o2755}),
            ("t/", "1777"),
            ("l", "-> s", owner),
        ),
    )

    found = {path.name: path.lstat() for path in (tmp_path / "out").iterdir()}
    assert {"s": 0o4755, "g": 0o2755, "t": 0o1777} == {
        name: stat.S_IMODE(found[name].st_mode) for name in ("s", "g", "t")
    }
    assert [(1000, 2000), (1000, 2000)] == [(found[name].st_uid, found[name].st_gid) for name in ("s", "l")]


@as_root
def test_an_owner_that_means_nobody_to_chown_is_refused(tmp_path):
    """chown takes 2**32-1 for "leave it", and the file would stay root's."""
    with pytest.raises(MalformedDocument, match="4294967295"):
        export(tmp_path / "out", tar(("s", "x", {"mode": 0o4755, "uid": 2**32 - 1})))


def test_attributes_of_other_systems_are_named_and_not_set(tmp_path):
    fields = {"pax_headers": {"SCHILY.xattr.security.selinux": "label", "SCHILY.xattr.trusted.overlay.opaque": "y"}}

    done = export(tmp_path / "out", tar(("a", "", fields)))

    assert ("a",) == done.without_xattrs
    assert "security.selinux" not in os.listxattr(tmp_path / "out/a")


@as_root
def test_attributes_of_users_and_capabilities_are_set_after_the_owner(tmp_path):
    """chown would clear a capability; the mode of a file that its owner may not write is no hindrance."""
    capability = "\x01\x00\x00\x02\x00\x04\x00\x00" + "\x00" * 12
    fields = {"pax_headers": {"SCHILY.xattr.user.note": "v", "SCHILY.xattr.security.capability": capability}}

    done = export(tmp_path / "out", tar(("a", "x", {"mode": 0o400, "uid": 1000, **fields}), ("d/", "500", fields)))

    assert () == done.without_xattrs
    assert b"v" == os.getxattr(tmp_path / "out/a", "user.note") == os.getxattr(tmp_path / "out/d", "user.note")
    assert capability.encode() == os.getxattr(tmp_path / "out/a", "security.capability")
    assert 0o400 == stat.S_IMODE((tmp_path / "out/a").stat().st_mode)


def test_attributes_that_the_file_system_refuses_are_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    fields = {"pax_headers": {"SCHILY.xattr.user.note": "v", "SCHILY.xattr.user.more": "w"}}

    done = export(tmp_path / "out", tar(("a", "x", {"mtime": 99, **fields}), ("b", "")))

    assert {"a"} == set(done.without_xattrs)
    assert 99 == int((tmp_path / "out/a").stat().st_mtime)


def test_without_root_no_bits_of_another_user_are_set(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    export(tmp_path / "out", tar(("s", "x", {"mode": 0o4755, "uid": 1000}), ("g", "x", {"mode": 0o2755})))

    assert [0o755, 0o755] == [stat.S_IMODE((tmp_path / "out" / name).stat().st_mode) for name in ("s", "g")]


def test_holes_stay_holes(tmp_path):
    """K158: 1 GiB that takes nothing on the disk."""
    info = {
        "pax_headers": {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.name": "holes",
            "GNU.sparse.size": str(1 << 30),
            "GNU.sparse.map": f"{1 << 20},3,{1 << 30},0",
        }
    }

    export(tmp_path / "out", tar(("GNUSparseFile.0/holes", "abc", info)))

    status = (tmp_path / "out/holes").stat()
    assert 1 << 30 == status.st_size
    assert status.st_blocks * 512 < 1 << 20
    with (tmp_path / "out/holes").open("rb") as file:
        file.seek((1 << 20) - 1)
        assert b"\0abc\0" == file.read(5)


def test_a_directory_that_is_there_must_be_empty(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")
    (tmp_path / "file").write_text("x")

    for name in ("full", "file"):
        with pytest.raises(UsageError):
            export(tmp_path / name, tar(("a", "")))

    assert "x" == (tmp_path / "full/mine").read_text()


def test_an_empty_directory_is_filled_and_emptied_again_on_failure(tmp_path):
    (tmp_path / "out").mkdir()
    too_long = "n" * 300

    with pytest.raises(LocalIOError, match="too long"):
        export(tmp_path / "out", tar(("d/e/", "500"), ("d/f", "x"), (too_long, "x")))

    assert [] == list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    with pytest.raises(LocalIOError, match="no such file"):
        export(tmp_path / "missing" / "out", tar(("a", "")))


@not_root
def test_without_root_no_bits_of_another_owner_are_set(tmp_path):
    export(tmp_path / "out", tar(("s", "x", {"mode": 0o6755, "uid": 1})))

    assert 0o755 == stat.S_IMODE((tmp_path / "out/s").stat().st_mode)


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.slow
@pytest.mark.parametrize("depth", [1000, 1900])
def test_k241_a_deep_image_that_fails_leaves_nothing(tmp_path, is_new, depth):
    """K241."""
    deep = "/".join(["d"] * depth)
    if not is_new:
        (tmp_path / "out").mkdir(0o755)

    with pytest.raises(LocalIOError, match="too long"):
        export(tmp_path / "out", tar((f"{deep}/", "500"), (f"{deep}/f", "x"), ("n" * 300, "x")))

    assert ([] if is_new else ["out"]) == os.listdir(tmp_path)
    assert is_new or ([], 0o755) == (os.listdir(tmp_path / "out"), stat.S_IMODE((tmp_path / "out").stat().st_mode))


@pytest.mark.parametrize("length", [255, 256])
def test_a_name_is_as_long_as_file_systems_take(tmp_path, length):
    """K254"""
    if length == 255:
        export(tmp_path / "out", tar(("n" * length, "x")))
        assert ["n" * length] == os.listdir(tmp_path / "out")
    else:
        with pytest.raises(LocalIOError, match="too long"):
            export(tmp_path / "out", tar(("n" * length, "x")))
        assert [] == os.listdir(tmp_path)
