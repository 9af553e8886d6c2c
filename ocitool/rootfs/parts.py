"""Layers that are read in parts: their table of contents, and single files by Range requests.

What is read so cannot be compared with the layer's digest. The manifest vouches for the table by a digest in an
annotation of the layer, and the table for each chunk of content; what neither vouches for is not read in parts.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from ocitool.codec import estargz, listed, zstd_chunked
from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import USUAL, TarLimits
from ocitool.codec.toc import Chunk, FoundToc, ReadAt, TocEntry
from ocitool.errors import DigestMismatch, MalformedDocument, RegistryError, Unsupported
from ocitool.model.digest import Digest, new_hash
from ocitool.model.numbers import KIB
from ocitool.model.views import Descriptor
from ocitool.store.base import Memo, Reader, opened_range
from ocitool.tasks import Scope
from ocitool.values import dataclass, field

if TYPE_CHECKING:
    import hashlib

K = TypeVar("K")

_TAIL: Final = 32 * KIB
"""Bytes that are asked for first, from the end of a blob: often the whole table."""
_GAP: Final = 64 * KIB
"""Bytes nobody wants that are read rather than asking once more."""


@dataclass(frozen=True, slots=True)
class LayerParts:
    """A layer with its table of contents. `identity` names what is in it: the layer's digest and the table's."""

    store: Reader
    layer: Descriptor
    kind: str
    entries: tuple[TocEntry, ...] = field(repr=False)
    identity: str

    def entry(self, offset: int) -> TocEntry:
        """The entry that has this `offset`."""
        return self.entries[-1 - offset]

    def read(self, wanted: Iterable[tuple[K, TocEntry]], scope: Scope) -> Iterator[tuple[K, bytes]]:
        """The contents of files with the key of each, in pieces of at most 256 KiB, an empty one of an empty file.

        Files come in the order of the blob, one after the other, what stands near each other by one request. Raises
        DigestMismatch when a chunk has passed that is not what the table says, MalformedDocument for a damaged one,
        and what reading raises.
        """
        files = list(wanted)
        yield from ((key, b"") for key, entry in files if not entry.chunks)
        files = sorted((one for one in files if one[1].chunks), key=_place)
        chunks = [(key, chunk) for key, entry in files for chunk in entry.chunks]
        for run in _runs(chunks):
            yield from self._read_run(run, scope)

    def _read_run(self, run: list[tuple[K, Chunk]], scope: Scope) -> Iterator[tuple[K, bytes]]:
        """Chunks whose places ascend, by one request."""
        begin, end = run[0][1].offset, run[-1][1].end
        with opened_range(self.store, self.layer, begin, end - begin) as pieces:
            stream = _Stream(scope.pieces(pieces), begin)
            member = None
            for key, chunk in run:
                if member is None or member.offset != chunk.offset:
                    stream.skip_to(chunk.offset)
                    member = _Member(chunk.offset, decompress(stream.until(chunk.end), self.kind))
                digest = new_hash(chunk.digest.algorithm)
                for piece in member.part(chunk):
                    digest.update(piece)
                    yield key, piece
                self._check(chunk, digest)

    def _check(self, chunk: Chunk, digest: "hashlib._Hash") -> None:
        if digest.hexdigest() == chunk.digest.hex:
            return
        where = f"{self.store.label}, layer {self.layer.digest.short}"
        raise DigestMismatch(
            f"the content at {chunk.offset} of {where} is not {chunk.digest}, as its table of contents says",
            expected=str(chunk.digest),
            got=f"{chunk.digest.algorithm}:{digest.hexdigest()}",
            where=self.store.label,
            hint="the layer is damaged there; push it again from a good copy",
        )


def _place(file: tuple[object, TocEntry]) -> tuple[int, int]:
    first = file[1].chunks[0]
    return first.offset, first.skip


def _runs(chunks: Iterable[tuple[K, Chunk]]) -> Iterator[list[tuple[K, Chunk]]]:
    """Chunks that are read by one request each: their places ascend, and little is between them."""
    run: list[tuple[K, Chunk]] = []
    for key, chunk in chunks:
        last = run[-1][1] if run else None
        if last is not None and not _follows(chunk, last):
            yield run
            run = []
        run.append((key, chunk))
    if run:
        yield run


def _follows(chunk: Chunk, last: Chunk) -> bool:
    if chunk.offset == last.offset:
        return chunk.skip >= last.skip + last.size
    return 0 <= chunk.offset - last.end <= _GAP


class _Stream:
    """The bytes of a blob from somewhere on; `at` is the offset of the next one."""

    def __init__(self, pieces: Iterator[bytes], at: int) -> None:
        self._pieces, self._now, self._at = pieces, b"", at

    def until(self, end: int) -> Iterator[bytes]:
        """The bytes up to `end`."""
        while self._at < end:
            self._now = self._now or next(self._pieces, b"")
            if not self._now:
                return
            out, self._now = self._now[: end - self._at], self._now[end - self._at :]
            self._at += len(out)
            yield out

    def skip_to(self, offset: int) -> None:
        """Pass over what comes before."""
        for _ in self.until(offset):
            pass


class _Member:
    """What a gzip member or zstd frame unpacks to, as far as it is wanted."""

    def __init__(self, offset: int, unpacked: Iterator[bytes]) -> None:
        self.offset = offset
        self._unpacked, self._now, self._at = unpacked, b"", 0

    def part(self, chunk: Chunk) -> Iterator[bytes]:
        """The bytes of a chunk. Raises MalformedDocument where they end before it."""
        for _ in self._until(chunk.skip):
            pass
        yield from self._until(chunk.skip + chunk.size)
        if self._at < chunk.skip + chunk.size:
            raise MalformedDocument(f"the content at {chunk.offset} of a layer is shorter than its table says")

    def _until(self, end: int) -> Iterator[bytes]:
        while self._at < end:
            self._now = self._now or next(self._unpacked, b"")
            if not self._now:
                return
            out, self._now = self._now[: end - self._at], self._now[end - self._at :]
            self._at += len(out)
            yield out


def open_parts(
    store: Reader,
    layer: Descriptor,
    memo: Memo | None,
    *,
    scope: Scope,
    limits: TarLimits = USUAL,
    least: int = _TAIL,
) -> LayerParts | None:
    """The layer as one that is read in parts; None where it has no table that the manifest vouches for.

    None too for a layer of at most `least` bytes, which is better read whole, and where parts cannot be had: the
    table is too large or cannot tell all, or the server sends whole blobs.
    The end of the blob is kept in `memo`. Raises DigestMismatch for another table than the manifest says,
    MalformedDocument and EscapingPath for one that is wrong, and what reading raises.
    """
    annotations = layer.annotations
    keys = [key for key in _KEYS if key in annotations]
    if not keys or layer.size <= least:
        return None
    identity = ":".join([layer.digest, *(Digest(annotations[key]).hex for key in keys)])
    tail = _Tail(store, layer, scope)
    known = memo.recall(f"tail:{identity}") if memo is not None else None
    if known is not None:
        tail.take(known)
    try:
        found = _find(layer, tail.read)
        if found is None:
            return None
        entries = found.entries(limits.of_packed(layer.size))
    except Unsupported:
        return None
    except RegistryError as error:
        if error.status != 416:  # the blob is shorter than the manifest says, which reading all of it tells better
            raise
        return None
    except MalformedDocument as error:
        error.add_note(f"in layer {layer.digest} of {layer.size} bytes")
        raise
    if memo is not None and known is None:
        memo.remember(f"tail:{identity}", tail.to_tree())
    return LayerParts(store, layer, found.kind, entries, identity)


_KEYS: Final = (estargz.ANNOTATION, *zstd_chunked.DIGESTS, listed.ANNOTATION)


def _find(layer: Descriptor, read: ReadAt) -> FoundToc | None:
    """The table of a layer in whichever form it is."""
    for key, find_toc in ((estargz.ANNOTATION, estargz.find_toc), (listed.ANNOTATION, listed.find_toc)):
        found = find_toc(Digest(layer.annotations[key]), layer.size, read) if key in layer.annotations else None
        if found is not None:
            return found
    chunked = zstd_chunked.position_and_digest(layer.annotations)
    return zstd_chunked.find_toc(*chunked, layer.size, read) if chunked is not None else None


class _Tail:
    """The end of a blob, as much of it as was asked for."""

    def __init__(self, store: Reader, layer: Descriptor, scope: Scope) -> None:
        self._store, self._layer, self._scope = store, layer, scope
        self._bytes = b""

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes from an offset on; all that follows is read too, once. Raises MalformedDocument if cut."""
        begin = self._layer.size - len(self._bytes)
        if offset < begin:
            start = max(min(offset, self._layer.size - _TAIL), 0)
            with opened_range(self._store, self._layer, start, begin - start) as pieces:
                more = b"".join(self._scope.pieces(pieces))
            if len(more) != begin - start:
                raise MalformedDocument(
                    f"layer {self._layer.digest} has not the {self._layer.size} bytes its manifest says"
                )
            self._bytes, begin = more + self._bytes, start
        return self._bytes[offset - begin : offset - begin + size]

    def take(self, tree: dict[str, object]) -> None:
        """What was read before."""
        try:
            self._bytes = base64.b64decode(str(tree.get("tail")), validate=True)[-self._layer.size :]
        except binascii.Error:
            self._bytes = b""

    def to_tree(self) -> dict[str, object]:
        """As JSON."""
        return {"tail": base64.b64encode(self._bytes).decode()}
