"""Scopes, groups, ordered maps, retries. Threads meet at events and barriers, never by waiting a while."""

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from ocitool.errors import Cancelled, LocalIOError, NotFound, UsageError
from ocitool.tasks import Retry, Scope, TaskGroup, Turns, collect, is_joining, is_leaving, ordered_map

PATIENCE = 60
"""Seconds after which a test that hangs fails instead."""


class Boom(Exception):  # noqa: N818
    """What tasks fail with here."""


def test_cancelling_a_scope_cancels_its_children_and_not_its_parent():
    parent = Scope()
    child, other = parent.child(), parent.child()
    grandchild = child.child()

    child.cancel()

    assert [False, True, True, False] == [scope.cancelled for scope in (parent, child, grandchild, other)]


def test_the_reason_reaches_everything_below():
    scope = Scope()
    child = scope.child()
    scope.cancel(Cancelled("terminated", exit_code=143))
    scope.cancel(Cancelled("too late", exit_code=1))

    with pytest.raises(Cancelled, match="terminated") as caught:
        child.check()
    assert 143 == caught.value.exit_code


def test_a_child_of_a_cancelled_scope_is_cancelled():
    scope = Scope()
    scope.cancel()

    assert scope.child().cancelled


def test_a_closed_child_is_left_alone():
    scope = Scope()
    child = scope.child()
    child.close()
    scope.cancel()

    assert not child.cancelled


def test_pieces_stop_at_the_next_one():
    scope = Scope()
    stream = scope.pieces([1, 2])

    assert 1 == next(stream)
    scope.cancel()
    with pytest.raises(Cancelled):
        next(stream)


def test_sleeping_ends_when_the_scope_is_cancelled():
    scope = Scope()
    threading.Thread(target=scope.cancel, daemon=True).start()

    with pytest.raises(Cancelled):
        scope.sleep(PATIENCE)


def test_callbacks_run_once_when_cancelled_inside_the_block_only():
    scope, calls = Scope(), []
    with scope.on_cancel(lambda: calls.append("left")):
        pass
    with scope.on_cancel(lambda: calls.append("inside")):
        scope.cancel()
        scope.cancel()
    with scope.on_cancel(lambda: calls.append("already")):
        pass

    assert ["inside", "already"] == calls


def test_a_group_runs_everything_and_keeps_results():
    with TaskGroup(Scope(), 3) as group:
        tasks = [group.spawn(pow, number, 2) for number in range(20)]

    assert [number**2 for number in range(20)] == [task.result for task in tasks]


def test_a_result_is_there_only_after_the_block():
    gate = threading.Event()
    with TaskGroup(Scope(), 1) as group:
        task = group.spawn(gate.wait, PATIENCE)
        with pytest.raises(RuntimeError):
            _ = task.result
        gate.set()

    assert task.result


def test_width_bounds_what_runs_at_once():
    lock, running, most = threading.Lock(), [0], [0]
    # Three meet before any goes on, so three do run at once; a fourth would show in `most`.
    meeting = threading.Barrier(3)

    def work():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        meeting.wait(PATIENCE)
        with lock:
            running[0] -= 1

    with TaskGroup(Scope(), 3) as group:
        for _ in range(9):
            group.spawn(work)

    assert 3 == most[0]


def test_tasks_may_spawn_more():
    seen = []
    with TaskGroup(Scope(), 1) as group:

        def grow(depth):
            seen.append(depth)
            if depth:
                group.spawn(grow, depth - 1)

        group.spawn(grow, 5)

    assert [5, 4, 3, 2, 1, 0] == seen


def test_the_first_error_cancels_the_siblings_and_comes_out():
    waiting = threading.Event()

    def sibling(scope):
        waiting.set()
        scope.sleep(PATIENCE)

    def fail():
        assert waiting.wait(PATIENCE)
        raise Boom("first")

    with pytest.raises(Boom, match="first"), TaskGroup(Scope(), 2) as group:
        group.spawn(sibling, group.scope)
        group.spawn(fail)


def few_threads(monkeypatch, most: int) -> None:
    """As where the limit of processes is reached."""
    start, before = threading.Thread.start, threading.active_count()

    def refusing(thread):
        if threading.active_count() - before >= most:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)


