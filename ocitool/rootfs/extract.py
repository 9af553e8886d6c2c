"""The merged file system of an image as one tar: what `docker export` gives, without a container.

The tree decides what there is; the layers are read once each, in their order. Markers, device nodes, hard links
to nothing and the attributes of overlay file systems stay behind. Symbolic links come last, so whoever unpacks
the tar never writes through one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import USUAL, TarMember
from ocitool.errors import MalformedDocument
from ocitool.model.files import WHITEOUT, FileKind
from ocitool.model.views import Manifest
from ocitool.pack.entries import Entry
from ocitool.pack.tar import tar_stream
from ocitool.rootfs.tree import Node, Tree, bounded_members
from ocitool.store.base import Reader
from ocitool.tasks import Scope

OWNERS_ONLY: Final = 0o300
"""What a directory must let its owner do before anything can be put into it."""
_OVERLAY: Final = ("trusted.overlay.", "user.overlay.")
_NO_CLAMP: Final = 2**63


@dataclass(frozen=True, slots=True)
class Contents:
    """What of a tree is exported, in the order in which it can be written.

    `files` is, by layer and by where the member with the data starts, the names of that file, the first one
    first. `left_out` are paths that are not exported; `size` is in bytes, holes of sparse files included.
    """

    directories: tuple[str, ...]
    files: Mapping[int, Mapping[int, tuple[str, ...]]] = field(hash=False)
    pipes: tuple[str, ...]
    links: tuple[str, ...]
    left_out: tuple[str, ...]
    size: int

    @property
    def count(self) -> int:
        """How many files of all kinds, every name counted."""
        names = sum(len(paths) for layer in self.files.values() for paths in layer.values())
        return names + len(self.directories) + len(self.pipes) + len(self.links)


def contents(tree: Tree, limit: int = USUAL.size) -> Contents:
    """What to export of a tree. Raises MalformedDocument for more than `limit` bytes, before any is written."""
    directories, pipes, links, left_out = [], [], [], []
    files: dict[int, dict[int, tuple[str, ...]]] = {}
    size = 0
    for path, node in tree.walk():
        if f"/{path}".find(f"/{WHITEOUT}") >= 0:  # a link's text can name a directory so
            left_out.append(path)
        elif node.kind is FileKind.DIRECTORY:
            directories.append(path)
        elif node.kind is FileKind.FILE:
            names = files.setdefault(node.layer, {})
            size += node.size if node.offset not in names else 0
            names[node.offset] = (*names.get(node.offset, ()), path)
        elif node.kind is FileKind.SYMLINK:
            links.append(path)
        elif node.kind is FileKind.FIFO:
            pipes.append(path)
        else:
            left_out.append(path)
    if size > limit:
        raise MalformedDocument(
            f"the files of the image have {size} bytes, more than {limit}",
            hint="a larger --limit takes them, if this is no bomb",
        )
    return Contents(tuple(directories), files, tuple(pipes), tuple(links), tuple(left_out), size)


def members(
    store: Reader, manifest: Manifest, what: Contents, *, scope: Scope
) -> Iterator[tuple[tuple[str, ...], TarMember]]:
    """The files to export with all their names; a member's content is there until the next one is asked for.

    Raises MalformedDocument if a layer does not hold what the tree says, DigestMismatch, NotFound.
    """
    for layer in sorted(what.files):
        wanted = dict(what.files[layer])
        with store.open_blob(manifest.layers[layer]) as pieces:
            for member in bounded_members(decompress(scope.pieces(pieces)), manifest.layers[layer]):
                names = wanted.pop(member.offset, None)
                if names is not None and member.kind is FileKind.FILE:
                    yield names, member
        if wanted:
            lost = next(iter(wanted.values()))[0]
            raise MalformedDocument(
                f"layer {manifest.layers[layer].digest} does not hold /{lost} where it was listed"
            )


def export_tar(store: Reader, manifest: Manifest, tree: Tree, what: Contents, *, scope: Scope) -> Iterator[bytes]:
    """The tar of what is exported, in pieces of at most 256 KiB; the same bytes for the same image.

    Raises as `members` does.
    """
    return export_together(store, (ExportPart(manifest, tree, what),), scope=scope)


@dataclass(frozen=True, slots=True)
class ExportPart:
    """What of one image goes into a tar, and the folder it gets there; empty for none."""

    manifest: Manifest
    tree: Tree
    what: Contents
    folder: str = ""


def export_together(store: Reader, parts: Iterable[ExportPart], *, scope: Scope) -> Iterator[bytes]:
    """One tar of several images, each asked for when its turn comes. Raises as `members` does."""
    return tar_stream((entry for part in parts for entry in _below(store, part, scope)), _NO_CLAMP)


def _below(store: Reader, part: ExportPart, scope: Scope) -> Iterator[Entry]:
    """The entries of one image in its folder; what hard links name is there too."""
    entries = _entries(store, part.manifest, part.tree, part.what, scope)
    if not part.folder:
        yield from entries
        return
    yield Entry(part.folder, FileKind.DIRECTORY, 0o755, mtime=0)
    for entry in entries:
        link = f"{part.folder}/{entry.link}" if entry.kind is FileKind.HARDLINK else entry.link
        yield replace(entry, path=f"{part.folder}/{entry.path}", link=link)


def kept_xattrs(node: Node) -> tuple[tuple[str, bytes], ...]:
    """The attributes that mean something outside the overlay file system that made the layer."""
    return tuple((key, value) for key, value in node.xattrs if not key.startswith(_OVERLAY))


@dataclass(frozen=True, slots=True)
class _MemberContent:
    """A member as the content of an entry; it can be read once, while its turn lasts."""

    member: TarMember

    @property
    def size(self) -> int:
        return self.member.size

    @property
    def stamp(self) -> None:
        return

    @property
    def identity(self) -> str:
        return ""

    def pieces(self) -> Iterator[bytes]:
        return self.member.pieces()


def _entries(store: Reader, manifest: Manifest, tree: Tree, what: Contents, scope: Scope) -> Iterator[Entry]:
    """Directories, files with their further names, pipes, links; directories closed to their owner come last."""
    closed = [path for path in what.directories if _node(tree, path).mode & OWNERS_ONLY != OWNERS_ONLY]
    for path in what.directories:
        if _node(tree, path).mode & OWNERS_ONLY == OWNERS_ONLY:
            yield _entry(tree, path)
    for (first, *others), member in members(store, manifest, what, scope=scope):
        yield _entry(tree, first, content=_MemberContent(member))
        for other in others:
            yield _entry(tree, other, kind=FileKind.HARDLINK, link=first)
    for path in (*what.pipes, *what.links, *closed):
        yield _entry(tree, path)


def _entry(
    tree: Tree, path: str, *, kind: FileKind | None = None, link: str = "", content: _MemberContent | None = None
) -> Entry:
    node = _node(tree, path)
    return Entry(
        path,
        kind or node.kind,
        node.mode,
        node.uid,
        node.gid,
        node.mtime,
        content,
        link or node.link,
        kept_xattrs(node),
    )


def _node(tree: Tree, path: str) -> Node:
    node = tree.get(path)
    if node is None:
        raise ValueError(f"{path} is not in the tree")
    return node
