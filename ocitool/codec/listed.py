"""Listed layers: our row of gzip members, with a table of contents between the content and the table of members.

    members of content, empty members that carry the table of contents, the table of members (`codec.members`)
    FEXTRA subfield "OC": a part of the table, which is JSON as `codec.toc` has it, compressed by gzip

What the layer unpacks to is the tar itself, so its diff_id is that of any other compression. An annotation of the
layer's descriptor says what digest the table's JSON has.
"""

import base64
import hashlib
import json
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

from ocitool.codec.codecs import (
    BLOCK,
    OURS,
    Codec,
    CodecId,
    LayerEnd,
    blocks,
    decompress,
    gzip_member,
    gzip_members,
)
from ocitool.codec.members import FRAME, TAIL, empty_member, payload_at, read_table, table_bytes, tail_length
from ocitool.codec.tar_reader import TarMember, read_members
from ocitool.codec.toc import NAMES, TOC_LIMIT, FoundToc, ReadAt, check_toc
from ocitool.errors import MalformedDocument, Unsupported
from ocitool.model.digest import Digest, Tap
from ocitool.model.files import FileKind
from ocitool.model.moments import rfc3339
from ocitool.tasks import Scope, ordered_map
from ocitool.values import dataclass

ANNOTATION: Final = f"{OURS}digest"
"""Of the layer's descriptor: the digest of the table's JSON."""
_NAME: Final = b"OC"
_PART: Final = 65_000
_LAST_SECOND: Final = 253402300799


@lru_cache
def gzip_listed(level: int = 1) -> Codec:
    """The members of `gzip_members`, and a table of contents; no table for a tar that none can tell of."""
    plain = gzip_members(level).id
    codec = CodecId("gzip-toc", plain.library, plain.version, level, BLOCK, plain.probe)
    member = gzip_member(level)

    def compress(stream: Iterable[bytes], scope: Scope, width: int) -> Generator[bytes, None, LayerEnd | None]:
        listing, tap, sizes = _Listing(), Tap(), list[int]()
        for out in ordered_map(scope, member, blocks(listing.watch(tap(stream)), BLOCK), width):
            sizes.append(len(out))
            yield out
        table = listing.table(sizes)
        packed = member(table)
        for at in range(0, len(packed) if table else 0, _PART):
            yield empty_member(_NAME, packed[at : at + _PART])
        yield table_bytes(BLOCK, sizes)
        return LayerEnd(tap.digest, ((ANNOTATION, str(Digest.of(table))),)) if table else None

    return Codec(codec, "gzip-toc", compress)


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of a file in one block: the block's number, what comes before them in it, and their digest."""

    block: int
    skip: int
    size: int
    digest: str