def test_a_group_works_with_the_threads_that_it_gets(monkeypatch):
    few_threads(monkeypatch, 2)

    both = threading.Barrier(2, timeout=PATIENCE)

    def work(n: int) -> int:
        if n < 2:
            both.wait()
        return n * n

    assert [0, 1, 4, 9, 16] == collect(Scope(), work, range(5), 4)


def test_a_group_that_gets_no_thread_says_so_and_ends(monkeypatch):
    few_threads(monkeypatch, 0)

    with pytest.raises(LocalIOError, match="no thread can be started") as caught:
        collect(Scope(), str, range(5), 4)
    assert "ulimit -u" in caught.value.hint


@pytest.mark.parametrize("most", [1, 2])
def test_a_map_works_with_the_threads_that_it_gets(monkeypatch, most):
    few_threads(monkeypatch, most)

    assert [n * n for n in range(20)] == list(ordered_map(Scope(), lambda n: n * n, range(20), 4))


def test_a_map_that_gets_no_thread_says_so(monkeypatch):
    few_threads(monkeypatch, 0)

    with pytest.raises(LocalIOError, match="no thread can be started"):
        list(ordered_map(Scope(), str, range(5), 4))


def test_a_job_that_the_last_thread_took_needs_no_other(monkeypatch):
    """The second thread cannot be started, and the first one has done both jobs by then and ended."""
    start, started = threading.Thread.start, []

    def refusing(thread):
        if started:
            begun.set()
            started[0].join(PATIENCE)
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)
    begun = threading.Event()

    with TaskGroup(Scope(), 2) as group:
        tasks = [group.spawn(begun.wait, PATIENCE), group.spawn(str, 1)]

    assert [True, "1"] == [task.result for task in tasks]


def test_who_joins_is_woken_when_an_error_can_be_seen():
    """Else it would wait once more as if nothing had happened, and only then count the time for the others."""
    woken, seen = threading.Event(), []

    class Watched(TaskGroup):
        def __init__(self, scope, width):
            super().__init__(scope, width)
            notify = self._ready.notify_all

            def told():
                seen.append(self.scope.cancelled)
                notify()
                woken.set()

            self._ready.notify_all = told

    def fail():
        raise NotFound("gone")

    with pytest.raises(NotFound), Watched(Scope(), 2) as group:
        group.spawn(woken.wait, PATIENCE)
        group.spawn(fail)

    assert [True, True] == seen


def test_queued_tasks_do_not_start_after_an_error():
    started = []

    def fail():
        raise Boom

    with pytest.raises(Boom), TaskGroup(Scope(), 1) as group:
        group.spawn(fail)
        for _ in range(5):
            group.spawn(started.append, 1)

    assert [] == started


def test_several_errors_come_out_together():
    meeting = threading.Barrier(2)

    def fail(kind):
        meeting.wait(PATIENCE)
        raise kind("x")

    with pytest.raises(ExceptionGroup) as caught, TaskGroup(Scope(), 2) as group:
        group.spawn(fail, NotFound)
        group.spawn(fail, UsageError)

    assert {NotFound, UsageError} == {type(error) for error in caught.value.exceptions}


def test_a_failed_group_leaves_its_parent_alone():
    scope = Scope()
    with pytest.raises(Boom), TaskGroup(scope, 1) as group:
        group.spawn(_raise, Boom())

    assert not scope.cancelled


def _raise(error):
    raise error


def test_an_error_of_the_block_cancels_the_tasks_and_goes_on():
    ended, started = [], threading.Event()

    def task(scope):
        started.set()
        try:
            scope.sleep(PATIENCE)
        finally:
            ended.append(1)

    with pytest.raises(Boom), TaskGroup(Scope(), 1) as group:
        group.spawn(task, group.scope)
        assert started.wait(PATIENCE)
        raise Boom

    assert [1] == ended


def test_a_task_that_cancels_the_block_of_its_group_is_what_comes_out():
    """An inner group that is cut short says Cancelled, and why is in the outer one."""
    with pytest.raises(Boom), TaskGroup(Scope(), 1) as outer, TaskGroup(outer.scope, 1) as inner:
        inner.spawn(outer.scope.sleep, PATIENCE)
        outer.spawn(_raise, Boom())


