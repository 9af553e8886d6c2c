"""Applying a plan: order, backup, and every place where another writer can come between."""

import pytest

from ocitool.change.apply import SETTLE_S, apply
from ocitool.change.plan import CopyFrom, Delete, Plan, PutBlob, PutManifest, Tag, replace
from ocitool.errors import Conflict, DigestMismatch, RegistryError, Unsupported
from ocitool.events import Started
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Expect, Traits
from ocitool.store.layout import LayoutStore
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope


@pytest.fixture
def held(registry, make_note):
    """The document that v1 holds at first."""
    document = make_note("old")
    MemoryStore.put_manifest(registry, document, "v1")
    return document


def test_nothing_is_asked_or_written_for_an_empty_plan(registry, held, journal, scope, clock):
    report = apply(replace("reg.test/app", ["v1"], held, held), registry, journal, scope, clock=clock)

    assert [] == registry.calls
    assert not report.changed
    assert not journal.root.exists()


def test_tag_is_looked_at_right_before_and_after_the_write(registry, held, make_note, journal, scope, clock):
    new = make_note("new")

    report = apply(replace("reg.test/app", ["v1"], held, new), registry, journal, scope, clock=clock)

    assert ["head", "put", "after put", "head"] == registry.calls
    assert (("v1", held.digest, new.digest),) == report.tags
    assert [Expect(held.digest)] == registry.expected


def test_old_bytes_are_kept_before_the_write(registry, held, make_note, journal, scope, clock):
    kept = []
    registry.others["put", 1] = lambda: kept.append(journal.document(held.digest))

    apply(replace("reg.test/app", ["v1"], held, make_note("new")), registry, journal, scope, clock=clock)

    assert [held] == kept


def test_content_goes_before_the_tag(registry, held, make_note, journal, scope, clock):
    """K035: children first, then the index."""
    blob, child, new = b"{}", make_note("child"), make_note("new")
    descriptor = Descriptor("application/octet-stream", Digest.of(blob), 2)
    seen = []
    registry.others["put", 1] = lambda: seen.extend(
        [registry.has_blob(descriptor), MemoryStore.head(registry, str(child.digest)) is not None]
    )
    plan = replace(
        "reg.test/app",
        ["v1"],
        held,
        new,
        content=[PutManifest(child), PutBlob(descriptor, BytesSource(blob))],
    )

    report = apply(plan, registry, journal, scope, clock=clock)

    assert [True, True] == seen
    assert (2, 0) == (report.stored, report.existed)


def test_a_manifest_without_a_label_is_told_by_its_digest(registry, held, make_note, journal, scope, clock):
    child, events = make_note("child"), []
    plan = replace("reg.test/app", ["v1"], held, make_note("new"), content=[PutManifest(child)])

    apply(plan, registry, journal, scope, events.append, clock=clock)

    assert [f"manifest {child.digest.short}"] == [event.label for event in events if isinstance(event, Started)]