class _Listing:
    """The entries of a table while the tar passes; nothing more once it is known that there will be no table."""

    def __init__(self) -> None:
        self._files: list[tuple[dict[str, Any], Sequence[_Part]]] = []
        self._names: set[str] = set()
        self._size = 0
        self._is_told = True

    def watch(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """The same stream, its files noted as they pass. Raises MalformedDocument for what is no tar."""
        pieces = iter(stream)
        passed: deque[bytes] = deque()

        def kept() -> Iterator[bytes]:
            for piece in pieces:
                passed.append(piece)
                yield piece

        def let_go() -> Iterator[bytes]:
            while passed:
                yield passed.popleft()

        for member in read_members(kept(), drain=False):
            parts = _Parts(member.start)
            for _, piece in member.chunks():
                parts.add(piece)
                yield from let_go()
            self._note(member, parts.found())
            yield from let_go()
        yield from let_go()
        yield from pieces

    def table(self, sizes: Sequence[int]) -> bytes:
        """The JSON, once the members have these sizes; nothing where the tar cannot be told."""
        if not self._is_told:
            return b""
        places = [0, *accumulate(sizes)]
        entries = [entry for attributes, parts in self._files for entry in _entries(attributes, parts, places)]
        table = json.dumps({"version": 1, "entries": entries}, separators=(",", ":")).encode()
        return table if len(table) <= TOC_LIMIT else b""

    def _note(self, member: TarMember, parts: Sequence[_Part]) -> None:
        attributes = _attributes(member)
        self._size += len(member.path) + len(member.link) + 100 * (1 + len(parts))
        is_twice = member.path in self._names and member.kind is not FileKind.DIRECTORY
        if is_twice or member.extents is not None or self._size > TOC_LIMIT:
            self._is_told = False
            self._files.clear()
        if self._is_told:
            self._names.add(member.path)
            self._files.append((attributes, parts))


class _Parts:
    """The parts of a file that begins at `start` of the tar."""

    def __init__(self, start: int) -> None:
        self._at, self._begin, self._hash = start, start, hashlib.sha256()
        self._found: list[_Part] = []

    def add(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            taken = view[: BLOCK - self._at % BLOCK]
            self._hash.update(taken)
            self._at += len(taken)
            if not self._at % BLOCK:
                self._end()
            view = view[len(taken) :]

    def found(self) -> tuple[_Part, ...]:
        """All of them."""
        if self._at > self._begin:
            self._end()
        return tuple(self._found)

    def _end(self) -> None:
        block, skip = divmod(self._begin, BLOCK)
        self._found.append(_Part(block, skip, self._at - self._begin, f"sha256:{self._hash.hexdigest()}"))
        self._begin, self._hash = self._at, hashlib.sha256()


def _attributes(member: TarMember) -> dict[str, Any]:
    """What a table says of a file but for its content."""
    entry: dict[str, Any] = {"name": member.path or ".", "type": NAMES[member.kind], "mode": member.mode}
    entry |= {"uid": member.uid, "gid": member.gid, "modtime": rfc3339(min(max(member.mtime, 0), _LAST_SECOND))}
    if member.size:
        entry["size"] = member.size
    if member.link:
        entry["linkName"] = member.link
    if member.kind in {FileKind.CHAR, FileKind.BLOCK}:
        entry["devMajor"], entry["devMinor"] = member.device
    if member.xattrs:
        entry["xattrs"] = {key: base64.b64encode(value).decode() for key, value in member.xattrs}
    return entry


def _entries(attributes: dict[str, Any], parts: Sequence[_Part], places: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The entry of a file, and those of its further chunks."""
    if not parts:
        yield attributes
    start = 0
    for part in parts:
        entry = {"name": attributes["name"], "type": "chunk", "chunkOffset": start} if start else attributes
        chunk = {"offset": places[part.block], "innerOffset": part.skip, "chunkSize": part.size}
        yield {**entry, **chunk, "chunkDigest": part.digest}
        start += part.size


def find_toc(digest: Digest, size: int, read: ReadAt) -> FoundToc | None:
    """The table of a blob of `size` bytes; None where it is no listed layer, whatever its descriptor says.

    Raises DigestMismatch for another table than the one of that digest, MalformedDocument for a damaged one,
    Unsupported for one that is too large.
    """
    length = tail_length(read(size - TAIL, TAIL)) if size > TAIL else None
    if length is None:
        return None
    if length > min(TOC_LIMIT, size):
        raise Unsupported(f"a table of members of {length} bytes, more than {TOC_LIMIT}", ability="toc")
    members = read_table(read(size - length, length))
    if members is None:
        return None
    data_end = sum(members.sizes)
    room = size - length - data_end
    if room > TOC_LIMIT:
        raise Unsupported(f"a table of contents of {room} bytes, more than {TOC_LIMIT}", ability="toc")
    if room <= 0:
        raise MalformedDocument("a layer without the table of contents that its annotation tells of")
    raw = _unpacked(_carried(read(data_end, room)))
    check_toc(raw, digest)
    return FoundToc(raw, data_end, "gzip")


def _carried(data: bytes) -> bytes:
    """What a row of empty members carries. Raises MalformedDocument."""
    found, at = [], 0
    while at < len(data):
        payload = payload_at(data, at, _NAME)
        if payload is None:
            raise MalformedDocument("a table of contents that is damaged")
        found.append(payload)
        at += FRAME + len(payload)
    return b"".join(found)


def _unpacked(packed: bytes) -> bytes:
    found, size = [], 0
    for piece in decompress((packed,), "gzip"):
        found.append(piece)
        size += len(piece)
        if size > TOC_LIMIT:
            raise Unsupported(f"a table of contents of more than {TOC_LIMIT} bytes", ability="toc")
    return b"".join(found)
