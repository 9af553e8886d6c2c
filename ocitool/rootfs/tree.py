"""The merged tree of an image: its layers' listings laid over each other, as a container would see it.

Only names and attributes are held; contents are read from the layers when asked for. A layer's listing is
memoised by the layer's digest, so a base is downloaded for its listing once on a machine; of one that is read
in parts only the table of contents is.
Spec: image-spec layer.md, "Applying Changesets", "Whiteouts".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import USUAL, TarLimits, TarMember, read_members
from ocitool.codec.toc import TocEntry
from ocitool.errors import MalformedDocument, NotFound
from ocitool.model.files import MAX_PATH, OPAQUE, WHITEOUT, FileKind, FileTree, LinkLoop, name_bytes
from ocitool.model.views import Descriptor, Manifest
from ocitool.rootfs.parts import LayerParts, open_parts
from ocitool.store.base import Memo, Reader
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Node:
    """One file of the tree.

    `layer` is the number of the layer (bottom is 0) that holds its data, and `offset` where in that layer's
    tar the member with the data starts (another member for a hard link). In a layer that is read in parts it is
    negative: -1 for the first entry of the table of contents.
    """

    kind: FileKind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    link: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    layer: int = -1
    offset: int = 0
    device: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a layer's listing: a path and its attributes, whiteouts and duplicates included."""

    path: str
    node: Node

    @classmethod
    def of(cls, file: TarMember | TocEntry) -> "Listed":
        """The row of a member of a tar, or of an entry of a table of contents."""
        return cls(
            file.path,
            Node(
                file.kind,
                file.mode,
                file.uid,
                file.gid,
                file.mtime,
                file.size,
                file.link,
                file.xattrs,
                offset=file.offset,
                device=file.device,
            ),
        )

    def to_row(self) -> list[Any]:
        """The row as JSON: fixed columns, trailing defaults left out."""
        n = self.node
        row: list[Any] = [self.path, n.kind.value, n.mode, n.uid, n.gid, n.mtime, n.size, n.link, n.offset]
        if n.xattrs or n.device != (0, 0):
            row += [[[key, value.hex()] for key, value in n.xattrs], list(n.device)]
        return row

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "Listed":
        """The inverse of `to_row`."""
        path, kind, mode, uid, gid, mtime, size, link, offset, *more = row
        xattrs = tuple((key, bytes.fromhex(value)) for key, value in more[0]) if more else ()
        device = (more[1][0], more[1][1]) if more else (0, 0)
        node = Node(FileKind(kind), mode, uid, gid, mtime, size, link, xattrs, offset=offset, device=device)
        return cls(path, node)


class _Place:
    """A node and what stands below it, while the tree grows. `touched` is the last layer that went through it.

    `length` is that of its path, in characters.
    """

    __slots__ = ("below", "length", "node", "touched")

    def __init__(self, node: Node, touched: int, length: int = 0) -> None:
        self.node = node
        self.touched = touched
        self.length = length
        self.below: dict[str, _Place] = {}


