"""Pulling an artifact: whole and verified, and never out of the folder."""

import os
import tarfile

import pytest

from ocitool.artifact.conventions import DIRECTORY_TYPE, TITLE
from ocitool.artifact.pull import list_artifact, pull_artifact
from ocitool.client import Client
from ocitool.errors import DigestMismatch, EscapingPath, LocalIOError, MalformedDocument, NotFound, Unsupported
from ocitool.events import Noted
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from tests.fakes.sick import member


def below(folder):
    """Every file below a folder with its content, a link with its text, a directory with None."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else None
        if path.is_dir()
        else path.read_bytes()
        for path in folder.rglob("*")
    }


def test_files_get_their_titles_as_paths(put, pull, tmp_path):
    put(("a.txt", b"a"), ("sub/dir/b", b"b"))

    done = pull(tmp_path / "out")

    assert ("a.txt", "sub/dir/b") == done.written
    assert {"a.txt": b"a", "sub": None, "sub/dir": None, "sub/dir/b": b"b"} == below(tmp_path / "out")


@pytest.mark.parametrize("title", ["/etc/x", "../x", "a/../../x", "..", "/", "a\0b", "C:\\x"])
def test_a_title_that_leads_out_is_refused_before_anything_is_written(put, pull, tmp_path, title):
    put(("first", b"1"), (title, b"2"))

    with pytest.raises(EscapingPath):
        pull(tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_link_that_stands_in_the_folder_is_not_followed(put, pull, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    put(("sub/x", b"x"))

    with pytest.raises(EscapingPath, match="through the link"):
        pull(tmp_path / "out")

    assert {} == below(tmp_path / "elsewhere")


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(put, pull, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").symlink_to(tmp_path / "precious")
    put(("x", b"theirs"))

    pull(tmp_path / "out")

    assert ("mine", b"theirs") == ((tmp_path / "precious").read_text(), (tmp_path / "out" / "x").read_bytes())
    assert not (tmp_path / "out" / "x").is_symlink()


def test_content_of_another_digest_leaves_the_file_as_it_was(put, pull, ward, tmp_path):
    layer = ward.blob(b"right", "text/plain") | {"annotations": {TITLE: "x"}}
    ward.store._blobs[Digest(layer["digest"])] = b"wrong"
    put(layer)
    (tmp_path / "x").write_text("old")

    with pytest.raises(DigestMismatch):
        pull(tmp_path)

    assert "old" == (tmp_path / "x").read_text()
    assert ["x"] == [name for name in os.listdir(tmp_path) if name != "cache"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_packed_directory_is_unpacked(put, packed, pull, tmp_path, times):
    put(
        packed(
            "d",
            member("d", type=tarfile.DIRTYPE),
            member("d/run", b"#!", mode=0o4755),
            member("d/in/deep", b"x", mode=0o601),
            member("d/in/up", type=tarfile.SYMTYPE, linkname="../run"),
            member("d/twin", type=tarfile.LNKTYPE, linkname="d/run"),
        )
    )

    for _ in range(times):
        pull(tmp_path / "out")

    found = below(tmp_path / "out")
    assert {
        "d": None,
        "d/run": b"#!",
        "d/twin": b"#!",
        "d/in": None,
        "d/in/deep": b"x",
        "d/in/up": "../run",
    } == found
    modes = [(tmp_path / "out" / "d" / name).stat().st_mode for name in ("run", "in/deep")]
    assert [0o100, 0] == [mode & 0o4100 for mode in modes]


@pytest.mark.parametrize(
    "members",
    [
        [member("x", b"beside")],
        [member("e/x", b"beside")],
        [member("d/l", type=tarfile.SYMTYPE, linkname="/etc")],
        [member("d/l", type=tarfile.SYMTYPE, linkname="../../x")],
        [member("d/a/l", type=tarfile.SYMTYPE, linkname="b/../../../x")],
        [
            member("d/a/b/l", type=tarfile.SYMTYPE, linkname="../../.."),
            member("d/m", type=tarfile.SYMTYPE, linkname="a/b/l/.."),
        ],
        [member("d/l", type=tarfile.LNKTYPE, linkname="etc/passwd")],
        [member("d/l", type=tarfile.SYMTYPE, linkname="../d/s"), member("d/l/x", b"through a link")],
    ],
)
def test_what_leads_out_of_a_packed_directory_is_refused(put, packed, pull, tmp_path, members):
    put(packed("d", *members))

    with pytest.raises(EscapingPath):
        pull(tmp_path / "out")

    assert {"cache", "out"} >= set(os.listdir(tmp_path))
    assert not [path for path in below(tmp_path / "out") if path.endswith("x")]


def test_a_link_inside_cannot_be_made_the_way_out_of_a_hard_link(put, packed, pull, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("mine")
    put(packed("d", member("d/l", type=tarfile.LNKTYPE, linkname="old")))

    with pytest.raises(EscapingPath):
        pull(tmp_path / "out")


def test_devices_and_pipes_are_refused(put, packed, pull, tmp_path):
    put(packed("d", member("d/p", type=tarfile.FIFOTYPE)))

    with pytest.raises(MalformedDocument, match="device or pipe"):
        pull(tmp_path / "out")


def test_a_blob_that_is_damaged_is_not_unpacked(put, packed, pull, ward, tmp_path):
    layer = packed("d", member("d/x", b"x"))
    held = ward.store._blobs[Digest(layer["digest"])]
    ward.store._blobs[Digest(layer["digest"])] = held[:-1] + bytes([held[-1] ^ 1])
    put(layer)

    with pytest.raises(DigestMismatch):
        pull(tmp_path / "out")

    assert {} == below(tmp_path / "out")


@pytest.mark.parametrize(
    ("title", "annotations", "is_directory"),
    [
        ("d", {}, True),
        ("d.tar.gz", {}, False),
        ("d.TGZ", {}, False),
        ("d", {"io.deis.oras.content.unpack": "false"}, False),
        ("d.tar.gz", {"io.deis.oras.content.unpack": "true"}, True),
    ],
)
def test_what_oras_py_pushes_as_a_directory_is_known_by_its_type(put, ward, title, annotations, is_directory):
    put(ward.blob(b"x", DIRECTORY_TYPE) | {"annotations": {TITLE: title, **annotations}})

    assert [is_directory] == [file.is_directory for file in list_artifact(ward.store, "1").files]


def test_old_files_are_kept_where_that_is_asked(put, pull, tmp_path):
    put(("a", b"new"), ("b", b"new"))
    (tmp_path / "a").write_text("old")

    done = pull(tmp_path, keeps_old=True)

    assert (("b",), ("a",), "old") == (done.written, done.kept, (tmp_path / "a").read_text())


def test_only_some_titles(put, ward):
    put(("a", b"1"), ("b", b"2"))
    listing = list_artifact(ward.store, "1")

    assert ["b"] == [file.title for file in listing.only(("b",)).named]
    with pytest.raises(NotFound, match="no file 'c'"):
        listing.only(("c",))


def test_two_files_of_one_title_are_refused(put, pull, tmp_path):
    put(("a", b"1"), ("./a", b"2"))

    with pytest.raises(MalformedDocument, match="two files"):
        pull(tmp_path / "out")


def test_a_file_below_a_file_is_refused(put, pull, tmp_path):
    put(("a", b"1"), ("a/b", b"2"))

    with pytest.raises(EscapingPath, match="which is a file"):
        pull(tmp_path / "out")


def test_a_directory_in_the_place_of_a_file_stays(put, pull, tmp_path):
    (tmp_path / "a").mkdir()
    put(("a", b"1"))

    with pytest.raises(LocalIOError):
        pull(tmp_path)

    assert (tmp_path / "a").is_dir()
    assert [] == [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_blob_without_a_title_is_left_out_and_told(put, ward, tmp_path):
    told = []
    put(("a", b"1"), ward.blob(b"2", "x/y"))
    listing = list_artifact(ward.store, "1")

    with Client(cache_dir=tmp_path / "cache", listener=told.append, environ={"PATH": ""}) as client:
        pull_artifact(client.workspace, ward.store, listing, tmp_path / "out")

    assert {"a": b"1"} == below(tmp_path / "out")
    assert Noted("1 of 2 blobs have no title and were left out", "notice") in told


@pytest.mark.parametrize(("tag", "what"), [("index", "is an index"), ("image", "is an image")])
def test_an_image_and_an_index_are_no_artifacts(ward, tag, what):
    ward.index(ward.image(tag="image"), tag="index")

    with pytest.raises(Unsupported, match=what):
        list_artifact(ward.store, tag)


def test_what_is_no_manifest_is_no_artifact(ward):
    ward.store.plant(Document(b'{"a": 1}', "x/y"), "1")

    with pytest.raises(Unsupported, match="is no artifact"):
        list_artifact(ward.store, "1")
