"""SIGINT and SIGTERM: the first one ends any command within two seconds, whatever it does at that moment.

The scope is cancelled at once, which ends all work that looks at it. Threads that compute without looking are made
to raise, the main thread by a signal, which also ends a blocking open. A call that hears no signal at all, such as
a look at a name server that is silent, is left behind by ending the process.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Final, Never

from ocitool.errors import Cancelled

if TYPE_CHECKING:
    from ocitool.tasks import Scope

_CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}
_NUDGE: Final = signal.SIGALRM
_TURN_S: Final = 0.1
_AGAIN_S: Final = 0.5
"""A second signal counts after this time: coreutils' `timeout` sends two, to the process and to its group."""
_COMPUTING_S: Final = 0.5
_JOINING_S: Final = 1.3
"""How long the main thread may wait for threads that clean up."""
_DEAF_S: Final = 1.7
"""How long after the signal the main thread may not even have begun to leave."""
_LEAVING_S: Final = 10.0
"""How long cleaning up may take; a guess."""


class Signals:
    """Hears SIGINT and SIGTERM inside its block; `code` is the exit code of the first one, 0 before.

    Outside `ending` there is nothing to clean up, and the reason is raised at once. A second signal ends the
    process at once. In another thread than the main one nothing is heard.
    """

    def __init__(self) -> None:
        self.code = 0
        self._began_s = 0.0
        self._scope: Scope | None = None
        self._old: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._handle) for number in (*_CODES, _NUDGE)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hear nothing more."""
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextmanager
    def ending(self, scope: "Scope") -> Iterator[None]:
        """Cancel this scope when a signal comes."""
        if not self._old:
            yield
            return
        from ocitool.tasks import in_background

        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        self._scope = scope
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        in_background(lambda: self._watch(reading), "ocitool-signals")
        try:
            yield
        finally:
            if self.code:
                _remove_half_made()
            self._scope = None
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.set_wakeup_fd(before)
            os.close(writing)

    def reason(self) -> Cancelled:
        """The error that tells which signal it was."""
        return Cancelled("terminated" if self.code == 143 else "interrupted", exit_code=self.code or 130)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """On the main thread: the watching thread has heard it too, and acts even where the main thread cannot."""
        if number != _NUDGE:
            self.code = self.code or _CODES[signal.Signals(number)]
            if self._scope is None:
                raise self.reason()
            # A regular expression lets no other thread run, but does look for signals.
            self._began_s = self._began_s or time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, _COMPUTING_S, _TURN_S)
        elif self._scope is not None and not self._is_leaving():
            from ocitool.tasks import is_joining

            if time.monotonic() - self._began_s > _JOINING_S or not is_joining(frame):
                raise KeyboardInterrupt

    def _is_leaving(self) -> bool:
        from ocitool.tasks import is_leaving

        return is_leaving(threading.main_thread())

    def _watch(self, reading: int) -> None:
        from select import select

        heard_s = pressed_s = 0.0
        while True:
            ready, _, _ = select([reading], [], [], _TURN_S if heard_s else None)
            heard = os.read(reading, 64) if ready else b""
            if ready and not heard:
                os.close(reading)
                return
            now = time.monotonic()
            if set(heard) & set(_CODES):
                if heard_s and now - heard_s >= _AGAIN_S:
                    self._end()
                if not heard_s:
                    heard_s = now
                    self._hear(next(_CODES[signal.Signals(number)] for number in heard if number in _CODES))
            if heard_s and self._scope is not None and now - pressed_s >= _TURN_S:  # our own nudges are heard too
                pressed_s = now
                self._press(now - heard_s)

    def _hear(self, code: int) -> None:
        self.code = self.code or code
        self._began_s = self._began_s or time.monotonic()
        scope = self._scope
        if scope is not None:
            scope.cancel(self.reason())

    def _press(self, elapsed_s: float) -> None:
        from ocitool.tasks import interrupt_workers

        if elapsed_s >= _LEAVING_S or (elapsed_s >= _DEAF_S and not self._is_leaving()):
            self._end()
        if elapsed_s >= _COMPUTING_S:
            interrupt_workers()
            with suppress(ProcessLookupError):  # a timer's signal may go to another thread, and ends no open there
                signal.pthread_kill(threading.main_thread().ident or 0, _NUDGE)

    def _end(self) -> Never:
        _remove_half_made()
        os._exit(self.code)


def _remove_half_made() -> None:
    """Remove what is still being written under a temporary name of ours, since a thread that is left behind cannot.

    Where the system does not tell which files are open (macOS), they stay.
    """
    import fcntl
    from pathlib import Path

    from ocitool.model.files import is_temporary

    with suppress(OSError):
        for opened in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                path = opened.readlink()
                if is_temporary(path.name) and fcntl.fcntl(int(opened.name), fcntl.F_GETFL) & os.O_ACCMODE:
                    path.unlink()
