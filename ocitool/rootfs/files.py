"""Trees of files under one view: entries, layers over layers, an image's merged tree."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from ocitool.errors import MalformedDocument
from ocitool.model.files import FileKind, ancestors, name_bytes, parent, resolve
from ocitool.pack.entries import Attributes, Content, Entry
from ocitool.rootfs.tree import Node, Tree


class Files(Protocol):
    """A tree of files. Its entries carry the paths they have in it."""

    def entry_at(self, path: str) -> Entry | None:
        """What stands at a path whose own parents are no links; None for nothing and for the root."""

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted bytewise."""

    def kind_at(self, path: str) -> FileKind | None:
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
            if files.kind_at(path) is FileKind.DIRECTORY:
                todo.append(path)
            yield name


class _Known:
    """What `Files` says of kinds and links, from the entries."""

    def entry_at(self, path: str) -> Entry | None:
        raise NotImplementedError

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory."""
        if not path:
            return FileKind.DIRECTORY
        entry = self.entry_at(path)
        return None if entry is None else entry.kind

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""
        entry = self.entry_at(path) if path else None
        return entry.link if entry is not None and entry.kind is FileKind.SYMLINK else None


class Layered(_Known):
    """Entries over another tree: what a stage holds after one more layer.

    An entry that is no directory hides what is below it, and a directory that replaces something else is empty.
    However many layers stand over each other, a path is looked for in few places.
    """

    def __init__(self, entries: Iterable[Entry], below: Files | None = None) -> None:
        self._given = tuple(entries)
        self._below = below.level if isinstance(below, Layered) else below

    @cached_property
    def level(self) -> "EntryLevel":
        """Made when somebody looks, or puts another layer over it: the last layer is often not."""
        return EntryLevel.of(self._given, self._below)

    def entry_at(self, path: str) -> Entry | None:
        """The newest entry of that path."""
        return self.level.entry_at(path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names of both trees, where both have a directory."""
        return self.level.names(path)


class EntryLevel(_Known):
    """Entries by path over a tree. A level that is not much larger is never below it: the two become one.

    `closed` are the directories that hide something else of the tree below, with all that was in it.
    """

    def __init__(self, entries: dict[str, Entry], closed: frozenset[str], below: Files | None) -> None:
        self.entries = entries
        self.closed = closed
        self.below = below

    @classmethod
    def of(cls, given: Iterable[Entry], below: Files | None) -> "EntryLevel":
        """Entries over a tree, hard links as the files they are."""
        found: dict[str, Entry] = {}
        for entry in given:
            is_link = entry.kind is FileKind.HARDLINK
            found[entry.path] = replace(found[entry.link], path=entry.path) if is_link else entry
        folders = (path for path, entry in found.items() if entry.kind is FileKind.DIRECTORY)
        merged = {None, FileKind.DIRECTORY}
        closed = (path for path in folders if below is not None and below.kind_at(path) not in merged)
        level = cls(found, frozenset(closed), below)
        # Each level that is left is at least twice as large as the one over it, so that there are few.
        while isinstance(level.below, EntryLevel) and len(level.below.entries) < 2 * len(level.entries):
            level = level.joined(level.below)
        return level

    def joined(self, below: "EntryLevel") -> "EntryLevel":
        """The two as one."""
        shut = {path for path in self.entries if not self._opens(path) and path in below.listed}
        kept = below.entries
        if shut:
            kept = {path: entry for path, entry in kept.items() if shut.isdisjoint(ancestors(path))}
        return EntryLevel({**kept, **self.entries}, self.closed | below.closed, below.below)

    def _opens(self, path: str) -> bool:
        """Whether what the tree below has in a directory of ours is still there."""
        return self.entries[path].kind is FileKind.DIRECTORY and path not in self.closed

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
        content = self._content(path, node) if node.kind is FileKind.FILE else None
        made = Entry(
            path,
            node.kind,
            node.mode,
            node.uid,
            node.gid,
            node.mtime,
            content,
            node.link if node.kind is FileKind.SYMLINK else "",
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


class Overlay:
    """What a container would find: `entries` (as `place` returned them) over `below`, which may be another one.

    Paths have the form of `model.files`; it can be placed upon like a tree.
    """

    def __init__(self, entries: Iterable[Entry], below: "Tree | Overlay | None" = None) -> None:
        self._entries = {entry.path: entry for entry in entries}
        self._below = below

    def get(self, path: str) -> Attributes | None:
        """The attributes of what stands at a path whose own parents are no links; None for nothing."""
        return self._entries.get(path) or (self._below.get(path) if self._below is not None else None)

    def kind_at(self, path: str) -> FileKind | None:
        """What stands at a path whose own parents are no links; None for nothing."""
        own = self._entries.get(path)
        if own is not None:
            return own.kind
        return self._below.kind_at(path) if self._below is not None else None

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link at such a path, None for anything else."""
        own = self._entries.get(path)
        if own is not None:
            return own.link if own.kind is FileKind.SYMLINK else None
        return self._below.link_at(path) if self._below is not None else None

    def kind(self, path: str) -> FileKind | None:
        """What a program finds under any path, with links followed; None for nothing and for a loop of links."""
        return kind_of(self, path)

    def names(self) -> Iterator[str]:
        """The last component of every path, of the entries and of what is below."""
        yield from (path.rpartition("/")[2] for path in self._entries)
        if isinstance(self._below, Overlay):
            yield from self._below.names()
        elif self._below is not None:
            yield from (path.rpartition("/")[2] for path, _ in self._below.walk())


class Rooted(Protocol):
    """A tree that paths are looked up in; what it is asked has no links among its parents."""

    def kind_at(self, path: str) -> FileKind | None:
        """What stands at a path; None for nothing."""

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""


def kind_of(base: Rooted | None, path: str) -> FileKind | None:
    """What a program finds under any path of a base, with links followed; None for nothing."""
    if base is None:
        return None
    try:
        return base.kind_at(resolve(path, base.link_at))
    except MalformedDocument:
        return None