class Tree(FileTree[Node]):
    """What a container of the image would find. Paths have the form of `model.files`; "" is the root.

    Made of the listings of the layers, bottom first, and not changed after that. As in engines, an entry goes
    through links that stand on its way. `dangling` are the layer, path and target of each hard link to nothing that
    stands before it (K208), `parts` the layers that are read in parts, by number. Raises MalformedDocument for too
    many files, and for what exceeds a `TreeBudget`.
    """

    def __init__(self, listings: Iterable[Iterable[Listed]] = (), limits: TarLimits = USUAL) -> None:
        self._root = _Place(Node(FileKind.DIRECTORY), -1)
        self._count, self._limit = 0, limits.members
        self._entered: dict[str, _Place] = {}
        self._names: dict[tuple[int, int], list[_Place]] = {}
        self._last: tuple[str, _Place | None] = ("", self._root)
        self.dangling: list[tuple[int, str, str]] = []
        self.parts: Mapping[int, LayerParts] = {}
        for number, listing in enumerate(listings):
            self._add_layer(listing, number)

    @classmethod
    def growing(cls, listings: Iterable[Iterable[Listed]], limits: TarLimits = USUAL) -> "Iterator[Tree]":
        """What lies below each listing, bottom first: one tree, which grows when the next is asked for."""
        tree = cls((), limits)
        for number, listing in enumerate(listings):
            yield tree
            tree._add_layer(listing, number)

    @classmethod
    def watched(
        cls,
        listings: Iterable[Iterable[Listed]],
        watch: "Callable[[Tree, int, Listed], None]",
        limits: TarLimits = USUAL,
    ) -> "Tree":
        """The tree; before each row is laid, `watch` gets what there is, the number of the layer, and the row."""
        tree = cls((), limits)
        for number, listing in enumerate(listings):
            tree._add_layer(listing, number, watch)
        return tree

    @property
    def size(self) -> int:
        """How many files were put into it, those that are gone too."""
        return self._count

    # Looking

    def get(self, path: str) -> Node | None:
        """What stands at a path whose own parents are no links; None for nothing."""
        place = self._find(path)
        return None if place is None else place.node

    def node(self, path: str) -> Node:
        """What stands at a path that is known to be there. Raises KeyError for one that is not."""
        node = self.get(path)
        if node is None:
            raise KeyError(path)
        return node

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted bytewise; nothing for what is not one."""
        place = self._find(path)
        return tuple(sorted(place.below, key=name_bytes)) if place is not None else ()

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Every path but the root with its node, parents before what they hold, sorted by component."""
        todo: list[tuple[str, _Place]] = [("", self._root)]
        while todo:
            path, place = todo.pop()
            if path:
                yield path, place.node
            todo += [
                (f"{path}/{name}".lstrip("/"), place.below[name]) for name in sorted(place.below, reverse=True)
            ]

    # Growing

    def _add_layer(
        self,
        listing: Iterable[Listed],
        number: int,
        watch: "Callable[[Tree, int, Listed], None] | None" = None,
    ) -> None:
        self._entered = {}
        self._last = ("", self._root)
        for listed in listing:
            if watch is not None:
                watch(self, number, listed)
            self._lay(listed, number)
            self._last = ("", self._root)
        for names in self._names.values():
            for place in names:
                place.node = names[-1].node
        self._entered, self._names = {}, {}

    def _find(self, path: str) -> _Place | None:
        """The place at a path. Links are looked for one component after the other, so the last step is kept."""
        above, _, name = path.rpartition("/")
        known, place = self._last
        if known != above:
            place = self._root
            for part in above.split("/") if above else ():
                place = place.below.get(part) if place is not None else None
        if name and place is not None:
            place = place.below.get(name)
        self._last = (path, place)
        return place

    def _lay(self, listed: Listed, layer: int) -> None:
        """Put or delete. A whiteout acts on lower layers alone, wherever it stands in its own (K149)."""
        above, _, name = listed.path.rpartition("/")
        if name.startswith(WHITEOUT + WHITEOUT) and name != OPAQUE:
            return  # aufs's own files
        if f"/{above}".find(f"/{WHITEOUT}") >= 0:
            return  # below a name that deletes, or in aufs's own directories
        if not name.startswith(WHITEOUT):
            self._put(above, name, replace(listed.node, layer=layer), layer)
            return
        hidden = name.removeprefix(WHITEOUT)
        if hidden in ("", ".", ".."):
            return  # the directory itself, if one took it literally (K148)
        try:
            place = self._find(self.resolve(above))
        except LinkLoop:
            return
        if place is not None:
            self._entered = {}
            self._clear(place, layer, list(place.below) if name == OPAQUE else [hidden])

    def _clear(self, place: _Place, layer: int, names: Iterable[str]) -> None:
        """Take away what lower layers have under these names and below."""
        todo = [(place, name) for name in names]
        while todo:
            place, name = todo.pop()
            below = place.below.get(name)
            if below is None:
                continue
            if below.touched != layer:
                del place.below[name]  # with all below it: what leads to something of this layer was touched
                continue
            if below.node.kind is FileKind.DIRECTORY and below.node.layer != layer:
                below.node = Node(FileKind.DIRECTORY, layer=layer)
            todo += [(below, inner) for inner in below.below]

    def _put(self, above: str, name: str, node: Node, layer: int) -> None:
        if not name:
            if node.kind is FileKind.DIRECTORY:
                self._root.node = node
            return
        target = self._target(node) if node.kind is FileKind.HARDLINK else None
        names: list[_Place] = []
        if target is None and node.kind is FileKind.HARDLINK:
            self.dangling.append((layer, f"{above}/{name}".lstrip("/"), node.link))
        if target is not None:
            names = self._names.setdefault((target.node.layer, target.node.offset), [target])
            node = dressed(names[-1].node, node)
        place = self._enter(above, layer)
        there = place.below.get(name)
        if there is not None and there.node.kind is FileKind.DIRECTORY and node.kind is FileKind.DIRECTORY:
            there.node, there.touched = node, layer
            return
        if there is not None:
            self._entered = {}  # what stood there is gone, or a link that led elsewhere
        names.append(self._add(place, name, node, layer))

    def _add(self, place: _Place, name: str, node: Node, layer: int) -> _Place:
        self._count += 1
        if self._count > self._limit:
            raise MalformedDocument(f"an image of more than {self._limit} files")
        length = place.length + 1 + len(name)
        if length > MAX_PATH + 1:
            raise MalformedDocument(f"a file with a path of more than {MAX_PATH} characters, through links")
        self.budget.add(length)
        added = place.below[name] = _Place(node, layer, length)
        return added

    def _target(self, node: Node) -> _Place | None:
        """The file that a hard link is another name of, which may go away later (K143).

        None for a link to nothing, which keeps its kind: the reader may want to know.
        """
        try:
            target = self._find(self.resolve(node.link, follow_last=False))
        except LinkLoop:
            return None
        return None if target is None or target.node.kind is FileKind.DIRECTORY else target

    def _enter(self, path: str, layer: int) -> _Place:
        """The directory at `path`, links on the way followed, what is missing made; marked as touched."""
        known = self._entered.get(path)
        if known is not None:
            return known
        place = self._root
        for part in path.split("/") if path else ():
            below = place.below.get(part)
            if below is not None and below.node.kind is FileKind.SYMLINK:
                with suppress(LinkLoop):  # a loop is replaced, like anything else in the way
                    real = self.resolve(path)
                    self._entered[path] = self._enter(real, layer)
                    return self._entered[path]
            if below is None or below.node.kind is not FileKind.DIRECTORY:
                below = self._add(place, part, Node(FileKind.DIRECTORY, layer=layer), layer)
            below.touched = layer
            place = below
        self._entered[path] = place
        return place


