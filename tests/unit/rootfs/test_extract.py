"""What of a merged tree is exported, and the tar of it."""

import io
import tarfile

import pytest

from ocitool.errors import MalformedDocument
from ocitool.rootfs.extract import ExportPart, contents, export_tar, export_together, layer_contents
from ocitool.rootfs.tree import read_tree
from ocitool.store.base import write_whole
from ocitool.tasks import Scope
from tests.fakes.layers import stored, tar


def exported(*layers: bytes) -> bytes:
    store, manifest = stored(*layers)
    tree = read_tree(store, manifest, None, scope=Scope())
    return b"".join(export_tar(store, manifest, tree, contents(tree), scope=Scope()))


def members(*layers: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(exported(*layers))) as archive:
        return archive.getmembers()


def test_the_tar_holds_the_merged_files_with_their_attributes():
    found = members(
        tar(("etc/", "750"), ("etc/a", "one"), ("etc/b", "two", {"mode": 0o4711, "uid": 7, "gid": 8, "mtime": 99})),
        tar(("etc/.wh.a", ""), ("etc/l", "-> b")),
    )

    assert [("etc", 0o750), ("etc/b", 0o4711), ("etc/l", 0o644)] == [(m.name, m.mode) for m in found]
    assert (7, 8, 99, 3) == (found[1].uid, found[1].gid, found[1].mtime, found[1].size)


def test_no_markers_are_in_the_tar():
    """K151: of an image of one layer too; K148: a marker without a name is one more."""
    layer = tar(("d/.wh..wh..opq", ""), ("d/.wh.x", ""), (".wh.", ""), (".wh.e/f", ""), (".wh..wh.plnk/1", ""))

    assert ["d"] == [m.name for m in members(tar(("d/", "")), layer)]
    assert ["l"] == [m.name for m in members(tar(("l", "-> .wh.d"), ("l/f", "")))]


def test_a_file_whose_first_name_is_deleted_keeps_its_data():
    """K143: the next name gets the data, further names are links to that one."""
    with tarfile.open(
        fileobj=io.BytesIO(exported(tar(("A", "data"), ("B", "= A"), ("C", "= A")), tar((".wh.A", ""))))
    ) as archive:
        assert [("B", True, ""), ("C", False, "B")] == [(m.name, m.isreg(), m.linkname) for m in archive]
        assert b"data" == archive.extractfile("C").read()


LINKED_FROM_ABOVE = (
    tar(("b", "data", {"uid": 1, "mtime": 1}), ("d", "= b", {"uid": 1, "mtime": 1})),
    tar(("x", "= b", {"uid": 2, "mtime": 2})),
)
"""A link of a layer above makes `b` a file of its own there; `d` below stays as it was."""


def test_a_link_from_a_layer_above_parts_the_names_of_a_file():
    with tarfile.open(fileobj=io.BytesIO(exported(*LINKED_FROM_ABOVE))) as archive:
        found = [(m.name, m.isreg(), m.linkname, m.uid, m.mtime) for m in archive]
        assert [("b", True, "", 2, 2), ("x", False, "b", 2, 2), ("d", True, "", 1, 1)] == found
        assert b"data" == archive.extractfile("x").read() == archive.extractfile("d").read()
    store, manifest = stored(*LINKED_FROM_ABOVE)
    what = contents(read_tree(store, manifest, None, scope=Scope()))
    assert (8, 3) == (what.size, what.count)


def test_links_come_after_everything_that_could_be_written_through_them():
    """K154: whoever unpacks this tar without care stays in his directory."""
    found = members(tar(("a", "-> /tmp"), ("b/f", "x")), tar(("a/evil", "y")))

    assert ["b/f", "tmp/evil", "a"] == [m.name for m in found if not m.isdir()]


def test_links_keep_their_text():
    """K155"""
    text = "../../../../../../../../etc/pki/java/cacerts"

    (link,) = [m for m in members(tar(("usr/lib/jvm/cacerts", f"-> {text}"))) if m.issym()]

    assert text == link.linkname


def test_directories_that_are_closed_to_their_owner_come_last():
    """So that one who is not root can unpack it."""
    found = [m.name for m in members(tar(("usr/", ""), ("usr/bin/", "555"), ("usr/bin/sh", "x"), ("l", "-> x")))]

    assert ["usr", "usr/bin/sh", "l", "usr/bin"] == found


def test_devices_and_links_to_nothing_are_left_out_and_named():
    store, manifest = stored(tar(("dev/null", "c 1 3"), ("h", "= nothing"), ("p", "p")))
    what = contents(read_tree(store, manifest, None, scope=Scope()))

    assert ("dev/null", "h") == what.left_out
    assert (("p",), 2) == (what.special, what.count)


def test_attributes_of_overlay_file_systems_stay_behind():
    fields = {
        "pax_headers": {
            "SCHILY.xattr.trusted.overlay.opaque": "y",
            "SCHILY.xattr.user.overlay.redirect": "/etc",
            "SCHILY.xattr.user.mine": "kept",
        }
    }

    (found,) = members(tar(("a", "", fields)))

    assert {"SCHILY.xattr.user.mine": "kept"} == found.pax_headers


