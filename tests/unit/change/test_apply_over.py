"""Tags that are written over, whatever they hold: what is kept of it, what is told, and how often that is tried."""

import pytest

from ocitool.change.apply import ATTEMPTS, apply
from ocitool.change.plan import Plan, PutManifest, Tag
from ocitool.errors import Conflict, LocalIOError, NetworkError
from ocitool.model.digest import Digest
from ocitool.store.base import Traits
from ocitool.store.memory import MemoryStore
from tests.unit.change.conftest import note


@pytest.fixture
def pushed(registry, journal, scope, clock):
    """`pushed(old, store)`: what a push of `new` over a tag that holds `old` did, kept and told."""

    def run(old, store=registry, **how):
        if old is not None:
            MemoryStore.put_manifest(store, old, "v1")
        told = []
        plan = Plan("reg.test/app", (PutManifest(note("child")), Tag("v1", note("new"), replaces=True)))
        report = apply(plan, store, journal, scope, clock=clock, replacing=lambda *was: told.append(was), **how)
        return report, told

    return run


def changes(journal):
    return [(one.before, one.after) for one in journal.changes("reg.test/app", "v1")]


def test_what_is_there_is_told_and_kept_and_undo_knows_it(registry, journal, pushed):
    report, told = pushed(note("old"))

    old, new = note("old").digest, note("new").digest
    assert (("v1", old, new),) == report.tags
    assert [("v1", note("old"))] == told
    assert note("old") == journal.document(old)
    assert [(old, new)] == changes(journal)
    assert new == registry.head("v1").digest


def test_a_new_tag_replaces_nothing(journal, pushed):
    report, told = pushed(None)

    assert (("v1", None, note("new").digest),) == report.tags
    assert [] == told
    assert [(None, note("new").digest)] == changes(journal)


def test_a_tag_that_holds_it_already_is_left_alone(registry, journal, pushed):
    report, told = pushed(note("new"))

    assert not report.changed
    assert ([], []) == (told, changes(journal))
    assert "put" not in registry.calls


def test_what_came_since_the_first_look_is_what_gives_way(registry, journal, pushed):
    registry.act(("head", 1), note("theirs"))

    report, told = pushed(note("old"))

    theirs = note("theirs").digest
    assert (("v1", theirs, note("new").digest),) == report.tags
    assert [("v1", note("theirs"))] == told
    assert note("theirs") == journal.document(theirs)


def test_the_same_by_somebody_else_meanwhile_is_no_change(registry, journal, pushed):
    registry.act(("head", 1), note("new"))

    report, told = pushed(note("old"))

    assert not report.changed
    assert ([], []) == (told, changes(journal))


def test_a_tag_that_is_deleted_meanwhile_held_nothing(registry, journal, pushed):
    registry.others["head", 1] = lambda: registry.delete("v1")

    report, _ = pushed(note("old"))

    assert (("v1", None, note("new").digest),) == report.tags


class Unreadable(MemoryStore):
    """A registry whose manifest cannot be read any more."""

    traits = Traits(compares_tags=True)

    def __init__(self, error):
        super().__init__("reg.test/app")
        self.error = error

    def get_manifest(self, name):
        if name in {"v1", str(note("old").digest)}:
            raise self.error
        return super().get_manifest(name)


def test_what_cannot_be_kept_stops_the_push_unless_that_is_accepted(journal, pushed):
    error = NetworkError("broken", host="h")
    refusals = []

    def refuse(tag, before, why):
        refusals.append((tag, before, why))
        raise LocalIOError("not without a backup")

    store = Unreadable(error)
    with pytest.raises(LocalIOError):
        pushed(note("old"), store, unkept=refuse)
    assert [("v1", note("old").digest, error)] == refusals
    assert note("old").digest == store.head("v1").digest

    report, told = pushed(note("old"), Unreadable(error), unkept=lambda *_: None)

    assert note("new").digest == report.digest
    assert [] == told


class Contested(MemoryStore):
    """A registry that honours If-Match, and where somebody else writes right before us, `times` times."""

    traits = Traits(compares_tags=True)

    def __init__(self, times):
        super().__init__("reg.test/app")
        self.times, self.refused = times, 0

    def put_manifest(self, document, *tags, expect=None):
        if tags and self.refused < self.times:
            self.refused += 1
            super().put_manifest(note(f"theirs {self.refused}"), "v1")
            raise Conflict("v1 is no longer that", tag="v1")
        return super().put_manifest(document, *tags)


def test_who_writes_over_a_tag_writes_over_what_came_between_too(journal, pushed):
    report, told = pushed(None, Contested(2))

    assert (("v1", note("theirs 2").digest, note("new").digest),) == report.tags
    assert [note("theirs 1"), note("theirs 2")] == [document for _, document in told]
    assert [(note("theirs 2").digest, note("new").digest)] == changes(journal)


def test_there_is_an_end_of_writing_over(journal, pushed):
    store = Contested(1000)

    with pytest.raises(Conflict):
        pushed(None, store)

    assert ATTEMPTS == store.refused
    assert [] == changes(journal)


def test_a_change_to_what_was_seen_gives_way_to_nobody(registry, journal, scope, clock):
    """Without `replaces` the first conflict is the end."""
    store = Contested(1000)
    with pytest.raises(Conflict):
        apply(Plan("reg.test/app", (Tag("v1", note("new")),)), store, journal, scope, clock=clock)

    assert 1 == store.refused


def test_several_tags_are_written_over_each_with_what_it_held(registry, journal, scope, clock):
    MemoryStore.put_manifest(registry, note("a"), "a")
    MemoryStore.put_manifest(registry, note("b"), "b")
    tags = tuple(Tag(name, note("new"), replaces=True) for name in ("a", "b", "c"))

    report = apply(Plan("reg.test/app", tags), registry, journal, scope, clock=clock)

    new = note("new").digest
    assert (("a", note("a").digest, new), ("b", note("b").digest, new), ("c", None, new)) == report.tags
    assert all(registry.head(name).digest == new for name in ("a", "b", "c"))
    assert Digest.of(note("b").raw) == next(journal.changes("reg.test/app", "b")).before
