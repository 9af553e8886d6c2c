"""Files taken out of every layer for good: which stretches of each tar go, and what stands in their place. Pure.

All other members keep their bytes, headers included. Whiteouts of what goes are in no layer's way any more, and go
too. A hard link whose first name goes becomes the file.
Spec: image-spec layer.md, "Applying Changesets", "Whiteouts".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from ocitool.errors import UsageError
from ocitool.model.files import OPAQUE, WHITEOUT, FileKind, LinkLoop, ancestors, parent, resolve
from ocitool.pack.entries import Entry
from ocitool.pack.tar import END, entry_stream
from ocitool.rootfs.tree import Listed, Tree, dressed
from ocitool.values import dataclass, replace

_NO_CLAMP: Final = 2**63

Inode: TypeAlias = tuple[int, int]
"""A file: its layer, and where in that layer's tar the member with the data starts."""
PathMatch: TypeAlias = Callable[[str], bool]
"""Whether a path goes, with all below it."""


@dataclass(frozen=True, slots=True)
class LayerCut:
    """A stretch of a layer's tar that goes, up to the byte before `end` (None: what is left of the archive).

    `entry` stands in its place, a file without its content, which is that of `inode` and of `size` bytes.
    """

    start: int
    end: int | None
    entry: Entry | None = None
    inode: Inode = (0, 0)
    size: int = 0


@dataclass(frozen=True, slots=True)
class StrippedLayer:
    """What goes of a layer: its cuts in order, the names of its members that go, those that became files."""

    cuts: tuple[LayerCut, ...] = ()
    gone: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()


def strip_layers(
    listings: Sequence[Sequence[Listed]], matches: Mapping[str, PathMatch], beside: str | None = None
) -> tuple[tuple[StrippedLayer, ...], frozenset[str]]:
    """What goes of each layer, bottom first, and the names of the `matches` that any path had.

    Paths are those that a container would see, links followed as they stood when a layer was laid over the others.
    `beside` names a member that goes where anything of its layer does. Raises UsageError for a link that
    goes while a layer writes through it what stays, MalformedDocument as a tree.
    """
    work = _Strip(matches, [_Stretches(listing, beside) for listing in listings])
    Tree.watched(listings, work.look)
    return tuple(layer.done() for layer in work.layers), frozenset(work.found)


class _Stretches:
    """What is decided about one layer, row by row in its order."""

    def __init__(self, listing: Sequence[Listed], beside: str | None) -> None:
        self._ends = iter([*(row.node.offset for row in listing[1:]), None])
        self._beside = beside
        self._cuts: list[LayerCut] = []
        self._also: list[LayerCut] = []
        self._gone: list[str] = []
        self._promoted: list[str] = []

    def add(self, row: Listed, instead: LayerCut | None, *, goes: bool) -> None:
        """The next row: whether it goes, or what stands in its place."""
        end = next(self._ends)
        cut = replace(instead or LayerCut(0, None), start=row.node.offset, end=end)
        if goes:
            self._cuts.append(cut)
            self._gone.append(row.path)
        elif instead is not None:
            self._cuts.append(cut)
            is_file = instead.entry is not None and instead.entry.kind is not FileKind.HARDLINK
            self._promoted += [row.path] if is_file else []
        elif row.path == self._beside:
            self._also.append(cut)

    def done(self) -> StrippedLayer:
        """All of it."""
        cuts = sorted([*self._cuts, *self._also], key=lambda cut: cut.start) if self._cuts else ()
        return StrippedLayer(tuple(cuts), tuple(self._gone), tuple(self._promoted))


