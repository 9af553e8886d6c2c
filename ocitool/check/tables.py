"""Tables of contents of layers compared with the layers: whether who reads by one sees what who unpacks sees."""

import hashlib
from typing import TypeAlias

from ocitool.codec.codecs import OF_BYTES, decompress
from ocitool.codec.estargz import TOC_NAME
from ocitool.codec.tar_reader import TarMember
from ocitool.codec.toc import TocEntry
from ocitool.errors import DigestMismatch, MalformedDocument
from ocitool.model.files import FileKind
from ocitool.model.views import Descriptor
from ocitool.rootfs.parts import open_parts
from ocitool.rootfs.tree import Listed, bounded_members
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from ocitool.values import replace

TableKey: TypeAlias = tuple[str, ...]


def table_key(layer: Descriptor) -> TableKey | None:
    """What tells one table of a layer from another: its digest and what its descriptor says of its bytes.

    None where that is nothing.
    """
    said = sorted(f"{key}={value}" for key, value in layer.annotations.items() if key.startswith(OF_BYTES))
    return (layer.digest, *said) if said else None


def table_fault(store: Reader, layer: Descriptor, scope: Scope) -> str:
    """How the table of a layer differs from its files, in one clause; empty where it does not, or there is none.

    Reads the layer to its end. Raises what keeps the store from answering, and what is wrong with the layer itself.
    """
    try:
        parts = open_parts(store, layer, None, scope=scope, least=0)
    except (MalformedDocument, DigestMismatch) as error:
        return error.what
    if parts is None:
        return ""
    told = {entry.path: entry for entry in parts.entries}
    seen: set[str] = set()
    with store.open_blob(layer) as pieces:
        for member in bounded_members(decompress(scope.pieces(pieces)), layer):
            entry = told.get(member.path)
            if entry is not None:
                seen.add(member.path)
                if not _is_same(member, entry):
                    return f"it says of /{member.path} what its entry in the tar does not say"
                if not _has_content(member, entry):
                    return f"it has other content for /{member.path} than the tar"
            elif member.path != TOC_NAME:
                return f"it lacks /{member.path}"
    extra = next((path for path in told if path not in seen), None)
    return "" if extra is None else f"it has /{extra}, which the tar has not"


def _is_same(member: TarMember, entry: TocEntry) -> bool:
    """Whether both are one file; times are left out, which tables hold in another form."""
    one, other = (replace(Listed.of(file).node, offset=0, mtime=0) for file in (member, entry))
    return one == other


def _has_content(member: TarMember, entry: TocEntry) -> bool:
    """Whether the chunks of the table are of the content, which is read."""
    if member.kind is not FileKind.FILE:
        return True
    pieces, held = member.pieces(), b""
    for chunk in entry.chunks:
        digest, left = hashlib.new(chunk.digest.algorithm, usedforsecurity=False), chunk.size
        while left:
            held = held or next(pieces, b"")
            if not held:
                return False
            digest.update(held[:left])
            held, left = held[left:], left - min(left, len(held))
        if digest.hexdigest() != chunk.digest.hex:
            return False
    return True
