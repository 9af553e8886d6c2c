"""The merged file system of an image in a directory, and never outside it.

The directory is new or empty and all paths in it are those of the merged tree, whose directories are real
ones. Files are created, never opened; symbolic links are made after all files, so nothing is written through
one, whatever they say (K154); their text is kept as it is (K155).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ocitool.codec.tar_reader import TarMember
from ocitool.errors import LocalIOError, MalformedDocument, UsageError, local_io
from ocitool.model.files import name_bytes
from ocitool.model.views import Manifest
from ocitool.rootfs.extract import Contents, kept_xattrs, members
from ocitool.rootfs.tree import Node, Tree
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from ocitool.values import dataclass

_CAPABILITY: Final = "security.capability"
_LAST_ID: Final = 2**32 - 2  # the one above means "leave it" to chown
_LAST_SECOND: Final = 2**34 - 1  # what ext4 can hold


@dataclass(frozen=True, slots=True)
class Folder:
    """What was written. `without_xattrs` are the files some of whose extended attributes were not kept."""

    without_xattrs: tuple[str, ...] = ()


def export_folder(
    store: Reader, manifest: Manifest, tree: Tree, what: Contents, target: Path, *, scope: Scope
) -> Folder:
    """Write what is exported into `target`, which is made, or is an empty directory.

    Owners, setuid and setgid bits are kept for root alone; holes of sparse files stay holes. Raises UsageError
    for a target that is something else, LocalIOError, and what `extract.members` raises; after an error
    nothing of ours is left in `target`.
    """
    with _empty(target) as made:
        writer = _Writer(tree, os.fsencode(made))
        for path in what.directories:
            writer.directory(path)
        for (first, *others), member in members(store, manifest, what, scope=scope):
            writer.file(first, member, scope)
            for other in others:
                writer.name(first, other)
        for path in what.special:
            writer.pipe(path)
        for path in what.links:
            writer.link(path)
        for path in reversed(what.directories):
            writer.finish(path)
    return Folder(tuple(writer.without_xattrs))


@contextmanager
def _empty(target: Path) -> Iterator[Path]:
    """The target, empty; emptied again, or removed if it was not there, when the block fails."""
    is_new = not os.path.lexists(target)
    try:
        if is_new:
            target.mkdir()
        elif not target.is_dir():
            raise UsageError(
                f"{target} is no directory", hint="name a new directory, or a file that ends with .tar"
            )
        elif any(target.iterdir()):
            raise UsageError(f"{target} is not empty", hint="name a new directory")
    except OSError as error:
        raise local_io(error, f"write into {target}") from error
    try:
        yield target
    except BaseException:
        _remove_all(os.fsencode(target))
        if is_new:
            with suppress(OSError):
                target.rmdir()
        raise


def _remove_all(root: bytes) -> None:
    """Remove what is in a directory, however deep (K241), and also where directories are closed to us."""
    todo, folders = [root], []
    while todo:
        here = todo.pop()
        with suppress(OSError):
            if here != root:
                os.chmod(here, 0o700)
            with os.scandir(here) as listing:
                items = list(listing)
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    todo.append(item.path)
                    folders.append(item.path)
                else:
                    with suppress(OSError):
                        os.unlink(item.path)
    for folder in reversed(folders):
        with suppress(OSError):
            os.rmdir(folder)


class _Writer:
    """Makes files below `root`, a directory that nobody else writes into."""

    def __init__(self, tree: Tree, root: bytes) -> None:
        self._tree = tree
        self._root = root
        self._is_root = os.geteuid() == 0
        self.without_xattrs: list[str] = []

    def directory(self, path: str) -> None:
        """Make it, open to us until `finish`."""
        with self._making(path):
            os.mkdir(self._at(path), 0o700)

    def file(self, path: str, member: TarMember, scope: Scope) -> None:
        with self._making(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(self._at(path), flags, 0o600)
            try:
                at = 0
                for start, piece in member.chunks():
                    scope.check()
                    if start != at:
                        os.lseek(file, start, os.SEEK_SET)
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[os.write(file, rest) :]
                    at = start + len(piece)
                if at != member.size:
                    os.ftruncate(file, member.size)
                self._dress(path, self._tree.node(path), file)
            finally:
                os.close(file)

    def name(self, first: str, other: str) -> None:
        with self._making(other):
            os.link(self._at(first), self._at(other), follow_symlinks=False)

    def pipe(self, path: str) -> None:
        with self._making(path):
            os.mkfifo(self._at(path), 0o600)
            self._dress(path, self._tree.node(path), self._at(path))

    def link(self, path: str) -> None:
        node = self._tree.node(path)
        with self._making(path):
            os.symlink(name_bytes(node.link), self._at(path))
            if self._is_root:
                os.lchown(self._at(path), *self._owner(path, node))
            os.utime(self._at(path), self._times(node), follow_symlinks=False)

    def finish(self, path: str) -> None:
        """Give a directory its own attributes, when all that it holds is there."""
        with self._making(path):
            self._dress(path, self._tree.node(path), self._at(path))

    def _dress(self, path: str, node: Node, file: int | bytes) -> None:
        """Owner, attributes, mode, times: in this order, for chown clears bits and capabilities."""
        mode = node.mode
        if self._is_root:
            os.chown(file, *self._owner(path, node))
        elif mode & (stat.S_ISUID | stat.S_ISGID):
            mode &= ~(stat.S_ISUID | stat.S_ISGID)  # they would be those of another user than meant
        for key, value in kept_xattrs(node):
            # Labels and policies of another system are not for this one.
            is_kept = key == _CAPABILITY or key.startswith("user.")
            try:
                if is_kept:
                    os.setxattr(file, name_bytes(key), value)
            except (OSError, ValueError):
                is_kept = False
            if not is_kept:
                self.without_xattrs.append(path)
        os.chmod(file, mode)
        os.utime(file, self._times(node))

    def _owner(self, path: str, node: Node) -> tuple[int, int]:
        if max(node.uid, node.gid) > _LAST_ID:
            raise MalformedDocument(f"/{path} belongs to {node.uid}:{node.gid}, which no system has")
        return node.uid, node.gid

    def _times(self, node: Node) -> tuple[int, int]:
        second = min(max(node.mtime, 0), _LAST_SECOND)
        return second, second

    def _at(self, path: str) -> bytes:
        return self._root + b"/" + name_bytes(path)

    @contextmanager
    def _making(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = f"{os.fsdecode(self._root)}/{path}"
            if isinstance(error, FileExistsError):
                raise LocalIOError(
                    f"cannot write {where}: this file system takes it for the same as another name", path=where
                ) from error
            raise local_io(OSError(error.errno, error.strerror), f"write {where}") from error
