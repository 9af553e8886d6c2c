"""The changes a command made, as a tar: the upper folder of an overlay read back, compared with the tree below.

As BuildKit reads it: what was removed is a whiteout each, also where a folder was replaced as a whole; a file that
was only copied up, its bytes and attributes the same, is left out; a folder is there where it changed, and where
something in it did. The order is that of names as bytes, depth first. Sockets and devices are left out.
Spec: image-spec layer.md, "Representing Changes".
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Final

from ocitool.errors import BuildError
from ocitool.executor.unpack import CAPABILITY, OPAQUE_ATTRIBUTE, OVERLAY
from ocitool.model.files import FileKind, name_bytes, name_text
from ocitool.model.numbers import KIB
from ocitool.pack.entries import Entry, whiteout
from ocitool.pack.tar import BLOCK, entry_header
from ocitool.values import dataclass, field, replace

PIECE: Final = 256 * KIB
_FOREVER: Final = 2**62
_KINDS: Final = {
    stat.S_IFREG: FileKind.FILE,
    stat.S_IFDIR: FileKind.DIRECTORY,
    stat.S_IFLNK: FileKind.SYMLINK,
    stat.S_IFIFO: FileKind.FIFO,
}

Links = dict[tuple[int, int], str]
"""The paths of files with several names, by device and inode."""
Owner = Callable[[str, os.stat_result, bool], tuple[int, int]]
"""The owner to write of a file: its path, its status, and whether the tree below has one of its kind there."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One file of the upper folder that goes into the tar: with its bytes, or as a link to an earlier one."""

    path: str
    status: os.stat_result
    has_below: bool
    link: str = ""


@dataclass(frozen=True, slots=True)
class ChangeTar:
    """The tar that was written: its digest and size, and whether there is nothing in it."""

    key: str
    size: int
    is_empty: bool


def write_changes(
    upper: str,
    below: str,
    file: IO[bytes],
    owner: Owner,
    *,
    epoch: int | None = None,
    limit: int = _FOREVER,
    stubs: Sequence[str] = (),
) -> ChangeTar:
    """Write the tar of what the folder `upper` holds over the mounted tree `below` into `file`.

    `stubs` are paths that were made only to mount something there: they are left out where nothing was put into
    them. With `epoch` no time is later. Nobody may write into `upper` any more; what is in it is then what
    unpacking the tar would give. Changes the working directory to `upper`. Raises BuildError for what no layer can
    hold and for more than `limit` bytes of it.
    """
    os.chdir(upper)
    _remove_stubs(stubs)
    digest, size, is_empty = hashlib.sha256(), 0, True
    links: Links = {}
    rest = _Rest()
    folders: list[tuple[str, int]] = []
    try:
        for item in _walk("", below, rest, has_below=True):
            is_empty = False
            if isinstance(item, Changed) and stat.S_ISDIR(item.status.st_mode):
                folders.append((item.path, item.status.st_mtime_ns))
            for piece in _item(item, owner, links, epoch):
                digest.update(piece)
                size += len(piece)
                if size > limit:
                    raise BuildError(f"the command wrote more than {limit} bytes of files")
                _write(file, piece)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise BuildError("the command made a path that is longer than an image can hold") from error
        raise
    end = bytes(2 * BLOCK)
    digest.update(end)
    file.write(end)
    file.truncate()
    rest.settle()
    latest = _FOREVER if epoch is None else epoch * 1_000_000_000
    for path, mtime_ns in reversed(folders):
        os.utime(name_bytes(path), ns=(min(mtime_ns, latest),) * 2)
    return ChangeTar(f"sha256:{digest.hexdigest()}", size + len(end), is_empty)


