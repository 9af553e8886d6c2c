"""Where COPY takes files from: trees of entries, of the context or of a stage, looked into without copying.

Paths have the form of `model.files`; "" is the root of the tree.
"""

import os
import stat
from pathlib import Path
from typing import Final

from ocitool.dockerfile.syntax.ignore import IgnoreRules, IgnoreVerdict
from ocitool.errors import LocalIOError, UsageError, closest, local_io
from ocitool.model.files import FileKind, FileTree, ancestors, from_system, name_bytes, name_text, parent, to_system
from ocitool.pack.entries import Entry, FileContent, file_entry
from ocitool.pack.own_files import OwnFiles
from ocitool.rootfs.files import Layered
from ocitool.values import dataclass, replace

_LOOKED_THROUGH: Final = 2000
"""Most names that are compared with one that is not there."""


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
        self._listings: dict[str, dict[str, FileContent | Entry | _Refused]] = {}
        self._verdicts: dict[str, IgnoreVerdict] = {"": IgnoreVerdict()}
        self._keeps: dict[str, bool] = {}
        self._shared: dict[tuple[int, int], FileContent] = {}

    def get(self, path: str) -> Entry | None:
        """The entry of a file that is not ignored. Raises UsageError for one that no layer should hold."""
        found = self._found(path)
        if isinstance(found, _Refused):
            raise found.error
        return found

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
        found = tuple(self._listing(path))
        if not self._ours.unless_named:
            return found
        hidden = {name for name in found if f"{path}/{name}".lstrip("/") in self._ours.unless_named}
        for name in hidden:
            self._own.tell(f"{path}/{name}".lstrip("/"))
        return tuple(name for name in found if name not in hidden)

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
        return any(name_text(item.name) == name and self._ours.is_own(path, item) for item in self._scanned(above))

    def _found(self, path: str) -> "Entry | _Refused | None":
        above, _, name = path.rpartition("/")
        for folder in ancestors(path) if above not in self._listings else ():
            known = self._listing(parent(folder)).get(folder.rpartition("/")[2])
            if known is None or isinstance(known, FileContent) or known.kind is not FileKind.DIRECTORY:
                return None
        found = self._listing(above).get(name)
        return Entry(path, FileKind.FILE, found.mode, content=found) if isinstance(found, FileContent) else found

    def _listing(self, folder: str) -> "dict[str, FileContent | Entry | _Refused]":
        """What a directory holds that is not ignored, sorted by name; of a plain file its content says all."""
        known = self._listings.get(folder)
        if known is None:
            known = {}
            for item in self._scanned(folder):
                name = name_text(item.name)
                path = f"{folder}/{name}" if folder else name
                verdict = self._rules.judge(path, self._verdicts[folder])
                is_folder = item.is_dir(follow_symlinks=False)
                if is_folder:
                    self._verdicts[path] = verdict
                if verdict.ignored and not (is_folder and self._keeps_any(path)):
                    continue
                if self._ours.is_own(path, item):
                    self._own.tell(path)
                    continue
                status = _status(item)
                if not stat.S_ISSOCK(status.st_mode):
                    entry = self._entry(os.fsdecode(item.path), path, status)
                    content = entry.content if isinstance(entry, Entry) and not entry.xattrs else None
                    known[name] = content if isinstance(content, FileContent) else entry
            self._listings[folder] = known
        return known

    def _scanned(self, folder: str) -> list[os.DirEntry[bytes]]:
        try:
            with os.scandir(os.fsencode(self._root) + b"/" + name_bytes(folder)) as listing:
                return sorted(listing, key=lambda item: item.name)
        except OSError as error:
            raise local_io(error, f"read {self._root / to_system(folder)}") from error

    def _keeps_any(self, folder: str) -> bool:
        """Whether the rules keep something below a directory that they ignore, at any depth."""
        if folder not in self._keeps:
            self._keeps[folder] = False
            todo = [folder] if self._rules.may_keep_below(folder) else []
            while todo:
                above = todo.pop()
                self._keeps[above] = False
                for item in self._scanned(above):
                    path = f"{above}/{name_text(item.name)}"
                    verdict = self._rules.judge(path, self._verdicts[above])
                    if not verdict.ignored:
                        self._keeps |= dict.fromkeys((*ancestors(path),), True)
                        return True
                    if item.is_dir(follow_symlinks=False) and self._rules.may_keep_below(path):
                        self._verdicts[path] = verdict
                        todo.append(path)
        return self._keeps[folder]

    def _entry(self, place: str, path: str, status: os.stat_result) -> "Entry | _Refused":
        """The entry with the file's own mode; names of one file share one content."""
        key = (status.st_dev, status.st_ino)
        shared = self._shared.get(key) if status.st_nlink > 1 else None
        try:
            entry = file_entry(place, path, status, content=shared, allow_sparse=self._allow_sparse)
        except UsageError as error:
            return _Refused(FileKind.FILE, error)
        if status.st_nlink > 1 and isinstance(entry.content, FileContent):
            self._shared[key] = entry.content
        mode = status.st_mode & 0o7777
        return entry if entry.kind is FileKind.SYMLINK or entry.mode == mode else replace(entry, mode=mode)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What stands in a folder and cannot be taken into a layer, and why."""

    kind: FileKind
    error: UsageError


def _status(item: os.DirEntry[bytes]) -> os.stat_result:
    try:
        return item.stat(follow_symlinks=False)
    except FileNotFoundError as error:
        hint = "let whatever writes into the folder finish first"
        raise LocalIOError(
            f"{os.fsdecode(item.path)} went away while it was looked at", path=os.fsdecode(item.path), hint=hint
        ) from error
    except OSError as error:
        raise local_io(error, f"read {os.fsdecode(item.path)}") from error
