"""Persistent folders of `RUN --mount=type=cache`: one for each name, shared, private or locked.

caches/<hash of the name>/<number>      a folder; `private` takes the first that nobody holds
caches/<hash of the name>/<number>.lock
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ocitool.executor.removal import remove_tree
from ocitool.executor.stack import Stacks


def cache_folder(mount: dict[str, Any], stacks: Stacks, locks: list[int], source: Callable[[], str]) -> str:
    """The folder of a cache mount, made if it is new; `locks` gets what keeps others out while it is open.

    `source` gives the path of what a new one begins with. Waits for others where it is locked. Raises OSError.
    """
    name = hashlib.sha256(mount["cache"].encode("utf-8", "surrogateescape")).hexdigest()
    top = f"{stacks.root}/caches/{name}"
    os.makedirs(top, 0o700, exist_ok=True)
    number = 0
    while True:
        lock = os.open(f"{top}/{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        how = {"shared": fcntl.LOCK_SH, "locked": fcntl.LOCK_EX, "private": fcntl.LOCK_EX | fcntl.LOCK_NB}
        try:
            fcntl.flock(lock, how[mount["sharing"]])
        except BlockingIOError:
            os.close(lock)
            number += 1
            continue
        locks.append(lock)
        folder = f"{top}/{number}"
        if not os.path.isdir(folder):
            _make(folder, mount, stacks, source() if mount["layers"] else "")
        return folder


def release(locks: list[int]) -> None:
    """Let others have the caches, also where a process that is ending still has the files of the locks."""
    for lock in locks:
        fcntl.flock(lock, fcntl.LOCK_UN)


def _make(folder: str, mount: dict[str, Any], stacks: Stacks, source: str) -> None:
    """Make a new folder whole, or not at all; somebody else may be as fast.

    What begins with another folder has that one's owner and mode, where the mount says none.
    """
    new = f"{folder}.{secrets.token_hex(8)}"
    os.mkdir(new, 0o700)
    try:
        uid, gid, mode = mount["uid"], mount["gid"], mount["mode"]
        if source and os.path.isdir(source):
            _copy(source, new, is_single=stacks.is_single)
            if (uid, gid, mode) == (0, 0, 0o755):
                first = os.stat(source)
                uid, gid, mode = first.st_uid, first.st_gid, stat.S_IMODE(first.st_mode)
        if not stacks.is_single:
            os.chown(new, uid, gid)
        os.chmod(new, mode)
        os.rename(new, folder)
    except OSError:
        with suppress(OSError):
            remove_tree(new)
        if not os.path.isdir(folder):
            raise


def _copy(source: str, target: str, *, is_single: bool) -> None:
    """Copy what is in a folder, with owners, modes and times; devices and sockets are left out."""
    todo = [""]
    while todo:
        folder = todo.pop()
        for name in os.listdir(f"{source}/{folder}"):
            path = f"{folder}/{name}"
            one, two = f"{source}{path}", f"{target}{path}"
            status = os.lstat(one)
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(two)
                todo.append(path)
            elif stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink(one), two)
            elif stat.S_ISREG(status.st_mode):
                shutil.copyfile(one, two, follow_symlinks=False)
            else:
                continue
            if not is_single:
                os.chown(two, status.st_uid, status.st_gid, follow_symlinks=False)
            if not stat.S_ISLNK(status.st_mode):
                os.chmod(two, stat.S_IMODE(status.st_mode))
            os.utime(two, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