def dressed(file: Node, link: Node) -> Node:
    """The file with what the header of a hard link to it says: Docker, containerd and podman apply every header."""
    xattrs = tuple(sorted({**dict(file.xattrs), **dict(link.xattrs)}.items()))
    if file.kind is FileKind.SYMLINK:
        return replace(file, uid=link.uid, gid=link.gid, xattrs=xattrs)
    return replace(file, mode=link.mode, uid=link.uid, gid=link.gid, mtime=link.mtime, xattrs=xattrs)


def read_tree(
    store: Reader, manifest: Manifest, memo: Memo | None, *, scope: Scope, width: int = 4, in_parts: bool = False
) -> Tree:
    """The merged tree of an image. Layers whose listing is in `memo` are not read.

    With `in_parts` only the table of contents is read of layers that have one, and `read_file` then reads by Range;
    without it the offsets of all nodes are those of the tars.
    Raises NotFound for a missing layer, MalformedDocument for a damaged one, DigestMismatch.
    """
    with TaskGroup(scope, width) as group:
        read = partial(_list_or_open, store, memo=memo, scope=group.scope, in_parts=in_parts)
        tasks = [group.spawn(read, layer) for layer in manifest.layers]
    listed = [task.result for task in tasks]
    tree = Tree(map(Listed.of, one.entries) if isinstance(one, LayerParts) else one for one in listed)
    tree.parts = {number: one for number, one in enumerate(listed) if isinstance(one, LayerParts)}
    return tree


