"""Trees of files that can be packed: entries, layers over layers, an image's merged tree."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from ocitool.model.files import OPAQUE, WHITEOUT, FileKind, FileTree, ancestors, name_bytes, parent
from ocitool.pack.entries import Content, Entry
from ocitool.pack.entry_table import EntryTable
from ocitool.values import dataclass, field, replace

if TYPE_CHECKING:
    from ocitool.rootfs.tree import Node, Tree

Files: TypeAlias = FileTree[Entry]
"""A tree whose entries carry the paths they have in it."""


class Layered(FileTree[Entry]):
    """Entries over another tree: what an image holds after one more layer.

    An entry that is no directory hides what is below it, and a directory that replaces something else is empty.
    Whiteouts take away what is below, and are no files themselves. However many layers stand over each other, a
    path is looked for in few places.
    """

    def __init__(self, entries: Iterable[Entry], below: Files | None = None) -> None:
        self._given = entries if isinstance(entries, EntryTable) else EntryTable(entries)
        self.below = below

    @cached_property
    def level(self) -> "EntryLevel":
        """Made when somebody looks: nobody may look at the last layer, or at any over an unread image."""
        pending = [self]
        while isinstance(pending[-1].below, Layered) and not pending[-1].below.is_made:
            pending.append(pending[-1].below)
        while len(pending) > 1:  # from the bottom, so that none goes deeper than one
            pending.pop().level  # noqa: B018 - it is kept
        below, self.below = self.below, None
        return EntryLevel.of(self._given, below.level if isinstance(below, Layered) else below)

    @property
    def is_made(self) -> bool:
        """Whether somebody has looked."""
        return "level" in self.__dict__

    def get(self, path: str) -> Entry | None:
        """The newest entry of that path."""
        return self.level.get(path)

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory."""
        return self.level.kind_at(path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names of both trees, where both have a directory."""
        return self.level.names(path)


@dataclass(frozen=True, eq=False)  # no slots: what is listed is kept
class EntryLevel(FileTree[Entry]):
    """Entries by path over a tree. A level that is not much larger is never below it: the two become one.

    `closed` are the directories that hide something else of the tree below, with all that was in it; `gone` are
    paths that the tree below has and that were taken away.
    """

    entries: EntryTable = field(hash=False)
    closed: frozenset[str]
    below: Files | None
    gone: frozenset[str] = frozenset()

    @classmethod
    def of(cls, given: EntryTable, below: Files | None) -> "EntryLevel":
        """Entries over a tree, hard links as the files they are."""
        special = [entry for entry in given.objects if _is_special(entry)]
        found, gone, emptied = given, set[str](), set[str]()
        if special:
            found = EntryTable()
            found.update(given)
        for entry in special:
            above, _, name = entry.path.rpartition("/")
            if entry.kind is FileKind.HARDLINK:
                target = found.get(entry.link)
                if target is not None:
                    found.put(replace(target, path=entry.path))
                continue
            found.remove(entry.path)
            if name == OPAQUE:
                emptied.add(above)
            else:
                gone.add(f"{above}/{name.removeprefix(WHITEOUT)}".lstrip("/"))
        folders = {entry.path for entry in found.objects if entry.kind is FileKind.DIRECTORY}
        merged = {None, FileKind.DIRECTORY}
        closed = {path for path in folders if below is not None and below.kind_at(path) not in merged}
        closed |= folders & (gone | emptied)
        gone |= {path for path in emptied - folders if path}
        gone = {path for path in gone if found.kind_at(path) is None}
        level = cls(found, frozenset(closed), None if "" in emptied else below, frozenset(gone))
        # Each level that is left is at least twice as large as the one over it, so that there are few.
        while isinstance(level.below, EntryLevel) and len(level.below.entries) < 2 * len(level.entries):
            level = level.joined(level.below)
        return level

    def joined(self, below: "EntryLevel") -> "EntryLevel":
        """The two as one."""
        shut = {path for path in below.holding if self._hides(path)} | self.gone
        entries = EntryTable()
        entries.update(below.entries)
        if shut:
            hidden = [path for path in entries.paths() if path in self.gone or not shut.isdisjoint(ancestors(path))]
            for path in hidden:
                entries.remove(path)
        entries.update(self.entries)
        # A directory made where the tree below had something taken away does not bring it back.
        made = {path for path in below.gone if entries.kind_at(path) is not None}
        return EntryLevel(entries, self.closed | below.closed | made, below.below, self.gone | (below.gone - made))

    def _hides(self, path: str) -> bool:
        """Whether nothing is left of what the tree below has in a directory of that path."""
        own = self.entries.kind_at(path)
        if own is None:
            return path in self.gone
        return own is not FileKind.DIRECTORY or path in self.closed

    @cached_property
    def holding(self) -> set[str]:
        """The directories that have something of ours."""
        return {parent(path) for path in self.entries.paths()}

    @cached_property
    def _listed(self) -> dict[str, set[str]]:
        """What each directory has of ours beside plain files."""
        found: dict[str, set[str]] = {}
        for entry in self.entries.objects:
            above, _, name = entry.path.rpartition("/")
            found.setdefault(above, set()).add(name)
        return found

    def get(self, path: str) -> Entry | None:
        """The newest entry of that path."""
        own = self.entries.get(path)
        if own is not None or self.below is None:
            return own
        return None if self._is_gone(path) else self.below.get(path)

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory."""
        own = self.entries.kind_at(path) if path else FileKind.DIRECTORY
        if own is not None or self.below is None:
            return own
        return None if self._is_gone(path) else self.below.kind_at(path)

    def _is_gone(self, path: str) -> bool:
        """Whether nothing is left of what the tree below has at a path that we have not."""
        return path in self.gone or any(map(self._hides, ancestors(path)))

    def names(self, path: str) -> tuple[str, ...]:
        """The names of both trees, where both have a directory."""
        found = {*self._listed.get(path, ()), *self.entries.files_in(path)}
        if self.below is not None and not self._hides(path):
            found.update(name for name in self.below.names(path) if self.get(f"{path}/{name}".lstrip("/")))
        return tuple(sorted(found, key=name_bytes))


def _is_special(entry: Entry) -> bool:
    """Whether it is a deletion, or another name of a file."""
    return entry.kind is FileKind.HARDLINK or entry.path.rpartition("/")[2].startswith(WHITEOUT)


class Imaged(FileTree[Entry]):
    """The merged tree of an image; `content_of` gives the bytes of a file when they are read."""

    def __init__(self, tree: "Tree", content_of: "Callable[[str, Node], Content]") -> None:
        self._tree = tree
        self._content_of = content_of
        self._made: dict[str, Entry] = {}
        self._contents: dict[tuple[int, int], Content] = {}

    def get(self, path: str) -> Entry | None:
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
            node.link,
            node.xattrs,
            node.device,
        )
        self._made[path] = made
        return made

    def _content(self, path: str, node: "Node") -> Content:
        key = (node.layer, node.offset)
        if key not in self._contents:
            self._contents[key] = self._content_of(path, node)
        return self._contents[key]

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there."""
        return self._tree.kind_at(path)

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there."""
        return self._tree.link_at(path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory."""
        return self._tree.names(path)


class Later(FileTree[Entry]):
    """A tree that is read when somebody looks into it, and raises then what reading it raises."""

    def __init__(self, read: Callable[[], Files]) -> None:
        self._read = read

    @cached_property
    def tree(self) -> Files:
        """The tree, read now if nobody has looked yet."""
        return self._read()

    @property
    def was_read(self) -> bool:
        """Whether somebody has looked."""
        return "tree" in self.__dict__

    def get(self, path: str) -> Entry | None:
        """What stands at a path whose own parents are no links."""
        return self.tree.get(path)

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory, whatever the image."""
        return self.tree.kind_at(path) if path else FileKind.DIRECTORY

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there."""
        return self.tree.link_at(path) if path else None

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory."""
        return self.tree.names(path)


def is_unread(files: Files | None) -> bool:
    """Whether there is an image below that nobody has looked into, so that to look means to read its layers."""
    while isinstance(files, Layered | EntryLevel):
        files = files.level if isinstance(files, Layered) and files.is_made else files.below
    return isinstance(files, Later) and not files.was_read
