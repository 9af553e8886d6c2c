"""The last change taken back, and when that is refused."""

import json
import re

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.change.plan import Delete, Plan, PutManifest, refill, replace
from ocitool.change.undo import cannot_return, plan_return, plan_undo, taking_back
from ocitool.errors import Conflict, LocalIOError, MalformedDocument, NotFound, RegistryError
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
        plan = plan_undo(store, "v1", journal)
        with taking_back(plan, store, journal):
            return apply(plan, store, journal, scope)

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


def test_a_change_whose_writer_died_over_the_write_is_taken_back(store, change, undo, make_note, journal):
    """Killed between the write and the note that it was made."""
    first, old, new = make_note("first"), make_note("old"), make_note("new")
    store.put_manifest(first, "v1")
    change(first, old)
    journal.announce(TARGET, "v1", old.digest, new.digest)
    store.put_manifest(new, "v1")

    undo()

    assert old.digest == store.head("v1").digest


def test_a_change_that_was_announced_and_never_made_is_passed_over(store, change, undo, make_note, journal):
    """Killed before the write: the change before it is the last one."""
    first, old = make_note("first"), make_note("old")
    store.put_manifest(first, "v1")
    change(first, old)
    journal.announce(TARGET, "v1", old.digest, make_note("new").digest)

    undo()

    assert first.digest == store.head("v1").digest


def test_an_undo_that_died_before_its_end_is_not_undone(store, change, undo, make_note, journal, scope):
    """Killed between the write and the note that the change is taken back: the next one goes one further."""
    first, second, third = make_note("1"), make_note("2"), make_note("3")
    store.put_manifest(first, "v1")
    change(first, second)
    change(second, third)
    plan = plan_undo(store, "v1", journal)
    apply(plan, store, journal, scope)

    undo()

    assert first.digest == store.head("v1").digest


def test_a_refill_whose_writer_died_is_told_and_passed_over(store, change, undo, make_note, journal):
    """Killed somewhere in what it put back: the tag holds what it held, and the change before waits its turn."""
    first, held = make_note("first"), make_note("held")
    store.put_manifest(first, "v1")
    change(first, held)
    journal.announce(TARGET, "v1", held.digest, held.digest, stored=[first.digest])
    plan = plan_undo(store, "v1", journal)

    undo()

    assert plan.is_empty
    assert f"began to put {first.digest.short} back" in plan.text()
    assert held.digest == store.head("v1").digest
    undo()
    assert first.digest == store.head("v1").digest


def test_a_refill_before_somebody_else_wrote_is_refused(store, undo, make_note, journal):
    held, other = make_note("held"), make_note("other")
    journal.settle(journal.announce(TARGET, "v1", held.digest, held.digest))
    store.put_manifest(other, "v1")

    with pytest.raises(Conflict):
        undo()


def test_a_refill_that_found_everything_there_is_no_change(store, journal, scope, make_note):
    child = make_note("child")
    held = compose.index(Family.OCI, [Descriptor.of(child)])
    store.put_manifest(child)
    store.put_manifest(held, "v1")

    report = apply(refill(TARGET, ["v1"], held, [PutManifest(child)]), store, journal, scope)

    assert (0, 1, False) == (report.stored, report.existed, report.changed)
    assert [] == list(journal.changes(TARGET, "v1"))


def test_records_of_older_versions_are_read(store, change, undo, make_note, journal):
    """They say nothing of what was stored beside the tag."""
    old = make_note("old")
    store.put_manifest(old, "v1")
    change(old, make_note("new"))
    [path] = journal.root.glob("records/*/*.json")
    tree = json.loads(path.read_text())
    del tree["stored"]
    path.write_text(json.dumps(tree))

    undo()

    assert old.digest == store.head("v1").digest


def test_changes_of_other_tags_do_not_count(store, change, make_note, journal):
    change(None, make_note("new"))

    with pytest.raises(NotFound):
        plan_undo(store, "v2", journal)


