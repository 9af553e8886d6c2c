"""Where entries really go: through the links of the base, without changing a directory that it has.

An entry `bin/app` over a base whose `bin` is a link to `usr/bin` would replace the link and break the image;
one for `/tmp` would take its 1777 away. So destinations are resolved in the merged tree first.

Engines that unpack every layer into a folder of its own and mount one over the other (Docker's overlay2, podman's
overlay) give a directory that the layer does not name 0755 and root, and that one hides the base's. So a layer
names the directories it writes into, with the attributes that they have.
"""

from collections.abc import Callable, Iterable, Mapping

from ocitool.errors import UsageError
from ocitool.model.files import FileAttributes, FileKind, FileTree, PathLookup, ancestors, name_bytes, parent
from ocitool.pack.entries import Entry
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
    return linked(with_parents(placed.entries, tree.get if tree is not None else lambda _: None))


def with_parents(entries: Mapping[str, Entry], base: Callable[[str], FileAttributes | None]) -> tuple[Entry, ...]:
    """The entries sorted bytewise, and with them every directory of the base that one of them stands in.

    Its time is the epoch, as that of everything a build writes, so the layers of two platforms stay equal.
    """
    complete = dict(entries)
    for path in entries:
        step = path
        while (step := parent(step)) and step not in complete:
            there = base(step)
            if there is not None:
                complete[step] = Entry(
                    step, FileKind.DIRECTORY, there.mode, there.uid, there.gid, xattrs=there.xattrs
                )
    return tuple(sorted(complete.values(), key=lambda entry: name_bytes(entry.path)))


class GrowingLayer(PathLookup[FileAttributes]):
    """The entries of one layer while they are put over a tree (None: an empty root), each by its final path."""

    def __init__(self, below: FileTree[FileAttributes] | None) -> None:
        self.entries: dict[str, Entry] = {}
        self.below = below
        self._directories: dict[str, str] = {}

    def get(self, path: str) -> FileAttributes | None:
        """What stands at a path whose own parents are no links."""
        return self.entries.get(path) or (self.below.get(path) if self.below is not None else None)

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what stands there; the root is a directory."""
        own = self.entries.get(path)
        if own is not None or self.below is None or not path:
            return own.kind if own is not None else None if path else FileKind.DIRECTORY
        return self.below.kind_at(path)

    def directory(self, path: str, owner: tuple[int, int] | None = None, mode: int = 0o755) -> str:
        """The real path of a directory; it and its parents are made where they are missing. Raises UsageError."""
        real = self._directories.get(path)
        if real is None:
            real = self.resolve(path)
            for step in (*ancestors(real), real):
                there = self.kind_at(step)
                if there is None:
                    self.budget.add(len(step))
                    self.entries[step] = Entry(step, FileKind.DIRECTORY, mode, *(owner or (0, 0)))
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
        if path and (entry.kind is not FileKind.DIRECTORY or path in self.entries or there is None):
            self.entries[path] = entry

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


def linked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The sorted entries, every name of a shared content but the first as a hard link to the first."""
    first: dict[tuple[object, ...], str] = {}
    out = []
    for entry in entries:
        if entry.kind is FileKind.FILE and entry.content is not None:
            key = (id(entry.content), entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)
            target = first.setdefault(key, entry.path)
            if target != entry.path:
                entry = replace(entry, kind=FileKind.HARDLINK, content=None, link=target)  # noqa: PLW2901
        out.append(entry)
    return tuple(out)
