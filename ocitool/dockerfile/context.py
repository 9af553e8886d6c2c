"""Where COPY takes files from: trees of entries, of the context or of a stage, looked into without copying.

Paths have the form of `model.files`; "" is the root of the tree.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from ocitool.dockerfile.syntax.ignore import IgnoreRules, Verdict
from ocitool.errors import LocalIOError, UsageError, local_io
from ocitool.model.files import Kind, ancestors, name_bytes, parent
from ocitool.pack.entries import Content, Entry, FileContent, file_entry
from ocitool.rootfs.tree import Node, Tree

_LOOKED_THROUGH: Final = 2000
"""Most names that are compared with one that is not there."""


class Files(Protocol):
    """A tree of files. Its entries carry the paths they have in it."""

    def entry_at(self, path: str) -> Entry | None:
        """What stands at a path whose own parents are no links; None for nothing and for the root."""

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted bytewise."""

    def kind_at(self, path: str) -> Kind | None:
        """The kind of what stands there; the root is a directory."""

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""


def all_names(files: Files) -> Iterator[str]:
    """The last component of every path of a tree."""
    todo = [""]
    while todo:
        folder = todo.pop()
        for name in files.names(folder):
            path = f"{folder}/{name}".lstrip("/")
            if files.kind_at(path) is Kind.DIRECTORY:
                todo.append(path)
            yield name


class _Known:
    """What `Files` says of kinds and links, from the entries."""

    def entry_at(self, path: str) -> Entry | None:
        raise NotImplementedError

    def kind_at(self, path: str) -> Kind | None:
        """The kind of what stands there; the root is a directory."""
        if not path:
            return Kind.DIRECTORY
        entry = self.entry_at(path)
        return None if entry is None else entry.kind

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""
        entry = self.entry_at(path) if path else None
        return entry.link if entry is not None and entry.kind is Kind.SYMLINK else None


