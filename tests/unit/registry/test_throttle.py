import threading

import pytest

from ocitool.errors import Cancelled
from ocitool.registry.throttle import Pace
from ocitool.tasks import Scope

PATIENCE = 60
"""Seconds after which a test that hangs fails instead."""


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_refusal_halves_what_was_under_way(clock):
    pace = Pace(16, clock)
    for _ in range(8):
        pace.enter(Scope())

    pace.refused(0.0)

    assert 4 == pace.limit


def test_refusals_of_one_burst_halve_once(clock):
    pace = Pace(16, clock)
    for _ in range(16):
        pace.enter(Scope())

    for _ in range(16):
        pace.refused(0.0)
    assert 8 == pace.limit
    clock.now += 2
    pace.refused(0.0)
    assert 4 == pace.limit


def test_the_limit_never_falls_below_one(clock):
    pace = Pace(2, clock)

    for _ in range(5):
        pace.refused(0.0)
        clock.now += 2

    assert 1 == pace.limit


def test_the_limit_grows_back_one_by_one(clock):
    pace = Pace(4, clock)
    for _ in range(4):
        pace.enter(Scope())
    pace.refused(0.0)

    grown = []
    for _ in range(9):
        pace.answered()
        grown.append(pace.limit)

    assert [2, 3, 3, 3, 4, 4, 4, 4, 4] == grown


def test_a_thread_that_holds_a_slot_gets_another_at_once(clock):
    """The body of an upload may be a download from the same host."""
    pace = Pace(1, clock)

    pace.enter(Scope())
    pace.enter(Scope())

    assert 2 == pace.running


def test_another_thread_waits_until_a_slot_is_free():
    pace = Pace(1)
    ticket = pace.enter(Scope())
    entered = threading.Event()

    def second():
        pace.leave(pace.enter(Scope()))
        entered.set()

    thread = threading.Thread(target=second, daemon=True)
    thread.start()

    assert not entered.wait(0.05)
    pace.leave(ticket)
    assert entered.wait(PATIENCE)


def test_who_waits_is_cancelled_with_the_scope():
    pace, scope = Pace(1), Scope()
    pace.enter(Scope())
    caught = []

    def second():
        with pytest.raises(Cancelled) as error:
            pace.enter(scope)
        caught.append(error)

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    scope.cancel()
    thread.join(PATIENCE)

    assert 1 == len(caught)
    assert 1 == pace.running


def test_nothing_starts_while_the_host_asked_to_wait(clock):
    pace = Pace(4, clock)
    pace.refused(5)
    entered = threading.Event()
    thread = threading.Thread(target=lambda: (pace.enter(Scope()), entered.set()), daemon=True)
    thread.start()

    assert not entered.wait(0.05)
    clock.now += 6
    assert entered.wait(PATIENCE)
