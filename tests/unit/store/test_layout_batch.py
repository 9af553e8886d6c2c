"""index.json of a layout: read again only when it is another file, written once for a batch, in linear work (K266)."""

import json
import os
import time

import pytest

from ocitool.errors import Conflict
from ocitool.model import compose
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.store.base import Expect
from ocitool.store.layout import LayoutStore
from ocitool.store.layout_index import is_settled


def note(text):
    return compose.index(Family.OCI, (), {"note": text})


class Counting(LayoutStore):
    """A layout that counts how often index.json is read and replaced."""

    def __init__(self, path):
        super().__init__(path, create=True)
        self.reads = self.writes = 0

    def _index_document(self):
        self.reads += 1
        return super()._index_document()

    def _replace(self, name, data):
        self.writes += 1
        super()._replace(name, data)


@pytest.fixture
def layout(tmp_path):
    """A layout with one tag, to be opened again."""
    LayoutStore(tmp_path / "out", create=True).put_manifest(note("first"), "first")
    return tmp_path / "out"


@pytest.mark.slow
def test_reading_many_names_reads_the_file_once(layout):
    store = LayoutStore(layout)
    for number in range(50):
        store.put_manifest(note(str(number)), f"t{number}")
    counting = Counting(layout)

    found = [counting.get_manifest(tag).digest for tag in counting.tags()]

    assert (51, 1) == (len(found), counting.reads)


def test_a_batch_is_one_write(layout):
    store = Counting(layout)

    with store.batch():
        for number in range(50):
            store.put_manifest(note(str(number)), f"t{number}")

    assert (51, 1) == (len(list(store.tags())), store.writes)
    assert store.reads == 1


def test_nothing_of_a_batch_is_seen_before_its_end(layout):
    store = LayoutStore(layout)

    with store.batch():
        store.put_manifest(note("new"), "new")
        assert store.head("new") is None
        assert note("new") == store.get_manifest(str(note("new").digest))

    assert note("new").digest == store.head("new").digest


def test_a_batch_that_fails_changes_nothing(layout):
    store = LayoutStore(layout)
    before = (layout / "index.json").read_bytes()

    with pytest.raises(KeyError), store.batch():
        store.put_manifest(note("new"), "new")
        raise KeyError

    assert before == (layout / "index.json").read_bytes()
    with store.batch():
        pass
    assert before == (layout / "index.json").read_bytes()


def test_a_conflict_in_a_batch_changes_nothing(layout):
    store = LayoutStore(layout)
    before = (layout / "index.json").read_bytes()

    with pytest.raises(Conflict, match="first"), store.batch():
        store.put_manifest(note("new"), "new", expect=Expect(None))
        store.put_manifest(note("other"), "first", expect=Expect(note("never").digest))

    assert before == (layout / "index.json").read_bytes()


def test_the_last_of_a_batch_for_one_name_stands(layout):
    store = LayoutStore(layout)

    with store.batch():
        store.put_manifest(note("a"), "first")
        store.put_manifest(note("b"), "first")
        store.delete("first")
        store.put_manifest(note("c"), "first")

    assert (["first"], note("c").digest) == (list(store.tags()), store.head("first").digest)


def test_batches_inside_batches_end_together(layout):
    store = Counting(layout)

    with store.batch():
        with store.batch():
            store.put_manifest(note("a"), "a")
        assert store.writes == 0
        store.put_manifest(note("b"), "b")

    assert (1, ["first", "a", "b"]) == (store.writes, list(store.tags()))


def test_what_another_process_writes_is_seen_at_once(layout):
    store, other = LayoutStore(layout), LayoutStore(layout)
    assert store.head("new") is None

    other.put_manifest(note("new"), "new")
    assert note("new").digest == store.head("new").digest

    other.put_manifest(note("old"), "new")
    assert note("old").digest == store.head("new").digest


def test_what_another_process_writes_is_kept(layout):
    store, other = LayoutStore(layout), LayoutStore(layout)
    store.head("first")

    other.put_manifest(note("theirs"), "theirs")
    store.put_manifest(note("ours"), "ours")

    assert {"first", "theirs", "ours"} == set(store.tags())


def test_a_file_of_old_has_a_stamp_of_its_own():
    """It is not read again to be edited: whatever takes its place has another time."""
    now, second = time.time_ns(), 1_000_000_000

    assert is_settled((1, 2, now - 10 * second, now - 9 * second))
    assert not is_settled((1, 2, now - 10 * second, now))
    assert not is_settled(())


def test_a_file_that_was_just_written_is(layout):
    """Another writer may have replaced it within a tick of the clock, by a file of the same number and size."""
    store = Counting(layout)
    store.head("first")
    path = layout / "index.json"
    status = path.stat()
    swapped = path.read_bytes().replace(b'"first"', b'"other"')
    path.write_bytes(swapped)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    store.put_manifest(note("new"), "new")

    assert ["other", "new"] == list(store.tags())


def test_referrers_of_many_read_each_manifest_once(layout, monkeypatch):
    store = LayoutStore(layout)
    subjects = [note(str(number)) for number in range(20)]
    with store.batch():
        for subject in subjects:
            tree = {**json.loads(subject.raw), "subject": {"mediaType": subject.media_type}}
            tree["subject"] |= {"digest": str(subject.digest), "size": subject.size}
            store.put_manifest(Document(json.dumps(tree).encode(), subject.media_type))
    read = []
    inner = LayoutStore._document
    monkeypatch.setattr(LayoutStore, "_document", lambda *a: (read.append(a[1]), inner(*a))[1])

    found = [store.referrers(subject.digest) for subject in subjects]

    assert ([1] * 20, 21) == ([len(one) for one in found], len(read))
