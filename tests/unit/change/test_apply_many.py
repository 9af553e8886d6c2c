"""Many tags in one plan: written side by side, each as one alone is, and none is begun after one that failed."""

import threading

import pytest

from ocitool.change.apply import FEW, apply
from ocitool.change.journal import Journal
from ocitool.change.plan import CopyFrom, Plan, PutManifest, Tag
from ocitool.errors import Conflict, OcitoolError
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.effort import effort

PATIENCE_S = 60
"""Seconds after which a test that hangs fails instead."""


class Meeting(MemoryStore):
    """A store in which two writes of tags wait for each other, and which somebody else writes before one of them.

    Those after the one that fails so wait until it has, and a moment more.
    """

    def __init__(self, *, stolen=""):
        super().__init__("reg.test/app")
        self.pair, self.stolen, self.written = threading.Barrier(2), stolen, []
        self.has_failed = threading.Event()

    def put_manifest(self, document, *tags, expect=None):
        if tags and not self.stolen:
            self.pair.wait(PATIENCE_S)
        self.written += tags
        if self.stolen in tags:
            super().put_manifest(note("theirs"), self.stolen)
            threading.Timer(0.5, self.has_failed.set).start()
        elif self.stolen and tags > (self.stolen,):
            self.has_failed.wait(PATIENCE_S)
        return super().put_manifest(document, *tags, expect=expect)


def note(text):
    return compose.index(Family.OCI, (), {"note": text})


def plan(number):
    tags = tuple(Tag(f"v{one}", note(str(one))) for one in range(number))
    return Plan("reg.test/app", (*(PutManifest(tag.document) for tag in tags), *tags), names=("v1",))


def test_many_tags_are_written_side_by_side_and_told_in_their_order(tmp_path):
    store, wanted = Meeting(), plan(2 * FEW)

    report = apply(wanted, store, Journal(tmp_path), Scope())

    assert [(tag.name, None, tag.document.digest) for tag in wanted.tags] == [*report.tags]
    assert {tag.name: tag.document.digest for tag in wanted.tags} == {t: store.head(t).digest for t in store.tags()}


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 4])
def test_after_one_that_fails_no_other_is_begun(tmp_path, width):
    store, wanted = Meeting(stolen="v2"), plan(5 * FEW)

    with pytest.raises(OcitoolError) as caught:
        apply(wanted, store, Journal(tmp_path), Scope(), width=width)

    assert isinstance(caught.value, Conflict)
    assert len(store.written) <= 2 + width
    assert note("theirs").digest == store.head("v2").digest


def test_each_of_them_can_be_taken_back(tmp_path):
    store, journal, wanted = Meeting(), Journal(tmp_path), plan(2 * FEW)

    apply(wanted, store, journal, Scope())

    changes = [list(journal.changes("reg.test/app", tag.name)) for tag in wanted.tags]
    assert [1] * (2 * FEW) == [len(one) for one in changes]
    assert not any(one.is_pending for (one,) in changes)


def copied(number):
    """A plan of so many tags, each of an image of its own in another store, and where it goes."""
    other = MemoryStore("reg.test/other")
    tags = plan(number).tags
    for tag in tags:
        other.put_manifest(tag.document)
    content = (CopyFrom(other, Descriptor.of(tag.document)) for tag in tags)
    return Plan("reg.test/app", (*content, *tags), names=("v1",)), MemoryStore("reg.test/app"), None, Scope()


@pytest.mark.slow
def test_twice_as_many_tags_are_twice_the_work():
    def steps(number):
        wanted = copied(number)
        return effort(lambda: apply(*wanted, width=1))

    steps(10)

    assert steps(800) / steps(400) < 2.1
