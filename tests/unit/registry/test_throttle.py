import random
import threading
from contextlib import contextmanager

import pytest

from ocitool.errors import Cancelled, UsageError
from ocitool.registry.hosts import Access
from ocitool.registry.throttle import Pace, Rate, RateBudget
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


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", Rate(10, 1)),
        ("100/6h", Rate(100, 21_600)),
        ("5MiB/s", Rate(5 * 1024 * 1024, 1, of_bytes=True)),
        ("docker.io=1GB/2m", Rate(10**9, 120, of_bytes=True, host="docker.io")),
        ("localhost:5000=3/d", Rate(3, 86_400, host="localhost:5000")),
    ],
)
def test_rates_are_read(text, rate):
    assert rate == Rate.parse(text)


@pytest.mark.parametrize(
    "text", ["", "10", "10/", "0/s", "10/0s", "-1/s", "1.5/s", "10/w", "5XB/s", "=1/s", "1/s/s"]
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(UsageError, match="not a rate"):
        Rate.parse(text)


def test_no_span_has_more_than_the_rate_allows(clock):
    """Whatever the moments at which it is asked for."""
    budget, chance, granted = RateBudget(Rate(5, 2), clock), random.Random(16), []

    for _ in range(500):
        clock.now += chance.choice([0.0, 0.01, 0.3, 1.9])
        if budget.take(1)[0]:
            granted.append(clock.now)

    assert all(later - earlier >= 2 for earlier, later in zip(granted, granted[5:], strict=False))
    assert len(granted) > 100


def test_the_wait_that_is_told_is_long_enough_and_not_much_longer(clock):
    budget = RateBudget(Rate(100, 10, of_bytes=True), clock)

    assert (100, pytest.approx(10, abs=0.02)) == budget.take(250)
    _, wait_s = budget.take(150)
    clock.now += wait_s
    assert 100 == budget.take(150)[0]


def test_what_is_remembered_of_a_span_has_a_bound(clock):
    budget = RateBudget(Rate(10**9, 3600), clock)

    for _ in range(20_000):
        clock.now += 0.2
        budget.take(1)

    assert len(budget._taken) <= 1001


def test_a_request_waits_until_the_rate_allows_it():
    pace, scope = Pace(4, rates=[Rate(1, 86_400)]), Scope()
    pace.leave(pace.enter(scope))

    with pytest.raises(Cancelled), cancelled_soon(scope):
        pace.enter(scope)

    assert 0 == pace.running


def test_bytes_wait_too():
    pace, scope = Pace(4, rates=[Rate(1000, 86_400, of_bytes=True)]), Scope()
    pace.moved(1000, scope)

    with pytest.raises(Cancelled), cancelled_soon(scope):
        pace.moved(1, scope)


@contextmanager
def cancelled_soon(scope):
    timer = threading.Timer(0.05, scope.cancel)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_a_rate_of_a_host_holds_in_place_of_the_others():
    access = Access(rates=tuple(map(Rate.parse, ("10/s", "1MB/s", "docker.io=100/6h"))))

    assert ("100/6h",) == tuple(f"{r.amount}/6h" for r in access.rates_of("registry-1.docker.io"))
    assert 2 == len(access.rates_of("localhost:5000"))
