"""Files and memory that processes hold without a name in a folder: open and deleted files, memory files, segments.

It is found through `/proc` of the PID namespace that this process is the first of; it has to be root in the user
namespace of the others. A descriptor on its way through a socket is in nobody's table and is only counted: what it
is of cannot be seen.
"""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

from ocitool.executor import kernel
from ocitool.model.numbers import KIB
from ocitool.values import dataclass, field

_BLOCK: Final = 512
_RSS: Final = -2
"""The column of /proc/sysvipc/shm with resident bytes, from the end."""


@dataclass(slots=True)
class Held:
    """`unnamed` are bytes of files without a name by (device, inode), `in_flight` descriptors inside of sockets."""

    unnamed: dict[tuple[int, int], int] = field(default_factory=dict)
    in_flight: int = 0

    def on(self, devices: Collection[int]) -> int:
        """Bytes of the files without a name that lie on these devices."""
        return sum(size for (device, _), size in self.unnamed.items() if device in devices)

    def beside(self, devices: Collection[int]) -> int:
        """Bytes of those that lie on others."""
        return sum(self.unnamed.values()) - self.on(devices)


def others() -> Iterator[str]:
    """The folders in /proc of all processes of the namespace but the first."""
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            yield f"/proc/{name}"


def held() -> Held:
    """What all processes but the first hold open, or run, without a name."""
    found = Held()
    for process in others():
        with suppress(OSError):
            _note(found, os.stat(f"{process}/exe"))
        # Threads may have descriptors of their own.
        for task in _names(f"{process}/task"):
            folder = f"{process}/task/{task}"
            for descriptor in _names(f"{folder}/fd"):
                with suppress(OSError):
                    status = os.stat(f"{folder}/fd/{descriptor}")
                    _note(found, status)
                    if stat.S_ISSOCK(status.st_mode):
                        found.in_flight += _in_flight(f"{folder}/fdinfo/{descriptor}")
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _note(found: Held, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode) and not status.st_nlink:
        found.unnamed[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK


def _in_flight(path: str) -> int:
    """How many descriptors wait in a socket (proc(5), scm_fds)."""
    with open(path, "rb") as file:
        for line in file.read(4096).splitlines():
            if line.startswith(b"scm_fds:"):
                return int(line.split()[1])
    return 0


def has_deleted_mapping(beside: Collection[int]) -> bool:
    """Whether a process has a file without a name mapped that lies on other devices; its size cannot be seen."""
    numbers = {f"{os.major(device):02x}:{os.minor(device):02x}" for device in beside}
    return any(_maps_deleted(process, numbers) for process in others())


def _maps_deleted(process: str, beside: Collection[str]) -> bool:
    """Whether a process does so, by its folder; devices as the file `maps` there writes them."""
    try:
        with open(f"{process}/maps", encoding="utf-8", errors="replace") as file:
            deleted = (line for line in file if line.endswith(" (deleted)\n"))
            return any(line.split(maxsplit=5)[3] not in beside for line in deleted)
    except OSError:
        return False


def memory_device() -> int:
    """The device of memory files, and of memory that processes share without a name."""
    file = os.memfd_create("device")
    try:
        return os.fstat(file).st_dev
    finally:
        os.close(file)


def memory_devices() -> frozenset[int]:
    """That one, and those of each tmpfs that the processes have mounted."""
    found, seen = {memory_device()}, set()
    for process in others():
        with suppress(OSError, ValueError):
            namespace = os.stat(f"{process}/ns/mnt").st_ino
            if namespace in seen:
                continue
            seen.add(namespace)
            with open(f"{process}/mountinfo", encoding="utf-8", errors="replace") as file:
                for line in file:
                    before, _, after = line.partition(" - ")
                    if after.startswith("tmpfs "):
                        found.add(os.makedev(*map(int, before.split()[2].split(":"))))
    return frozenset(found)


def resident() -> tuple[int, int, int]:
    """(How many processes, bytes of their own memory, and of memory they share), the first process aside.

    What several share counts for each.
    """
    count = own = shared = 0
    for process in others():
        with suppress(OSError, IndexError, ValueError), open(f"{process}/status", "rb") as file:
            lines = dict(line.split(b":", 1) for line in file.read().splitlines())
            count += 1
            own += int(lines.get(b"RssAnon", b"0").split()[0]) * KIB
            shared += int(lines.get(b"RssShmem", b"0").split()[0]) * KIB
    return count, own, shared


def shared_in_parts() -> int:
    """Bytes of memory that processes share, each counted once; it costs time by the number of pages."""
    size = 0
    for process in others():
        with suppress(OSError, IndexError, ValueError), open(f"{process}/smaps_rollup", "rb") as file:
            for line in file.read().splitlines():
                if line.startswith(b"Pss_Shmem:"):
                    size += int(line.split()[1]) * KIB
    return size


def segments() -> int:
    """Bytes of System V's shared memory in the IPC namespace of this process, attached or not."""
    size = 0
    with suppress(OSError, IndexError, ValueError), open("/proc/sysvipc/shm", "rb") as file:
        for line in file.read().splitlines()[1:]:
            size += int(line.split()[_RSS])
    return size


def follow_ipc() -> bool:
    """Enter the IPC namespace that a command has; whether there is one yet."""
    own = os.stat("/proc/self/ns/ipc").st_ino
    for process in others():
        with suppress(OSError):
            if os.stat(f"{process}/ns/ipc").st_ino != own:
                file = os.open(f"{process}/ns/ipc", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    kernel.enter(file, kernel.NEW_IPC)
                finally:
                    os.close(file)
                return True
    return False


def all_shared_memory() -> int:
    """Bytes of memory files and tmpfs of this whole machine."""
    size = 0
    with suppress(OSError, IndexError, ValueError), open("/proc/meminfo", "rb") as file:
        lines = dict(line.split(b":", 1) for line in file.read().splitlines())
        size = int(lines.get(b"Shmem", b"0").split()[0]) * KIB
    return size
