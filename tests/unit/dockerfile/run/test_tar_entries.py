"""Entries of a tar that is kept: what is listed, and what is read of it."""

import pytest

from ocitool.dockerfile.run.tar_entries import tar_entries
from ocitool.errors import LocalIOError
from ocitool.model.digest import Digest
from ocitool.pack.layer import StoredTar
from tests.fakes.layers import tar


@pytest.fixture
def kept(tmp_path):
    """The path of a tar, and its entries."""
    data = tar(("./", ""), ("a", "x" * 1000), ("d/", "750"), (".wh.gone", ""), ("l", "-> a"))
    (tmp_path / "tar").write_bytes(data)
    return tmp_path / "tar", tar_entries(tmp_path / "tar", StoredTar(Digest.of(data), len(data)))


def test_the_root_is_no_entry_and_only_files_have_contents(kept):
    _, found = kept

    assert [("a", True), ("d", False), (".wh.gone", False), ("l", False)] == [
        (one.path, one.content is not None) for one in found
    ]
    assert b"x" * 1000 == b"".join(found[0].content.pieces())


@pytest.mark.parametrize("cut", [0, 600])
def test_a_tar_that_has_become_shorter_is_told(kept, cut):
    path, found = kept
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(LocalIOError, match="is shorter than it was"):
        b"".join(found[0].content.pieces())


def test_a_tar_that_is_gone_is_told(kept):
    path, found = kept
    path.unlink()

    with pytest.raises(LocalIOError, match="read "):
        b"".join(found[0].content.pieces())
