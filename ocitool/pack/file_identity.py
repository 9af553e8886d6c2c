"""Whether a file is the very one that was read before, told by what the file system says of it.

A stamp is (device, inode, size, modification time, change time), times in ns. A file with the same stamp has the
same content if two things hold: the stamp was *settled* when the content was read, so that any later write got
a later time; and the times come from this machine's clock. A server's clock may lag behind, and then "settled"
says nothing; files of network and pass-through file systems are therefore read every time.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
# fmt: off
_FOREIGN: Final = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
))
# fmt: on
"""File systems whose times somebody else's clock may have given."""


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """What of a file's status changes with its content or with the file behind the name."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_settled(newest_ns: int, taken_ns: int) -> bool:
    """Whether every later change of files with these stamps would show in them.

    `newest_ns` is the latest time in the stamps, `taken_ns` the clock when they were read. File times move in
    the steps of the kernel's clock, 4 to 10 ms, or whole seconds on some file systems: a file that changed in
    the very step of the look could change again and keep its times.
    """
    step = 2_000_000_000 if newest_ns % 1_000_000_000 == 0 else 100_000_000
    return newest_ns + step < taken_ns


def foreign_devices(mounts: str | None = None) -> frozenset[int]:
    """The devices of mounted file systems whose times may come from another machine's clock.

    `mounts` is the text of /proc/self/mountinfo, read if not given; nothing is known where there is none, and
    local file systems are what is left there.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return frozenset()
    found = set()
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        words = before.split()
        if dash and len(words) > 2 and after.partition(" ")[0].partition(".")[0] in _FOREIGN:
            major, _, minor = words[2].partition(":")
            if major.isdigit() and minor.isdigit():
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)


def has_foreign_clock(devices: Iterable[int], foreign: frozenset[int] | None = None) -> bool:
    """Whether any of the devices may take its times from another machine's clock."""
    return not set(devices).isdisjoint(foreign_devices() if foreign is None else foreign)
