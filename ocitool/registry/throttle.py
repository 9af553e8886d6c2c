"""How many requests one host gets: at once by its answers, and in a span of time by what a user allows.

Many at once at first, half after it says "too many", slowly more again.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Self

from ocitool.errors import UsageError
from ocitool.model.numbers import GIB, KIB, MIB
from ocitool.tasks import Scope
from ocitool.values import dataclass

_RATE: Final = (
    r"(?:(?P<host>[^=\s]+)=)?(?P<amount>[0-9]{1,12})(?P<unit>[KMG]i?B|B)?/(?P<count>[0-9]{0,5})(?P<span>[smhd])"
)
_UNITS: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_SPANS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SLICES: Final = 1000
"""Parts of a span in which is counted, so that what is remembered has a bound."""
_WAIT_S: Final = 0.5
_WINDOW_S: Final = 1.0
"""Refusals within this time are one event: sixteen answers to sixteen requests halve once."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `amount` requests, or bytes of bodies, in any span of `span_s` seconds; to `host`, or each."""

    amount: int
    span_s: int
    of_bytes: bool = False
    host: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`[HOST=]AMOUNT/SPAN`, such as `10/s`, `docker.io=100/6h` or `5MiB/s`. Raises UsageError."""
        found = re.fullmatch(_RATE, text.strip())
        amount = int(found["amount"]) * _UNITS[found["unit"] or "B"] if found else 0
        span_s = int(found["count"] or 1) * _SPANS_S[found["span"]] if found else 0
        if found is None or not amount or not span_s:
            raise UsageError(
                f"not a rate: {text!r}",
                hint="write 10/s for requests, 5MiB/s for bytes, or with a host docker.io=100/6h",
            )
        return cls(amount, span_s, of_bytes=found["unit"] is not None, host=found["host"] or "")


class RateBudget:
    """What a rate allows now; safe from several threads."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._slice_s = rate.span_s / _SLICES
        self._taken: deque[tuple[int, int]] = deque()  # a slice of time, and how much was taken in it
        self._sum = 0

    def take(self, wanted: int) -> tuple[int, float]:
        """How much of it may pass now, which then counts; and in how many seconds more may, 0 where that is all."""
        with self._lock:
            now = self._clock()
            while self._taken and self._ends_s() <= now:
                self._sum -= self._taken.popleft()[1]
            granted = min(wanted, self._rate.amount - self._sum)
            if granted:
                number, before = int(now / self._slice_s), 0
                if self._taken and self._taken[-1][0] == number:
                    before = self._taken.pop()[1]
                self._taken.append((number, before + granted))
                self._sum += granted
            return granted, 0.0 if granted == wanted else self._ends_s() - now

    def _ends_s(self) -> float:
        """When what was taken first is a whole span ago."""
        return (self._taken[0][0] + 1) * self._slice_s + self._rate.span_s


class Pace:
    """Slots for requests to one host; safe from several threads.

    A thread that holds a slot gets further ones at once, over the limit if need be: the body of an upload may
    be a download from the same host, and waiting for a slot while holding one could wait forever. `rates` hold
    whatever the host says.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic, rates: Iterable[Rate] = ()) -> None:
        self.most = most
        rates = tuple(rates)
        self._requests = [RateBudget(rate, clock) for rate in rates if not rate.of_bytes]
        self._bytes = [RateBudget(rate, clock) for rate in rates if rate.of_bytes]
        self.limit = most
        self._clock = clock
        self._ready = threading.Condition()
        self._running = 0
        self._held: dict[int, int] = {}
        self._answered = 0
        self._not_before = 0.0
        self._halved_at = float("-inf")

    @property
    def running(self) -> int:
        """Requests under way now."""
        return self._running

    def enter(self, scope: Scope) -> int:
        """Wait for a slot; returns a ticket for `leave`. Raises Cancelled."""
        ticket = threading.get_ident()
        scope.check()
        if not self._holds(ticket):
            with scope.on_cancel(self._wake):
                while not self._holds(ticket, _WAIT_S):
                    scope.check()
        try:
            _spend(self._requests, 1, scope)
        except BaseException:
            self.leave(ticket)
            raise
        return ticket

    def _holds(self, ticket: int, wait_s: float = 0.0) -> bool:
        """Whether there was a slot, now or after such a wait at most."""
        with self._ready:
            due_s = 0.0 if self._held.get(ticket) else self._due()
            if due_s > 0 and wait_s:
                self._ready.wait(min(due_s, wait_s))
                due_s = self._due()
            if due_s <= 0:
                self._running += 1
                self._held[ticket] = self._held.get(ticket, 0) + 1
            return due_s <= 0

    def moved(self, size: int, scope: Scope) -> None:
        """Wait until `size` bytes more may have passed. Raises Cancelled."""
        _spend(self._bytes, size, scope)

    def leave(self, ticket: int) -> None:
        """Give a slot back."""
        with self._ready:
            self._running -= 1
            self._held[ticket] -= 1
            if not self._held[ticket]:
                del self._held[ticket]
            self._ready.notify()

    def refused(self, wait_s: float) -> None:
        """The host wants less: halve the limit, and start nothing new for `wait_s` seconds."""
        with self._ready:
            now = self._clock()
            self._not_before = max(self._not_before, now + wait_s)
            if now - self._halved_at >= _WINDOW_S:
                self._halved_at = now
                self.limit = max(1, min(self.limit, max(self._running, 1)) // 2)
            self._answered = 0

    def answered(self) -> None:
        """The host took a request: after as many as the limit, allow one more at a time."""
        with self._ready:
            self._answered += 1
            if self._answered >= self.limit and self.limit < self.most:
                self.limit += 1
                self._answered = 0
                self._ready.notify()

    def _due(self) -> float:
        """Seconds until it makes sense to look again; 0 when a slot is free."""
        pause = self._not_before - self._clock()
        if pause > 0:
            return pause
        return 0.0 if self._running < self.limit else _WAIT_S

    def _wake(self) -> None:
        with self._ready:
            self._ready.notify_all()


def _spend(budgets: Iterable[RateBudget], amount: int, scope: Scope) -> None:
    for budget in budgets:
        left = amount
        while left:
            granted, wait_s = budget.take(left)
            left -= granted
            if left:
                scope.sleep(wait_s)
