"""Prunes of repositories of every shape by any policy: all that stays is whole, and nothing else stays."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.change.undo import plan_undo_removal, taking_back
from ocitool.model.tag_filter import TagFilter
from ocitool.model.versions import VersionRange
from ocitool.model.views import view
from ocitool.repository.graph import is_beside, read_graph
from ocitool.repository.plan_file import read_plan, write_plan
from ocitool.repository.policy import PrunePolicy, decide
from ocitool.repository.prune import plan_prune
from ocitool.tasks import Scope
from tests.fakes.repositories import (
    NOW,
    ListedByTag,
    Listing,
    beside,
    build,
    documents_of,
    has_to_stay,
    is_whole,
    may_go,
    sketch,
    tags_of,
)

pytestmark = pytest.mark.property

DAY = 24 * 3600.0
POLICIES = st.builds(
    PrunePolicy,
    keep=st.sampled_from([("nothing",), ("latest",), ("1.*", "edge"), ("*",)]),
    versions=st.sampled_from([None, None, VersionRange.parse(">=1.1 <2"), VersionRange.parse("^2")]),
    highest=st.sampled_from([0, 0, 1, 3]),
    newest=st.sampled_from([0, 0, 1, 2]),
    within_s=st.sampled_from([0.0, 0.0, DAY, 30 * DAY, 1000 * DAY]),
    only=st.sampled_from([TagFilter(), TagFilter(), TagFilter(("dev-*", "1.*"))]),
    deletes_unknown_age=st.booleans(),
)
SKETCHES = st.integers(0, 2**64 - 1).map(lambda seed: sketch(random.Random(seed)))
STORES = st.sampled_from([Listing, ListedByTag])


def prune_of(store, policy):
    graph = read_graph(store, scope=Scope(), referrers=True, dates=policy.needs_dates)
    return plan_prune(graph, decide(graph, policy, NOW))


def without_backup(*_):
    """Let a plan go on that cannot be taken back."""


@given(SKETCHES, POLICIES, STORES)
def test_all_that_stays_is_whole_and_nothing_else_stays(drawn, policy, kind):
    store = kind("reg.test/app")
    build(store, drawn)
    before, tags = documents_of(store), tags_of(store)
    prune = prune_of(store, policy)
    going = {one.tag for one in prune.going}
    judged = {one.tag for one in prune.decisions}
    assert {tag for tag in tags if not is_beside(tag)} == judged

    apply(prune.plan, store, None, Scope(), unkept=without_backup)

    after, left = documents_of(store), tags_of(store)
    kept = judged - going
    stays = has_to_stay(before, tags, kept)
    assert {tag: tags[tag] for tag in kept} == {tag: left[tag] for tag in left if not is_beside(tag)}
    assert set() == stays - set(after)
    assert all(is_whole(after, digest) for digest in stays)
    assert set() == {
        tag for digest in stays for tag in beside(digest) if tag in tags and left.get(tag) != tags[tag]
    }
    # What belongs to a manifest that was out of reach stays too, and is as whole as it was.
    assert all(is_whole(after, digest) for digest in left.values() if is_whole(before, digest))
    assert set() == (may_go(before, tags, going) - has_to_stay(before, tags, left)) & set(after)
    assert prune_of(store, policy).plan.is_empty or policy.newest or policy.highest


@given(SKETCHES, POLICIES, STORES)
def test_what_a_prune_took_away_comes_back(drawn, policy, kind):
    store = kind("reg.test/app")
    build(store, drawn)
    before, tags = documents_of(store), tags_of(store)
    lists = {tag for digest in before for tag in beside(digest)[:1]}
    prune = prune_of(store, policy)
    if prune.plan.is_empty:
        return
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        apply(prune.plan, store, journal, Scope())
        plan = plan_undo_removal(store, journal)
        with taking_back(plan, store, journal):
            apply(plan, store, journal, Scope())

    after, left = documents_of(store), tags_of(store)
    # Lists of referrers are made anew, of what was put back.
    assert {tag: digest for tag, digest in tags.items() if tag not in lists} == {
        tag: digest for tag, digest in left.items() if tag not in lists
    }
    held_by_lists = {tags[tag] for tag in lists if tag in tags}
    assert set() == set(before) - set(after) - held_by_lists
    for digest in before:
        assert {one.digest for one in store.referrers(digest)} >= {
            referrer for referrer, document in before.items() if _subject(document) == digest and referrer in after
        }


@given(SKETCHES, POLICIES)
def test_a_plan_in_a_file_is_the_plan(drawn, policy):
    store = Listing("reg.test/app")
    build(store, drawn)
    prune = prune_of(store, policy)
    with tempfile.TemporaryDirectory() as folder:
        write_plan(Path(folder) / "plan", prune)
        planned = read_plan(Path(folder) / "plan")
    graph = read_graph(store, scope=Scope(), referrers=True)

    planned.check(graph)

    assert prune.plan == plan_prune(graph, planned.decisions).plan


def _subject(document):
    subject = view(document).subject
    return subject.digest if subject is not None else None
