"""eStargz: gzip layers in which the content of every file begins a gzip member, and a table of contents comes last.

    members of files, the table (a tar entry `stargz.index.json`), a footer: an empty member of 51 bytes

The footer says where the table begins, an annotation of the layer's descriptor what digest its JSON has. The table
is not among the files that it lists; for who unpacks the layer it may be one, or stand behind the end of the tar.
Spec: stargz-snapshotter docs/estargz.md.
"""

import re
from typing import Final

from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import TarLimits, read_members
from ocitool.codec.toc import TOC_LIMIT, FoundToc, ReadAt, check_toc
from ocitool.errors import MalformedDocument, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from ocitool.model.numbers import MIB

ANNOTATION: Final = "containerd.io/snapshot/stargz/toc.digest"
"""Of the layer's descriptor: the digest of the table's JSON."""
TOC_NAME: Final = "stargz.index.json"
FOOTER: Final = 51
"""Bytes of the footer."""
# 26 bytes of FEXTRA, 22 of them in the subfield
_HEAD: Final = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x1a\x00SG\x16\x00"
_TAIL: Final = b"\x01\x00\x00\xff\xff" + bytes(8)  # an empty stored block, crc 0, length 0
_FOOTER: Final = re.compile(rb"\x1f\x8b\x08\x04.{6}\x1a\x00SG\x16\x00([0-9a-fA-F]{16})STARGZ.{13}", re.DOTALL)


def footer(toc_offset: int) -> bytes:
    """The footer of a blob whose table begins there."""
    return _HEAD + b"%016xSTARGZ" % toc_offset + _TAIL


def read_footer(end: bytes) -> int | None:
    """Where the table begins, told by the last FOOTER bytes of a blob; None for another blob."""
    match = _FOOTER.fullmatch(end[-FOOTER:])
    return int(match[1], 16) if match else None


def find_toc(digest: Digest, size: int, read: ReadAt) -> FoundToc | None:
    """The table of a blob of `size` bytes; None where it is no eStargz, whatever its descriptor says.

    Raises DigestMismatch for another table than the one of that digest, MalformedDocument for a damaged one,
    Unsupported for one that is too large.
    """
    at = read_footer(read(size - FOOTER, FOOTER)) if size > FOOTER else None
    if at is None:
        return None
    if not 0 < at < size - FOOTER:
        raise MalformedDocument(f"eStargz whose table of contents is at {at} of {size} bytes")
    length = size - FOOTER - at
    if length > TOC_LIMIT:
        raise Unsupported(f"a table of contents of {length} bytes, more than {TOC_LIMIT}", ability="toc")
    raw = _table(read(at, length))
    check_toc(raw, digest)
    return FoundToc(raw, at, "gzip")


def _table(packed: bytes) -> bytes:
    """The content of the tar entry that is the table."""
    limits = TarLimits(members=1, size=TOC_LIMIT + MIB)
    for member in read_members(decompress((packed,), "gzip"), limits=limits, drain=False):
        if member.path != TOC_NAME or member.kind is not FileKind.FILE or member.extents is not None:
            break
        if member.size > TOC_LIMIT:
            raise Unsupported(f"a table of contents of {member.size} bytes, more than {TOC_LIMIT}", ability="toc")
        return b"".join(member.pieces())
    raise MalformedDocument(f"eStargz without {TOC_NAME} where its footer says")
