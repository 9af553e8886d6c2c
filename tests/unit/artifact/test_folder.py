"""`ocitool.artifact.folder`: what stands in a pull's folder, and members of a tar that are written into it."""

import tarfile

import pytest

from ocitool.artifact.folder import PullFolder
from ocitool.codec.tar_reader import read_members
from ocitool.errors import EscapingPath
from ocitool.tasks import Scope
from tests.fakes.sick import member, tar


@pytest.fixture
def folder(tmp_path):
    with PullFolder(tmp_path / "out") as opened:
        yield opened


def members(*made):
    return read_members(iter([tar(*made)]))


def test_a_file_is_there_and_one_in_a_folder_that_is_not_there_is_none(folder):
    folder.write("sub/a", [b"a"])
    (folder.root / "loose").symlink_to("nowhere")

    assert [True, True, False, False] == [folder.has(path) for path in ("sub/a", "loose", "sub/b", "none/a")]
    assert not (folder.root / "none").exists()


def test_a_member_for_the_root_of_the_tar_makes_nothing(folder):
    folder.unpack(members(member("./", type=tarfile.DIRTYPE), member("d/x", b"x")), "d", Scope())

    assert [folder.root / "d", folder.root / "d/x"] == sorted(folder.root.rglob("*"))


def test_a_hard_link_to_itself_leaves_the_file(folder):
    made = members(member("d/x", b"x"), member("d/x", type=tarfile.LNKTYPE, linkname="d/x"))

    folder.unpack(made, "d", Scope())

    assert b"x" == (folder.root / "d/x").read_bytes()


def test_a_file_that_becomes_a_link_meanwhile_gets_no_other_name(folder, tmp_path):
    (tmp_path / "precious").write_text("mine")

    def meanwhile():
        first, second = members(member("d/x", b"x"), member("d/y", type=tarfile.LNKTYPE, linkname="d/x"))
        yield first
        (folder.root / "d/x").unlink()
        (folder.root / "d/x").symlink_to(tmp_path / "precious")
        yield second

    with pytest.raises(EscapingPath, match="d/x was replaced while it was written"):
        folder.unpack(meanwhile(), "d", Scope())

    assert not (folder.root / "d/y").exists()
