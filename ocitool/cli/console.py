"""Output: data to stdout, talk to stderr; a progress display on a terminal, plain lines elsewhere.

Only importer of rich, and only where something is drawn.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from ocitool.cli.outcome import clean, printable_json
from ocitool.cli.terminal import painted
from ocitool.events import Advanced, Done, Event, Noted, Printed, Started, Working
from ocitool.model.printable import human

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

ByteChunks: TypeAlias = Iterable[bytes]

LONG_STEP_S: Final = 30.0
"""Without a terminal, a step tells that it lives this often: CI kills jobs that are silent (K178)."""
MANY_UNITS: Final = 100
"""Without a terminal, a step that counts things tells after so many of them, or after a tenth if that is more."""


class Console:
    """Where a command's output goes. `hear` may be called from several threads."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.as_json, self.quiet, self.verbose = as_json, quiet, verbose
        self.warnings: list[str] = []
        self._lock = threading.RLock()
        self._clock = clock
        self._steps: dict[str, _Step] = {}
        self._drawn = _Drawn(clock) if not quiet and sys.stderr.isatty() else None

    def draw_nothing(self) -> None:
        """Tell what happens in lines from now on, also on a terminal."""
        self.finish()
        self._drawn = None

    def data(self, text: str) -> None:
        """Print to stdout."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def json(self, text: str) -> None:
        """Print a JSON document to stdout."""
        self.data(printable_json(text))

    def bytes(self, data: bytes) -> None:
        """Print exact bytes to stdout."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def stream(self, pieces: ByteChunks) -> None:
        """Print exact bytes to stdout as they come."""
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    def talk(self, text: str) -> None:
        """Print to stderr, for people."""
        if not self.quiet:
            self.error(text)

    def error(self, text: str) -> None:
        """Print to stderr, also with --quiet."""
        text = painted(text, sys.stderr)
        with self._lock:
            if self._drawn is not None:
                self._drawn.print(text)
            else:
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()

    def finish(self) -> None:
        """End the display."""
        with self._lock:
            if self._drawn is not None:
                self._drawn.stop()

    def hear(self, event: Event) -> None:
        """Show an event."""
        with self._lock:
            match event:
                case Started():
                    self._steps[event.key] = _Step(event, self._clock())
                    if self._drawn is not None:
                        self._drawn.start(event)
                case Advanced():
                    self._advance(event)
                case Working():
                    self._work(event)
                case Done():
                    self._done(event)
                case Printed(label, text):
                    self.talk(f"{clean(label)} {clean(text)}".rstrip())
                case Noted(text, "warning"):
                    if (told := clean(text)) not in self.warnings:
                        self.warnings.append(told)
                        self.error(f"warning: {told}")
                case Noted(text, severity):
                    if self.verbose or severity == "notice":
                        self.talk(clean(text))

    def _advance(self, event: Advanced) -> None:
        if self._drawn is not None:
            self._drawn.advance(event)
        step = self._steps.get(event.key)
        if step is None:
            return
        step.done += event.size
        is_due = step.unit and step.total > step.done >= step.told + max(MANY_UNITS, step.total / 10)
        if self._drawn is None and (is_due or self._clock() - step.told_s >= LONG_STEP_S):
            step.told_s, step.told = self._clock(), step.done
            self.talk(f"{clean(step.label)}: {step.progress()}")

    def _work(self, event: Working) -> None:
        text = clean(event.text)
        if self._drawn is not None:
            self._drawn.work(event.key, text)
        step = self._steps.get(event.key)
        if self._drawn is None and step is not None and self._clock() - step.told_s >= LONG_STEP_S:
            step.told_s = self._clock()
            self.talk(f"{clean(step.label)}: {text or 'at work'}")

    def _done(self, event: Done) -> None:
        step = self._steps.pop(event.key, None)
        if self._drawn is not None:
            self._drawn.done(event)
        label = step.label if step is not None else event.key
        if event.outcome in {"existed", "manifest", "read"} and not self.verbose:
            return
        size = f" {human(event.size)}" if event.size else ""
        if step is not None and step.unit:
            size = f" {step.done} {step.unit}"
        self.talk(f"{clean(label)}: {event.outcome}{size}")


class _Step:
    __slots__ = ("done", "label", "told", "told_s", "total", "unit")

    def __init__(self, event: Started, now_s: float) -> None:
        self.label, self.total, self.unit = event.label, event.total, event.unit
        self.done = self.told = 0
        self.told_s = now_s

    def progress(self) -> str:
        """How far it is: 3.4 MB of 60 MB, 200 of 1000 tags."""
        if self.unit:
            return f"{self.done} of {self.total} {self.unit}"
        return human(self.done) + (f" of {human(self.total)}" if self.total else "")


class _Drawn:
    """The display on a terminal; rich is imported when the first step begins."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def start(self, event: Started) -> None:
        if self._progress is None:
            from rich.console import Console as RichConsole
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                Task,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )
            from rich.table import Column
            from rich.text import Text

            class Amount(DownloadColumn):
                """Bytes, or what a step counts instead; nothing for a step that does not say how much it is."""

                def render(self, task: Task) -> Text:
                    unit = task.fields["unit"]
                    if unit:
                        return Text(f"{int(task.completed)}/{int(task.total or 0)} {unit}")
                    return super().render(task) if task.total or task.completed else Text("")

            class RateColumn(TransferSpeedColumn):
                """Bytes in a second, once there are some."""

                def render(self, task: Task) -> Text:
                    is_known = bool(task.speed) and not task.fields["unit"]
                    return super().render(task) if is_known else Text("")

            class LeftColumn(TimeRemainingColumn):
                """The time that is left, where it can be told."""

                def render(self, task: Task) -> Text:
                    is_known = task.total and task.time_remaining is not None
                    return super().render(task).append(" left") if is_known else Text("")

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                Amount(),
                RateColumn(),
                TimeElapsedColumn(),
                LeftColumn(),
                TextColumn(
                    "{task.fields[said]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
                ),
                console=RichConsole(stderr=True, highlight=False, markup=False, emoji=False),
                transient=True,
                get_time=self._clock,
            )
            self._progress.start()
        self._tasks[event.key] = self._progress.add_task(
            clean(event.label), total=event.total or None, unit=event.unit, said=""
        )

    def advance(self, event: Advanced) -> None:
        task = self._tasks.get(event.key)
        if self._progress is not None and task is not None:
            self._progress.advance(task, event.size)

    def work(self, key: str, text: str) -> None:
        task = self._tasks.get(key)
        if self._progress is not None and task is not None:
            self._progress.update(task, said=text)

    def done(self, event: Done) -> None:
        task = self._tasks.pop(event.key, None)
        if self._progress is not None and task is not None:
            self._progress.remove_task(task)

    def print(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


_NUMBER: Final = "-?|[0-9]+|[0-9.]+ [a-zA-Z]+"
"""What stands to the right in a table: a count, or a size with its unit."""


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Aligned columns, numbers to the right; reads well without colour."""
    cells = [head, *rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    numeric = [bool(rows) and all(re.fullmatch(_NUMBER, row[n]) for row in rows) for n in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        parts = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)]
        return "  ".join(parts).rstrip()

    return "\n".join(line(row) for row in cells)