class TestTwoWriters:
    """K037: parallel writers of one tag; whoever loses is told so."""

    @pytest.fixture
    def other(self, make_note):
        return make_note("other")

    @pytest.fixture
    def write(self, registry, held, make_note, journal, scope, clock):
        plan = replace("reg.test/app", ["v1"], held, make_note("new"))
        return lambda: apply(plan, registry, journal, scope, clock=clock)

    def test_write_before_the_check_stops_us(self, registry, other, write):
        registry.act(("head", 1), other)

        with pytest.raises(Conflict) as caught:
            write()

        assert str(other.digest) == caught.value.found
        assert 8 == caught.value.exit_code
        assert "put" not in registry.calls
        assert other.digest == MemoryStore.head(registry, "v1").digest

    def test_write_between_check_and_write_is_lost_to_them(self, registry, other, write, make_note):
        registry.act(("put", 1), other)

        report = write()

        assert make_note("new").digest == report.tags[0][2]

    def test_write_right_after_ours_is_seen(self, registry, other, write, journal):
        registry.act(("after put", 1), other)

        with pytest.raises(Conflict) as caught:
            write()

        assert str(other.digest) == caught.value.found
        assert [] == list(journal.changes("reg.test/app", "v1"))

    def test_write_within_the_settle_time_is_seen(self, registry, other, write, scope):
        scope.meanwhile = lambda: MemoryStore.put_manifest(registry, other, "v1")

        with pytest.raises(Conflict) as caught:
            write()

        assert str(other.digest) == caught.value.found

    def test_settles_at_least_as_long_as_look_and_write_took(self, registry, write, scope, clock):
        registry.others["put", 1] = lambda: setattr(clock, "now", clock.now + 3.0)

        write()

        assert [3.0] == scope.slept

    def test_settles_a_moment_even_when_the_write_was_quick(self, write, scope):
        write()

        assert [SETTLE_S] == scope.slept

    def test_tag_deleted_meanwhile_is_a_conflict(self, registry, write):
        registry.others["head", 1] = lambda: registry.delete("v1")

        with pytest.raises(Conflict, match="is gone"):
            write()

    def test_same_bytes_by_the_other_writer_are_no_conflict(self, registry, write, make_note):
        """K127: what is there already is reported so."""
        registry.act(("head", 1), make_note("new"))

        report = write()

        assert not report.changed
        assert "put" not in registry.calls

    def test_conflict_is_found_before_content_is_uploaded(
        self, registry, held, other, make_note, journal, scope, clock
    ):
        registry.act(("head", 1), other)
        child = make_note("child")
        plan = replace("reg.test/app", ["v1"], held, make_note("new"), content=[PutManifest(child)])

        with pytest.raises(Conflict):
            apply(plan, registry, journal, scope, clock=clock)

        assert MemoryStore.head(registry, str(child.digest)) is None

    def test_conflict_names_what_was_left_behind(self, registry, held, other, make_note, journal, scope, clock):
        registry.act(("head", 2), other)
        plan = replace("reg.test/app", ["v1"], held, make_note("new"), content=[PutManifest(make_note("child"))])

        with pytest.raises(Conflict) as caught:
            apply(plan, registry, journal, scope, clock=clock)

        assert ["1 manifests of ours stay in reg.test/app without a tag"] == caught.value.__notes__

    def test_new_tag_must_still_be_absent(self, registry, other, make_note, journal, scope, clock):
        registry.act(("head", 1), other)

        with pytest.raises(Conflict, match="did not exist"):
            apply(replace("reg.test/app", ["v1"], None, make_note("new")), registry, journal, scope, clock=clock)


def test_layout_compares_under_its_own_lock_and_needs_no_settling(tmp_path, make_note, journal, scope, clock):
    store = LayoutStore(tmp_path / "out", create=True)
    old, new = make_note("old"), make_note("new")
    store.put_manifest(old, "v1")

    apply(replace(store.label, ["v1"], old, new), store, journal, scope, clock=clock)

    assert [] == scope.slept
    assert new.digest == store.head("v1").digest


def test_several_tags_are_written_in_order(registry, held, make_note, journal, scope, clock):
    new = make_note("new")
    plan = Plan("reg.test/app", (Tag("v1", new, held), Tag("latest", new, None)))

    report = apply(plan, registry, journal, scope, clock=clock)

    assert ["v1", "latest"] == [name for name, _, _ in report.tags]
    assert new.digest == MemoryStore.head(registry, "latest").digest


def test_delete_compares_first(registry, held, make_note, journal, scope, clock):
    MemoryStore.put_manifest(registry, make_note("other"), "v1")

    with pytest.raises(Conflict):
        apply(Plan("reg.test/app", (Delete("v1", held),)), registry, journal, scope, clock=clock)

    assert MemoryStore.head(registry, "v1") is not None


