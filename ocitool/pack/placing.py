"""Where entries really go: through the links of the base, without changing a directory that it has.

An entry `bin/app` over a base whose `bin` is a link to `usr/bin` would replace the link and break the image;
one for `/tmp` would take its 1777 away. So destinations are resolved in the merged tree first.

Engines that unpack every layer into a folder of its own and mount one over the other (Docker's overlay2, podman's
overlay) give a directory that the layer does not name 0755 and root, and that one hides the base's. So a layer
names the directories it writes into, with the attributes that they have.
"""

from collections.abc import Iterable

from ocitool.errors import UsageError
from ocitool.model.files import FileAttributes, FileKind, FileTree, PathLookup, ancestors, parent
from ocitool.pack.entries import Entry, FileContent
from ocitool.pack.entry_table import EntryTable
from ocitool.values import replace


def place(entries: Iterable[Entry], tree: FileTree[FileAttributes] | None) -> tuple[Entry, ...]:
    """The entries of one layer: resolved, without duplicates, with their parents, sorted bytewise.

    Links of the base and of the entries themselves are followed on the way (a directory's own name too);
    directories that the base has keep their attributes, missing ones are added with mode 0755. Of several
    entries for one path the last wins (K145). FILE entries that share one content object and all attributes
    become one file with several names. Raises UsageError where a file would stand in a directory's place or
    the other way round.
    """
    placed = _Placed(tree)
    for entry in entries:
        placed.add(entry)
    add_parents(placed.entries, tree)
    link(placed.entries)
    return tuple(placed.entries)


def add_parents(entries: EntryTable, base: FileTree[FileAttributes] | None) -> None:
    """Put in every directory of the base that one of the entries stands in.

    Its time is the epoch, as that of everything a build writes, so the layers of two platforms stay equal.
    """
    if base is None:
        return
    missing = set[str]()
    for folder in {parent(path) for path in entries.paths()}:
        step = folder  # what is above an entry is looked for with that entry
        while step and step not in missing and entries.kind_at(step) is None:
            missing.add(step)
            step = parent(step)
    for step in missing:
        there = base.get(step)
        if there is not None:
            entries.put(Entry(step, FileKind.DIRECTORY, there.mode, there.uid, there.gid, xattrs=there.xattrs))


class GrowingLayer(PathLookup[FileAttributes]):
    """The entries of one layer while they are put over a tree (None: an empty root), each by its final path."""

    def __init__(self, below: FileTree[FileAttributes] | None) -> None:
        self.entries = EntryTable()
        self.below = below
        self._directories: dict[str, str] = {}

    def get(self, path: str) -> FileAttributes | None:
        """What stands at a path whose own parents are no links."""
        return self.entries.get(path) or (self.below.get(path) if self.below is not None else None)

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory."""
        if not path:
            return FileKind.DIRECTORY
        own = self.entries.kind_at(path)
        return own if own is not None or self.below is None else self.below.kind_at(path)

    def directory(self, path: str, owner: tuple[int, int] | None = None, mode: int = 0o755) -> str:
        """The real path of a directory; it and its parents are made where they are missing. Raises UsageError."""
        real = self._directories.get(path)
        if real is None:
            real = self.resolve(path)
            for step in (*ancestors(real), real):
                there = self.kind_at(step)
                if there is None:
                    self.budget.add(len(step))
                    self.entries.put(Entry(step, FileKind.DIRECTORY, mode, *(owner or (0, 0))))
                elif there is not FileKind.DIRECTORY:
                    raise UsageError(f"/{step} is not a directory, so nothing can be placed below it")
            self._directories[path] = real
        return real

    def moved(self) -> None:
        """Paths may lead elsewhere from now on."""
        self._directories = {}


class _Placed(GrowingLayer):
    """The entries so far, with what they were asked to be and the links that were followed."""

    def __init__(self, tree: FileTree[FileAttributes] | None) -> None:
        super().__init__(tree)
        self._finals: dict[str, Entry] = {}
        self._followed: set[str] = set()

    def add(self, entry: Entry) -> None:
        asked = entry.path
        above, _, name = entry.path.rpartition("/")
        path = f"{self.directory(above)}/{name}".lstrip("/")
        if entry.kind is FileKind.DIRECTORY:
            path = self.resolve(path)
            self.directory(parent(path))  # a link that leads to nothing names what is to be made
        entry = self._with_content(replace(entry, path=path) if path != asked else entry, asked)
        there = self.kind_at(path)
        # A link that other entries went through is a directory to them, and must stay what it is.
        was_followed = path in self._followed and not (
            entry.kind is FileKind.SYMLINK and entry.link == super().link_at(path)
        )
        is_directory = there is FileKind.DIRECTORY or was_followed
        if is_directory and entry.kind is not FileKind.DIRECTORY:
            raise UsageError(
                f"/{path} is a directory and cannot become a file",
                hint="end the destination with / to copy into it",
            )
        if there is not None and there is not FileKind.DIRECTORY and entry.kind is FileKind.DIRECTORY:
            raise UsageError(f"/{path} is a file and cannot become a directory")
        if entry.kind is FileKind.SYMLINK or there is FileKind.SYMLINK:
            self.moved()
        if path and (entry.kind is not FileKind.DIRECTORY or self.entries.kind_at(path) or there is None):
            self.entries.put(entry)

    def _with_content(self, entry: Entry, asked: str) -> Entry:
        """A hard link as what it links to: the same content object under another name."""
        if entry.kind is FileKind.HARDLINK:
            target = self._finals.get(entry.link)
            if target is None:
                raise UsageError(
                    f"/{asked} is a hard link to /{entry.link}, which is not in the same layer before it"
                )
            entry = replace(target, path=entry.path)
        self._finals[asked] = entry
        return entry

    def link_at(self, path: str) -> str | None:
        """The link to follow at a path, noted."""
        link = super().link_at(path)
        if link is not None:
            self._followed.add(path)
        return link


def link(entries: EntryTable) -> None:
    """Make every name of a shared content but the first a hard link to the first, if one source brought them."""
    first: dict[tuple[object, ...], str] = {}
    links = []
    for source, entry in entries.alike():
        content = entry.content if isinstance(entry.content, FileContent) else id(entry.content)
        key = (source, content, entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)
        target = first.setdefault(key, entry.path)
        if target != entry.path:
            links.append(replace(entry, kind=FileKind.HARDLINK, content=None, link=target))
    for entry in links:
        entries.put(entry)
