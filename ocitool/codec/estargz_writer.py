"""eStargz written: any tar as gzip members that begin at the content of each file, and a table of contents.

A tar passes once; the table, which is known at its end, comes last. Headers stay as they are, but for three names
that belong to the format: a landmark comes first and the table last, and those that the tar has are left out. So
what the members unpack to is another tar, with a digest of its own.
Spec: stargz-snapshotter docs/estargz.md.
"""

import base64
import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from ocitool.codec.codecs import Codec, CodecId, LayerEnd, blocks, gzip_member, gzip_members
from ocitool.codec.estargz import ANNOTATION, TOC_NAME, footer
from ocitool.codec.tar_reader import BLOCK, MAX_HEADER, TarMember, read_members
from ocitool.codec.toc import NAMES
from ocitool.errors import MalformedDocument, Unsupported
from ocitool.model.digest import Digest, Tap
from ocitool.model.files import FileKind
from ocitool.model.moments import rfc3339
from ocitool.model.numbers import MIB
from ocitool.tasks import Scope, ordered_map
from ocitool.values import dataclass, field

CHUNK: Final = 4 * MIB
"""Bytes of a file in one gzip member, as other writers have it."""
SIZE_ANNOTATION: Final = "io.containers.estargz.uncompressed-size"
"""Of the layer's descriptor: how many bytes it unpacks to, for podman's store."""
LANDMARK: Final = ".no.prefetch.landmark"
"""The file that says that no file is better fetched beforehand."""
_OWN: Final = frozenset({TOC_NAME, LANDMARK, ".prefetch.landmark"})
_BATCH: Final = MIB
"""Bytes that are handed to a thread at once, as many small files as they may be; a guess."""
_KEPT: Final = 4 * MAX_HEADER
_LAST_SECOND: Final = 253402300799


@lru_cache
def estargz(level: int = 1) -> Codec:
    """Members by libdeflate where eStargz wants them; the same bytes for any number of threads."""
    gzip = gzip_members(level).id
    codec = CodecId("estargz", gzip.library, gzip.version, level, CHUNK, gzip.probe)
    return Codec(codec, "estargz", lambda stream, scope, width: _Writer(level).compress(stream, scope, width))


