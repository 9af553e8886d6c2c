import os
import pwd
from pathlib import Path

import pytest

from ocitool.errors import LocalIOError, NotFound
from ocitool.model import compose
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.views import view
from ocitool.store.machine import DiskMemo, MachineStore, Pruned, default_root
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

    freed = machine.prune().freed

    assert freed > 600
    assert machine.memo.recall("q") is None
    assert manifest == machine.content.get_manifest("reg.test/app:1")
    assert 3 == len(list((tmp_path / "content" / "blobs" / "sha256").iterdir()))


def test_pruning_removes_what_compilers_keep(tmp_path):
    machine = MachineStore(tmp_path)
    for name in ("zig/o/libc.a", "zig-made/libc", "sysroots/debian-arm64-x/usr/lib/libz.so", "work/app/out"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x" * 100)

    freed = machine.prune().freed

    assert freed >= 400
    assert [] == [name for name in ("zig", "zig-made", "sysroots", "work") if (tmp_path / name).exists()]


def test_pruning_everything_leaves_no_image_but_the_backup(tmp_path):
    machine = MachineStore(tmp_path)
    put_image(machine.content, "reg.test/app:1", "linux/amd64", layers=[b"x"])
    machine.backup.mkdir()
    (machine.backup / "note").write_text("old bytes")

    machine.prune(everything=True)

    assert [] == list(MachineStore(tmp_path).content.tags())
    assert (machine.backup / "note").is_file()


def test_pruning_keeps_the_children_of_a_kept_index_and_removes_what_was_left_half_made(tmp_path):
    """K245"""
    machine = MachineStore(tmp_path)
    platforms = ("linux/amd64", "linux/arm64")
    children = [put_image(machine.content, "", name, layers=[name.encode()]) for name in platforms]
    entries = [machine.content.head(str(child)) for child in children]
    machine.content.put_manifest(compose.index(Family.OCI, entries), "reg.test/app:1")
    put_image(machine.content, "", "linux/s390x", layers=[b"orphan"])
    machine.content.put_manifest(compose.index(Family.OCI, entries[:1]), "reg.test/broken:1")
    leftover = tmp_path / "content" / ".ingest-0123"
    leftover.write_bytes(b"x" * 100)
    kept = reachable(machine, children)

    freed = machine.prune().freed

    assert not leftover.exists()
    assert freed >= 100
    assert kept == reachable(machine, children)
    assert all(all(machine.content.blob_path(digest).exists() for digest in row) for row in kept)


def reachable(machine, children):
    """The config and layers of each child."""
    seen = [view(machine.content.get_manifest(str(child))) for child in children]
    return [[one.config.digest, *(layer.digest for layer in one.layers)] for one in seen]


def test_what_another_run_uses_is_spared(tmp_path, monkeypatch):
    """K243"""
    monkeypatch.setattr("ocitool.store.machine._PATIENCE_S", 0.0)
    building = MachineStore(tmp_path)
    building.check_writable()
    put_image(building.content, "", "linux/amd64", layers=[b"in use"])
    files = sorted(tmp_path.rglob("*"))

    assert Pruned(is_in_use=True) == MachineStore(tmp_path).prune()
    assert files == sorted(tmp_path.rglob("*"))

    del building
    assert MachineStore(tmp_path).prune().freed > 0


def test_two_that_build_side_by_side_do_not_wait_for_each_other(tmp_path):
    """K243"""
    first, second = MachineStore(tmp_path), MachineStore(tmp_path)
    first.check_writable()
    second.check_writable()

    assert put_image(first.content, "a", "linux/amd64") == put_image(second.content, "b", "linux/amd64")


def test_a_root_that_is_no_folder_is_told_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LocalIOError) as caught:
        MachineStore(tmp_path / "file" / "store").check_writable()

    assert f"cannot write this machine's store {tmp_path}/file/store: not a directory" == caught.value.what
    assert "--cache-dir" in caught.value.hint


def test_without_a_home_there_is_no_place_that_even_root_would_create(monkeypatch):
    """K244"""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)  # of no user
    root = default_root({})

    with pytest.raises(LocalIOError, match="cannot write this machine's store"):
        MachineStore(root).check_writable()
    assert "ocitool" == root.name


def test_without_the_variable_the_home_is_what_the_system_says():
    """K244"""
    assert Path(pwd.getpwuid(os.getuid()).pw_dir, ".cache/ocitool") == default_root({})


def test_pruning_keeps_what_a_name_holds_whatever_it_is(tmp_path):
    machine = MachineStore(tmp_path)
    odd = Document(b'{"a": 1}', "application/vnd.test+json")
    machine.content.put_manifest(odd, "odd")

    machine.prune()

    assert odd.raw == machine.content.get_manifest("odd").raw


def test_where_no_lock_can_be_taken_a_store_is_emptied_if_it_can_be_written(tmp_path):
    machine = MachineStore(tmp_path)
    machine.memo.remember("q", {})
    machine.let_go()
    (tmp_path / "lock").unlink(missing_ok=True)
    (tmp_path / "lock").mkdir()

    machine.prune()

    assert machine.memo.recall("q") is None
