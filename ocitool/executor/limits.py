"""The use of memory, processes and disk, watched by the first process of a namespace; it ends that above a limit.

Memory is what processes have for themselves, what they share, and files in memory. Bytes written are those of
folders, and of files there that are open and have no name any more. All is looked at some times a second, so that
a limit may be passed by what is used in between.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from ocitool.executor import held
from ocitool.values import dataclass, field

SPARE_PROCESSES: Final = 16
"""What the namespace's own programs need beside those of the command, and a guess."""
_REST: Final = 9
"""Looking takes at most a tenth of the time, or half of it where free space tells that a limit may be passed."""
_SHORT_S: Final = 0.02
_BLOCK: Final = 512
_HEADER: Final = 512
"""What a layer has for each file, whatever is in it."""
_UNSEEN: Final = "of which a part cannot be seen, as what is held by descriptors that wait in a socket"


@dataclass(slots=True)
class Watch:
    """Looks when it is asked to, but not all the time; 0 is no limit.

    `folders` are what counts as written; of `kept` counts what comes to them from now on.
    """

    memory: int
    pids: int
    disk: int
    folders: Sequence[str]
    kept: Sequence[str] = ()
    _next: dict[str, float] = field(default_factory=dict)
    _before: int = 0
    _free: int = 0
    _shared: int = 0
    _last: tuple[float, int, int] = (
        0.0,
        0,
        0,
    )  # how long the last look at the disk took, what it found, what was free
    _memory_device: int = 0
    _has_ipc: bool = False

    def __post_init__(self) -> None:
        if self.disk:
            self._before = sum(written(folder)[0] for folder in self.kept)
            self._free = self._free_now()
            self._last = (0.0, 0, self._free)
        if self.memory:
            self._shared = held.all_shared_memory()
            self._memory_device = held.memory_device()

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self.memory or self.pids or self.disk)

    def exceeded(self) -> str:
        """The limit that was passed, in words; "" for none."""
        passed = ""
        if (self.memory or self.pids) and self._is_time("processes"):
            passed = self._timed("processes", self._processes)
        if not passed and self.disk and (self._is_time("disk") or self._is_near()):
            passed = self._timed("disk", self._written)
        return passed

    def _processes(self) -> str:
        count, own, shared = held.resident()
        if self.pids and count > self.pids + SPARE_PROCESSES:
            return f"it has {count} processes, and may have {self.pids}"
        if not self.memory:
            return ""
        self._has_ipc = self._has_ipc or held.follow_ipc()
        found = held.held()
        files = found.on({self._memory_device}) + (held.segments() if self._has_ipc else 0)
        if own + shared > self.memory:
            shared = held.shared_in_parts()
        # What is mapped of a memory file is in both.
        used = own + max(shared, files)
        if used > self.memory:
            return f"it used {used} bytes of memory, and may use {self.memory}"
        if found.in_flight and held.all_shared_memory() - self._shared - files > self.memory:
            return f"it used more than {self.memory} bytes of memory, {_UNSEEN}"
        return ""

    def _written(self) -> str:
        began = time.monotonic()
        free = self._free_now()
        found = held.held()
        new, kept = map(written, self.folders), list(map(written, self.kept))
        size, is_whole = max(0, sum(size for size, _ in kept) - self._before), all(whole for _, whole in kept)
        for more, whole in new:
            size, is_whole = size + more, is_whole and whole
        in_memory = held.memory_devices()
        size += found.beside(in_memory)
        self._last = (time.monotonic() - began, size, free)
        if size > self.disk:
            return f"it wrote {size} bytes, and may write {self.disk}"
        is_hiding = bool(found.in_flight) or not is_whole
        # What others write to the same disk is no reason where nothing is hidden.
        if self._free - free - size > self.disk and (is_hiding or held.has_deleted_mapping(in_memory)):
            return f"it wrote more than {self.disk} bytes, {_UNSEEN}"
        return ""

    def _is_near(self) -> bool:
        """Whether so much of the disk was taken since the last look, by whomever, that the limit may be passed."""
        took, size, free = self._last
        is_rested = time.monotonic() >= self._next.get("disk", 0.0) - (_REST - 1) * took
        return is_rested and free - self._free_now() > self.disk - size

    def _free_now(self) -> int:
        found = os.statvfs(self.folders[0])
        return found.f_bfree * found.f_frsize

    def _is_time(self, name: str) -> bool:
        return time.monotonic() >= self._next.get(name, 0.0)

    def _timed(self, name: str, look: Callable[[], str]) -> str:
        began = time.monotonic()
        passed = look()
        now = time.monotonic()
        self._next[name] = now + max(_SHORT_S, _REST * (now - began))
        return passed


def written(folder: str) -> tuple[int, bool]:
    """(Bytes of what is in a folder, whether all of it was seen).

    They are those that a layer would have, holes too, or that are taken on the disk if these are more. It is walked
    by descriptors, so that it may be deeper than a path can be long; no link is followed. A folder that is moved
    while it is looked into ends the look. What goes away meanwhile is none.
    """
    try:
        return _Walk(folder).result()
    except OSError:
        return 0, False


_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Walk:
    """One folder is open at a time; the way back up is `..`, which is believed if it is the one that was left."""

    def __init__(self, folder: str) -> None:
        self._here = os.open(folder, _FOLDER)
        self._size = 0
        self._above: list[tuple[tuple[int, int], list[str]]] = []
        """For each folder from the top to this one: which it is, and its folders that are still to be seen."""

    def result(self) -> tuple[int, bool]:
        try:
            self._above.append((self._identity(), self._look()))
            while True:
                _, todo = self._above[-1]
                if todo:
                    self._enter(todo.pop())
                    continue
                self._above.pop()
                if not self._above:
                    return self._size, True
                if not self._leave():
                    return self._size, False
        finally:
            os.close(self._here)

    def _look(self) -> list[str]:
        """Count what is in this folder; the names of folders in it."""
        inner = []
        with suppress(OSError), os.scandir(self._here) as listing:
            for item in listing:
                with suppress(OSError):
                    if item.is_dir(follow_symlinks=False):
                        inner.append(item.name)
                    status = item.stat(follow_symlinks=False)
                    self._size += max(status.st_size, status.st_blocks * _BLOCK) + _HEADER
        return inner

    def _enter(self, name: str) -> None:
        try:
            inner = os.open(name, _FOLDER, dir_fd=self._here)
        except OSError:
            return
        os.close(self._here)
        self._here = inner
        self._above.append((self._identity(), self._look()))

    def _leave(self) -> bool:
        """Go back up; whether that is where we came from."""
        above = os.open("..", _FOLDER, dir_fd=self._here)
        os.close(self._here)
        self._here = above
        return self._identity() == self._above[-1][0]

    def _identity(self) -> tuple[int, int]:
        status = os.fstat(self._here)
        return status.st_dev, status.st_ino
