"""zstd:chunked: zstd layers in which the content of files begins a frame, and a table of contents that zstd skips.

    frames of files, skippable frames (the table, compressed; tar-split data; a footer)

Annotations of the layer's descriptor say where the table is and what digest it has as it is stored; the footer,
which nobody vouches for, is not read.
Spec: containers/storage, pkg/chunked; RFC 8878, 3.1.2.
"""

from collections.abc import Mapping
from typing import Final

from ocitool.codec.codecs import decompress
from ocitool.codec.toc import TOC_LIMIT, FoundToc, ReadAt, check_toc
from ocitool.errors import MalformedDocument, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.numbers import whole

_CRFS: Final = 1
"""The type of table that there is."""
_FRAME_HEAD: Final = 8
_PREFIXES: Final = ("io.github.containers.zstd-chunked.", "io.containers.zstd-chunked.")
"""Of the annotations; the second is what was written until 2023, by Debian 12's tools among others."""
DIGESTS: Final = tuple(f"{prefix}manifest-checksum" for prefix in _PREFIXES)
"""The annotations that hold the digest of the table."""


def position_and_digest(annotations: Mapping[str, str]) -> tuple[str, Digest] | None:
    """What a descriptor says of its table; None for another layer. Raises MalformedDocument."""
    for prefix, key in zip(_PREFIXES, DIGESTS, strict=True):
        where, digest = annotations.get(f"{prefix}manifest-position"), annotations.get(key)
        if where is not None and digest is not None:
            return where, Digest(digest)
    return None


def find_toc(where: str, digest: Digest, size: int, read: ReadAt) -> FoundToc | None:
    """The table of a blob of `size` bytes at `where`: offset, length, unpacked length and type, between colons.

    None where there is no skippable frame. Raises DigestMismatch for another table than the one of that digest,
    MalformedDocument for a damaged one, Unsupported for one that is too large or of another type.
    """
    numbers = [whole(word) for word in where.split(":", 4)]
    if len(numbers) != 4 or None in numbers:
        raise MalformedDocument(f"not the position of a table of contents: {where[:100]!r}")
    at, length, unpacked, kind = (number or 0 for number in numbers)
    if kind != _CRFS or max(length, unpacked) > TOC_LIMIT:
        raise Unsupported(f"a table of contents of type {kind} and {unpacked} bytes", ability="toc")
    if at <= _FRAME_HEAD or not length or at + length > size:
        raise MalformedDocument(f"zstd:chunked whose table of contents is at {where} of {size} bytes")
    frame = read(at - _FRAME_HEAD, _FRAME_HEAD + length)
    head, packed = frame[:_FRAME_HEAD], frame[_FRAME_HEAD:]
    if head[1:4] != b"\x2a\x4d\x18" or head[0] & 0xF0 != 0x50:
        return None
    check_toc(packed, digest)
    raw = b""
    for piece in decompress((packed,), "zstd"):
        raw += piece
        if len(raw) > unpacked:
            break
    if len(raw) != unpacked:
        raise MalformedDocument(f"zstd:chunked whose table of contents has not the {unpacked} bytes it should have")
    return FoundToc(raw, at - _FRAME_HEAD, "zstd")
