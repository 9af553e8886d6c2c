"""The merged tree of an image: its layers' listings laid over each other, as a container would see it.

Only names and attributes are held; contents are read from the layers when asked for. A layer's listing is
memoised by the layer's digest, so a base is downloaded for its listing once on a machine.
Spec: image-spec layer.md, "Applying Changesets", "Whiteouts".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ocitool.codec.table import decompress
from ocitool.errors import MalformedDocument, NotFound
from ocitool.model.digest import Digest
from ocitool.model.files import OPAQUE, WHITEOUT, Kind, resolve
from ocitool.model.views import Descriptor, Manifest
from ocitool.rootfs.reader import Member, read_members
from ocitool.store.base import Memo, Reader
from ocitool.tasks import Scope, TaskGroup

MAX_MEMBERS: Final = 2_000_000
"""Most members of one layer; a guess well above the largest images met."""


@dataclass(frozen=True, slots=True)
class Node:
    """One file of the tree.

    `layer` is the number of the layer (bottom is 0) that holds its data, and `offset` where in that layer's
    tar the member with the data starts (another member for a hard link).
    """

    kind: Kind
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
    def of(cls, member: Member) -> "Listed":
        """The row of a member."""
        return cls(
            member.path,
            Node(
                member.kind,
                member.mode,
                member.uid,
                member.gid,
                member.mtime,
                member.size,
                member.link,
                member.xattrs,
                offset=member.offset,
                device=member.device,
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
        node = Node(Kind(kind), mode, uid, gid, mtime, size, link, xattrs, offset=offset, device=device)
        return cls(path, node)


class _Place:
    """A node and what stands below it, while the tree grows."""

    __slots__ = ("below", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.below: dict[str, _Place] = {}


class Tree:
    """What a container of the image would find. Paths have the form of `model.files`; "" is the root.

    A tree is made by laying listings over each other with `over`; it is not changed after that.
    """

    def __init__(self, listings: Iterable[Iterable[Listed]] = ()) -> None:
        self._root = _Place(Node(Kind.DIRECTORY))
        for number, listing in enumerate(listings):
            self._lay(list(listing), number)

    # Looking

    def get(self, path: str) -> Node | None:
        """What stands at a path whose own parents are no links; None for nothing."""
        place = self._find(path)
        return None if place is None else place.node

    def kind_at(self, path: str) -> Kind | None:
        """The kind of what stands there."""
        node = self.get(path)
        return None if node is None else node.kind

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""
        node = self.get(path)
        return node.link if node is not None and node.kind is Kind.SYMLINK else None

    def resolve(self, path: str, *, follow_last: bool = True) -> str:
        """The real path, links followed inside the root. Raises MalformedDocument for a loop of links."""
        return resolve(path, self.link_at, follow_last=follow_last)

    def lookup(self, path: str) -> Node | None:
        """What a program would find under `path`, links followed; None for nothing and for a loop."""
        try:
            return self.get(self.resolve(path))
        except MalformedDocument:
            return None

    def children(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted; nothing for what is not one."""
        place = self._find(path)
        return tuple(sorted(place.below)) if place is not None else ()

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

    def _find(self, path: str) -> _Place | None:
        place: _Place | None = self._root
        for part in path.split("/") if path else ():
            place = place.below.get(part) if place is not None else None
        return place

    def _lay(self, listing: list[Listed], layer: int) -> None:
        """Whiteouts act on lower layers only, wherever in the layer they stand; so they come first (K149)."""
        files: list[Listed] = []
        for listed in listing:
            above, _, name = listed.path.rpartition("/")
            if name == OPAQUE:
                place = self._find(above)
                if place is not None:
                    place.below.clear()
            elif name.startswith(WHITEOUT + WHITEOUT) or name == WHITEOUT:
                continue  # aufs's own files, and an empty name, which must delete nothing (K148)
            elif name.startswith(WHITEOUT):
                place = self._find(above)
                if place is not None:
                    place.below.pop(name.removeprefix(WHITEOUT), None)
            else:
                files.append(listed)
        for listed in files:
            self._put(listed.path, replace(listed.node, layer=layer))

    def _put(self, path: str, node: Node) -> None:
        if not path:
            if node.kind is Kind.DIRECTORY:
                self._root.node = node
            return
        if node.kind is Kind.HARDLINK:
            target = self.get(node.link)
            # A link to nothing keeps its kind: the reader may want to know.
            node = target if target is not None else node
        place = self._root
        *above, name = path.split("/")
        for part in above:
            below = place.below.get(part)
            if below is None or below.node.kind is not Kind.DIRECTORY:
                below = place.below[part] = _Place(Node(Kind.DIRECTORY, layer=node.layer))
            place = below
        there = place.below.get(name)
        if there is not None and there.node.kind is Kind.DIRECTORY and node.kind is Kind.DIRECTORY:
            there.node = node
        else:
            place.below[name] = _Place(node)


def read_tree(store: Reader, manifest: Manifest, memo: Memo | None, *, scope: Scope, width: int = 4) -> Tree:
    """The merged tree of an image. Layers whose listing is in `memo` are not read.

    Raises NotFound for a missing layer, MalformedDocument for a damaged one.
    """
    with TaskGroup(scope, width) as group:
        tasks = [group.spawn(list_layer, store, layer, memo, scope=group.scope) for layer in manifest.layers]
    return Tree(task.result for task in tasks)


def list_layer(store: Reader, layer: Descriptor, memo: Memo | None, *, scope: Scope) -> tuple[Listed, ...]:
    """What a layer holds, in its order; from `memo` if it was listed before."""
    key = f"listing:{layer.digest}"
    known = memo.recall(key) if memo is not None else None
    if known is not None:
        return tuple(Listed.from_row(row) for row in known["rows"])
    with store.open_blob(layer) as pieces:
        listed = tuple(_bounded(read_members(decompress(scope.pieces(pieces))), layer.digest))
    if memo is not None:
        memo.remember(key, {"rows": [row.to_row() for row in listed]})
    return listed


def _bounded(members: Iterable[Member], digest: Digest) -> Iterator[Listed]:
    for number, member in enumerate(members):
        if number >= MAX_MEMBERS:
            raise MalformedDocument(f"layer {digest} holds more than {MAX_MEMBERS} files")
        yield Listed.of(member)


def read_file(
    store: Reader, manifest: Manifest, tree: Tree, path: str, *, scope: Scope, limit: int | None = None
) -> Iterator[bytes]:
    """The bytes of a file in pieces of at most 256 KiB, links followed; verified when the iteration ends.

    Raises NotFound where there is no regular file, MalformedDocument for one larger than `limit` bytes.
    """
    node = tree.lookup(path)
    if node is None or node.kind is not Kind.FILE or not 0 <= node.layer < len(manifest.layers):
        raise NotFound(f"no file /{path} in the image", name=path, where=store.label)
    if limit is not None and node.size > limit:
        raise MalformedDocument(f"/{path} has {node.size} bytes, more than {limit}")
    found = False
    with store.open_blob(manifest.layers[node.layer]) as pieces:
        for member in read_members(decompress(scope.pieces(pieces))):
            if member.offset == node.offset and member.kind is Kind.FILE:
                found = True
                yield from member.pieces()
    if not found:
        raise MalformedDocument(
            f"layer {manifest.layers[node.layer].digest} does not hold /{path} where it was listed"
        )
