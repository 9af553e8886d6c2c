"""Documents and writers for the tests of change."""

import pytest

from ocitool.change.journal import Journal
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.store.base import Stored, Traits
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope


def note(text):
    """An index that differs by one annotation."""
    return compose.index(Family.OCI, (), {"note": text})


class Moments(MemoryStore):
    """A store that, like a registry, cannot compare, and lets somebody else act at a chosen moment.

    Moments are counted in calls that touch a tag: (verb, number) → what the other writer does then.
    """

    traits = Traits(compares_tags=False)

    def __init__(self):
        super().__init__("reg.test/app")
        self.calls: list[str] = []
        self.others = {}
        self.expected: list[object] = []

    def act(self, when: tuple[str, int], document) -> None:
        self.others[when] = lambda: MemoryStore.put_manifest(self, document, "v1")

    def _before(self, verb):
        self.calls.append(verb)
        other = self.others.pop((verb, self.calls.count(verb)), None)
        if other:
            other()

    def head(self, name):
        if ":" not in name:
            self._before("head")
        return super().head(name)

    def put_manifest(self, document, *tags, expect=None) -> Stored:
        if tags:
            self._before("put")
            self.expected.append(expect)
        stored = super().put_manifest(document, *tags)
        if tags:
            self._before("after put")
        return stored


class Clock:
    """Seconds that pass only when somebody sleeps or the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class StillScope(Scope):
    """A scope that sleeps on a test's clock and lets somebody else act meanwhile."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.slept: list[float] = []
        self.meanwhile = lambda: None

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.now += seconds
        self.meanwhile()


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "changes")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def scope(clock):
    return StillScope(clock)


@pytest.fixture
def registry():
    return Moments()


@pytest.fixture
def make_note():
    return note
