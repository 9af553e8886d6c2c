"""A folder that pulled files go into, and never out of: no link is followed, whoever put it there.

Every directory on the way to a file is opened by its own name in the one above it, and has to be a directory; a
file is written under a new name and renamed, so that what stood there is replaced and never written through.
"""

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from ocitool.codec.tar_reader import TarMember
from ocitool.errors import EscapingPath, LocalIOError, MalformedDocument, local_io
from ocitool.model.files import FileKind, clean, name_bytes, parent, to_system
from ocitool.model.printable import shown
from ocitool.tasks import Scope


def inside(title: str) -> str:
    """A title as a path in the folder. Raises EscapingPath for one that leads out of it or names nothing."""
    path = None if title.startswith("/") else clean(title)
    if not path or "\\" in title.partition("/")[0][:3]:  # C:\ means the root on other systems
        raise EscapingPath(
            f"a title that is no path in a folder: {shown(title)[:200]!r}",
            hint="nothing was written; whoever pushed it has to name its files otherwise",
        )
    return path


class PullFolder:
    """An open folder; close it, or leave its block. Safe from several threads."""

    def __init__(self, root: Path) -> None:
        """Make it if it is not there. Raises LocalIOError."""
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise local_io(error, f"write into {root}") from error
        self._made: set[str] = set()

    def __enter__(self) -> "PullFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        os.close(self._root)

    def has(self, path: str) -> bool:
        """Whether anything stands there, a link that leads nowhere too. Raises EscapingPath, LocalIOError."""
        if not os.path.lexists(self.root / to_system(parent(path))):
            return False
        with self._at(path) as (folder, name):
            return _exists(name, folder)

    def write(self, path: str, pieces: Iterable[bytes], *, is_executable: bool = False) -> None:
        """Let the file hold these bytes; whole, or as it was. Raises EscapingPath, LocalIOError."""
        with self._at(path) as (folder, name):
            temporary = b".%s.ocitool-%s" % (name[:200], secrets.token_hex(4).encode())
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(temporary, flags, 0o777 if is_executable else 0o666, dir_fd=folder)
            try:
                try:
                    for piece in pieces:
                        rest = memoryview(piece)
                        while rest:
                            rest = rest[os.write(file, rest) :]
                finally:
                    os.close(file)
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
        self._made.add(path)

    def unpack(self, members: Iterable[TarMember], below: str, scope: Scope) -> None:
        """Write the files of a tar, all of which have to stand at or below the path `below`.

        Owners and times are not kept, of the permissions only whether it is a program. Raises EscapingPath for a
        member, link or hard link that leads out, MalformedDocument for a device or pipe.
        """
        for member in members:
            scope.check()
            path = member.path
            if not path and member.kind is FileKind.DIRECTORY:
                continue
            if path != below and not path.startswith(f"{below}/"):
                raise EscapingPath(
                    f"a packed directory {shown(below)} has a file {shown(path)[:200]!r} beside itself"
                )
            match member.kind:
                case FileKind.DIRECTORY:
                    with self._at(f"{path}/."):
                        pass
                case FileKind.FILE:
                    self.write(path, scope.pieces(member.pieces()), is_executable=bool(member.mode & 0o100))
                case FileKind.SYMLINK:
                    self._link(path, member.link)
                case FileKind.HARDLINK:
                    self._name(path, member.link)
                case _:
                    raise MalformedDocument(f"{shown(path)[:200]} is a device or pipe, and no file of an artifact")

    def _link(self, path: str, target: str) -> None:
        """Make a symbolic link. Its way up has to end in the folder, and lead no further up after going down."""
        parts = [part for part in target.split("/") if part not in ("", ".")]
        up = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
        if target.startswith("/") or ".." in parts[up:] or up > path.count("/"):
            raise EscapingPath(f"{shown(path)[:200]} is a link that leads out: {shown(target)[:200]!r}")
        with self._at(path) as (folder, name):
            if _exists(name, folder):
                os.unlink(name, dir_fd=folder)
            os.symlink(name_bytes(target), name, dir_fd=folder)

    def _name(self, path: str, target: str) -> None:
        """Give a file that was written here another name."""
        if target not in self._made:
            raise EscapingPath(
                f"{shown(path)[:200]} is another name of {shown(target)[:200]!r}, which is no file of it"
            )
        with self._at(target) as (source, old), self._at(path) as (folder, name):
            if not stat.S_ISREG(os.stat(old, dir_fd=source, follow_symlinks=False).st_mode):
                raise EscapingPath(f"{shown(target)[:200]} was replaced while it was written")
            if path == target:
                return
            if _exists(name, folder):
                os.unlink(name, dir_fd=folder)
            os.link(old, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        self._made.add(path)

    @contextmanager
    def _at(self, path: str) -> Iterator[tuple[int, bytes]]:
        """The open directory that a path stands in, made where it is missing, and the last name."""
        *above, name = name_bytes(path).split(b"/")
        folder = os.dup(self._root)
        try:
            for part in above:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o777, dir_fd=folder)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                inner = os.open(part, flags, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder, name
        except OSError as error:
            raise self._told(path, error) from error
        finally:
            os.close(folder)

    def _told(self, path: str, error: OSError) -> LocalIOError | EscapingPath:
        at = Path(self.root)
        for part in parent(path).split("/"):
            at /= os.fsdecode(name_bytes(part))
            if at.is_symlink():
                return EscapingPath(
                    f"{shown(path)[:200]} would be written through the link {at}",
                    hint="remove the link, or pull into another folder",
                )
        return local_io(OSError(error.errno, error.strerror), f"write {self.root}/{shown(path)[:200]}")


def _exists(name: bytes, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
