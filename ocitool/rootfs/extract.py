"""The merged file system of an image as one tar: what `docker export` gives, without a container; or as one layer.

The tree decides what there is; the layers are read once each, in their order. Markers, hard links to nothing and
the attributes of overlay file systems stay behind, and of what is exported device nodes too. Symbolic links come
last, so whoever unpacks the tar never writes through one.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import USUAL, TarMember
from ocitool.errors import MalformedDocument
from ocitool.model.files import WHITEOUT, FileKind, parent
from ocitool.model.numbers import MIB
from ocitool.model.views import Manifest
from ocitool.pack.entries import Entry, whiteout
from ocitool.pack.tar import tar_stream
from ocitool.rootfs.tree import Node, Tree, bounded_members
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from ocitool.values import dataclass, field, replace

OWNERS_ONLY: Final = 0o300
"""What a directory must let its owner do before anything can be put into it."""
_OVERLAY: Final = ("trusted.overlay.", "user.overlay.")
_NO_CLAMP: Final = 2**63
_DEVICES: Final = frozenset({FileKind.CHAR, FileKind.BLOCK})
_SPECIAL: Final = _DEVICES | {FileKind.FIFO}
_IN_MEMORY: Final = MIB
Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What of a tree is exported, in the order in which it can be written.

    `files` are, by layer and by where the member with the data starts, the files with that data, each by its names,
    the first one first: a link from a layer above makes one with attributes of its own. `special` are pipes, and
    devices of a layer. `left_out` are paths that are not exported; `size` is in bytes, holes included.
    `whiteouts` are what a layer takes away.
    """

    directories: tuple[str, ...]
    files: Mapping[int, Mapping[int, tuple[Names, ...]]] = field(hash=False)
    special: tuple[str, ...]
    links: tuple[str, ...]
    left_out: tuple[str, ...]
    size: int
    whiteouts: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many files of all kinds, every name counted."""
        names = sum(len(names) for layer in self.files.values() for files in layer.values() for names in files)
        return names + len(self.directories) + len(self.special) + len(self.links)


def contents(tree: Tree, limit: int = USUAL.size) -> Contents:
    """What to export of a tree. Raises MalformedDocument for more than `limit` bytes, before any is written."""
    found = _contents(tree, lambda _path: True, devices=False)
    if found.size > limit:
        raise MalformedDocument(
            f"the files of the image have {found.size} bytes, more than {limit}",
            hint="a larger --limit takes them, if this is no bomb",
        )
    return found


def layer_contents(tree: Tree, below: Tree) -> Contents:
    """What one layer holds that makes `tree` of what is `below` it, devices and whiteouts included.

    Directories on the way to anything are named with their attributes, as `pack.placing` does. A file that has
    another name below is another file here. Raises MalformedDocument for more bytes than any image has.
    """
    changed = {path for path, node in tree.walk() if node != below.get(path)}
    gone = tuple(
        path
        for path, lower in below.walk()
        if _is_lost(node := tree.get(path)) and node != lower and _can_be_deleted(path, tree)
    )
    needed = set(changed)
    for path in (*changed, *gone):
        step = parent(path)
        while step and step not in needed:  # each of its own is on the way already
            needed.add(step)
            step = parent(step)
    found = _contents(tree, lambda path: path in needed, devices=True)
    if found.size > USUAL.size:
        raise MalformedDocument(f"the files of the layer have {found.size} bytes, more than {USUAL.size}")
    return replace(found, whiteouts=gone)


def _is_lost(node: Node | None) -> bool:
    """Whether nothing is there, or a hard link to nothing."""
    return node is None or node.kind is FileKind.HARDLINK


def _can_be_deleted(path: str, tree: Tree) -> bool:
    """Whether a whiteout of the path can stand in the tree, and is needed there."""
    return tree.kind_at(parent(path)) is FileKind.DIRECTORY and not _is_marked(path)


def _is_marked(path: str) -> bool:
    """Whether a name in it would be read as a deletion: a link's text can name a directory so."""
    return f"/{path}".find(f"/{WHITEOUT}") >= 0


def _contents(tree: Tree, is_meant: Callable[[str], bool], *, devices: bool) -> Contents:
    """The paths that are meant, by what they are."""
    directories, special, links, left_out = [], [], [], []
    files: dict[int, dict[int, dict[Node, list[str]]]] = {}
    size = 0
    kept = _SPECIAL if devices else _SPECIAL - _DEVICES
    for path, node in tree.walk():
        if not is_meant(path):
            continue
        if _is_marked(path):
            left_out.append(path)
        elif node.kind is FileKind.DIRECTORY:
            directories.append(path)
        elif node.kind is FileKind.FILE:
            same = files.setdefault(node.layer, {}).setdefault(node.offset, {})
            size += node.size if node not in same else 0
            same.setdefault(node, []).append(path)
        elif node.kind is FileKind.SYMLINK:
            links.append(path)
        elif node.kind in kept:
            special.append(path)
        else:
            left_out.append(path)
    named = {
        layer: {offset: tuple(map(tuple, same.values())) for offset, same in below.items()}
        for layer, below in files.items()
    }
    return Contents(tuple(directories), named, tuple(special), tuple(links), tuple(left_out), size)


def members(
    store: Reader, manifest: Manifest, what: Contents, *, scope: Scope
) -> Iterator[tuple[Names, TarMember]]:
    """The files to export with all their names; a member's content is there until the next one is asked for.

    A member that several files have their data of comes once for each of them.

    Raises MalformedDocument if a layer does not hold what the tree says, DigestMismatch, NotFound.
    """
    for layer in sorted(what.files):
        wanted = dict(what.files[layer])
        with store.open_blob(manifest.layers[layer]) as pieces:
            for member in bounded_members(decompress(scope.pieces(pieces)), manifest.layers[layer]):
                files = wanted.pop(member.offset, ())
                if len(files) == 1 and member.kind is FileKind.FILE:
                    yield files[0], member
                elif member.kind is FileKind.FILE and files:
                    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as held:
                        again = member.kept_in(held)
                        yield from ((names, again) for names in files)
        if wanted:
            lost = next(iter(wanted.values()))[0][0]
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
    """Directories, whiteouts, files with their further names, pipes and devices, links.

    Directories closed to their owner come last.
    """
    closed = [path for path in what.directories if tree.node(path).mode & OWNERS_ONLY != OWNERS_ONLY]
    for path in what.directories:
        if tree.node(path).mode & OWNERS_ONLY == OWNERS_ONLY:
            yield _entry(tree, path)
    for path in what.whiteouts:
        yield replace(whiteout(path), mtime=0)
    for (first, *others), member in members(store, manifest, what, scope=scope):
        yield _entry(tree, first, content=_MemberContent(member))
        for other in others:
            yield _entry(tree, other, kind=FileKind.HARDLINK, link=first)
    for path in (*what.special, *what.links, *closed):
        yield _entry(tree, path)


def _entry(
    tree: Tree, path: str, *, kind: FileKind | None = None, link: str = "", content: _MemberContent | None = None
) -> Entry:
    node = tree.node(path)
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
        node.device,
    )