def test_a_capability_is_kept_byte_for_byte():
    """K139"""
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    fields = {"pax_headers": {"SCHILY.xattr.security.capability": value.decode()}}

    assert b" SCHILY.xattr.security.capability=" + value + b"\n" in exported(tar(("ping", "x", fields)))


def test_a_file_that_two_layers_hold_is_exported_once():
    assert [("a", 3)] == [(m.name, m.size) for m in members(tar(("a", "lower")), tar(("a", "new")))]


def test_more_bytes_than_allowed_are_refused_before_anything_is_read():
    store, manifest = stored(tar(("a", "x" * 600), ("b", "= a"), ("c", "x" * 400)))
    tree = read_tree(store, manifest, None, scope=Scope())

    assert 1000 == contents(tree, 1000).size
    with pytest.raises(MalformedDocument, match="1000 bytes, more than 999"):
        contents(tree, 999)


def test_a_layer_that_is_not_what_was_listed_is_an_error():
    store, manifest = stored(tar(("a", "data")))
    elsewhere, other = stored(tar(("padding", "x" * 600), ("a", "data")))
    tree = read_tree(elsewhere, other, None, scope=Scope())

    with pytest.raises(MalformedDocument, match="does not hold /a "):
        list(export_tar(store, manifest, tree, contents(tree), scope=Scope()))


def test_a_tar_that_breaks_off_leaves_no_file(tmp_path):
    def pieces():
        yield b"x"
        raise MalformedDocument("damaged")

    with pytest.raises(MalformedDocument):
        write_whole(pieces(), tmp_path / "out.tar")

    assert [] == list(tmp_path.iterdir())


def test_several_images_in_one_tar_stay_in_their_folders():
    store, manifest = stored(tar(("d/", ""), ("d/a", "one"), ("d/b", "= d/a"), ("l", "-> /d/a")))
    tree = read_tree(store, manifest, None, scope=Scope())
    parts = (ExportPart(manifest, tree, contents(tree), folder) for folder in ("x", "y"))

    data = b"".join(export_together(store, parts, scope=Scope()))

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = [(m.name, m.linkname) for m in archive.getmembers()]
    assert [
        *[("x", ""), ("x/d", ""), ("x/d/a", ""), ("x/d/b", "x/d/a"), ("x/l", "/d/a")],
        *[("y", ""), ("y/d", ""), ("y/d/a", ""), ("y/d/b", "y/d/a"), ("y/l", "/d/a")],
    ] == found


def layered(*layers: bytes, below: int = 0) -> list[tarfile.TarInfo]:
    """The members of the one layer that makes the image of what is below."""
    store, manifest = stored(*layers)
    tree = read_tree(store, manifest, None, scope=Scope())
    lower = read_tree(*stored(*layers[:below]), None, scope=Scope())
    data = b"".join(export_tar(store, manifest, tree, layer_contents(tree, lower), scope=Scope()))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def test_a_layer_of_everything_has_devices_attributes_and_no_whiteouts():
    found = layered(
        tar(("dev/", ""), ("dev/null", "c 1 3", {"mode": 0o666, "uid": 7}), ("gone", "x"), ("é" * 60, "name")),
        tar((".wh.gone", ""), ("f", "x", {"pax_headers": {"SCHILY.xattr.user.a": "b"}}), ("g", "= f")),
    )

    assert ["dev", "é" * 60, "f", "g", "dev/null"] == [one.name for one in found]
    assert {"b"} == {one.pax_headers["SCHILY.xattr.user.a"] for one in found if one.name in "fg"}
    assert (True, 0o666, 7, 1, 3) == (
        found[4].ischr(),
        found[4].mode,
        found[4].uid,
        found[4].devmajor,
        found[4].devminor,
    )
    assert (True, "f") == (found[3].islnk(), found[3].linkname)


def test_a_layer_over_others_takes_away_what_they_have_and_the_image_has_not():
    base = tar(("d/", "700"), ("d/a", "a"), ("d/b", "b"), ("e/", ""), ("e/x", "x"), ("k", "kept"))

    found = layered(
        base, tar(("d/.wh.a", "")), tar(("e/.wh..wh..opq", ""), ("e/y", "y"), (".wh.k", ""), ("k", "k")), below=1
    )

    assert [("d", 0o700), ("e", 0o755)] == [(one.name, one.mode) for one in found if one.isdir()]
    assert ["d/.wh.a", "e/.wh.x", "e/y", "k"] == [one.name for one in found if not one.isdir()]


def test_a_file_that_has_another_name_below_is_a_file_of_its_own():
    found = layered(tar(("a", "data")), tar(("b", "= a")), tar(("c", "= b")), below=1)

    assert [("b", True, 4), ("c", False, 0)] == [(one.name, one.isreg(), one.size) for one in found]
