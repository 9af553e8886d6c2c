"""A push: the tag is written over whatever it holds, which is kept; looked at as often as something is at stake."""

import pytest

from ocitool.change.apply import apply
from ocitool.change.plan import Plan, PutSnapshot, Tag
from ocitool.change.undo import plan_undo
from ocitool.errors import Conflict, LocalIOError, MalformedDocument, NetworkError, NotFound
from ocitool.graph.walk import snapshot_of
from ocitool.store.base import BytesSource, Expect, Traits
from ocitool.store.memory import MemoryStore


@pytest.fixture
def new(make_note):
    return make_note("new")


@pytest.fixture
def push(registry, new, journal, scope, clock):
    """`push()`: the new document under `v1`, with what else `apply` takes."""

    def run(store=registry, kept=journal, tags=("v1",), **how):
        content = PutSnapshot(snapshot_of(new), lambda _: BytesSource(b""))
        plan = Plan(store.label, (content, *(Tag(tag, new, replaces=True) for tag in tags)))
        return apply(plan, store, kept, scope, clock=clock, **how)

    return run


@pytest.fixture
def held(registry, make_note):
    document = make_note("old")
    MemoryStore.put_manifest(registry, document, "v1")
    return document


def test_a_new_tag_is_looked_at_once(registry, push, new, scope):
    report = push()

    assert ["head", "put", "after put"] == registry.calls
    assert ((("v1", None, new.digest),), ()) == (report.tags, report.replaced)
    assert [] == scope.slept


def test_a_tag_that_holds_the_new_bytes_is_looked_at_once(registry, push, new, journal):
    MemoryStore.put_manifest(registry, new, "v1")

    report = push()

    assert (["head"], False, ()) == (registry.calls, report.changed, report.replaced)
    assert [] == list(journal.changes("reg.test/app", "v1"))


def test_what_a_tag_held_is_kept_noted_and_looked_after(registry, push, held, new, journal):
    report = push()

    # The head in the middle is of the memory store's own get.
    assert ["head", "head", "put", "after put", "head"] == registry.calls
    assert [Expect(held.digest)] == registry.expected
    assert (("v1", held.digest),) == report.replaced
    assert held == journal.document(held.digest)
    [record] = journal.changes("reg.test/app", "v1")
    assert (held.digest, new.digest, False) == (record.before, record.after, record.is_pending)


def test_what_came_since_the_first_look_is_what_is_kept(registry, push, held, make_note, journal):
    """The tag is read right before it is written, however long the upload took."""
    theirs = make_note("theirs")
    registry.act(("head", 2), theirs)

    report = push()

    assert (("v1", theirs.digest),) == report.replaced
    assert theirs == journal.document(theirs.digest)


def test_one_that_was_lost_since_the_first_look_is_new(registry, push, held):
    registry.others["head", 2] = lambda: registry.delete("v1")

    assert () == push().replaced


def test_a_write_right_after_ours_is_told(registry, push, held, make_note, journal):
    registry.act(("after put", 1), make_note("theirs"))

    with pytest.raises(Conflict) as caught:
        push()

    assert str(make_note("theirs").digest) == caught.value.found
    assert [] == list(journal.changes("reg.test/app", "v1"))
    assert held == journal.document(held.digest)


class Comparing(MemoryStore):
    """A store that compares by itself, into which somebody writes `others`, one before each write."""

    def __init__(self, *others):
        super().__init__("reg.test/app")
        self.others = list(others)

    def put_manifest(self, document, *tags, expect=None):
        if tags and expect is not None and self.others:
            super().put_manifest(self.others.pop(0), *tags)
        return super().put_manifest(document, *tags, expect=expect)


@pytest.mark.parametrize("writers", [1, 3])
def test_what_a_store_finds_changed_gives_way_too_and_is_kept(push, new, journal, make_note, writers):
    theirs = [make_note(f"theirs {number}") for number in range(writers)]
    store = Comparing(*theirs)

    report = push(store)

    assert new.digest == store.head("v1").digest
    assert (("v1", theirs[-1].digest),) == report.replaced
    assert theirs[-1] == journal.document(theirs[-1].digest)
    assert theirs[-1].digest == plan_undo(store, "v1", journal).undoes.before


def test_writers_without_end_are_told(push, make_note):
    with pytest.raises(Conflict):
        push(Comparing(*(make_note(str(number)) for number in range(50))))


def test_several_tags_keep_what_each_held(registry, push, held, make_note, journal):
    other = make_note("other")
    MemoryStore.put_manifest(registry, other, "v2")

    report = push(tags=("v1", "v2", "v3"))

    assert (("v1", held.digest), ("v2", other.digest)) == report.replaced
    assert [held, other] == [journal.document(one.digest) for one in (held, other)]


class TestWithoutBackup:
    def test_is_refused_unless_somebody_lets_it_pass(self, push, registry, held):
        with pytest.raises(LocalIOError):
            push(kept=None)

        assert held.digest == MemoryStore.head(registry, "v1").digest

    def test_what_was_replaced_is_told_to_who_does(self, push, held, new, registry):
        told = []

        report = push(kept=None, unkept=lambda *words: told.append(words[:2]))

        assert [("v1", held.digest)] == told
        assert (("v1", held.digest),) == report.replaced
        assert new.digest == MemoryStore.head(registry, "v1").digest

    def test_a_new_tag_has_nothing_to_keep(self, push):
        assert push(kept=None).changed

    @pytest.mark.parametrize("error", [NetworkError("gone"), MalformedDocument("no JSON")])
    def test_bytes_that_cannot_be_read_are_noted_by_their_digest(self, push, held, registry, journal, error):
        told = []

        def refuse(name, *, limit=0):
            raise error

        registry.get_manifest = refuse
        push(unkept=lambda *words: told.append(words))

        assert [("v1", held.digest, error)] == told
        assert [held.digest] == [record.before for record in journal.changes("reg.test/app", "v1")]


class Archive(MemoryStore):
    """What is written once."""

    traits = Traits(compares_tags=True, edits=False)


def test_of_an_archive_nothing_is_noted(push, journal):
    store = Archive("oci-archive:x.tar")

    push(store)

    assert not journal.root.exists()


def test_undo_of_a_push_is_undo_of_any_change(registry, push, held, journal, scope, clock):
    push()

    plan = plan_undo(registry, "v1", journal)
    apply(plan, registry, journal, scope, clock=clock)

    assert (held.digest, held.digest) == (plan.undoes.before, MemoryStore.head(registry, "v1").digest)


def test_undo_of_a_push_that_made_the_tag_removes_it(registry, push, journal, scope, clock):
    push()

    apply(plan_undo(registry, "v1", journal), registry, journal, scope, clock=clock)

    with pytest.raises(NotFound):
        registry.get_manifest("v1")