class Layered(_Known):
    """Entries over another tree: what a stage holds after one more layer.

    An entry that is no directory hides what is below it, and a directory that replaces something else is empty.
    However many layers stand over each other, a path is looked for in few places.
    """

    def __init__(self, entries: Iterable[Entry], below: Files | None = None) -> None:
        self._given = tuple(entries)
        self._below = below.level if isinstance(below, Layered) else below

    @cached_property
    def level(self) -> "Level":
        """Made when somebody looks, or puts another layer over it: the last layer is often not."""
        return Level.of(self._given, self._below)

    def entry_at(self, path: str) -> Entry | None:
        """The newest entry of that path."""
        return self.level.entry_at(path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names of both trees, where both have a directory."""
        return self.level.names(path)


class Alone(Layered):
    """The files beside a Dockerfile that came without a folder: none."""

    def __init__(self) -> None:
        super().__init__(())

    def why_absent(self, _path: str) -> str:
        """Why no file is there."""
        return "the Dockerfile came alone; a folder and -f - give it files"


class Level(_Known):
    """Entries by path over a tree. A level that is not much larger is never below it: the two become one.

    `closed` are the directories that hide something else of the tree below, with all that was in it.
    """

    def __init__(self, entries: dict[str, Entry], closed: frozenset[str], below: Files | None) -> None:
        self.entries = entries
        self.closed = closed
        self.below = below

    @classmethod
    def of(cls, given: Iterable[Entry], below: Files | None) -> "Level":
        """Entries over a tree, hard links as the files they are."""
        found: dict[str, Entry] = {}
        for entry in given:
            is_link = entry.kind is Kind.HARDLINK
            found[entry.path] = replace(found[entry.link], path=entry.path) if is_link else entry
        folders = (path for path, entry in found.items() if entry.kind is Kind.DIRECTORY)
        merged = {None, Kind.DIRECTORY}
        closed = (path for path in folders if below is not None and below.kind_at(path) not in merged)
        level = cls(found, frozenset(closed), below)
        # Each level that is left is at least twice as large as the one over it, so that there are few.
        while isinstance(level.below, Level) and len(level.below.entries) < 2 * len(level.entries):
            level = level.joined(level.below)
        return level

    def joined(self, below: "Level") -> "Level":
        """The two as one."""
        shut = {path for path in self.entries if not self._opens(path) and path in below.listed}
        kept = below.entries
        if shut:
            kept = {path: entry for path, entry in kept.items() if shut.isdisjoint(ancestors(path))}
        return Level({**kept, **self.entries}, self.closed | below.closed, below.below)

    def _opens(self, path: str) -> bool:
        """Whether what the tree below has in a directory of ours is still there."""
        return self.entries[path].kind is Kind.DIRECTORY and path not in self.closed

    @cached_property
    def listed(self) -> dict[str, set[str]]:
        """What each directory has of ours."""
        found: dict[str, set[str]] = {}
        for path in self.entries:
            found.setdefault(parent(path), set()).add(path.rpartition("/")[2])
        return found

    def entry_at(self, path: str) -> Entry | None:
        """The newest entry of that path."""
        own = self.entries.get(path)
        if own is not None or self.below is None:
            return own
        if any(above in self.entries and not self._opens(above) for above in ancestors(path)):
            return None
        return self.below.entry_at(path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names of both trees, where both have a directory."""
        found = set(self.listed.get(path, ()))
        if self.below is not None and (path not in self.entries or self._opens(path)):
            found.update(name for name in self.below.names(path) if self.entry_at(f"{path}/{name}".lstrip("/")))
        return tuple(sorted(found, key=name_bytes))


class Imaged(_Known):
    """The merged tree of an image; `content_of` gives the bytes of a file when they are read."""

    def __init__(self, tree: Tree, content_of: Callable[[str, Node], Content]) -> None:
        self._tree = tree
        self._content_of = content_of
        self._made: dict[str, Entry] = {}
        self._contents: dict[tuple[int, int], Content] = {}

    def entry_at(self, path: str) -> Entry | None:
        """The entry that would make the file again; names of one file share their content."""
        made = self._made.get(path)
        node = self._tree.get(path) if made is None and path else None
        if node is None:
            return made
        content = self._content(path, node) if node.kind is Kind.FILE else None
        made = Entry(
            path,
            node.kind,
            node.mode,
            node.uid,
            node.gid,
            node.mtime,
            content,
            node.link if node.kind is Kind.SYMLINK else "",
            node.xattrs,
            node.device,
        )
        self._made[path] = made
        return made

    def _content(self, path: str, node: Node) -> Content:
        key = (node.layer, node.offset)
        if key not in self._contents:
            self._contents[key] = self._content_of(path, node)
        return self._contents[key]

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory."""
        return self._tree.children(path)


class Context(_Known):
    """A folder of this machine without what its ignore rules keep out; read only where it is asked about.

    Owners are 0:0 and times the epoch's; modes are the files' own. Nothing outside the folder is ever seen, for
    links are entries here and followed by whoever resolves paths; nor are sockets. What cannot be packed (devices,
    files that are mostly holes) is refused when it is taken, not for being there. Raises LocalIOError.
    """

    def __init__(self, root: Path, rules: IgnoreRules | None = None, *, allow_sparse: bool = False) -> None:
        self._root = root
        self._allow_sparse = allow_sparse
        self._rules = rules or IgnoreRules()
        self._listings: dict[str, dict[str, Entry | _Refused]] = {}
        self._verdicts: dict[str, Verdict] = {"": Verdict()}
        self._keeps: dict[str, bool] = {}
        self._shared: dict[tuple[int, int], FileContent] = {}

    def entry_at(self, path: str) -> Entry | None:
        """The entry of a file that is not ignored. Raises UsageError for one that no layer should hold."""
        found = self._found(path)
        if isinstance(found, _Refused):
            raise found.error
        return found

    def kind_at(self, path: str) -> Kind | None:
        """The kind of what stands there; the root is a directory."""
        if not path:
            return Kind.DIRECTORY
        found = self._found(path)
        return None if found is None else found.kind

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""
        return super().link_at(path) if self.kind_at(path) is Kind.SYMLINK else None

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory that are not ignored."""
        return tuple(self._listing(path)) if self.kind_at(path) is Kind.DIRECTORY else ()

    def why_absent(self, path: str) -> str:
        """Why a file that is in the folder is not seen; empty if there is none."""
        place = self._root / path
        if not os.path.lexists(place):
            above, _, name = path.rpartition("/")
            near = get_close_matches(name, self.names(above)[:_LOOKED_THROUGH], 1, 0.75)
            return f"did you mean {above}{'/' if above else ''}{near[0]}?" if near else ""
        if self._rules.ignores(path):
            return f"{path} is there, but {self._rules.name} keeps it out"
        if place.is_symlink():
            return f"{path} is a link to {place.readlink()}, which leads to nothing in the context"
        return f"{path} is a socket, which no image can hold" if place.is_socket() else ""

    def _found(self, path: str) -> "Entry | _Refused | None":
        above, _, name = path.rpartition("/")
        for folder in ancestors(path) if above not in self._listings else ():
            found = self._listing(parent(folder)).get(folder.rpartition("/")[2])
            if found is None or found.kind is not Kind.DIRECTORY:
                return None
        return self._listing(above).get(name)

    def _listing(self, folder: str) -> "dict[str, Entry | _Refused]":
        """What a directory holds that is not ignored, sorted by name."""
        known = self._listings.get(folder)
        if known is None:
            known = {}
            for item in self._scanned(folder):
                path = f"{folder}/{item.name}" if folder else item.name
                verdict = self._rules.judge(path, self._verdicts[folder])
                is_folder = item.is_dir(follow_symlinks=False)
                if is_folder:
                    self._verdicts[path] = verdict
                if verdict.ignored and not (is_folder and self._keeps_any(path)):
                    continue
                status = _status(item)
                if not stat.S_ISSOCK(status.st_mode):
                    known[item.name] = self._entry(item.path, path, status)
            self._listings[folder] = known
        return known

    def _scanned(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / folder) as listing:
                return sorted(listing, key=lambda item: os.fsencode(item.name))
        except OSError as error:
            raise local_io(error, f"read {self._root / folder}") from error

    def _keeps_any(self, folder: str) -> bool:
        """Whether the rules keep something below a directory that they ignore, at any depth."""
        if folder not in self._keeps:
            self._keeps[folder] = False
            todo = [folder] if self._rules.may_keep_below(folder) else []
            while todo:
                above = todo.pop()
                self._keeps[above] = False
                for item in self._scanned(above):
                    path = f"{above}/{item.name}"
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
            return _Refused(Kind.FILE, error)
        if status.st_nlink > 1 and isinstance(entry.content, FileContent):
            self._shared[key] = entry.content
        mode = status.st_mode & 0o7777
        return entry if entry.kind is Kind.SYMLINK or entry.mode == mode else replace(entry, mode=mode)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What stands in a folder and cannot be taken into a layer, and why."""

    kind: Kind
    error: UsageError


def _status(item: os.DirEntry[str]) -> os.stat_result:
    try:
        return item.stat(follow_symlinks=False)
    except FileNotFoundError as error:
        hint = "let whatever writes into the folder finish first"
        raise LocalIOError(f"{item.path} went away while it was looked at", path=item.path, hint=hint) from error
    except OSError as error:
        raise local_io(error, f"read {item.path}") from error
