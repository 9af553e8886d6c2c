"""How many requests at once one host gets: many at first, half after it says "too many", slowly more again."""

import threading
import time
from collections.abc import Callable
from typing import Final

from ocitool.tasks import Scope

_WAIT_S: Final = 0.5
_WINDOW_S: Final = 1.0
"""Refusals within this time are one event: sixteen answers to sixteen requests halve once."""


class Pace:
    """Slots for requests to one host; safe from several threads.

    A thread that holds a slot gets further ones at once, over the limit if need be: the body of an upload may
    be a download from the same host, and waiting for a slot while holding one could wait forever.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
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
        with scope.on_cancel(self._wake), self._ready:
            while not self._held.get(ticket) and (wait := self._due()) > 0:
                scope.check()
                self._ready.wait(min(wait, _WAIT_S))
            scope.check()
            self._running += 1
            self._held[ticket] = self._held.get(ticket, 0) + 1
        return ticket

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
