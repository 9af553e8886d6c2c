"""The merged file systems of two images compared: paths, attributes and, where sizes agree, contents.

Modification times are counted and not listed: two builds of the same sources differ in them more often than they
mean it.
"""

import hashlib
from collections.abc import Iterator

from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import USUAL
from ocitool.errors import MalformedDocument
from ocitool.model.files import FileKind
from ocitool.model.printable import unicode
from ocitool.model.views import Manifest
from ocitool.report.compare import ComparedFiles, FileChange, pair_up
from ocitool.report.survey import Survey
from ocitool.rootfs.tree import Node, bounded_members, read_tree
from ocitool.store.base import Memo, Reader
from ocitool.tasks import Scope
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """One side: an image's manifest and the store its layers are in."""

    store: Reader
    manifest: Manifest


def compare_files(before: ImageFiles, after: ImageFiles, memo: Memo | None, *, scope: Scope) -> ComparedFiles:
    """What differs, sorted by path. Layers are read for their listing, and again only for files to compare.

    Nothing is read where both images have the same layers. Raises what reading the layers raises.
    """
    if [layer.digest for layer in before.manifest.layers] == [layer.digest for layer in after.manifest.layers]:
        return ComparedFiles()
    old = dict(read_tree(before.store, before.manifest, memo, scope=scope).walk())
    new = dict(read_tree(after.store, after.manifest, memo, scope=scope).walk())
    doubtful = [
        path
        for path, node in new.items()
        if path in old and _may_differ(old[path], node) and not _same_place(before, old[path], after, node)
    ]
    contents = (
        _contents(before, {(old[path].layer, old[path].offset) for path in doubtful}, scope),
        _contents(after, {(new[path].layer, new[path].offset) for path in doubtful}, scope),
    )
    compared = set(doubtful)
    changes: list[FileChange] = []
    times = 0
    for path in sorted({*old, *new}):
        found = list(_changes(path, old.get(path), new.get(path), contents if path in compared else None))
        times += not found and old[path].mtime != new[path].mtime
        changes += found
    return ComparedFiles(tuple(changes), times)


def compare_all(
    before: tuple[Reader, Survey], after: tuple[Reader, Survey], memo: Memo | None, *, scope: Scope
) -> dict[str, ComparedFiles]:
    """The file changes of every platform that both sides have, by the label of the first."""
    pairs, _, _ = pair_up(before[1], after[1])
    return {
        a.label: compare_files(
            ImageFiles(before[0], a.manifest), ImageFiles(after[0], b.manifest), memo, scope=scope
        )
        for a, b in pairs
        if a.manifest is not None and b.manifest is not None
    }


_Contents = dict[tuple[int, int], str]


def _changes(
    path: str, old: Node | None, new: Node | None, contents: tuple[_Contents, _Contents] | None
) -> Iterator[FileChange]:
    shown = unicode(path)
    if old is None:
        yield FileChange("added", shown)
    elif new is None:
        yield FileChange("removed", shown)
    else:
        what = tuple(_attributes(old, new))
        if contents and contents[0].get((old.layer, old.offset)) != contents[1].get((new.layer, new.offset)):
            what += ("content",)
        if what:
            yield FileChange("changed", shown, what)


def _attributes(old: Node, new: Node) -> Iterator[str]:
    if old.kind is not new.kind:
        yield f"{old.kind.name.lower()} → {new.kind.name.lower()}"
    if old.mode != new.mode and FileKind.SYMLINK not in (old.kind, new.kind):
        yield f"mode {old.mode:04o} → {new.mode:04o}"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield f"owner {old.uid}:{old.gid} → {new.uid}:{new.gid}"
    if old.kind is new.kind is FileKind.FILE and old.size != new.size:
        yield f"size {old.size} → {new.size}"
    if old.link != new.link:
        yield f"link {old.link} → {new.link}"
    if old.device != new.device:
        yield f"device {old.device} → {new.device}"
    if sorted(old.xattrs) != sorted(new.xattrs):
        yield "extended attributes"


def _may_differ(old: Node, new: Node) -> bool:
    return old.kind is new.kind is FileKind.FILE and old.size == new.size > 0


def _same_place(before: ImageFiles, old: Node, after: ImageFiles, new: Node) -> bool:
    """Whether both come from the same member of the same layer."""
    layers = before.manifest.layers[old.layer].digest, after.manifest.layers[new.layer].digest
    return layers[0] == layers[1] and old.offset == new.offset


def _contents(side: ImageFiles, wanted: set[tuple[int, int]], scope: Scope) -> _Contents:
    """The digests of the wanted (layer, offset) members, each layer read once and only if needed."""
    found: _Contents = {}
    for number in sorted({layer for layer, _ in wanted}):
        layer, size = side.manifest.layers[number], 0
        with side.store.open_blob(layer) as pieces:
            for member in bounded_members(decompress(scope.pieces(pieces)), layer):
                if (number, member.offset) in wanted and member.kind is FileKind.FILE:
                    size += member.size
                    if size > USUAL.of_packed(layer.size).size:  # holes are read as zeros (K258)
                        raise MalformedDocument(
                            f"layer {layer.digest} has files of more than {size - member.size} bytes"
                        )
                    digest = hashlib.sha256()
                    for piece in member.pieces():
                        digest.update(piece)
                    found[number, member.offset] = digest.hexdigest()
    return found
