"""How long one piece of work is tried again: which failures may pass, how often, how long to wait."""

import time
from collections.abc import Callable
from typing import Final

from ocitool.errors import AuthError, NetworkError, OcitoolError, RegistryError
from ocitool.tasks import Retry

RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})


def may_pass(error: OcitoolError) -> bool:
    """Whether a failure may be gone the next time."""
    if isinstance(error, AuthError):
        return False
    if isinstance(error, NetworkError):
        unknown = "resolve" in error.what or "name or service" in error.what
        return error.phase not in {"tls", "redirect", "proxy"} and not unknown
    return getattr(error, "status", 0) in RETRIED


class Patience:
    """Counts the failures of one piece of work since it began.

    Being told to wait (429) is no failure: only the time budget ends that, however often it happens. Failures
    after progress are as good as the first ones.
    """

    def __init__(self, retry: Retry, clock: Callable[[], float] = time.monotonic) -> None:
        self._retry = retry
        self._clock = clock
        self._began_s = clock()
        self._failures = 0
        self._waits = 0
        self._tries = 0

    def wait_after(self, error: OcitoolError) -> float:
        """Seconds to wait before the next try. Raises the error, with what was tried, when there is none."""
        self._tries += 1
        if not may_pass(error):
            raise error
        if getattr(error, "status", 0) == 429:
            self._waits += 1
        else:
            self._failures += 1
        elapsed = self._clock() - self._began_s
        attempt = max(self._failures, min(self._waits, self._retry.attempts - 1))
        delay = self._retry.delay(attempt, elapsed_s=elapsed, retry_after_s=getattr(error, "retry_after_s", None))
        if delay is None:
            raise self._given_up(error, elapsed)
        return delay

    def progressed(self) -> None:
        """Something was achieved: the failures before it no longer count."""
        self._failures = self._waits = 0

    def _given_up(self, error: OcitoolError, elapsed_s: float) -> OcitoolError:
        if isinstance(error, NetworkError):
            error.attempts, error.elapsed_s = self._tries, elapsed_s
        if isinstance(error, NetworkError | RegistryError) and self._tries > 1:
            error.what += f" after {self._tries} tries in {elapsed_s:.0f} s"
        asked_s = getattr(error, "retry_after_s", None)
        if asked_s is not None and elapsed_s + asked_s > self._retry.total_s:
            error.add_note(
                f"it asks to wait {asked_s:.0f} s, and we wait no longer than {self._retry.total_s:.0f} s"
            )
        return error