@dataclass(slots=True)
class _File:
    """A file whose content is on its way: its entry, its number in the table, and the entries of further chunks."""

    entry: dict[str, Any]
    at: int
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    chunks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes that become one member: headers, or the bytes of a file from `start` on."""

    data: bytes
    file: _File | None = None
    start: int = 0


class _Writer:
    """One blob in the making; an entry of the table is a text as soon as everything of it is known."""

    def __init__(self, level: int) -> None:
        self._member = gzip_member(level)
        self._tap = Tap()
        self._listed: list[str] = []
        self._names: set[str] = set()
        self._offset = 0

    def compress(self, stream: Iterable[bytes], scope: Scope, width: int) -> Generator[bytes, None, LayerEnd]:
        """The blob's bytes; returns what they unpack to."""
        for batch in ordered_map(scope, partial(_packed, self._member), _batches(self._parts(stream)), width):
            for part, packed, digest in batch:
                if part.file is not None:
                    self._list(part.file, part, digest)
                self._offset += len(packed)
                yield packed
        table = b'{"version":1,"entries":[' + ",".join(self._listed).encode() + b"]}"
        yield self._member(self._tapped(_header(TOC_NAME, len(table)) + _padded(table) + bytes(2 * BLOCK)))
        yield footer(self._offset)
        return LayerEnd(
            self._tap.digest, ((ANNOTATION, str(Digest.of(table))), (SIZE_ANNOTATION, str(self._tap.size)))
        )

    # What the thread does that reads the tar

    def _parts(self, stream: Iterable[bytes]) -> Iterator[_Part]:
        """Everything before the table, in order."""
        yield _Part(self._tapped(_header(LANDMARK, 1)))
        landmark = self._begun({"name": LANDMARK, "type": "reg", "size": 1, "mode": 0o644, "uid": 0, "gid": 0})
        yield self._part(landmark, b"\x0f", 0)
        headers = bytearray(BLOCK - 1)
        kept = _Kept(stream)
        for member in read_members(kept):
            raw = kept.take(member)
            if member.path in _OWN:
                continue
            headers += raw
            entry = self._described(member)
            has_content = member.kind is FileKind.FILE and member.size > 0
            if has_content or len(headers) >= _BATCH:
                yield _Part(self._tapped(bytes(headers)))
                headers.clear()
            if not has_content:
                self._listed.append(_text(entry))
                continue
            file, start = self._begun(entry), 0
            for chunk in blocks(member.pieces(), CHUNK):
                yield self._part(file, chunk, start)
                start += len(chunk)
            headers += bytes(-member.size % BLOCK)
        if headers:
            yield _Part(self._tapped(bytes(headers)))

    def _tapped(self, data: bytes) -> bytes:
        self._tap.update(data)
        return data

    def _begun(self, entry: dict[str, Any]) -> _File:
        self._listed.append("")
        return _File(entry, len(self._listed) - 1)

    def _part(self, file: _File, data: bytes, start: int) -> _Part:
        if file.entry["size"] > CHUNK:  # else its only chunk has its digest
            file.digest.update(data)
        return _Part(self._tapped(data), file, start)

    def _described(self, member: TarMember) -> dict[str, Any]:
        """What the table says of a member, its content left out. Raises Unsupported for what it cannot say."""
        if member.extents is not None:
            raise _unspeakable(member, "is a sparse file")
        if member.path in self._names and member.kind is not FileKind.DIRECTORY:
            raise _unspeakable(member, "comes twice")
        self._names.add(member.path)
        try:
            "".join((member.path, member.link, *(key for key, _ in member.xattrs))).encode()
        except UnicodeEncodeError:
            raise _unspeakable(member, "has a name or link that is no UTF-8") from None
        slash = "/" if member.kind is FileKind.DIRECTORY else ""
        entry: dict[str, Any] = {"name": f"{member.path or '.'}{slash}", "type": NAMES[member.kind]}
        if member.size:
            entry["size"] = member.size
        if 0 <= member.mtime <= _LAST_SECOND:
            entry["modtime"] = _moment(member.mtime)
        if member.link:
            entry["linkName"] = member.link
        entry |= {"mode": member.mode, "uid": member.uid, "gid": member.gid}
        if member.kind in {FileKind.CHAR, FileKind.BLOCK}:
            entry["devMajor"], entry["devMinor"] = member.device
        if member.xattrs:
            entry["xattrs"] = {key: base64.b64encode(value).decode() for key, value in member.xattrs}
        return entry

    # What the thread does that takes the members

    def _list(self, file: _File, part: _Part, digest: str) -> None:
        """Note where a chunk begins; with the last one the file's entry is whole."""
        size, end = file.entry["size"], part.start + len(part.data)
        place: dict[str, Any] = {"offset": self._offset}
        if part.start:
            place["chunkOffset"] = part.start
        if end < size:
            place["chunkSize"] = len(part.data)
        place["chunkDigest"] = digest
        if part.start:
            file.chunks.append(_text({"name": file.entry["name"], "type": "chunk", **place}))
        else:
            file.entry |= place
        if end == size:
            whole = f"sha256:{file.digest.hexdigest()}" if size > CHUNK else digest
            first = _text({**file.entry, "digest": whole})
            self._listed[file.at] = ",".join((first, *file.chunks))


def _unspeakable(member: TarMember, what: str) -> Unsupported:
    return Unsupported(
        f"{member.path[:200]!r} {what}, which eStargz cannot say",
        ability="estargz",
        hint="choose --compression gzip",
    )


_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_moment = lru_cache(rfc3339)


def _batches(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """Small parts together, so that a thread has something to do."""
    batch: list[_Part] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += len(part.data)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _packed(member: Callable[[bytes], bytes], batch: Sequence[_Part]) -> list[tuple[_Part, bytes, str]]:
    """Each part with its member and, of a file's, its digest."""
    return [
        (part, member(part.data), f"sha256:{hashlib.sha256(part.data).hexdigest()}" if part.file else "")
        for part in batch
    ]


class _Kept:
    """The pieces of a tar, kept until the headers in them have been taken."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream
        self._pieces: deque[bytes] = deque()
        self._begin = self._end = self._from = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._drop(max(self._from, self._end - _KEPT))
            self._pieces.append(piece)
            self._end += len(piece)
            yield piece

    def take(self, member: TarMember) -> bytes:
        """A member's header blocks as they are. Raises MalformedDocument for more than a tar may have of them."""
        if member.offset < self._begin:
            raise MalformedDocument(f"more than {_KEPT} bytes of headers before {member.path[:200]!r}")
        self._drop(member.offset)
        self._from = member.start + member.size + -member.size % BLOCK
        found, at = [], self._begin
        for piece in self._pieces:
            if at >= member.start:
                break
            found.append(piece[max(member.offset - at, 0) : member.start - at])
            at += len(piece)
        return b"".join(found)

    def _drop(self, before: int) -> None:
        while self._pieces and self._begin + len(self._pieces[0]) <= before:
            self._begin += len(self._pieces.popleft())


def _header(name: str, size: int) -> bytes:
    """The header block of a file of ours: of root, readable by all, from the epoch on."""
    head = name.encode().ljust(100, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (0o644, 0, 0, size, 0)
    tail = (b"0" + bytes(100) + b"ustar\x0000").ljust(356, b"\0")
    return head + b"%06o\0 " % (sum(head) + sum(tail) + 8 * 0x20) + tail


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)