@dataclass(slots=True)
class _Rest:
    """What the upper folder holds and no layer tells, or tells in another way; it must not show in another tree."""

    left_out: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Remove it, and hide by name what whole folders hid."""
        for path in self.left_out:
            os.unlink(name_bytes(path))
        for path in self.hidden:
            os.mknod(name_bytes(path), stat.S_IFCHR, 0)
        for path in self.opaque:
            os.removexattr(name_bytes(path), OPAQUE_ATTRIBUTE)
        for path in self.folders:
            os.rmdir(name_bytes(path))


def _write(file: IO[bytes], piece: bytes) -> None:
    """Write a piece; long rows of zeros become a hole."""
    if len(piece) >= PIECE and piece.count(0) == len(piece):
        file.seek(len(piece), os.SEEK_CUR)
    else:
        file.write(piece)


def _item(item: Changed | str, owner: Owner, links: Links, epoch: int | None) -> Iterator[bytes]:
    """The bytes of one entry; a string is the path of what was removed."""
    latest = _FOREVER if epoch is None else epoch
    if isinstance(item, str):
        yield entry_header(replace(whiteout(item), mtime=0), latest)
        return
    path, status = item.path, item.status
    if epoch is not None and status.st_mtime_ns > epoch * 1_000_000_000:
        os.utime(name_bytes(path), ns=(epoch * 1_000_000_000,) * 2, follow_symlinks=False)
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    link = os.readlink(name_bytes(path)) if kind is FileKind.SYMLINK else b""
    inode = (status.st_dev, status.st_ino)
    if kind is not FileKind.DIRECTORY and status.st_nlink > 1:
        if inode in links:
            kind, link = FileKind.HARDLINK, name_bytes(links[inode])
        else:
            links[inode] = path
    uid, gid = owner(path, status, item.has_below)
    content = _Open(path, status.st_size) if kind is FileKind.FILE else None
    mode, mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime_ns // 1_000_000_000)
    xattrs = () if kind is FileKind.HARDLINK else _xattrs(name_bytes(path))
    entry = Entry(path, kind, mode, uid, gid, mtime, content, name_text(link), xattrs)
    yield entry_header(entry, latest)
    if content is not None:
        yield from content.pieces()
        yield bytes(-content.size % BLOCK)


@dataclass(frozen=True, slots=True)
class _Open:
    """The bytes of a file of the current folder."""

    path: str
    size: int
    stamp: None = None
    identity: str = ""

    def pieces(self) -> Iterator[bytes]:
        descriptor = os.open(name_bytes(self.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb", buffering=0) as file:
            left = self.size
            while left:
                piece = file.read(min(left, PIECE))
                if not piece:
                    raise BuildError(f"/{self.path[:200]} was changed after the command had ended")
                left -= len(piece)
                yield piece


def _walk(folder: str, below: str, rest: _Rest, *, has_below: bool) -> Iterator[Changed | str]:
    """What changed below a folder that is there in `upper`; folders above a change come before it.

    `has_below` says that the tree below has a folder there that shows through.
    """
    # A stack of iterators instead of recursion: folders may be nested deeper than Python's calls.
    todo = [_names(folder, below, rest, has_below=has_below)]
    pending: list[Changed | None] = [None]
    while todo:
        step = next(todo[-1], None)
        if step is None:
            todo.pop()
            unchanged = pending.pop()
            if unchanged is not None:
                rest.folders.append(unchanged.path)
            continue
        item, is_changed, inner = step
        if is_changed:
            for number, above in enumerate(pending):
                if above is not None:
                    yield above
                    pending[number] = None
            yield item
        if inner is not None:
            todo.append(inner)
            pending.append(None if is_changed or not isinstance(item, Changed) else item)


_Step = tuple[Changed | str, bool, "Iterator[_Step] | None"]


def _names(folder: str, below: str, rest: _Rest, *, has_below: bool) -> "Iterator[_Step]":
    """For each name in a folder: what it is, whether it changed, and what is in it."""
    here = name_bytes(folder) or b"."
    is_opaque = bool(folder) and _xattr(here, OPAQUE_ATTRIBUTE) == b"y"
    if is_opaque:
        rest.opaque.append(folder)
    ours = set(os.listdir(here))
    theirs = set(os.listdir(_at(below, folder))) if is_opaque and has_below else set()
    for name in sorted(ours | theirs):
        text = name_text(name)
        path = f"{folder}/{text}" if folder else text
        if name not in ours:
            rest.hidden.append(path)
            yield path, True, None
            continue
        status = os.lstat(name_bytes(path))
        old = _status(_at(below, path)) if has_below else None
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFCHR and old is not None and status.st_rdev == 0:
            yield path, True, None
            continue
        if kind not in _KINDS:
            rest.left_out.append(path)
            continue
        is_same_kind = old is not None and stat.S_IFMT(old.st_mode) == kind
        found = Changed(path, status, is_same_kind)
        is_changed = old is None or not _is_same(path, status, _at(below, path), old)
        inner = _names(path, below, rest, has_below=is_same_kind) if kind == stat.S_IFDIR else None
        if not is_changed and inner is None:
            rest.left_out.append(path)
        yield found, is_changed, inner


def _is_same(path: str, status: os.stat_result, lower: bytes, old: os.stat_result) -> bool:
    """Whether nothing that a layer tells is other than below; times of folders do not count."""
    if (status.st_mode, status.st_uid, status.st_gid) != (old.st_mode, old.st_uid, old.st_gid):
        return False
    here = name_bytes(path)
    if _xattrs(here) != _xattrs(lower):
        return False
    if stat.S_ISDIR(status.st_mode):
        return True
    if status.st_size != old.st_size or status.st_mtime_ns != old.st_mtime_ns:
        return False
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(here) == os.readlink(lower)
    return not stat.S_ISREG(status.st_mode) or _have_same_bytes(here, lower)


def _have_same_bytes(here: bytes, lower: bytes) -> bool:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    one, two = os.open(here, flags), os.open(lower, flags)
    with open(one, "rb", buffering=0) as ours, open(two, "rb", buffering=0) as theirs:
        while True:
            pieces = ours.read(PIECE), theirs.read(PIECE)
            if pieces[0] != pieces[1] or not pieces[0]:
                return pieces[0] == pieces[1]


def _remove_stubs(stubs: Sequence[str]) -> None:
    """Remove what was made for mounts and holds nothing, deepest first; the times of folders around stay."""
    for path in sorted(stubs, reverse=True):
        where = name_bytes(path)
        above = os.path.dirname(where) or b"."
        with suppress(OSError):
            status, around = os.lstat(where), os.stat(above)
            if stat.S_ISDIR(status.st_mode):
                os.rmdir(where)
            elif stat.S_ISREG(status.st_mode) and not status.st_size:
                os.unlink(where)
            os.utime(above, ns=(around.st_atime_ns, around.st_mtime_ns))


def _xattrs(path: bytes) -> tuple[tuple[str, bytes], ...]:
    """The attributes that a layer tells: capabilities, and those of users but for the overlay's own."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return ()
    found = []
    for name in sorted(names):
        if name == CAPABILITY or (name.startswith("user.") and not name.startswith(OVERLAY)):
            value = _xattr(path, name)
            if value is not None:
                found.append((name, value))
    return tuple(found)


def _xattr(path: bytes, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return None


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _at(below: str, path: str) -> bytes:
    return os.fsencode(below) + b"/" + name_bytes(path)