def test_cancelling_the_parent_is_told_as_such():
    scope = Scope()

    with pytest.raises(Cancelled) as caught, TaskGroup(scope, 2) as group:
        group.spawn(group.scope.sleep, PATIENCE)
        group.spawn(lambda: scope.cancel(Cancelled("stop", exit_code=143)))

    assert 143 == caught.value.exit_code


def test_a_task_that_never_returns_does_not_hold_the_group(monkeypatch):
    monkeypatch.setattr("ocitool.tasks.GRACE_S", 0.05)
    gate, started = threading.Event(), threading.Event()

    def deaf():
        started.set()
        gate.wait(PATIENCE)

    def fail():
        assert started.wait(PATIENCE)
        raise Boom

    with pytest.raises(Boom), TaskGroup(Scope(), 2) as group:
        group.spawn(deaf)
        group.spawn(fail)

    assert not gate.is_set()
    gate.set()


@pytest.mark.parametrize("width", [1, 2, 7])
def test_ordered_map_is_map(width):
    assert [number * 2 for number in range(50)] == list(
        ordered_map(Scope(), lambda number: number * 2, iter(range(50)), width)
    )


@pytest.mark.parametrize("width", [1, 3])
def test_collect_gives_every_result_in_order(width):
    assert [0, 2, 4, 6, 8] == collect(Scope(), lambda number: number * 2, iter(range(5)), width)


@pytest.mark.parametrize("width", [1, 3])
def test_collect_raises_what_a_function_raises(width):
    with pytest.raises(ZeroDivisionError):
        collect(Scope(), lambda number: 6 // number, [3, 0, 1], width)


@pytest.mark.parametrize("width", [1, 3])
def test_collect_of_a_cancelled_scope_calls_nothing(width):
    scope, called = Scope(), []
    scope.cancel()

    with pytest.raises(Cancelled):
        collect(scope, called.append, [1, 2], width)
    assert [] == called


def test_collect_makes_no_thread_for_a_width_of_one():
    assert [threading.get_ident()] * 2 == collect(Scope(), lambda _: threading.get_ident(), range(2), 1)


def test_ordered_map_holds_few_items_at_once():
    pulled, width = [], 3

    def items():
        for number in range(100):
            pulled.append(number)
            yield number

    for done, _ in enumerate(ordered_map(Scope(), lambda number: number, items(), width)):
        assert len(pulled) <= done + width + 1


def test_ordered_map_keeps_order_when_later_items_are_ready_first():
    second = threading.Event()

    def work(number):
        if number == 0:
            assert second.wait(PATIENCE)
        else:
            second.set()
        return number

    assert [0, 1] == list(ordered_map(Scope(), work, range(2), 2))


@pytest.mark.parametrize("width", [1, 4])
def test_ordered_map_raises_at_the_item_that_failed(width):
    stream = ordered_map(Scope(), lambda number: 6 // number, [3, 2, 0, 1], width)

    assert [2, 3] == [next(stream), next(stream)]
    with pytest.raises(ZeroDivisionError):
        next(stream)


@pytest.mark.parametrize("width", [1, 4])
def test_ordered_map_stops_when_cancelled(width):
    scope = Scope()
    stream = ordered_map(scope, lambda number: number, range(1000), width)

    assert 0 == next(stream)
    scope.cancel()
    with pytest.raises(Cancelled):
        list(stream)


def test_a_worker_that_never_returns_does_not_hold_a_cancelled_map():
    """A server that is silent; the thread is a daemon and ends with the process."""
    scope, gate, started = Scope(), threading.Event(), threading.Event()

    def deaf(_):
        started.set()
        gate.wait(PATIENCE)

    def interrupt():
        assert started.wait(PATIENCE)
        scope.cancel()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(Cancelled):
        list(ordered_map(scope, deaf, range(3), 2))

    assert not gate.is_set()
    gate.set()


def test_workers_end_with_the_map():
    before = set(threading.enumerate())
    stream = ordered_map(Scope(), lambda number: number, range(100), 4)
    next(stream)
    workers = set(threading.enumerate()) - before
    stream.close()
    for worker in workers:
        worker.join(PATIENCE)

    assert 4 == len(workers)
    assert not any(worker.is_alive() for worker in workers)


def test_retry_backs_off_within_its_bounds():
    retry = Retry(attempts=4, base_s=1, cap_s=3, total_s=100)

    for attempt, most in ((1, 1), (2, 2), (3, 3)):
        assert 0 <= retry.delay(attempt, elapsed_s=0) <= most
    assert retry.delay(4, elapsed_s=0) is None


def test_retry_obeys_the_server_as_far_as_the_budget_goes():
    retry = Retry(attempts=4, total_s=10)

    assert 7 == retry.delay(1, elapsed_s=0, retry_after_s=7)
    assert retry.delay(1, elapsed_s=5, retry_after_s=7) is None
    assert retry.delay(4, elapsed_s=0, retry_after_s=1) is None


def test_a_retry_after_of_no_time_is_believed_once():
    """K111: a limit that stays is not asked about without a pause."""
    retry = Retry(attempts=4, base_s=1.0, cap_s=8.0)

    assert 0 == retry.delay(1, elapsed_s=0, retry_after_s=0)
    assert any(retry.delay(3, elapsed_s=0, retry_after_s=0) > 0 for _ in range(20))


def test_failures_that_are_no_exceptions_are_told_together_with_those_that_are():
    both = threading.Barrier(2)

    def fail(error):
        both.wait(PATIENCE)
        raise error

    with pytest.raises(BaseExceptionGroup) as caught, TaskGroup(Scope(), 2) as group:
        for error in (SystemExit(3), Boom("b")):
            group.spawn(fail, error)

    assert {SystemExit, Boom} == {type(one) for one in caught.value.exceptions}


def leaving(*errors):
    """Whether a thread counts as leaving while it handles these, each raised while the one before was handled."""
    if not errors:
        return is_leaving(threading.current_thread())
    try:
        raise errors[0]
    except BaseException:
        return leaving(*errors[1:])


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((), False),
        ((Boom(),), False),
        ((KeyboardInterrupt(),), True),
        ((Cancelled("terminated"), Boom()), True),
        ((Boom(), SystemExit(1), OSError(), Boom()), True),
        ((ExceptionGroup("", [Boom()]),), True),
    ],
    ids=str,
)
def test_a_thread_is_leaving_while_it_handles_an_interruption_however_deep(errors, expected):
    assert expected == leaving(*errors)