def _list_or_open(
    store: Reader, layer: Descriptor, memo: Memo | None, *, scope: Scope, in_parts: bool
) -> tuple[Listed, ...] | LayerParts:
    parts = open_parts(store, layer, memo, scope=scope) if in_parts else None
    return parts if parts is not None else list_layer(store, layer, memo, scope=scope)


def list_layer(
    store: Reader, layer: Descriptor, memo: Memo | None, *, scope: Scope, limits: TarLimits = USUAL
) -> tuple[Listed, ...]:
    """What a layer holds, in its order; from `memo` if it was listed before.

    Raises MalformedDocument for a damaged layer and for one beyond the limits.
    """
    key = f"listing:{layer.digest}"
    known = memo.recall(key) if memo is not None else None
    if known is not None:
        return tuple(Listed.from_row(row) for row in known["rows"])
    with store.open_blob(layer) as pieces:
        listed = tuple(map(Listed.of, bounded_members(decompress(scope.pieces(pieces)), layer, limits)))
    if memo is not None:
        memo.remember(key, {"rows": [row.to_row() for row in listed]})
    return listed


def bounded_members(tar: Iterable[bytes], layer: Descriptor, limits: TarLimits = USUAL) -> Iterator[TarMember]:
    """The members of a layer's uncompressed tar. Raises MalformedDocument for one beyond the limits, or damaged."""
    try:
        yield from read_members(tar, limits=limits.of_packed(layer.size))
    except MalformedDocument as error:
        error.add_note(f"in layer {layer.digest} of {layer.size} bytes")
        raise


def identity_of(manifest: Manifest, tree: Tree, node: Node) -> str:
    """What names the content of a file of the tree, wherever it is met."""
    parts = tree.parts.get(node.layer)
    return f"{parts.identity if parts is not None else manifest.layers[node.layer].digest}:{node.offset}"


def read_file(
    store: Reader, manifest: Manifest, tree: Tree, path: str, *, scope: Scope, limit: int | None = None
) -> Iterator[bytes]:
    """The bytes of a file in pieces of at most 256 KiB, links followed; verified when the iteration ends.

    Of a layer that is read in parts nothing else is read. Raises NotFound where there is no regular file,
    MalformedDocument for one larger than `limit` bytes.
    """
    node = tree.lookup(path)
    if node is None or node.kind is not FileKind.FILE or not 0 <= node.layer < len(manifest.layers):
        what = "it is a directory" if node is not None and node.kind is FileKind.DIRECTORY else ""
        raise NotFound(f"no file /{path.lstrip('/')} in the image", name=path, where=store.label, hint=what)
    if limit is not None and node.size > limit:
        raise MalformedDocument(f"/{path} has {node.size} bytes, more than {limit}")
    parts = tree.parts.get(node.layer)
    if parts is not None:
        yield from (piece for _, piece in parts.read([(None, parts.entry(node.offset))], scope))
        return
    found = False
    with store.open_blob(manifest.layers[node.layer]) as pieces:
        for member in bounded_members(decompress(scope.pieces(pieces)), manifest.layers[node.layer]):
            if member.offset == node.offset and member.kind is FileKind.FILE:
                found = True
                yield from member.pieces()
    if not found:
        raise MalformedDocument(
            f"layer {manifest.layers[node.layer].digest} does not hold /{path} where it was listed"
        )