class _Strip:
    """Decides about each row while the tree below it stands."""

    def __init__(self, matches: Mapping[str, PathMatch], layers: Sequence[_Stretches]) -> None:
        self.layers = layers
        self.found: set[str] = set()
        self._matches = matches
        self._folders: dict[str, bool] = {"": False}
        self._kept: dict[tuple[int, Inode], dict[str, str]] = {}

    def look(self, tree: Tree, number: int, row: Listed) -> None:
        """Decide about a row that is about to be laid."""
        real, links = _real(tree, row.path)
        name = real.rpartition("/")[2]
        instead = None
        if name == OPAQUE:
            goes = self._goes(parent(real))
        elif name.startswith(WHITEOUT):
            goes = self._goes(f"{parent(real)}/{name.removeprefix(WHITEOUT)}".lstrip("/"))
        else:
            goes = self._goes(real)
            instead = self._hidden(tree, real) if goes else self._instead(tree, number, row, real)
        if not goes:
            self._check_way(links, real)
        self.layers[number].add(row, instead, goes=goes)

    def _instead(self, tree: Tree, number: int, row: Listed, real: str) -> LayerCut | None:
        """What stands in the place of a hard link that stays while what it names goes; None for all else."""
        node = row.node
        if node.kind is not FileKind.HARDLINK:
            self._kept.setdefault((number, (number, node.offset)), {})[real] = row.path
            return None
        target, _ = _real(tree, node.link)
        file = tree.get(target)
        if file is None or file.kind in {FileKind.HARDLINK, FileKind.DIRECTORY}:
            return None  # a link to nothing, and it stays one
        inode = (file.layer, file.offset)
        names = self._kept.setdefault((number, inode), {})
        there = [own for place, own in names.items() if _is_at(tree, place, inode)]
        names[real] = row.path
        if not self._goes(target):
            return None
        if there:
            link = Entry(
                row.path, node.kind, node.mode, node.uid, node.gid, node.mtime, None, there[0], node.xattrs
            )
            return LayerCut(0, None, link, inode)
        file = dressed(file, node)
        entry = Entry(
            row.path,
            file.kind,
            file.mode,
            file.uid,
            file.gid,
            file.mtime,
            None,
            file.link,
            file.xattrs,
            file.device,
        )
        return LayerCut(0, None, entry, inode, file.size)

    def _hidden(self, tree: Tree, real: str) -> LayerCut | None:
        """A directory in the place of what goes, where it hid a file that stays by being below that path."""
        for step in ancestors(real):
            if tree.kind_at(step) not in {None, FileKind.DIRECTORY} and not self._goes(step):
                return LayerCut(0, None, Entry(step, FileKind.DIRECTORY, 0o755, mtime=0))
        return None

    def _goes(self, path: str) -> bool:
        """Whether a path goes, because it or a directory above it matches."""
        if not path:
            return False
        folder = parent(path)
        if folder not in self._folders:
            for step in (*ancestors(folder), folder):
                if step not in self._folders:
                    self._folders[step] = self._is_meant(step) or self._folders[parent(step)]
        return self._is_meant(path) or self._folders[folder]

    def _is_meant(self, path: str) -> bool:
        found = {text for text, matches in self._matches.items() if matches(path)}
        self.found |= found
        return bool(found)

    def _check_way(self, links: Iterable[str], real: str) -> None:
        """Raise UsageError where a link on the way to a file that stays goes: the file would be elsewhere then."""
        for link in links:
            if self._goes(link):
                raise UsageError(
                    f"/{link} is a link that a layer writes /{real} through, and cannot go alone",
                    hint="name what it leads to as well",
                )


def _real(tree: Tree, path: str) -> tuple[str, list[str]]:
    """Where a row puts its file, or finds what it links to, and the symbolic links on its way."""
    links: list[str] = []

    def link_at(place: str) -> str | None:
        target = tree.link_at(place)
        if target is not None:
            links.append(place)
        return target

    above, _, name = path.rpartition("/")
    try:
        folder = resolve(above, link_at, budget=tree.budget) if above else ""
    except LinkLoop:
        return path, []
    return f"{folder}/{name}".lstrip("/"), links


def _is_at(tree: Tree, path: str, inode: Inode) -> bool:
    node = tree.get(path)
    return node is not None and (node.layer, node.offset) == inode


def spliced(tar: Iterable[bytes], cuts: Iterable[LayerCut]) -> Iterator[bytes]:
    """The bytes of a layer's tar without its cuts, which are in order, and with what stands in their place."""
    todo = iter(cuts)
    cut, at = next(todo, None), 0
    for piece in tar:
        rest = piece
        while rest and cut is not None:
            if before := rest[: max(0, cut.start - at)]:
                yield before
                rest, at = rest[len(before) :], at + len(before)
                continue
            if at == cut.start and cut.entry is not None:
                yield from entry_stream(cut.entry, _NO_CLAMP)
            taken = len(rest) if cut.end is None else min(len(rest), cut.end - at)
            rest, at = rest[taken:], at + taken
            if at == cut.end:
                cut = next(todo, None)
        if rest:
            yield rest
    if cut is not None:
        yield END
