"""System calls that Python has no name for, by ctypes: namespaces, mounts, and paths that cannot leave a root.

Raises OSError with the errno and what was done, as the functions of `os` do.
"""

import ctypes
import os
import stat
from collections.abc import Callable
from typing import Final

NEW_MOUNTS: Final = 0x0002_0000
NEW_IPC: Final = 0x0800_0000
NEW_USERS: Final = 0x1000_0000
NEW_PROCESSES: Final = 0x2000_0000
NEW_NETWORK: Final = 0x4000_0000

READ_ONLY: Final = 1
NO_SETUID: Final = 2
NO_DEVICES: Final = 4
NO_EXEC: Final = 8
BIND: Final = 4096
RECURSIVE: Final = 16384
PRIVATE: Final = 1 << 18

_DETACH: Final = 2
_PARENT_DEATH_SIGNAL: Final = 1
_DUMPABLE: Final = 4
_OPENAT2: Final = 437  # the same number on every architecture
_IN_ROOT: Final = 0x10
_NO_MAGIC_LINKS: Final = 0x02

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.syscall.restype = ctypes.c_long


def unshare(namespaces: int) -> None:
    """Leave these namespaces for new ones."""
    if _libc.unshare(namespaces):
        raise _error("unshare")


def enter(namespace: int, kind: int) -> None:
    """Take the namespace of a descriptor (setns(2)) in the place of this process's own of that kind."""
    if _libc.setns(namespace, kind):
        raise _error("setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or do what `flags` say, as the system call of this name."""
    encoded = [os.fsencode(text) for text in (source, target, kind, options)]
    if _libc.mount(encoded[0], encoded[1], encoded[2] or None, flags, encoded[3] or None):
        raise _error(f"mount {kind or 'bind'} on {target}")


def bind(source: str, target: str) -> None:
    """Show `source` at `target`."""
    mount(source, target, flags=BIND)


def unmount(target: str) -> None:
    """Take a mount away now; it ends when its last user does."""
    if _libc.umount2(os.fsencode(target), _DETACH):
        raise _error(f"unmount {target}")


def fork(work: Callable[[], object]) -> int:
    """Make a process that does this and ends, with 0 if nothing was raised; its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def die_with_parent(signal: int) -> None:
    """Have this signal sent to this process when the thread that made it ends."""
    _libc.prctl(_PARENT_DEATH_SIGNAL, signal, 0, 0, 0)


def hide_memory(*, is_hidden: bool = True) -> None:
    """Let no process of the same user look into this one's memory, files and namespaces, or let it again."""
    _libc.prctl(_DUMPABLE, int(not is_hidden), 0, 0, 0)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in_root(root: int, path: str, flags: int = os.O_PATH) -> int:
    """A descriptor of `path` in the tree whose root is the folder `root`; no link or `..` leads out of it.

    openat2(2), RESOLVE_IN_ROOT; the caller closes it. O_CLOEXEC is added.
    """
    how = _How(flags | os.O_CLOEXEC, 0, _IN_ROOT | _NO_MAGIC_LINKS)
    name = os.fsencode(path)
    found = int(_libc.syscall(_OPENAT2, root, name, ctypes.byref(how), ctypes.sizeof(how)))
    if found < 0:
        raise _error("open", path)
    return found


def read_in_root(root: int, path: str, limit: int) -> bytes | None:
    """The content of a regular file of at most `limit` bytes in the tree; None for anything else."""
    try:
        file = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        with open(file, "rb", closefd=False) as opened:
            return opened.read(limit)
    finally:
        os.close(file)


def make_in_root(root: int, path: str, *, is_folder: bool) -> tuple[str, list[str]]:
    """(The real path, without a leading slash; the paths that were made for it) of what shall be at `path`.

    Links on the way are followed inside the root, the last one too. Missing folders get mode 0755, a missing file
    0755 and no bytes; times of the folders that were there stay as they are. Raises OSError, ENOTDIR for a file on
    the way.
    """
    made: list[str] = []
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    here = ""
    while todo:
        name = todo.pop()
        if name == "..":
            # `here` has no link in it.
            here = here.rpartition("/")[0]
            continue
        at = f"{here}/{name}" if here else name
        try:
            found = open_in_root(root, at)
        except FileNotFoundError:
            at, new = _make(root, here, name, is_folder=is_folder or bool(todo))
            made += new
            found = open_in_root(root, at, os.O_PATH | os.O_NOFOLLOW)
        here = _real(root, found)
    return here, made


def _make(root: int, folder: str, name: str, *, is_folder: bool) -> tuple[str, list[str]]:
    """Make a folder or file, its name perhaps that of a link to what is not there; its folder's times stay.

    Gives what `make_in_root` gives.
    """
    parent = open_in_root(root, folder or ".", os.O_PATH | os.O_DIRECTORY)
    try:
        try:
            target = os.readlink(name, dir_fd=parent)
        except OSError:
            target = ""
        if target:
            where = target if target.startswith("/") else f"{folder}/{target}"
            return make_in_root(root, where, is_folder=is_folder)
        before = os.stat(f"/proc/self/fd/{parent}")
        if is_folder:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o755, dir_fd=parent))
        os.utime(f"/proc/self/fd/{parent}", ns=(before.st_atime_ns, before.st_mtime_ns))
    finally:
        os.close(parent)
    at = f"{folder}/{name}" if folder else name
    return at, [at]


def _real(root: int, found: int) -> str:
    """The path of an open file below the root; closes it."""
    try:
        top = os.readlink(f"/proc/self/fd/{root}").rstrip("/")
        return os.readlink(f"/proc/self/fd/{found}").removeprefix(top).strip("/")
    finally:
        os.close(found)


def _error(doing: str, path: str = "") -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path or doing)
