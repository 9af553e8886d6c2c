"""Entries of a layer as values, found in directories or named by copy rules.

Nothing of this machine leaks into them: owners are 0:0, modes come from the executable bit and not from
the umask, times are the epoch's, and of the extended attributes only file capabilities are taken.
"""

import os
import re
import stat
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PurePosixPath
from struct import Struct
from sys import intern
from typing import Final, Protocol, runtime_checkable

from ocitool.errors import LocalIOError, NotFound, UsageError, local_io
from ocitool.model.digest import Digest
from ocitool.model.files import (
    MAX_PATH,
    WHITEOUT,
    FileAttributes,
    FileKind,
    FileTree,
    clean,
    from_system,
    name_bytes,
    name_text,
    parent,
    to_system,
)
from ocitool.model.numbers import GIB, KIB
from ocitool.model.platform import Platform
from ocitool.pack.file_identity import stamp_of
from ocitool.pack.file_rows import ROW, FileRows
from ocitool.pack.own_files import OwnFiles
from ocitool.values import dataclass, field, replace

_SIZE: Final = Struct("=Q")
"""The third number of a row."""
_MODES: Final[dict[int, int]] = {}
"""Modes that were met, since most files have one of a few."""
PIECE: Final = 256 * KIB
_CAPABILITY: Final = "security.capability"
_SPARSE_EXCESS: Final = GIB
_SPARSE_RATIO: Final = 8


class Content(Protocol):
    """A file's bytes, which can be read again.

    `stamp` is what the file system says of the file (device, inode, size, times in ns) and changes when the
    content does; None for bytes that are no file of the user's. `identity` stands for the bytes wherever they
    are, as a digest does; empty where only the stamp tells.
    """

    @property
    def size(self) -> int:
        """Bytes that `pieces` yields."""

    @property
    def stamp(self) -> tuple[int, ...] | None:
        """The file's identity, or None."""

    @property
    def identity(self) -> str:
        """What equal bytes alone have in common, or empty."""

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces of at most 256 KiB. Raises LocalIOError."""


@runtime_checkable
class OnDisk(Protocol):
    """Content that is the whole of a file of this machine, so that it can be looked into anywhere."""

    @property
    def path(self) -> Path | str:
        """The file."""


class NoFile:
    """What all content has in common that is no file of the user's."""

    __slots__ = ()

    @property
    def stamp(self) -> None:
        """No file, no stamp."""
        return


@dataclass(frozen=True, slots=True)
class BytesContent(NoFile):
    """Content in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    @property
    def identity(self) -> str:
        """The digest."""
        return str(Digest.of(self.data))

    def pieces(self) -> Iterator[bytes]:
        """The bytes."""
        return (self.data[at : at + PIECE] for at in range(0, len(self.data), PIECE))


class FileContent:
    """A regular file as it is when this object is made; read later, it must still be the same file.

    `pieces` raises LocalIOError if the file was replaced, or its size or modification time changed since. One of
    `rows` has a `number` there and can be made again, equal to this one; any other is equal to itself alone.
    """

    __slots__ = ("_folder", "_held", "_row", "number", "rows")
    identity = ""

    def __init__(self, path: Path | str, status: os.stat_result | None = None) -> None:
        try:
            found = status or Path(path).stat()
        except OSError as error:
            raise local_io(error, f"read {path}") from error
        folder, slash, name = str(path).rpartition("/")
        self._folder = intern(folder + slash)
        self._row = ROW.pack(*stamp_of(found), found.st_mode) + os.fsencode(name)
        self._held: bytes | None = None
        self.rows: FileRows | None = None
        self.number = 0

    @classmethod
    def listed(cls, rows: FileRows, number: int) -> "FileContent":
        """One of many."""
        made = cls.__new__(cls)
        made._folder, made._row, made._held = rows.folder, rows.row(number), None  # noqa: SLF001 - its own
        made.rows, made.number = rows, number
        return made

    def __eq__(self, other: object) -> bool:
        """Whether it is the same look at the same file."""
        if self is other or not isinstance(other, FileContent) or self.rows is None:
            return self is other
        return self.rows is other.rows and self.number == other.number

    def __hash__(self) -> int:
        """Of the look."""
        return id(self) if self.rows is None else hash((id(self.rows), self.number))

    @property
    def path(self) -> str:
        """Where it is."""
        return self._folder + os.fsdecode(self.name)

    @property
    def name(self) -> bytes:
        """What it is called there."""
        return self._row[ROW.size :]

    @property
    def stamp(self) -> tuple[int, ...]:
        """What of the file's status changes with it, as `stamp_of` has it."""
        return ROW.unpack_from(self._row)[:-1]

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return int(_SIZE.unpack_from(self._row, 16)[0])

    @property
    def mode(self) -> int:
        """Its twelve permission bits."""
        mode = int(ROW.unpack_from(self._row)[-1]) & 0o7777
        return _MODES.setdefault(mode, mode)

    @property
    def is_held(self) -> bool:
        """Whether the content is in memory."""
        return self._held is not None or (self.rows is not None and self.rows.held(self.number) is not None)

    def hold(self) -> bytes:
        """The whole content, kept for the next `pieces`: a small file that is looked at first is read once."""
        held = self._held if self._held is not None or self.rows is None else self.rows.held(self.number)
        if held is None:
            held = self._held = b"".join(self.pieces())
        return held

    def pieces(self) -> Generator[bytes, None, None]:
        """Exactly `size` bytes of the file; never follows a link that was put in its place."""
        held, self._held = self._held, None
        if held is None and self.rows is not None:
            held = self.rows.held(self.number, last=True)
        if held is not None:
            yield from (held[at : at + PIECE] for at in range(0, len(held), PIECE))
            return
        path, stamp = self.path, self.stamp[:4]
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if stamp_of(os.fstat(file))[:4] != stamp:
                    raise _changed(path)
                left = self.size
                while left:
                    piece = os.read(file, min(PIECE, left))
                    if not piece:
                        raise _changed(path)
                    left -= len(piece)
                    yield piece
                if stamp_of(os.fstat(file))[:4] != stamp:
                    raise _changed(path)
            finally:
                os.close(file)
        except OSError as error:
            raise local_io(error, f"read {path}") from error


