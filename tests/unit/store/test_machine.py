from pathlib import Path

import pytest

from ocitool.errors import LocalIOError, NotFound
from ocitool.store.machine import DiskMemo, MachineStore, default_root
from tests.fakes.images import put_image


def test_the_root_follows_xdg_and_home():
    assert Path("/x/ocitool") == default_root({"XDG_CACHE_HOME": "/x", "HOME": "/h"})
    assert Path("/h/.cache/ocitool") == default_root({"HOME": "/h", "XDG_CACHE_HOME": "relative"})


def test_a_memo_answers_what_was_remembered_and_nothing_else(tmp_path):
    memo = DiskMemo(tmp_path)
    memo.remember("question", {"answer": 42})

    assert {"answer": 42} == DiskMemo(tmp_path).recall("question")
    assert memo.recall("another") is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"key": "other", "value": {}}', b"\xff" * 10, b"[" * 100_000]
)
def test_a_damaged_memo_is_a_question_not_asked_yet(tmp_path, damage):
    memo = DiskMemo(tmp_path)
    memo.remember("question", {"answer": 42})
    (path,) = [p for p in tmp_path.rglob("*") if p.is_file()]
    path.write_bytes(damage)

    assert memo.recall("question") is None


def test_a_memo_is_not_kept_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    memo = DiskMemo(tmp_path / "file")

    memo.remember("question", {"answer": 42})

    assert memo.recall("question") is None


def test_a_place_that_cannot_be_written_is_told_with_a_way_out(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(LocalIOError) as caught:
        MachineStore(tmp_path / "file").check_writable()
    assert "--cache-dir" in caught.value.hint


def test_an_image_that_is_not_kept_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"reg\.test/app:1"):
        MachineStore(tmp_path).image("reg.test/app:1")


def test_pruning_keeps_what_kept_images_need(tmp_path):
    machine = MachineStore(tmp_path)
    put_image(machine.content, "reg.test/app:1", "linux/amd64", layers=[b"kept"])
    put_image(machine.content, "gone", "linux/arm64", layers=[b"orphan" * 100])
    machine.content.delete("gone")
    machine.memo.remember("q", {})
    manifest = machine.content.get_manifest("reg.test/app:1")

    freed = machine.prune()

    assert freed > 600
    assert machine.memo.recall("q") is None
    assert manifest == machine.content.get_manifest("reg.test/app:1")
    assert 3 == len(list((tmp_path / "content" / "blobs" / "sha256").iterdir()))


def test_pruning_everything_leaves_no_image_but_the_backup(tmp_path):
    machine = MachineStore(tmp_path)
    put_image(machine.content, "reg.test/app:1", "linux/amd64", layers=[b"x"])
    machine.backup.mkdir()
    (machine.backup / "note").write_text("old bytes")

    machine.prune(everything=True)

    assert [] == list(MachineStore(tmp_path).content.tags())
    assert (machine.backup / "note").is_file()