def test_delete_of_what_is_gone_is_done(registry, held, make_note, journal, scope, clock):
    gone = make_note("gone")

    report = apply(
        Plan("reg.test/app", (Delete("v9", gone), Delete("v1", held))), registry, journal, scope, clock=clock
    )

    assert [("v1", held.digest, None)] == list(report.tags)
    assert MemoryStore.head(registry, "v1") is None
    assert gone == journal.document(gone.digest)


def test_deleted_tag_is_a_change_that_undo_knows(registry, held, journal, scope, clock):
    apply(Plan("reg.test/app", (Delete("v1", held),)), registry, journal, scope, clock=clock)

    [record] = journal.changes("reg.test/app", "v1")
    assert (held.digest, None) == (record.before, record.after)


def test_deleted_manifest_is_no_change_of_a_tag(registry, held, make_note, journal, scope, clock):
    child = make_note("child")
    registry.put_manifest(child)

    apply(Plan("reg.test/app", (Delete(str(child.digest), child),)), registry, journal, scope, clock=clock)

    assert MemoryStore.head(registry, str(child.digest)) is None
    assert [] == list(journal.changes("reg.test/app", str(child.digest)))


def test_conflict_at_the_second_tag_names_the_first(registry, held, make_note, journal, scope, clock):
    new = make_note("new")
    MemoryStore.put_manifest(registry, make_note("theirs"), "latest")

    with pytest.raises(Conflict) as caught:
        apply(
            Plan("reg.test/app", (Tag("v1", new, held), Tag("latest", new, None))),
            registry,
            journal,
            scope,
            clock=clock,
        )

    assert ["written before that: v1"] == caught.value.__notes__


def test_child_from_elsewhere_is_brought_with_what_it_needs(registry, make_note, journal, scope, clock):
    """K035: the child and its blobs are there before the tag is."""
    other, blob = MemoryStore("reg.test/other"), b"{}"
    config = Descriptor("application/vnd.oci.image.config.v1+json", Digest.of(blob), 2)
    other.put_blob(config, BytesSource(blob))
    child = compose.manifest(Family.OCI, config, [])
    other.put_manifest(child)
    plan = replace("reg.test/app", ["v1"], None, make_note("new"), content=[CopyFrom(other, Descriptor.of(child))])

    report = apply(plan, registry, journal, scope, clock=clock)
    again = apply(plan, registry, journal, scope, clock=clock)

    assert registry.has_blob(config)
    assert ((1, 0), (0, 1)) == ((report.stored, report.existed), (again.stored, again.existed))


def test_bytes_that_a_registry_keeps_although_the_right_ones_were_sent_are_told(make_note, journal, scope, clock):
    child, other = make_note("child"), MemoryStore("reg.test/other")
    other.put_manifest(child)

    class Keeping(MemoryStore):
        traits = Traits(compares_tags=False)

        def get_manifest(self, name, **more):
            if name == str(child.digest):
                raise DigestMismatch("other bytes")
            return super().get_manifest(name, **more)

    store = Keeping("reg.test/app")
    brought = [CopyFrom(other, Descriptor.of(child), anew=True)]
    plan = replace("reg.test/app", ["v1"], None, make_note("new"), content=brought)

    with pytest.raises(DigestMismatch) as caught:
        apply(plan, store, journal, scope, clock=clock)

    assert "reg.test/app took the right bytes and kept the others, as most registries do" in caught.value.__notes__
    assert f"ocitool index remove REF --digest {child.digest}" in caught.value.hint
    assert store.head("v1") is None


