"""Where COPY takes files from: trees of entries, of the context or of a stage, looked into without copying.

Paths have the form of `model.files`; "" is the root of the tree.
"""

import os
import stat
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Final

from ocitool.dockerfile.syntax.ignore import IgnoreRules, IgnoreVerdict
from ocitool.errors import LocalIOError, UsageError, closest, local_io
from ocitool.model.files import FileKind, FileTree, ancestors, from_system, name_bytes, name_text, parent, to_system
from ocitool.pack.entries import BytesContent, Entry, FileContent, file_entry, plain_file
from ocitool.pack.file_rows import MOST_ROWS, FewOpen, FileRows
from ocitool.pack.own_files import OwnFiles
from ocitool.rootfs.files import Layered
from ocitool.values import dataclass, replace

_LOOKED_THROUGH: Final = 2000
"""Most names that are compared with one that is not there."""


_UNREAD: Final = BytesContent(b"")
"""Stands for the content of a file until it is noted."""


class Alone(Layered):
    """The files beside a Dockerfile that came without a folder: none."""

    def __init__(self) -> None:
        super().__init__(())

    def why_absent(self, _path: str) -> str:
        """Why no file is there."""
        return "the Dockerfile came alone; a folder and -f - give it files"


class Context(FileTree[Entry]):
    """A folder of this machine without what its ignore rules keep out; read only where it is asked about.

    Owners are 0:0 and times the epoch's; modes are the files' own. Nothing outside the folder is ever seen, for
    links are entries here and followed by whoever resolves paths; nor are sockets and what is `own`. What
    cannot be packed (devices, files that are mostly holes) is refused when it is taken, not for being there.
    Raises LocalIOError.
    """

    def __init__(
        self,
        root: Path,
        rules: IgnoreRules | None = None,
        *,
        allow_sparse: bool = False,
        own: OwnFiles | None = None,
    ) -> None:
        self._root = root
        self._own = own or OwnFiles()
        self._ours = self._own.inside(root)
        self._allow_sparse = allow_sparse
        self._rules = rules or IgnoreRules()
        self._listings: dict[str, _Listing] = {}
        self._verdicts: dict[str, IgnoreVerdict] = {"": IgnoreVerdict()}
        self._keeps: dict[str, bool] = {}
        self._few = FewOpen()
        self._shared: dict[tuple[int, int], FileContent] = {}

    def get(self, path: str) -> Entry | None:
        """The entry of a file that is not ignored. Raises UsageError for one that no layer should hold."""
        return _taken(self._found(path))

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory."""
        if not path:
            return FileKind.DIRECTORY
        found = self._found(path)
        return None if found is None else found.kind

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""
        return super().link_at(path) if self.kind_at(path) is FileKind.SYMLINK else None

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory that are not ignored, nor what an earlier run wrote: that has to be named."""
        if self.kind_at(path) is not FileKind.DIRECTORY:
            return ()
        found = tuple(map(name_text, self._listing(path).names()))
        if not self._ours.unless_named:
            return found
        hidden = {name for name in found if f"{path}/{name}".lstrip("/") in self._ours.unless_named}
        for name in hidden:
            self._own.tell(f"{path}/{name}".lstrip("/"))
        return tuple(name for name in found if name not in hidden)

    def entries_in(self, path: str) -> Iterator[Entry]:
        """The entries of those names. Raises UsageError for one that no layer should hold."""
        if self._ours.unless_named:
            yield from super().entries_in(path)
        elif self.kind_at(path) is FileKind.DIRECTORY:
            for name, found in self._listing(path).items():
                entry = _taken(_named(f"{path}/{name}" if path else name, found))
                if entry is not None:
                    yield entry

    def why_absent(self, path: str) -> str:
        """Why a file that is in the folder is not seen; empty if there is none."""
        place = self._root / to_system(path)
        if not os.path.lexists(place):
            above, _, name = path.rpartition("/")
            near = closest(name, self.names(above)[:_LOOKED_THROUGH], 0.75)
            return f"did you mean {above}{'/' if above else ''}{near}?" if near else ""
        if any(map(self._is_own, (*ancestors(path), path))):
            return f"{path} is there, but ocitool writes it itself"
        if self._rules.ignores(path):
            return f"{path} is there, but {self._rules.name} keeps it out"
        if place.is_symlink():
            return (
                f"{path} is a link to {from_system(str(place.readlink()))}, which leads to nothing in the context"
            )
        return f"{path} is a socket, which no image can hold" if place.is_socket() else ""

    def _is_own(self, path: str) -> bool:
        above, _, name = path.rpartition("/")
        names, folders = self._scanned(above)
        found = name_bytes(name)
        return found in names and self._ours.is_own(path, self._place(path), is_folder=found in folders)

    def _found(self, path: str) -> "Entry | _Refused | None":
        above, _, name = path.rpartition("/")
        for folder in ancestors(path) if above not in self._listings else ():
            known = self._listing(parent(folder)).get(folder.rpartition("/")[2])
            if known is None or isinstance(known, FileContent) or known.kind is not FileKind.DIRECTORY:
                return None
        return _named(path, self._listing(above).get(name))

    def _listing(self, folder: str) -> "_Listing":
        """What a directory holds that is not ignored."""
        known = self._listings.get(folder)
        if known is None:
            known = _Listing(os.fsdecode(self._place(folder)).rstrip("/") + "/", self._few)
            names, folders = self._scanned(folder)
            for found in names:
                name, is_folder = name_text(found), found in folders
                path = f"{folder}/{name}" if folder else name
                verdict = self._rules.judge(path, self._verdicts[folder])
                if is_folder:
                    self._verdicts[path] = verdict
                if verdict.ignored and not (is_folder and self._keeps_any(path)):
                    continue
                place = self._place(path)
                if self._ours.is_own(path, place, is_folder=is_folder):
                    self._own.tell(path)
                    continue
                status = _status(place)
                if stat.S_ISDIR(status.st_mode):  # it may have become one since it was listed
                    self._verdicts[path] = verdict
                if not stat.S_ISSOCK(status.st_mode):
                    self._add(known, found, path, place, status)
            known.finish()
            self._listings[folder] = known
        return known

    def _place(self, path: str) -> bytes:
        """Where a path of the context is, for the system."""
        return b"%b/%b" % (os.fsencode(self._root), name_bytes(path))

    def _scanned(self, folder: str) -> tuple[list[bytes], set[bytes]]:
        """The names in a directory, sorted, and those of directories among them."""
        names, folders = [], set()
        try:
            with os.scandir(self._place(folder)) as listing:
                for item in listing:
                    names.append(item.name)
                    if item.is_dir(follow_symlinks=False):
                        folders.add(item.name)
        except OSError as error:
            raise local_io(error, f"read {self._root / to_system(folder)}") from error
        names.sort()
        return names, folders

    def _keeps_any(self, folder: str) -> bool:
        """Whether the rules keep something below a directory that they ignore, at any depth."""
        if folder not in self._keeps:
            self._keeps[folder] = False
            todo = [folder] if self._rules.may_keep_below(folder) else []
            while todo:
                above = todo.pop()
                self._keeps[above] = False
                names, folders = self._scanned(above)
                for name in names:
                    path = f"{above}/{name_text(name)}"
                    verdict = self._rules.judge(path, self._verdicts[above])
                    if not verdict.ignored:
                        self._keeps |= dict.fromkeys((*ancestors(path),), True)
                        return True
                    if name in folders and self._rules.may_keep_below(path):
                        self._verdicts[path] = verdict
                        todo.append(path)
        return self._keeps[folder]

    def _add(self, listing: "_Listing", name: bytes, path: str, place: bytes, status: os.stat_result) -> None:
        """Note a file with its own mode; names of one file share one content."""
        key = (status.st_dev, status.st_ino)
        content = _UNREAD if status.st_nlink == 1 else self._shared.get(key)
        try:
            entry = file_entry(os.fsdecode(place), path, status, content=content, allow_sparse=self._allow_sparse)
        except UsageError as error:
            listing.others[name] = _Refused(FileKind.FILE, error)
            return
        if entry.content is _UNREAD:
            if not entry.xattrs:
                listing.add(name, status)
                return
            entry = replace(entry, content=FileContent(os.fsdecode(place), status))
        elif isinstance(entry.content, FileContent):
            self._shared[key] = entry.content
        mode = status.st_mode & 0o7777
        is_same = entry.kind is FileKind.SYMLINK or entry.mode == mode
        listing.others[name] = entry if is_same else replace(entry, mode=mode)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What stands in a folder and cannot be taken into a layer, and why."""

    kind: FileKind
    error: UsageError


class _Listing:
    """What a directory holds, by names: plain files, of which their content says all, and others; both sorted."""

    __slots__ = ("_few", "_files", "_firsts", "_folder", "others")

    def __init__(self, folder: str, few: FewOpen) -> None:
        self.others: dict[bytes, Entry | _Refused] = {}
        self._folder = folder
        self._few = few
        self._files: list[FileRows] = []
        self._firsts: list[bytes] = []

    def add(self, name: bytes, status: os.stat_result) -> None:
        """One more plain file."""
        if not self._files or len(self._files[-1]) == MOST_ROWS:
            self.finish()
            self._files.append(FileRows(self._folder, self._few))
            self._firsts.append(name)
        self._files[-1].add(name, status)

    def finish(self) -> None:
        """No file is added any more."""
        for rows in self._files[-1:]:
            rows.finish()

    def get(self, name: str) -> "Entry | FileContent | _Refused | None":
        """What has that name."""
        key = name_bytes(name)
        found = self.others.get(key)
        at = bisect_right(self._firsts, key) - 1
        if found is not None or at < 0:
            return found
        files = self._files[at]
        number = bisect_left(range(len(files)), key, key=files.name)
        is_there = number < len(files) and files.name(number) == key
        return FileContent.listed(files, number) if is_there else None

    def names(self) -> Iterator[bytes]:
        """The names, sorted."""
        return merge((files.name(number) for files in self._files for number in range(len(files))), self.others)

    def items(self) -> "Iterator[tuple[str, Entry | FileContent | _Refused]]":
        """Everything, sorted by name."""
        contents = (FileContent.listed(files, number) for files in self._files for number in range(len(files)))
        pairs = ((content.name, content) for content in contents)
        for name, found in merge(pairs, self.others.items(), key=itemgetter(0)):
            yield name_text(name), found


def _named(path: str, found: "Entry | FileContent | _Refused | None") -> "Entry | _Refused | None":
    """What was found at a path as an entry."""
    return plain_file(path, found.mode, 0, 0, None, found, None) if isinstance(found, FileContent) else found


def _taken(found: "Entry | _Refused | None") -> Entry | None:
    if isinstance(found, _Refused):
        raise found.error
    return found


def _status(place: bytes) -> os.stat_result:
    try:
        return os.lstat(place)
    except FileNotFoundError as error:
        hint = "let whatever writes into the folder finish first"
        raise LocalIOError(
            f"{os.fsdecode(place)} went away while it was looked at", path=os.fsdecode(place), hint=hint
        ) from error
    except OSError as error:
        raise local_io(error, f"read {os.fsdecode(place)}") from error