def test_a_wait_for_a_groups_threads_is_known_by_its_frames():
    waits = SimpleNamespace(f_code=TaskGroup._join.__code__, f_back=None)
    inner = SimpleNamespace(f_code=threading.Condition.wait.__code__, f_back=waits)

    assert [True, True, False, False] == [
        is_joining(frame) for frame in (waits, inner, SimpleNamespace(f_code=None, f_back=None), sys._getframe())
    ]


class Meter:
    """A clock that goes on by itself, and how much of it the process is said to have computed."""

    def __init__(self, part: float) -> None:
        self.part = part
        self.began = time.monotonic()

    def used(self) -> float:
        return self.part * (time.monotonic() - self.began)


def most_at_once(turns: Turns, number: int, enough: int) -> int:
    """How many of a number of blocks are inside together, once there are enough or half a second has gone."""
    inside, seen, full = [], [], threading.Event()

    def work() -> None:
        with turns.turn():
            inside.append(1)
            seen.append(len(inside))
            if len(inside) >= enough:
                full.set()
            full.wait(0.5)
            inside.pop()

    with TaskGroup(Scope(), number) as group:
        for _ in range(number):
            group.spawn(work)
    return max(seen)


def test_few_have_a_turn_where_processors_are_what_limits():
    assert 3 == most_at_once(Turns(3, used=Meter(0.9).used), 12, 4)


def test_all_have_a_turn_where_a_network_is_waited_for():
    assert 8 == most_at_once(Turns(3, used=Meter(0.2).used), 8, 8)


def test_a_turn_that_ends_with_an_error_is_given_back():
    turns = Turns(1, used=Meter(0.9).used)
    with pytest.raises(NotFound), turns.turn():
        raise NotFound("it", name="it")

    with turns.turn():
        pass
