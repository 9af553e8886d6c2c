"""What a prune takes along and what it leaves, in the cases that chance seldom draws."""

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import REPOSITORY, Journal, unfinished
from ocitool.change.undo import plan_undo, plan_undo_removal, taking_back
from ocitool.errors import Conflict, MalformedDocument, Unsupported
from ocitool.graph.referrers import cosign_tags, put_referrer
from ocitool.model import compose, mediatype
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.reference import referrers_tag
from ocitool.model.tag_filter import TagFilter
from ocitool.model.views import Descriptor
from ocitool.repository import graph as graphs
from ocitool.repository.graph import read_graph
from ocitool.repository.policy import PrunePolicy, decide
from ocitool.repository.prune import plan_prune
from ocitool.store.base import Traits
from ocitool.tasks import Scope
from tests.fakes.repositories import NOW, ListedByTag, Listing, Part, Sketch, build

ARTIFACT = Part("artifact", subject=0)


@pytest.fixture
def store():
    return Listing("reg.test/app")


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


def prune_of(store, *only, leftovers=()):
    graph = read_graph(store, scope=Scope(), referrers=True, also=leftovers)
    return plan_prune(graph, decide(graph, PrunePolicy(only=TagFilter(only)), NOW), leftovers)


def carry_out(plan, store, journal):
    return apply(plan, store, journal, Scope())


def test_a_list_that_lies_takes_nothing_along(journal):
    """K223."""
    store = ListedByTag("reg.test/app")
    image, other = build(store, Sketch((Part("image"), Part("image")), {"old": 0}))
    store.put_manifest(compose.index(Family.OCI, [Descriptor.of(other)]), referrers_tag(image.digest))

    carry_out(prune_of(store, "old").plan, store, journal)

    assert store.head(str(other.digest)) is not None
    assert [] == list(store.tags())


def test_several_referrers_come_back_in_a_list_made_anew(journal):
    store = ListedByTag("reg.test/app")
    made = build(store, Sketch((Part("image"), *[ARTIFACT] * 4), {"old": 0}))
    image = made[0].digest
    listed = store.referrers(image)
    carry_out(prune_of(store, "old").plan, store, journal)
    assert [] == list(store.tags())

    plan = plan_undo(store, "old", journal)
    with taking_back(plan, store, journal):
        carry_out(plan, store, journal)

    assert {one.digest for one in listed} == {one.digest for one in store.referrers(image)}
    assert image == store.head("old").digest


def test_a_tag_comes_back_with_signatures_of_its_images_and_leaves_others_gone(store, journal):
    parts = (Part("image"), Part("image"), Part("index", (0, 1)), Part("artifact"), Part("image"))
    made = build(store, Sketch(parts, {"old": 2, "older": 4}, signed=((1, 0, 3),)))
    carry_out(prune_of(store, "old*").plan, store, journal)
    assert ([], {}) == (list(store.tags()), store._manifests)

    plan = plan_undo(store, "old", journal)
    with taking_back(plan, store, journal):
        carry_out(plan, store, journal)

    signature = cosign_tags(made[1].digest)[0]
    assert {"old", signature} == set(store.tags())
    assert {one.digest for one in made[:4]} == set(store._manifests)


def test_a_whole_prune_comes_back_but_for_what_holds_something_else(store, journal):
    parts = (Part("image"), Part("image"), Part("image"))
    made = build(store, Sketch(parts, {"a": 0, "b": 1, "c": 2}))
    carry_out(prune_of(store, "a", "b").plan, store, journal)
    store.put_manifest(made[2], "b")

    plan = plan_undo_removal(store, journal)
    with taking_back(plan, store, journal):
        carry_out(plan, store, journal)

    assert ("b holds something else by now and is left as it is",) == plan.notes
    assert (made[0].digest, made[2].digest) == (store.head("a").digest, store.head("b").digest)
    assert [] == list(journal.changes(store.label, "*"))


def test_blobs_that_are_gone_are_named(store, journal):
    made = build(store, Sketch((Part("image"),), {"a": 0}))
    carry_out(prune_of(store, "a").plan, store, journal)
    lost = [str(digest) for digest in store._blobs]
    store._blobs.clear()

    for plan in (lambda: plan_undo(store, "a", journal), lambda: plan_undo_removal(store, journal)):
        with pytest.raises(Unsupported) as caught:
            plan()

        assert all(digest in caught.value.what for digest in lost)
    elsewhere = Listing("reg.test/mirror")
    build(elsewhere, Sketch((Part("image"),), {}))
    plan = plan_undo(store, "a", journal, sources=[elsewhere])
    with taking_back(plan, store, journal):
        carry_out(plan, store, journal)
    assert made[0].digest == store.head("a").digest
    assert lost == [str(digest) for digest in store._blobs]


class Dies(Listing):
    """A store that is gone after some deletes."""

    left = 0

    def delete(self, name):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().delete(name)


def test_what_a_prune_that_died_left_goes_with_the_next(journal):
    store = Dies("reg.test/app")
    parts = (Part("image"), Part("image"), Part("index", (0, 1)), Part("image"))
    made = build(store, Sketch(parts, {"old": 2, "new": 3}))
    store.left = 1
    with pytest.raises(KeyboardInterrupt):
        carry_out(prune_of(store, "old").plan, store, journal)
    assert {made[0].digest, made[1].digest, made[3].digest} == set(store._manifests)
    leftovers = unfinished(journal, store.label)
    store.left = 9

    carry_out(prune_of(store, "nothing", leftovers=leftovers).plan, store, journal)

    assert {made[3].digest} == set(store._manifests)
    assert () == unfinished(journal, store.label)
    plan = plan_undo(store, "old", journal)
    with taking_back(plan, store, journal):
        carry_out(plan, store, journal)
    assert {one.digest for one in made} == set(store._manifests)