def test_undo_of_a_first_write_that_is_gone_already(store, change, undo, make_note):
    """K215: there was nothing before; what our change left there is named, to be had by --to."""
    new = make_note("new")
    change(None, new)
    store.delete("v1")

    with pytest.raises(NotFound, match="is gone") as caught:
        undo()

    assert f"ocitool undo {TARGET}:v1 --to {new.digest}" in caught.value.hint


class TestTagThatIsGone:
    """K215: nobody wrote it, so undo restores what is known to have been there."""

    def test_holds_what_it_held_before_the_change(self, store, change, undo, make_note):
        old = make_note("old")
        store.put_manifest(old, "v1")
        change(old, make_note("new"))
        store.delete("v1")

        undo()

        assert old.raw == store.get_manifest("v1").raw

    def test_twice_goes_back_two_changes(self, store, change, undo, make_note):
        first, second = make_note("1"), make_note("2")
        store.put_manifest(first, "v1")
        change(first, second)
        change(second, make_note("3"))
        store.delete("v1")

        undo()
        undo()

        assert first.digest == store.head("v1").digest

    def test_after_a_refill_holds_what_was_filled(self, store, undo, make_note, journal):
        held = make_note("held")
        journal.settle(journal.announce(TARGET, "v1", held.digest, held.digest))
        journal.keep([held])

        undo()

        assert held.digest == store.head("v1").digest

    @pytest.mark.parametrize("was_written", [True, False])
    def test_after_a_writer_that_died_holds_what_was_there(self, store, undo, make_note, journal, was_written):
        """Whether the write was made or not, the same was there before."""
        old = make_note("old")
        journal.keep([old])
        journal.announce(TARGET, "v1", old.digest, make_note("new").digest)

        undo()

        assert old.digest == store.head("v1").digest

    def test_announced_first_write_is_no_change(self, undo, make_note, journal):
        journal.announce(TARGET, "v1", None, make_note("new").digest)

        with pytest.raises(NotFound, match="no change"):
            undo()

    def test_is_told(self, store, change, make_note, journal):
        old, new = make_note("old"), make_note("new")
        store.put_manifest(old, "v1")
        change(old, new)
        store.delete("v1")

        plan = plan_undo(store, "v1", journal)

        assert re.search(
            f"v1 is gone; it gets back what it held before .*, which left {new.digest} there", plan.text()
        )


def test_what_somebody_else_wrote_gives_way_to_a_word(store, change, journal, scope, make_note):
    old, other = make_note("old"), make_note("other")
    store.put_manifest(old, "v1")
    change(old, make_note("new"))
    store.put_manifest(other, "v1")

    plan = plan_undo(store, "v1", journal, replaces=True)
    apply(plan, store, journal, scope)

    assert (old.digest, old.digest) == (plan.undoes.before, store.head("v1").digest)
    assert other == journal.document(other.digest)


class TestReturn:
    """`undo --to`: a tag holds a digest again, from a machine that has no record of it."""

    @pytest.fixture
    def back(self, store, tmp_path, scope):
        elsewhere = Journal(tmp_path / "another machine")

        def run(digest, *sources):
            plan = plan_return(store, "v1", digest, elsewhere, sources=sources)
            return apply(plan, store, elsewhere, scope)

        return run

    def test_brings_it_back_from_the_registry(self, store, change, back, make_note):
        old = make_note("old")
        store.put_manifest(old, "v1")
        change(old, make_note("new"))

        report = back(old.digest)

        assert old.digest == store.head("v1").digest
        assert (("v1", make_note("new").digest),) == report.replaced

    def test_into_a_tag_that_is_gone(self, store, back, make_note):
        old = make_note("old")
        store.put_manifest(old)

        back(old.digest)

        assert old.digest == store.head("v1").digest

    def test_what_it_holds_is_not_written_again(self, store, back, make_note):
        old = make_note("old")
        store.put_manifest(old, "v1")

        assert not back(old.digest).changed

    def test_children_that_are_gone_come_from_a_source(self, store, back, make_note):
        child, source = make_note("child"), MemoryStore("reg.test/mirror")
        old = compose.index(Family.OCI, [Descriptor.of(child)])
        store.put_manifest(old)
        source.put_manifest(child)

        back(old.digest, source)

        assert child.digest == store.head(str(child.digest)).digest

    def test_digest_that_is_nowhere(self, back, make_note):
        with pytest.raises(NotFound, match="neither in"):
            back(make_note("never").digest)


