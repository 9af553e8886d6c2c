"""The last change taken back, and when that is refused."""

import pytest

from ocitool.change.apply import apply
from ocitool.change.plan import replace
from ocitool.change.undo import plan_undo, settle_undo
from ocitool.errors import Conflict, NotFound
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.memory import MemoryStore

TARGET = "reg.test/app"


@pytest.fixture
def store():
    return MemoryStore(TARGET)


@pytest.fixture
def change(store, journal, scope):
    def run(before, after, **more):
        return apply(replace(TARGET, ["v1"], before, after, **more), store, journal, scope)

    return run


@pytest.fixture
def undo(store, journal, scope):
    def run():
        plan, record = plan_undo(TARGET, "v1", store, journal)
        report = apply(plan, store, journal, scope)
        settle_undo(record, journal)
        return report

    return run


def test_first_digest_is_there_again(store, change, undo, make_note):
    old, new = make_note("old"), make_note("new")
    store.put_manifest(old, "v1")
    change(old, new)

    undo()

    assert old.digest == store.head("v1").digest


def test_undo_twice_goes_back_two_changes(store, change, undo, make_note):
    first, second, third = make_note("1"), make_note("2"), make_note("3")
    store.put_manifest(first, "v1")
    change(first, second)
    change(second, third)

    undo()
    undo()

    assert first.digest == store.head("v1").digest
    with pytest.raises(NotFound, match="no change"):
        undo()


def test_undo_after_somebody_else_wrote_is_refused(store, change, undo, make_note):
    old, other = make_note("old"), make_note("other")
    store.put_manifest(old, "v1")
    change(old, make_note("new"))
    store.put_manifest(other, "v1")

    with pytest.raises(Conflict) as caught:
        undo()

    assert str(other.digest) == caught.value.found
    assert other.digest == store.head("v1").digest


def test_undo_of_a_first_write_removes_the_tag(store, change, undo, make_note):
    change(None, make_note("new"))

    undo()

    assert store.head("v1") is None


def test_old_bytes_come_from_the_backup_when_the_registry_dropped_them(store, change, undo, make_note):
    old = make_note("old")
    store.put_manifest(old, "v1")
    change(old, make_note("new"))
    store.delete(str(old.digest))

    undo()

    assert old.raw == store.get_manifest("v1").raw


def test_children_that_were_kept_are_put_back_first(store, change, undo, make_note):
    child = make_note("child")
    old = compose.index(Family.OCI, [Descriptor.of(child)])
    store.put_manifest(child)
    store.put_manifest(old, "v1")
    change(old, make_note("new"), replaced=[child])
    store.delete(str(child.digest))

    report = undo()

    assert child.raw == store.get_manifest(str(child.digest)).raw
    assert 1 == report.stored


def test_changes_of_other_tags_do_not_count(store, change, make_note, journal):
    change(None, make_note("new"))

    with pytest.raises(NotFound):
        plan_undo(TARGET, "v2", store, journal)
