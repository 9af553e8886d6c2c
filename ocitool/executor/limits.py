"""The use of memory, processes and disk, watched by the first process of a namespace; it ends that above a limit.

Memory is what all processes of the namespace have for themselves, and bytes written are those of a folder. Both are
looked at some times a second, so that a limit may be passed by what is used in between.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

SPARE_PROCESSES: Final = 16
"""What the namespace's own programs need beside those of the command, and a guess."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_REST: Final = 9
"""Looking takes at most a tenth of the time."""
_SHORT_S: Final = 0.02


@dataclass(slots=True)
class Watch:
    """Looks when it is asked to, but not all the time. `folders` are what counts as written; 0 is no limit."""

    memory: int
    pids: int
    disk: int
    folders: Sequence[str]
    _next: dict[str, float] = field(default_factory=dict)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self.memory or self.pids or self.disk)

    def exceeded(self) -> str:
        """The limit that was passed, in words; "" for none."""
        if (self.memory or self.pids) and self._is_time("processes"):
            began = time.monotonic()
            count, resident = processes()
            self._later("processes", began)
            if self.memory and resident > self.memory:
                return f"it used {resident} bytes of memory, and may use {self.memory}"
            if self.pids and count > self.pids + SPARE_PROCESSES:
                return f"it has {count} processes, and may have {self.pids}"
        if self.disk and self._is_time("disk"):
            began = time.monotonic()
            size = sum(map(written, self.folders))
            self._later("disk", began)
            if size > self.disk:
                return f"it wrote {size} bytes, and may write {self.disk}"
        return ""

    def _is_time(self, name: str) -> bool:
        return time.monotonic() >= self._next.get(name, 0.0)

    def _later(self, name: str, began: float) -> None:
        now = time.monotonic()
        self._next[name] = now + max(_SHORT_S, _REST * (now - began))


def processes() -> tuple[int, int]:
    """(How many processes, bytes of their own resident memory) in this PID namespace, but for the first process."""
    count = resident = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            with suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/statm", "rb") as file:
                size, shared = map(int, file.read().split()[1:3])
                resident += (size - shared) * _PAGE
                count += 1
    return count, resident


def written(folder: str) -> int:
    """Bytes of the files below a folder, holes too: a layer has them as zeros. What goes away meanwhile is none."""
    size = 0
    todo = [folder]
    while todo:
        with suppress(OSError), os.scandir(todo.pop()) as listing:
            for item in listing:
                with suppress(OSError):
                    if item.is_dir(follow_symlinks=False):
                        todo.append(item.path)
                    status = item.stat(follow_symlinks=False)
                    size += max(status.st_size, status.st_blocks * 512)
    return size