def _changed(path: str) -> LocalIOError:
    return LocalIOError(
        f"{path} changed while it was being packed", path=path, hint="let whatever writes it finish first"
    )


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """Where a file of a build is from: the step that put it there, what it was taken out of, its path in that."""

    step: str
    place: str
    path: str = ""
    is_folder: bool = False

    def of(self, path: str) -> "FileOrigin":
        """That of a file of the folder which this one is of, by the path that it has now: it kept its name."""
        if not self.is_folder:
            return self
        return FileOrigin(self.step, self.place, f"{self.path}/{path.rpartition('/')[2]}".lstrip("/"))

    @property
    def label(self) -> str:
        """The place and the path in it, such as `stage build:usr/bin/app`."""
        return f"{self.place}:{self.path}" if self.path else self.place


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a layer. `path` has the form of `model.files`; "" is refused, the root is never an entry.

    `mode` holds the twelve permission bits. `mtime` is in seconds, None for the layer's epoch. A FILE
    without content is empty. `link` is a symbolic link's text, or the path of a hard link's target, which
    must stand earlier in the same layer. A name that begins with `.wh.` would be read as a deletion: it is
    only taken for an entry that `whiteout` made (K152). `origin` is told and no part of what the entry is.
    """

    path: str
    kind: FileKind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int | None = None
    content: Content | None = None
    link: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    device: tuple[int, int] = (0, 0)
    origin: FileOrigin | None = field(default=None, compare=False, repr=False)

    def at(self, path: str, origin: FileOrigin | None) -> "Entry":
        """The same elsewhere. Raises UsageError as making one does."""
        return Entry(
            path,
            self.kind,
            self.mode,
            self.uid,
            self.gid,
            self.mtime,
            self.content,
            self.link,
            self.xattrs,
            self.device,
            origin,
        )

    def __post_init__(self) -> None:
        """Refuse with UsageError what no layer can carry."""
        if not self.path or clean(self.path) != self.path or len(name_bytes(self.path)) > MAX_PATH:
            raise UsageError(f"not a path for a layer: {self.path[:200]!r}")
        if WHITEOUT in self.path:
            self._check_whiteout()
        if self.kind is FileKind.SYMLINK and (not self.link or "\0" in self.link):
            raise UsageError(f"{self.path} is a symbolic link to nothing")
        if self.kind is FileKind.HARDLINK and not self.link:
            raise UsageError(f"{self.path} is a hard link to nothing")
        if min(self.uid, self.gid, *self.device) < 0 or max(self.device) > 0o7777777:
            raise UsageError(f"{self.path} has an owner or device number that a layer cannot carry")

    def _check_whiteout(self) -> None:
        *above, name = self.path.split("/")
        deletes = self.kind is FileKind.FILE and self.content is None
        if any(part.startswith(WHITEOUT) for part in above) or (name.startswith(WHITEOUT) and not deletes):
            raise UsageError(
                f"{self.path} cannot be in an image: a name that begins with .wh. means a deletion there",
                hint="rename the file, or keep it out of what is copied",
            )


(_PATH, _KIND, _MODE, _UID, _GID, _MTIME, _CONTENT, _LINK, _XATTRS, _DEVICE, _ORIGIN) = (
    getattr(Entry, name).__set__ for name in Entry.__slots__
)
_NO_DEVICE: Final = (0, 0)


def plain_file(  # noqa: PLR0917 - the fields that are left, in their order
    path: str, mode: int, uid: int, gid: int, mtime: int | None, content: Content, origin: FileOrigin | None
) -> Entry:
    """The entry of a file with nothing more to say of it, of what an entry had before: a third of the time."""
    made = object.__new__(Entry)
    _PATH(made, path)
    _KIND(made, FileKind.FILE)
    _MODE(made, mode)
    _UID(made, uid)
    _GID(made, gid)
    _MTIME(made, mtime)
    _CONTENT(made, content)
    _LINK(made, "")
    _XATTRS(made, ())
    _DEVICE(made, _NO_DEVICE)
    _ORIGIN(made, origin)
    return made


def whiteout(path: str) -> Entry:
    """The entry that deletes `path` of lower layers."""
    above, _, name = path.rpartition("/")
    return Entry(f"{above}/{WHITEOUT}{name}".lstrip("/"), FileKind.FILE, 0)


@dataclass(frozen=True, slots=True)
class CopyRule:
    """`source` (a path that may hold {os}, {arch}, {variant}) goes to `destination`.

    A destination that ends with a slash is a directory for the source to go into; the contents of a source
    directory go into the destination itself. `mode`, if not None, is what every file gets.
    """

    source: str
    destination: str
    mode: int | None = None


def parse_copy(text: str) -> CopyRule:
    """The rule `SRC:DEST[:MODE]` says, its paths in the form of `model.files`. Raises UsageError."""
    source, *rest = text.split(":")
    mode = None
    if len(rest) == 2 and re.fullmatch(r"[0-7]{3,5}", rest[1]) and int(rest[1], 8) <= 0o7777:
        mode = int(rest.pop(), 8)
    if not source or len(rest) != 1 or not rest[0]:
        raise UsageError(
            f"not a copy rule: {text!r}", hint="write SRC:DEST or SRC:DEST:MODE, such as 'out/{arch}/app:/bin/:755'"
        )
    if clean(rest[0]) is None:
        raise UsageError(f"the destination of a copy rule cannot hold '..': {text!r}")
    return CopyRule(source, rest[0], mode)


def named_for(platform: Platform, text: str) -> str:
    """The text with {os}, {arch} and {variant} filled in."""
    values = {"os": platform.os, "arch": platform.architecture, "variant": platform.variant}
    return re.sub(r"\{(os|arch|variant)\}", lambda found: values[found[1]], text)


def expand(
    rule: CopyRule,
    platform: Platform,
    root: Path,
    tree: FileTree[FileAttributes] | None = None,
    *,
    allow_sparse: bool = False,
    own: OwnFiles | None = None,
) -> tuple[Entry, ...]:
    """The entries a copy rule makes for one platform, sorted.

    A relative source stands below `root` and may not lead out of it. A destination that is a directory in
    `tree` is one even without the slash. Raises NotFound for a missing source, LocalIOError, and UsageError for one
    that is `own` and as `scan` does.
    """
    text = named_for(platform, rule.source)
    source = _inside(root, text)
    own = own or OwnFiles()
    own.check(source, root)
    destination = clean(rule.destination) or ""
    status = _lstat(source)
    if stat.S_ISDIR(status.st_mode):
        entries: tuple[Entry, ...] = scan(source, destination, allow_sparse=allow_sparse, own=own)
    else:
        into = rule.destination.endswith("/") or not destination
        if tree is not None and not into:
            into = tree.kind_at(tree.resolve(destination)) is FileKind.DIRECTORY
        path = f"{destination}/{PurePosixPath(text).name}".lstrip("/") if into else destination
        entries = (file_entry(source, path, status, allow_sparse=allow_sparse),)
    if rule.mode is None:
        return entries
    return tuple(replace(e, mode=rule.mode) if e.kind is FileKind.FILE else e for e in entries)


def _inside(root: Path, text: str) -> Path:
    """The source with its links followed; a relative one must not leave the root, by dots or by links."""
    path = root / to_system(text)
    try:
        real, home = path.resolve(strict=True), root.resolve(strict=True)
    except FileNotFoundError:
        hint = "what is replaced is {os}, {arch} and {variant}" if "{" in text else f"sources stand below {root}"
        raise NotFound(f"nothing to copy at {path}", name=str(path), where=str(root), hint=hint) from None
    except (OSError, RuntimeError) as error:
        raise LocalIOError(f"cannot follow {path}: {error}", path=str(path)) from error
    if not text.startswith("/") and not real.is_relative_to(home):
        raise UsageError(f"{text} leads out of {root}", hint="name it by an absolute path if it is meant")
    return real


def _lstat(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError as error:
        raise local_io(error, f"read {path}") from error


def _everything(path: str) -> bool:  # noqa: ARG001 - the default of a predicate
    return True


def scan(
    root: Path,
    destination: str = "",
    *,
    keep: Callable[[str], bool] = _everything,
    allow_sparse: bool = False,
    own: OwnFiles | None = None,
) -> tuple[Entry, ...]:
    """Everything below the directory `root` as entries below `destination`, sorted bytewise.

    `keep` is asked with paths relative to `root`; a directory that is not kept is still searched, for it may
    hold something that is. Links are taken as links, names of one file (hard links) share one content
    object, sockets and what is `own` are left out. Directories on the way to what is kept are entries of mode
    0755, and so is `destination` itself. Raises UsageError for devices, for `.wh.` names and, unless
    `allow_sparse`, for a file that is mostly holes (K158).
    """
    found: dict[str, Entry] = {}
    shared: dict[tuple[int, int], FileContent] = {}
    todo = [""]
    own = own or OwnFiles()
    ours = own.inside(root)
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(os.fsencode(root) + b"/" + name_bytes(folder)) as listing:
                items = [(item, item.stat(follow_symlinks=False)) for item in listing]
        except OSError as error:
            raise local_io(error, f"read {root / to_system(folder)}") from error
        for item, status in items:
            name = name_text(item.name)
            relative = f"{folder}/{name}" if folder else name
            path = f"{destination}/{relative}" if destination else relative
            is_folder = stat.S_ISDIR(status.st_mode)
            if relative in ours.unless_named or ours.is_own(relative, item.path, is_folder=is_folder):
                own.tell(os.fsdecode(item.path))
                continue
            if is_folder:
                todo.append(relative)
            if stat.S_ISSOCK(status.st_mode) or not keep(relative):
                continue
            content = shared.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None
            entry = file_entry(os.fsdecode(item.path), path, status, content=content, allow_sparse=allow_sparse)
            if status.st_nlink > 1 and isinstance(entry.content, FileContent):
                shared[status.st_dev, status.st_ino] = entry.content
            found[path] = entry
    for path in [destination, *found]:
        above = path if path == destination else parent(path)
        while above and above not in found and len(above) >= len(destination):
            found[above] = Entry(above, FileKind.DIRECTORY, 0o755)
            above = parent(above)
    return tuple(sorted(found.values(), key=lambda entry: name_bytes(entry.path)))


def file_entry(
    source: Path | str,
    path: str,
    status: os.stat_result,
    *,
    content: Content | None = None,
    allow_sparse: bool = False,
) -> Entry:
    """The entry of one file of this machine (not of what a directory holds); raises as `scan` does.

    A regular file has that content if one is given.
    """
    mode = status.st_mode
    if stat.S_ISREG(mode):
        if not allow_sparse:
            refuse_holes(str(source), status.st_size, status.st_blocks * 512)
        permissions = 0o755 if mode & 0o100 else 0o644
        content = content or FileContent(source, status)
        return Entry(path, FileKind.FILE, permissions, content=content, xattrs=_capability(source, mode))
    if stat.S_ISDIR(mode):
        return Entry(path, FileKind.DIRECTORY, 0o755)
    if stat.S_ISLNK(mode):
        try:
            return Entry(path, FileKind.SYMLINK, 0o777, link=from_system(str(Path(source).readlink())))
        except OSError as error:
            raise local_io(error, f"read {source}") from error
    if stat.S_ISFIFO(mode):
        return Entry(path, FileKind.FIFO, 0o644)
    raise UsageError(f"{source} is a device or socket and cannot be packed", hint="keep it out of what is copied")


def _capability(source: Path | str, mode: int) -> tuple[tuple[str, bytes], ...]:
    """File capabilities, without which the program would not do what it does here (K139)."""
    if not mode & 0o111 or not hasattr(os, "getxattr"):
        return ()
    try:
        return ((_CAPABILITY, os.getxattr(source, _CAPABILITY, follow_symlinks=False)),)
    except OSError:
        return ()


def refuse_holes(name: str, size: int, taken: int) -> None:
    """Refuse a file whose size is more than 1 GiB above, and 8 times, the bytes that it takes (K158, K258)."""
    if size - taken > _SPARSE_EXCESS and size > _SPARSE_RATIO * taken:
        raise UsageError(
            f"{name} is mostly holes: {size} bytes long, {taken} stored",
            hint="a layer would hold it in full; keep it out of what is copied, or say --allow-sparse",
        )
