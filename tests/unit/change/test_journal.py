"""The record of changes: what is kept, in which order it is found, and what a damaged one says. K255."""

import json
import os
import threading

import pytest

from ocitool.change.journal import Journal, Record
from ocitool.errors import LocalIOError, MalformedDocument
from ocitool.model.digest import Digest
from ocitool.store.layout import LayoutStore
from ocitool.store.machine import MachineStore
from tests.unit.change.conftest import note

TARGET, OLD, NEW = "reg.test/app", Digest.of(b"old"), Digest.of(b"new")


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "backup")


def made(journal: Journal, before=OLD, after=NEW, *, tag="v1", target=TARGET, **more) -> Record:
    return journal.settle(journal.announce(target, tag, before, after, **more))


def held(journal: Journal, tag="v1", target=TARGET):
    return [(one.number, one.before, one.after) for one in journal.changes(target, tag)]


def test_nothing_is_there_before_something_is_written(journal):
    assert [] == list(journal.changes(TARGET, "v1"))
    assert journal.document(OLD) is None
    assert not journal.root.exists()


def test_documents_come_back_as_the_bytes_they_were_and_anybody_can_read_them(journal):
    old, other = note("old"), note("other")

    journal.keep([old, other])
    journal.keep([old])

    assert (old, other) == (journal.document(old.digest), journal.document(other.digest))
    assert journal.document(note("unknown").digest) is None
    names = {str(one.digest).replace(":", "-") for one in (old, other)}
    assert names == set(LayoutStore(journal.root).tags())


def test_a_change_is_pending_until_it_is_settled(journal):
    record = journal.announce(TARGET, "v1", None, NEW, undoes=3, stored=[OLD])

    assert [record] == list(journal.changes(TARGET, "v1"))
    assert (True, 1, None, NEW, 3, (OLD,)) == (
        record.is_pending,
        record.number,
        record.before,
        record.after,
        record.undoes,
        record.stored,
    )
    settled = journal.settle(record)
    assert not settled.is_pending
    assert [settled] == list(journal.changes(TARGET, "v1"))


def test_the_newest_change_comes_first_by_number(journal):
    for number in range(11):
        made(journal, Digest.of(bytes([number])), Digest.of(bytes([number + 1])))

    assert list(range(11, 0, -1)) == [number for number, *_ in held(journal)]


def test_changes_belong_to_one_tag_of_one_target(journal):
    made(journal)
    made(journal, after=OLD, tag="v2")
    made(journal, after=None, target="reg.test/other")

    assert [[(1, OLD, NEW)], [(1, OLD, OLD)], [(1, OLD, None)], []] == [
        held(journal),
        held(journal, "v2"),
        held(journal, target="reg.test/other"),
        held(journal, "v3"),
    ]


def test_a_layout_is_known_by_its_absolute_path(journal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(journal, target="oci:here/layout")

    assert held(journal, target=f"oci:{tmp_path}/here/layout")
    monkeypatch.chdir("/")
    assert not held(journal, target="oci:here/layout")
    # What only looks like one is a name.
    assert not held(journal, target=f"docker:{tmp_path}/here/layout")


def test_a_path_may_be_any_bytes(journal):
    made(journal, target="oci:/caf\udce9")

    assert [(1, OLD, NEW)] == held(journal, target="oci:/caf\udce9")


def test_a_change_that_was_none_leaves_nothing(journal):
    record = journal.announce(TARGET, "v1", OLD, NEW)

    journal.discard(record)
    journal.discard(record)

    assert [] == held(journal)


def test_a_change_taken_back_is_no_change_any_more_and_its_number_is_not_given_again(journal):
    first, second = made(journal), made(journal)

    journal.forget(second)
    journal.forget(second)

    assert [(1, OLD, NEW)] == held(journal)
    assert 3 == made(journal).number
    assert first.path.exists()


def test_writers_side_by_side_get_numbers_of_their_own(journal):
    barrier = threading.Barrier(8)
    found = []

    def write():
        barrier.wait()
        found.extend(made(journal).number for _ in range(5))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(range(1, 41)) == sorted(found)
    assert 40 == len(held(journal))
    [folder] = (journal.root / "records").iterdir()
    assert {".json"} == {path.suffix for path in folder.iterdir()}


def test_whether_it_can_be_written_is_known_before(journal, tmp_path):
    (tmp_path / "backup").write_text("a file where a folder should be")

    for call in (
        lambda: journal.check_writable(TARGET, ["v1"]),
        lambda: journal.announce(TARGET, "v1", OLD, NEW),
    ):
        with pytest.raises(LocalIOError, match="cannot note"):
            call()
    Journal(tmp_path / "other").check_writable(TARGET, ["v1", "v2"])
    assert [] == [path for path in (tmp_path / "other").rglob("*") if path.is_file()]


def test_a_record_that_is_gone_is_an_error_where_it_counts(journal):
    record = journal.announce(TARGET, "v1", OLD, NEW)
    record.path.unlink()

    with pytest.raises(LocalIOError, match="cannot note the change"):
        journal.settle(record)


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"target": TARGET, "tag": "v1", "before": "sha256:x", "after": None, "when": 1},
        {"target": TARGET, "tag": "v1", "before": None, "after": None, "when": "soon"},
        {"target": TARGET, "tag": "v1", "before": None, "after": None, "when": 1, "stored": [1]},
        [1],
    ],
)
def test_a_damaged_record_is_an_error_that_names_the_file(journal, tree):
    path = made(journal).path
    path.write_text(json.dumps(tree))

    with pytest.raises(MalformedDocument, match="is not a record of a change") as caught:
        list(journal.changes(TARGET, "v1"))
    assert str(path) in caught.value.what


def test_records_of_before_are_read(journal):
    """0.1.0 wrote neither `undoes` nor `stored`."""
    path = made(journal).path
    path.write_text(json.dumps({"target": TARGET, "tag": "v1", "before": OLD, "after": NEW, "when": 5}))

    [record] = journal.changes(TARGET, "v1")

    assert (5, 0, ()) == (record.when, record.undoes, record.stored)
    assert not record.is_refill


def test_a_refill_leaves_what_the_tag_holds(journal):
    assert made(journal, OLD, OLD).is_refill


def test_a_store_that_does_not_last_has_none(tmp_path):
    assert Journal.of(MachineStore(tmp_path, lasts=False)) is None
    assert tmp_path / "backup" == Journal.of(MachineStore(tmp_path)).root


def test_a_folder_that_others_may_not_read_is_an_error(journal):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path = made(journal).path
    path.chmod(0)
    with pytest.raises(LocalIOError, match="cannot read"):
        list(journal.changes(TARGET, "v1"))
