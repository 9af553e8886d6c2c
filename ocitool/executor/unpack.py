"""A layer's tar as a lower folder of overlayfs, written by root inside a user namespace.

Every folder that is written into is one that this module made in a place of its own, so nothing is written
through a link. OCI whiteouts become overlayfs's own: a character device 0:0, and `user.overlay.opaque`. What a
layer needs of those below it (folders that it does not name itself, links on the way, targets of hard links) is
taken from `base`.
Spec: image-spec layer.md; Documentation/filesystems/overlayfs.rst of Linux.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from ocitool.codec.tar_reader import TarMember, read_members
from ocitool.errors import MalformedDocument, OcitoolError, Unsupported
from ocitool.executor.kernel import open_in_root
from ocitool.model.files import MAX_LINKS, OPAQUE, WHITEOUT, FileKind, name_bytes, name_text, parent
from ocitool.model.numbers import KIB
from ocitool.values import dataclass, field

OPAQUE_ATTRIBUTE: Final = "user.overlay.opaque"
OVERLAY: Final = "user.overlay."
CAPABILITY: Final = "security.capability"
_LAST_SECOND: Final = 2**34 - 1  # what ext4 can hold


@dataclass(frozen=True, slots=True)
class Attributes:
    """Those of a folder that are set when all that is in it is there."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int


@dataclass(slots=True)
class Unpacked:
    """What is known of an unpacked layer beside its files.

    `root` are the attributes it gives the root, if any. `owners` are those that could not be given to files.
    `has_borrowed` says that it needed what is below it, so that its folder fits this one tree alone.
    """

    root: Attributes | None = None
    is_empty: bool = True
    has_borrowed: bool = False
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)


def unpack(pieces: Iterable[bytes], target: str, base: Callable[[], int | None], *, is_single: bool) -> Unpacked:
    """Write a tar into the new folder `target`. `base` gives a descriptor of the tree below, None for no tree.

    Changes the working directory. Raises MalformedDocument, Unsupported for an owner beyond the namespace's range,
    OSError.
    """
    os.mkdir(target, 0o755)
    os.chdir(target)
    unpacker = _Unpacker(base, is_single=is_single)
    for member in read_members(pieces):
        try:
            unpacker.add(member)
        except OcitoolError:
            raise
        except OSError as error:
            if error.errno in {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR}:
                raise MalformedDocument(
                    f"/{member.path[:200]} cannot be made: {os.strerror(error.errno)}"
                ) from error
            raise
    unpacker.finish()
    return unpacker.unpacked