def test_store_that_refuses_by_itself_is_explained(make_note, journal, scope, clock):
    """A registry that honours If-Match: its refusal is our conflict."""

    class Strict(MemoryStore):
        traits = Traits(compares_tags=False)

        def put_manifest(self, document, *tags, expect=None):
            if tags:
                raise Conflict("v1 is no longer that", tag="v1")
            return super().put_manifest(document)

    plan = replace("reg.test/app", ["v1"], None, make_note("new"), content=[PutManifest(make_note("child"))])

    with pytest.raises(Conflict) as caught:
        apply(plan, Strict("reg.test/app"), journal, scope, clock=clock)

    assert ["1 manifests of ours stay in reg.test/app without a tag"] == caught.value.__notes__


class Late(MemoryStore):
    """A registry that for a while does not know a child it has just taken."""

    def __init__(self, child, refusals):
        super().__init__("reg.test/app")
        self.child, self.refusals = child, refusals

    def put_manifest(self, document, *tags, expect=None):
        if tags and self.refusals:
            self.refusals -= 1
            diagnostics = (("MANIFEST_BLOB_UNKNOWN", "blob unknown", str(self.child)),)
            raise RegistryError("the registry refused the manifest", status=404, diagnostics=diagnostics)
        return super().put_manifest(document, *tags, expect=expect)


class TestChildrenNotYetKnown:
    """K115: an index right after its children is refused for a moment."""

    def test_is_tried_again_when_we_pushed_the_child(self, make_note, journal, scope, clock):
        child, new = make_note("child"), make_note("new")
        store = Late(child.digest, refusals=2)
        plan = replace("reg.test/app", ["v1"], None, new, content=[PutManifest(child)])

        apply(plan, store, journal, scope, clock=clock)

        assert new.digest == store.head("v1").digest
        assert [0.5, 1.5] == scope.slept

    def test_is_not_tried_again_for_a_child_we_did_not_push(self, make_note, journal, scope, clock):
        store = Late(make_note("stranger").digest, refusals=1)

        with pytest.raises(RegistryError):
            apply(replace("reg.test/app", ["v1"], None, make_note("new")), store, journal, scope, clock=clock)

        assert [] == scope.slept

    def test_refusal_of_the_kind_of_document_is_told_as_it_is(self, make_note, journal, scope, clock):
        """K026: no second try under another type; the registry's own words come out."""

        class Picky(MemoryStore):
            def put_manifest(self, document, *tags, expect=None):
                tries.append(document.media_type)
                said = (("MANIFEST_INVALID", "manifest invalid", "no OCI index here"),)
                raise RegistryError("the registry refused the manifest", status=400, diagnostics=said)

        tries = []
        with pytest.raises(RegistryError) as caught:
            apply(replace("reg.test/app", ["v1"], None, make_note("new")), Picky(), journal, scope, clock=clock)

        assert 1 == len(tries)
        assert caught.value.has("MANIFEST_INVALID")

    def test_ends_after_three_refusals(self, make_note, journal, scope, clock):
        child = make_note("child")
        store = Late(child.digest, refusals=3)
        plan = replace("reg.test/app", ["v1"], None, make_note("new"), content=[PutManifest(child)])

        with pytest.raises(RegistryError):
            apply(plan, store, journal, scope, clock=clock)

        assert store.head("v1") is None


def test_cancelled_scope_writes_no_tag(registry, held, make_note, journal, clock):
    scope = Scope()
    scope.cancel()
    plan = replace("reg.test/app", ["v1"], held, make_note("new"), content=[PutManifest(make_note("child"))])

    with pytest.raises(Exception, match="cancelled"):
        apply(plan, registry, journal, scope, clock=clock)

    assert held.digest == MemoryStore.head(registry, "v1").digest


def test_a_manifest_that_is_too_large_is_known_before_anything_is_sent(
    registry, held, make_note, journal, scope, clock
):
    """K237"""
    large = make_note("x" * MANIFEST_LIMIT)
    plan = replace("reg.test/app", ["v1"], held, large)

    with pytest.raises(Unsupported, match="more than registries take"):
        apply(plan, registry, journal, scope, clock=clock)

    assert [] == registry.calls
    assert not journal.root.exists()