def test_what_died_and_is_in_use_again_is_no_leftover(journal):
    store = Dies("reg.test/app")
    parts = (Part("image"), Part("index", (0,)))
    made = build(store, Sketch(parts, {"old": 1}))
    store.left = 1
    with pytest.raises(KeyboardInterrupt):
        carry_out(prune_of(store, "old").plan, store, journal)
    store.put_manifest(made[0], "again")

    assert prune_of(store, "nothing", leftovers=unfinished(journal, store.label)).plan.is_empty


@pytest.mark.parametrize("change", ["made", "moved", "gone"])
def test_a_repository_that_moves_in_between_is_refused(store, journal, change):
    made = build(store, Sketch((Part("image"), Part("image")), {"old": 0, "new": 1}))
    plan = prune_of(store, "old").plan
    if change == "made":
        store.put_manifest(made[0], "other")
    elif change == "moved":
        store.put_manifest(made[0], "new")
    else:
        store.delete("new")

    with pytest.raises(Conflict, match="has moved"):
        carry_out(plan, store, journal)

    assert made[0].digest == store.head("old").digest


def test_a_name_that_is_no_tag_keeps_the_whole_from_being_judged(store):
    build(store, Sketch((Part("image"),), {"old": 0}))
    store._tags["sha256:" + "0" * 64] = store._tags["old"]

    with pytest.raises(MalformedDocument, match="which is no tag"):
        prune_of(store, "old")


@pytest.mark.slow
def test_more_tags_than_are_looked_at_are_refused():
    class Endless(Listing):
        traits = Traits(concurrency=1)

        def tags(self):
            return (f"t{n}" for n in range(10**9))

    with pytest.raises(Unsupported, match=f"more than {graphs.MAX_TAGS} tags"):
        read_graph(Endless("reg.test/app"), scope=Scope())


def test_a_tag_that_holds_nothing_is_none(store, journal):
    class Vanishing(Listing):
        def tags(self):
            return iter(["ghost", *super().tags()])

    store = Vanishing("reg.test/app")
    build(store, Sketch((Part("image"),), {"old": 0}))
    prune = prune_of(store, "*")

    assert ["old"] == [one.tag for one in prune.decisions]
    carry_out(prune.plan, store, journal)
    assert ["ghost"] == list(store.tags())


def test_a_referrer_in_the_registry_that_came_later_is_not_looked_for_twice(store):
    """Two manifests that refer to each other's like do not keep the reader going."""
    build(store, Sketch((Part("image"), ARTIFACT, Part("artifact", subject=1)), {"a": 2}))

    graph = read_graph(store, scope=Scope(), referrers=True)

    assert 3 == len(graph.nodes)


def test_a_manifest_that_is_no_manifest_keeps_all_from_being_judged(store):
    broken = Document(b'{"schemaVersion": 2, "manifests": 7}', mediatype.OCI_INDEX)
    store._manifests[broken.digest] = broken
    store._tags["broken"] = broken.digest

    with pytest.raises(MalformedDocument):
        read_graph(store, scope=Scope())


def test_a_referrer_put_by_a_client_is_found(store):
    made = build(store, Sketch((Part("image"),), {"a": 0}))
    sbom = compose.index(Family.OCI, [], {"what": "sbom"}).edit(
        lambda tree: tree.update(subject=Descriptor.of(made[0]).to_tree())
    )
    put_referrer(store, sbom, scope=Scope())

    assert 2 == prune_of(store, "a").manifests


def test_what_shares_too_much_to_be_noted_is_not_pruned_at_once(store, monkeypatch):
    build(store, Sketch((Part("image"), Part("index", (0,))), {"old": 1, "older": 1}))
    monkeypatch.setattr("ocitool.repository.prune.MOST_NOTED", 0)

    with pytest.raises(Unsupported, match=r"what goes from reg\.test/app shares too much") as caught:
        prune_of(store, "old*")

    assert "--only PATTERN" in caught.value.hint


class Refuses(Listing):
    """A registry that lets nothing be deleted any more after some deletes."""

    left = 0

    def delete(self, name):
        if not self.left:
            raise Unsupported("deleting is not allowed", ability="delete")
        self.left -= 1
        super().delete(name)


@pytest.mark.parametrize("done", [0, 1])
def test_a_prune_that_is_refused_is_noted_only_if_something_is_gone(journal, done):
    store = Refuses("reg.test/app")
    parts = (Part("image"), Part("image"))
    made = build(store, Sketch(parts, {"a": 0, "b": 1}))
    store.left = done

    with pytest.raises(Unsupported, match="deleting is not allowed"):
        carry_out(prune_of(store, "a", "b").plan, store, journal)

    assert 2 - done == len(store._manifests)
    assert ({one.digest for one in made} if done else set()) == set(unfinished(journal, store.label))


def test_two_prunes_are_two_changes_and_none_is_left_unfinished(store, journal):
    parts = (Part("image"), Part("image"), Part("image"))
    build(store, Sketch(parts, {"a": 0, "b": 1, "c": 2}))

    for tag in ("a", "b"):
        carry_out(prune_of(store, tag).plan, store, journal)

    assert [False, False] == [one.is_pending for one in journal.changes(store.label, REPOSITORY)]
    assert ["c"] == list(store.tags())


def test_what_is_kept_and_lost_a_child_is_kept_all_the_same(store, journal):
    parts = (Part("image"), Part("index", (0,)), Part("image"))
    made = build(store, Sketch(parts, {"keep": 1, "old": 2}))
    del store._manifests[made[0].digest]

    carry_out(prune_of(store, "old").plan, store, journal)

    assert (["keep"], {made[1].digest}) == (list(store.tags()), set(store._manifests))