def test_undo_of_a_delete_brings_the_tag_back(store, journal, scope, undo, make_note):
    old = make_note("old")
    store.put_manifest(old, "v1")
    apply(Plan(TARGET, (Delete("v1", old),)), store, journal, scope)

    undo()

    assert old.digest == store.head("v1").digest


def test_old_bytes_that_are_nowhere_are_said_to_be_gone(store, change, undo, make_note, journal):
    old = make_note("old")
    store.put_manifest(old, "v1")
    change(old, make_note("new"))
    store.delete(str(old.digest))
    for blob in (journal.root / "blobs" / "sha256").iterdir():
        blob.unlink()

    with pytest.raises(NotFound, match="neither in"):
        undo()


def test_old_bytes_come_from_the_registry_when_the_backup_is_gone(store, change, undo, make_note, journal):
    old = make_note("old")
    store.put_manifest(old, "v1")
    change(old, make_note("new"))
    for blob in (journal.root / "blobs" / "sha256").iterdir():
        blob.unlink()

    undo()

    assert old.digest == store.head("v1").digest


def test_image_under_the_tag_has_no_children_to_put_back(store, change, undo, make_note):
    config = Descriptor("application/vnd.oci.image.config.v1+json", make_note("x").digest, 1)
    image = compose.manifest(Family.OCI, config, [])
    store.put_manifest(image, "v1")
    change(image, make_note("new"))

    assert 0 == undo().stored


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"target": "t", "tag": "v1", "before": 1, "after": null, "when": 1}', "{"]
)
def test_damaged_record_is_an_error_of_ours(store, change, undo, make_note, journal, text):
    change(None, make_note("new"))
    [path] = journal.root.glob("records/*/*.json")
    path.write_text(text)

    with pytest.raises(MalformedDocument):
        undo()


def test_record_that_another_process_undid_is_forgotten_in_peace(change, make_note, journal):
    change(None, make_note("new"))
    [record] = journal.changes(TARGET, "v1")

    journal.forget(record)
    journal.forget(record)

    assert [] == list(journal.changes(TARGET, "v1"))


def test_folder_that_cannot_be_written_is_told(make_note, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LocalIOError):
        Journal(tmp_path / "file").announce(TARGET, "v1", None, make_note("x").digest)


def test_why_old_bytes_are_not_taken_back_is_told_where_it_is_known(store, make_note, tmp_path):
    """Another refusal, and one that names nothing that is gone, stay what they are."""
    child = make_note("child")
    old = compose.index(Family.OCI, [Descriptor.of(child)])
    unknown = RegistryError("refused", diagnostics=(("MANIFEST_UNKNOWN", "", ""),))

    better = cannot_return(old, store, unknown, tmp_path)
    others = [
        cannot_return(old, store, RegistryError("refused", diagnostics=(("DENIED", "", ""),)), tmp_path),
        cannot_return(None, store, unknown, tmp_path),
    ]
    store.put_manifest(child)
    others.append(cannot_return(old, store, unknown, tmp_path))

    assert f"{TARGET} does not take {old.digest} back: it no longer has {child.digest}" == str(better)
    assert "--source PLACE brings them" in better.hint
    assert [None, None, None] == others


def test_a_refusal_while_taking_back_is_told_as_it_came(store, journal, make_note):
    refused = RegistryError("answered 500", status=500)

    with pytest.raises(RegistryError) as caught, taking_back(Plan(TARGET), store, journal):
        raise refused

    assert caught.value is refused
