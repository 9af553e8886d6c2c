"""Scopes, task groups and retries: the only place where threads are made.

The rules are trio's without trio. A Scope is one piece of work that can be cancelled; a TaskGroup
runs functions on threads inside a scope and outlives them all; the first error cancels the rest and
comes out of the `with` block. Threads are daemons, so a server that never answers cannot hold the process.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType, TracebackType
from typing import Final, Generic, ParamSpec, TypeVar

from ocitool.errors import Cancelled, LocalIOError
from ocitool.values import dataclass

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

GRACE_S = 1.2
"""How long a cancelled group waits for threads that sit in a blocking call."""
_WORKER: Final = "ocitool-work"
_TURN_S: Final = 0.5
"""How long a wait may be before it looks whether it was cancelled, and lets signal handlers run."""

_LOOK_S: Final = 0.05
_BUSY: Final = 0.7
"""How long is looked at what is used of one processor, and the part from which on no network is what limits."""


class Scope:
    """One piece of work that can be cancelled, from any thread.

    Cancelling a scope cancels its children; a child's end does not touch its parent.
    """

    def __init__(self, parent: "Scope | None" = None) -> None:
        self._parent = parent
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._reason = Cancelled()
        self._leave: Callable[[], None] = lambda: None
        if parent is not None:
            self._leave = parent._register(lambda: self.cancel(parent._reason))

    def child(self) -> "Scope":
        """A scope that is cancelled with this one and can be cancelled alone."""
        return Scope(self)

    def close(self) -> None:
        """Forget the tie to the parent; for scopes made by `child` whose work is over."""
        self._leave()

    @property
    def cancelled(self) -> bool:
        """Whether the work should stop."""
        return self._event.is_set()

    def cancel(self, reason: Cancelled | None = None) -> None:
        """Ask everything in this scope to stop; safe to call twice and from a signal handler's thread."""
        with self._lock:
            if self._event.is_set():
                return
            if reason is not None:
                self._reason = reason
            self._event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raise Cancelled if the scope was cancelled; called between pieces of any long work."""
        if self._event.is_set():
            raise Cancelled(self._reason.what, exit_code=self._reason.exit_code)

    def sleep(self, seconds: float) -> None:
        """Wait, or raise Cancelled as soon as the scope is cancelled."""
        self._event.wait(max(0.0, seconds))
        self.check()

    def pieces(self, stream: Iterable[T]) -> Iterator[T]:
        """The same stream, checked for cancellation before each piece."""
        for piece in stream:
            self.check()
            yield piece

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call `callback` if the scope is cancelled inside the block (at once if it already was)."""
        leave = self._register(callback)
        try:
            yield
        finally:
            leave()

    def _register(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            if not self._event.is_set():
                key = self._next
                self._next += 1
                self._callbacks[key] = callback

                def leave() -> None:
                    with self._lock:
                        self._callbacks.pop(key, None)

                return leave
        callback()
        return lambda: None


class Task(Generic[T]):
    """What `TaskGroup.spawn` returns: the result, once the group has ended."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._has_value = False

    @property
    def result(self) -> T:
        """The function's value; only after the group's block ended without an error."""
        if not self._has_value:
            raise RuntimeError("the task has no result yet")
        return self._value  # type: ignore[return-value]

    def _set(self, value: T) -> None:
        self._value = value
        self._has_value = True


class TaskGroup:
    """Run functions on at most `width` threads; leave the block when all have ended.

    The first error cancels `group.scope`, which tasks must check or pass on. On leaving, that error
    is raised; when several tasks failed by themselves, an ExceptionGroup of them. Cancelled is raised
    when the parent scope was cancelled. Functions queue in the order they were spawned; a running task
    may spawn more.
    """

    def __init__(self, scope: Scope, width: int) -> None:
        self.scope = scope.child()
        self._parent = scope
        self._width = max(1, width)
        self._ready = threading.Condition()
        self._queue: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._running = 0
        self._errors: list[BaseException] = []

    def __enter__(self) -> "TaskGroup":
        return self

    def spawn(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """Queue `function(*args, **kwargs)`; never blocks. Raises LocalIOError where there can be no thread."""
        task: Task[R] = Task()

        def run() -> None:
            task._set(function(*args, **kwargs))

        with self._ready:
            self._queue.append(run)
            is_short = self._threads < self._width and self._threads < self._running + len(self._queue)
            self._threads += is_short
        if is_short:
            try:
                threading.Thread(target=self._work, name=_WORKER, daemon=True).start()
            except RuntimeError as error:
                self._go_without(error)
        return task

    def _go_without(self, error: RuntimeError) -> None:
        """Leave the job to the threads that there are, if none of them has done it."""
        with self._ready:
            self._threads -= 1
            if self._queue and not self._threads:
                self._queue.clear()
                raise _no_thread(error) from error

    def _work(self) -> None:
        job = self._take()
        while job is not None:
            try:
                if not self.scope.cancelled:
                    job()
            except BaseException as error:  # noqa: BLE001 - carried to the thread that owns the group
                with self._ready:
                    self._errors.append(error)
                self.scope.cancel()
                with self._ready:  # only now is there anything to see for who joins
                    self._ready.notify_all()
            finally:
                job = self._take(has_run=True)

    def _take(self, *, has_run: bool = False) -> Callable[[], None] | None:
        """The next job; without one the thread is counted out, and the last one lets the group end."""
        with self._ready:
            self._running -= has_run
            if self._queue:
                self._running += 1
                return self._queue.popleft()
            self._threads -= 1
            if not self._threads:
                self._ready.notify_all()
            return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.scope.cancel()
        try:
            self._join()
        except BaseException:
            self.scope.cancel()
            raise
        finally:
            self.scope.close()
        if error is not None and (self._parent.cancelled or not isinstance(error, Cancelled)):
            return
        # What cancelled the block may have been a task: then its error is told.
        own = [e for e in self._errors if not isinstance(e, Cancelled)]
        if self._parent.cancelled:
            self._parent.check()
        if len(own) == 1:
            raise own[0]
        if own:
            if all(isinstance(e, Exception) for e in own):
                raise ExceptionGroup("several tasks failed", [e for e in own if isinstance(e, Exception)])
            raise BaseExceptionGroup("several tasks failed", own)
        if self._errors:
            raise self._errors[0]

    def _join(self) -> None:
        deadline: float | None = None
        with self._ready:
            while self._threads:
                if self.scope.cancelled:
                    self._queue.clear()
                    now = time.monotonic()
                    deadline = deadline or now + GRACE_S
                    if now >= deadline:
                        return
                # A bounded wait, so that a signal handler gets its turn on the main thread.
                self._ready.wait(0.1 if deadline else _TURN_S)


def _no_thread(error: RuntimeError) -> LocalIOError:
    return LocalIOError(f"no thread can be started: {error}", hint="raise the limit of processes, see ulimit -u")


def ordered_map(scope: Scope, function: Callable[[T], R], items: Iterable[T], width: int) -> Iterator[R]:
    """`map(function, items)` on `width` threads: results in order, at most `width + 1` items in flight.

    Memory is bounded by that number of items and results. The first error ends the iteration. With a
    width of 1 no thread is made. Items are pulled by the thread that iterates. Raises LocalIOError where there can
    be no thread; of fewer than `width` the work is done by those that there are.
    """
    if width <= 1:
        for item in items:
            scope.check()
            yield function(item)
        return
    slots: deque[_Slot[R]] = deque()
    with _Workers(width) as workers:
        for item in items:
            scope.check()
            slot: _Slot[R] = _Slot()
            slots.append(slot)
            workers.put(partial(slot.run, function, item))
            if len(slots) > width:
                yield slots.popleft().wait(scope)
        while slots:
            scope.check()
            yield slots.popleft().wait(scope)


def collect(scope: Scope, function: Callable[[T], R], items: Iterable[T], width: int) -> list[R]:
    """`[function(item) for item in items]` in a TaskGroup: raises what that raises.

    With a width of 1 no thread is made: whoever looks at many things side by side has threads enough.
    """
    if width > 1:
        with TaskGroup(scope, width) as group:
            tasks = [group.spawn(function, item) for item in items]
        return [task.result for task in tasks]
    results = []
    for item in items:
        scope.check()
        results.append(function(item))
    return results


class _Slot(Generic[R]):
    """One result on its way from a worker to the iterating thread."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._value: R | None = None
        self._error: BaseException | None = None

    def run(self, function: Callable[[T], R], item: T) -> None:
        try:
            self._value = function(item)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self._done.set()

    def wait(self, scope: Scope) -> R:
        """The result. Raises what the function raised, and Cancelled even if the function never returns."""
        while not self._done.wait(_TURN_S):
            scope.check()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class _Workers:
    """A fixed number of daemon threads around one queue, gone at the end of the block."""

    def __init__(self, width: int) -> None:
        self._ready = threading.Condition()
        self._queue: deque[Callable[[], None]] = deque()
        self._open = True
        self._width = width

    def __enter__(self) -> "_Workers":
        for number in range(self._width):
            try:
                threading.Thread(target=self._work, name=_WORKER, daemon=True).start()
            except RuntimeError as error:
                if not number:
                    raise _no_thread(error) from error
                break
        return self

    def put(self, job: Callable[[], None]) -> None:
        with self._ready:
            self._queue.append(job)
            self._ready.notify()

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._queue and self._open:
                    self._ready.wait()
                if not self._queue:
                    return
                job = self._queue.popleft()
            job()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ready:
            self._open = False
            self._queue.clear()
            self._ready.notify_all()


class Turns:
    """Work that takes processors as long as data comes: few at once, and more while those wait for a network.

    Data that comes as fast as it is taken in is taken in sooner by few threads, whose buffers stay in the caches.
    `few` have a turn at any time; another one gets one where this process has left processors idle for a while.
    """

    def __init__(
        self,
        few: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._few, self._clock, self._used = few, clock, used
        self._ready = threading.Condition()
        self._running = 0
        self._looked = clock(), used()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and have it inside the block."""
        with self._ready:
            while self._running >= self._few and not self._has_idled():
                self._ready.wait(_LOOK_S)
            self._running += 1
        try:
            yield
        finally:
            with self._ready:
                self._running -= 1
                self._ready.notify()

    def _has_idled(self) -> bool:
        """Whether little was computed since the last look, which was a while ago."""
        (before_s, used_s), now_s = self._looked, self._clock()
        if now_s - before_s < _LOOK_S:
            return False
        self._looked = now_s, self._used()
        return self._looked[1] - used_s < _BUSY * (now_s - before_s)


def in_background(function: Callable[[], object], name: str) -> None:
    """Run a function on a thread of its own, which ends with the process at the latest."""
    threading.Thread(target=function, name=name, daemon=True).start()


def is_leaving(thread: threading.Thread) -> bool:
    """Whether a thread handles an interruption already, and cleans up."""
    found: object = sys._current_exceptions().get(thread.ident or 0)
    error = found[1] if isinstance(found, tuple) else found  # a triple before Python 3.12
    while isinstance(error, BaseException):
        if isinstance(error, Cancelled | KeyboardInterrupt | SystemExit | BaseExceptionGroup):
            return True
        error = error.__context__
    return False


def is_joining(frame: FrameType | None) -> bool:
    """Whether what runs in this frame is the wait for a group's threads."""
    while frame is not None:
        if frame.f_code is TaskGroup._join.__code__:
            return True
        frame = frame.f_back
    return False


def interrupt_workers() -> None:
    """Let every thread of a group or a map raise that does not clean up already; for pure computing.

    SystemExit, since nothing takes it for a failure and an idle thread that gets it says nothing.
    """
    import ctypes

    for thread in threading.enumerate():
        if thread.name == _WORKER and thread.ident is not None and not is_leaving(thread):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to try again: full-jitter backoff within a total time budget.

    `attempts` counts the first try. Seconds everywhere. A server's Retry-After wins over the backoff as
    long as it fits the budget; one of no time at all is believed once, or a client would ask without a pause.
    """

    attempts: int = 6
    base_s: float = 0.5
    cap_s: float = 30.0
    total_s: float = 300.0

    def delay(self, attempt: int, *, elapsed_s: float, retry_after_s: float | None = None) -> float | None:
        """Seconds to wait before try number `attempt + 1`, or None when it is time to give up."""
        if attempt >= self.attempts:
            return None
        if retry_after_s is not None and (retry_after_s > 0 or attempt == 1):
            wait = retry_after_s
        else:
            wait = any_wait_s(min(self.cap_s, self.base_s * 2 ** (attempt - 1)))
        return wait if elapsed_s + wait <= self.total_s else None


def any_wait_s(most_s: float) -> float:
    """Some time up to the longest that may be waited: it spreads those who failed together."""
    return most_s * int.from_bytes(os.urandom(4)) / 0xFFFFFFFF