class _Unpacker:
    """Works in the current folder. `_folders` are the real folders of this layer, by their real paths."""

    def __init__(self, base: Callable[[], int | None], *, is_single: bool) -> None:
        self._base_of = base
        self._is_single = is_single
        self.unpacked = Unpacked()
        self._folders: dict[str, Attributes | None] = {"": None}
        self._links: dict[str, str] = {}
        self._whiteouts: list[str] = []

    def add(self, member: TarMember) -> None:
        """Make one member, in place of what has its name."""
        above, _, name = member.path.rpartition("/")
        if f"/{above}".find(f"/{WHITEOUT}") >= 0:
            return
        self.unpacked.is_empty &= not member.path
        if not member.path:
            if member.kind is FileKind.DIRECTORY:
                self.unpacked.root = self._folders[""] = self._attributes(member, "")
            return
        folder = self._enter(above)
        if name.startswith(WHITEOUT):
            self._hide(folder, name)
            return
        path = f"{folder}/{name}" if folder else name
        if member.kind is FileKind.DIRECTORY:
            self._make_folder(path, self._attributes(member, path))
            self._set_xattrs(path, member)
            return
        source = self._source(member, path) if member.kind is FileKind.HARDLINK else ""
        if source == path:
            return
        self._clear(path)
        if member.kind is FileKind.HARDLINK:
            os.link(name_bytes(source), name_bytes(path), follow_symlinks=False)
            self._own(path, *self.unpacked.owners.get(source, (0, 0)), is_link_only=True)
        elif member.kind is FileKind.SYMLINK:
            os.symlink(name_bytes(member.link), name_bytes(path))
            self._links[path] = member.link
            self._dress(path, member)
        elif member.kind is FileKind.FILE:
            self._write(path, member)
            self._dress(path, member)
        elif member.kind is FileKind.FIFO:
            os.mkfifo(name_bytes(path), 0o600)
            self._dress(path, member)
        # Devices cannot be made in a user namespace; BuildKit leaves them out there as well.

    def finish(self) -> None:
        """Hide what lower layers hold, and give folders their attributes, deepest first."""
        for path in self._whiteouts:
            try:
                os.mknod(name_bytes(path), stat.S_IFCHR, 0)
            except FileExistsError:
                if path in self._folders:
                    os.setxattr(name_bytes(path), OPAQUE_ATTRIBUTE, b"y")
        for path, given in sorted(self._folders.items(), reverse=True):
            if given is not None:
                where = name_bytes(path) or b"."
                if not self._is_single:
                    os.chown(where, given.uid, given.gid)
                os.chmod(where, given.mode)
                os.utime(where, ns=(given.mtime_ns, given.mtime_ns))

    def _hide(self, folder: str, name: str) -> None:
        if name == OPAQUE:
            os.setxattr(name_bytes(folder) or b".", OPAQUE_ATTRIBUTE, b"y")
        elif not name.startswith(WHITEOUT + WHITEOUT) and name != WHITEOUT:
            hidden = name.removeprefix(WHITEOUT)
            if hidden not in {".", ".."}:
                self._whiteouts.append(f"{folder}/{hidden}" if folder else hidden)

    def _enter(self, path: str) -> str:
        """The real path of the folder at `path`, links followed, what is missing made."""
        if path in self._folders:
            return path
        here, links = "", 0
        todo = [part for part in reversed(path.split("/")) if part]
        while todo:
            part = todo.pop()
            if part == "..":
                here = parent(here)
                continue
            at = f"{here}/{part}" if here else part
            if at in self._folders:
                here = at
                continue
            link = self._links.get(at)
            if link is None and not os.path.lexists(name_bytes(at)):
                link = self._borrow(at)
                if link is None:
                    here = at
                    continue
            if link is None:  # a file in the way
                self._make_folder(at, Attributes(0o755, 0, 0, 0))
                here = at
                continue
            links += 1
            if links > MAX_LINKS:
                raise MalformedDocument(f"too many symbolic links on the way to /{path[:200]}")
            here = "" if link.startswith("/") else here
            todo += [step for step in reversed(link.split("/")) if step not in ("", ".")]
        return here

    def _borrow(self, path: str) -> str | None:
        """The text of the link that lower layers have there; else None, and the folder is made as they have it."""
        self.unpacked.has_borrowed = True
        given = Attributes(0o755, 0, 0, 0)
        base = self._base_of()
        if base is not None:
            with suppress(OSError):
                found = open_in_root(base, path, os.O_PATH | os.O_NOFOLLOW)
                try:
                    status = os.fstat(found)
                    if stat.S_ISLNK(status.st_mode):
                        return name_text(os.readlink(b"", dir_fd=found))
                    if stat.S_ISDIR(status.st_mode):
                        mode = stat.S_IMODE(status.st_mode)
                        given = Attributes(mode, status.st_uid, status.st_gid, status.st_mtime_ns)
                finally:
                    os.close(found)
        self._make_folder(path, given)
        return None

    def _source(self, member: TarMember, path: str) -> str:
        """The real path of what a hard link names; a file of a lower layer is copied to the link's own place."""
        above, _, name = member.link.rpartition("/")
        folder = self._enter(above)
        source = f"{folder}/{name}" if folder else name
        if source in self._folders:
            raise MalformedDocument(f"/{path[:200]} is a hard link to a folder")
        if os.path.lexists(name_bytes(source)):
            return source
        self.unpacked.has_borrowed = True
        base = self._base_of()
        try:
            found = (
                open_in_root(base, source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) if base is not None else -1
            )
        except OSError:
            found = -1
        if found < 0 or not stat.S_ISREG(os.fstat(found).st_mode):
            raise MalformedDocument(f"/{path[:200]} is a hard link to /{source[:200]}, which is not there")
        with open(found, "rb") as lower:
            self._clear(source)
            status = os.fstat(found)
            with open(name_bytes(source), "xb") as copy:
                shutil.copyfileobj(lower, copy, 256 * KIB)
            if not self._is_single:
                os.chown(name_bytes(source), status.st_uid, status.st_gid)
            os.chmod(name_bytes(source), stat.S_IMODE(status.st_mode))
            os.utime(name_bytes(source), ns=(status.st_mtime_ns, status.st_mtime_ns))
        return source

    def _make_folder(self, path: str, given: Attributes) -> None:
        if path not in self._folders:
            self._clear(path)
            os.mkdir(name_bytes(path), 0o700)
        self._folders[path] = given
        self._own(path, given.uid, given.gid, is_link_only=True)

    def _clear(self, path: str) -> None:
        """Remove what an earlier member of this layer put there."""
        if path in self._folders:
            shutil.rmtree(name_bytes(path))
            gone = [one for one in self._folders if one == path or one.startswith(path + "/")]
            for one in gone:
                del self._folders[one]
            self._links = {one: link for one, link in self._links.items() if not one.startswith(path + "/")}
            self._whiteouts = [one for one in self._whiteouts if not one.startswith(path + "/")]
        else:
            with suppress(FileNotFoundError):
                os.unlink(name_bytes(path))
            self._links.pop(path, None)
        self.unpacked.owners.pop(path, None)

    def _write(self, path: str, member: TarMember) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name_bytes(path), flags, 0o600), "wb") as file:
            at = 0
            for start, piece in member.chunks():
                if start != at:
                    file.seek(start)
                file.write(piece)
                at = start + len(piece)
            if at != member.size:
                file.truncate(member.size)

    def _dress(self, path: str, member: TarMember) -> None:
        """Owner, attributes, mode, times: in this order, for a new owner clears bits and capabilities."""
        where = name_bytes(path)
        self._own(path, member.uid, member.gid)
        if member.kind is not FileKind.SYMLINK:
            self._set_xattrs(path, member)
            os.chmod(where, member.mode)
        when = _nanoseconds(member.mtime)
        os.utime(where, ns=(when, when), follow_symlinks=False)

    def _own(self, path: str, uid: int, gid: int, *, is_link_only: bool = False) -> None:
        if self._is_single:
            if (uid, gid) != (0, 0):
                self.unpacked.owners[path] = (uid, gid)
        elif not is_link_only:
            self._check_owner(path, uid, gid)
            os.chown(name_bytes(path), uid, gid, follow_symlinks=False)

    def _check_owner(self, path: str, uid: int, gid: int) -> None:
        if not self._is_single and max(uid, gid) >= 65536 and not _is_mapped(uid, gid):
            raise Unsupported(
                f"/{path[:200]} belongs to {uid}:{gid}, which is beyond the subordinate ids of this user",
                ability="run",
                hint="give the user a larger range in /etc/subuid and /etc/subgid",
            )

    def _attributes(self, member: TarMember, path: str) -> Attributes:
        self._check_owner(path, member.uid, member.gid)
        return Attributes(member.mode, member.uid, member.gid, _nanoseconds(member.mtime))

    def _set_xattrs(self, path: str, member: TarMember) -> None:
        for key, value in member.xattrs:
            if key == CAPABILITY or (key.startswith("user.") and not key.startswith(OVERLAY)):
                # A capability that names another namespace's root, or what this file system does not keep.
                with suppress(OSError, ValueError):
                    os.setxattr(name_bytes(path), name_bytes(key), value, follow_symlinks=False)


def _is_mapped(uid: int, gid: int) -> bool:
    for name, number in (("uid", uid), ("gid", gid)):
        with open(f"/proc/self/{name}_map", encoding="ascii") as maps:
            parts = [tuple(map(int, line.split())) for line in maps]
        if not any(inside <= number < inside + count for inside, _, count in parts):
            return False
    return True


def _nanoseconds(second: int) -> int:
    return min(max(second, 0), _LAST_SECOND) * 1_000_000_000
