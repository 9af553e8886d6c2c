"""A process that dies at any of its steps, on this machine or towards the store: the old tag or the new one, and undo."""

import itertools

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.change.plan import Plan, PutManifest, PutSnapshot, Tag, replace
from ocitool.change.undo import plan_undo, taking_back
from ocitool.errors import NotFound
from ocitool.graph.walk import snapshot_of
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Traits
from ocitool.store.memory import MemoryStore

TARGET = "reg.test/app"


class Died(BaseException):
    """What no handler of an error catches, as no handler sees a kill -9."""


class Mortal:
    """Calls its methods through, and dies before the n-th call, or after it."""

    def __init__(self, inner, steps):
        self._inner, self._steps = inner, steps

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def call(*args, **kwargs):
            self._steps()
            result = method(*args, **kwargs)
            self._steps()
            return result

        return call


class Registry(MemoryStore):
    """One that compares nothing."""

    traits = Traits(compares_tags=False)


def dying_at(number):
    """What counts steps, and dies at that one."""
    count = itertools.count(1)

    def step():
        if next(count) == number:
            raise Died

    return step


@pytest.fixture
def stage(make_note):
    """A registry whose tag holds `old`, with what is there before it; the new index and its child."""
    child = make_note("child")
    old, new = make_note("old"), compose.index(Family.OCI, [Descriptor.of(child)])
    store = Registry(TARGET)
    store.put_manifest(old, "v1")
    return store, old, new, child


def edit(old, new, child):
    return replace(TARGET, ["v1"], old, new, content=[PutManifest(child)])


def push(old, new, child):
    content = PutSnapshot(snapshot_of(new, [child]), lambda _: BytesSource(b""))
    return Plan(TARGET, (content, Tag("v1", new, replaces=True)))


def undo(store, journal, scope, clock):
    plan = plan_undo(store, "v1", journal)
    with taking_back(plan, store, journal):
        apply(plan, store, journal, scope, clock=clock)


@pytest.mark.parametrize("make", [edit, push])
def test_at_any_step(stage, tmp_path, scope, clock, make):
    _, old, new, child = stage
    seen = []
    for number in itertools.count(1):
        store, journal = Registry(TARGET), Journal(tmp_path / str(number))
        store.put_manifest(old, "v1")
        step = dying_at(number)
        try:
            apply(make(old, new, child), Mortal(store, step), Mortal(journal, step), scope, clock=clock)
        except Died:
            pass
        else:
            break

        found = store.head("v1").digest
        assert found in (old.digest, new.digest)
        assert found == old.digest or store.head(str(child.digest)) is not None
        seen.append(found)
        if found == old.digest:
            with pytest.raises(NotFound, match="no change"):
                plan_undo(store, "v1", journal)
        else:
            undo(store, journal, scope, clock)
        assert old.raw == store.get_manifest("v1").raw
    assert {old.digest, new.digest} == set(seen)


@pytest.mark.slow
def test_an_undo_at_any_step_of_its_own(stage, tmp_path, scope, clock):
    """Done again it ends where it would have ended."""
    _, old, new, child = stage
    for number in itertools.count(1):
        store, journal = Registry(TARGET), Journal(tmp_path / str(number))
        store.put_manifest(old, "v1")
        apply(push(old, new, child), store, journal, scope, clock=clock)
        step = dying_at(number)
        try:
            undo(Mortal(store, step), Mortal(journal, step), scope, clock)
        except Died:
            is_done = False
        else:
            is_done = True

        assert store.head("v1").digest in (old.digest, new.digest)
        if store.head("v1").digest != old.digest:
            undo(store, journal, scope, clock)
        assert old.raw == store.get_manifest("v1").raw
        with pytest.raises(NotFound, match="no change"):
            plan_undo(store, "v1", journal)
        if is_done:
            break
