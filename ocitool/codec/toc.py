"""Tables of contents: what a layer that can be read in parts says of its files, and where each part stands in it.

eStargz, zstd:chunked and our own listed layers all carry the same JSON, that of CRFS: the attributes of every file,
and for its content chunks, each with an offset in the blob and a digest. It is written by others and believed only
as far as a digest in the manifest vouches for it; what it says must hold together, or it is refused.
Spec: stargz-snapshotter docs/estargz.md, "TOC, TOCEntries and Footer"; containers/storage, `TOC`.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NoReturn, TypeAlias

from ocitool.codec.tar_reader import USUAL, TarLimits
from ocitool.errors import DigestMismatch, EscapingPath, MalformedDocument, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.document import parse
from ocitool.model.files import MAX_PATH, FileKind, clean, name_bytes
from ocitool.model.moments import moment_of
from ocitool.model.numbers import KIB, MIB
from ocitool.values import dataclass, replace

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""Reads so many bytes of a blob from an offset on; fewer where the blob ends."""

TOC_LIMIT: Final = 32 * MIB
"""Most bytes of a table that are read: some 100,000 files. A layer with a larger one is read whole."""
MOST_BEFORE: Final = 64 * MIB
"""Most bytes that are unpacked before a chunk of the same gzip member; a guess above what writers put there."""
_Parts: TypeAlias = list[tuple[int, int, int, int, Digest]]
"""Start, size, offset, skip and digest of the chunks of a file, before it is known where they end."""
_LARGEST: Final = 2**63 - 1
_NAMES_SPARE: Final = 16 * MIB
_NAMES_EACH: Final = 2 * KIB
_KINDS: Final = {
    "dir": FileKind.DIRECTORY,
    "reg": FileKind.FILE,
    "symlink": FileKind.SYMLINK,
    "hardlink": FileKind.HARDLINK,
    "char": FileKind.CHAR,
    "block": FileKind.BLOCK,
    "fifo": FileKind.FIFO,
}
NAMES: Final = {kind: name for name, kind in _KINDS.items()}
"""What a table calls each kind of file."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one file that can be read alone: `size` bytes of the file from `start` on, which have `digest`.

    They are in the blob's bytes from `offset` to `end`, where a gzip member or zstd frame begins; unpacked, `skip`
    bytes of something else come first.
    """

    start: int
    size: int
    offset: int
    end: int
    skip: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class TocEntry:
    """One file of a table, as `tar_reader.TarMember` has it; `chunks` are its content in order.

    `offset` tells it from the others as that of a member does: -1 for the first entry, -2 for the next.
    """

    path: str
    kind: FileKind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    link: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    device: tuple[int, int] = (0, 0)
    chunks: tuple[Chunk, ...] = ()
    offset: int = -1


@dataclass(frozen=True, slots=True)
class FoundToc:
    """A table as a layer has it, its digest compared: the JSON, and where what it tells of ends in the blob.

    `kind` is the layer's compression, gzip or zstd.
    """

    raw: bytes
    data_end: int
    kind: str

    def entries(self, limits: TarLimits = USUAL) -> tuple[TocEntry, ...]:
        """The files of the layer, in its order. Raises as `parse_toc` does."""
        return parse_toc(self.raw, self.data_end, limits, 0 if self.kind == "zstd" else MOST_BEFORE)


def check_toc(raw: bytes, digest: Digest, what: str = "the layer's table of contents") -> None:
    """Raise DigestMismatch unless that is the digest, which the manifest vouches for."""
    if not digest.matches(raw):
        got = Digest.of(raw, digest.algorithm)
        raise DigestMismatch(
            f"{what} hashes to {got}, not to {digest} as the manifest says",
            expected=str(digest),
            got=str(got),
            hint="the layer is damaged there, or another than the manifest was written for; push it again",
        )


def parse_toc(
    raw: bytes,
    data_end: int,
    limits: TarLimits = USUAL,
    most_before: int = MOST_BEFORE,
) -> tuple[TocEntry, ...]:
    """The files of a table in its order, ; chunks stand in the blob before `data_end`.

    At most `most_before` bytes of a gzip member come before a chunk of it.

    Raises MalformedDocument for what does not hold together: contents outside of the blob, over each other, or not
    all of a file, names that come twice, links in a circle; EscapingPath for a name that leads out of the image;
    Unsupported for a table that may be right but cannot be used.
    """
    if len(raw) > TOC_LIMIT:
        raise Unsupported(f"a table of contents of {len(raw)} bytes, more than {TOC_LIMIT}", ability="toc")
    tree = parse(raw)
    items = tree.get("entries") if isinstance(tree, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        _refuse("it has no list of entries")
    if _number(tree, "version") != 1:
        raise Unsupported(f"a table of contents of version {str(tree.get('version'))[:40]}", ability="toc")
    found: list[TocEntry] = []
    parts: list[_Parts] = []
    weight = 0
    for first, more in _grouped(items):
        entry = _entry(first)
        weight += len(entry.path) + len(entry.link) + sum(len(key) + len(value) for key, value in entry.xattrs)
        most = min(limits.names, _NAMES_SPARE + _NAMES_EACH * (len(found) + 1))
        if len(found) >= limits.members or weight > most:
            _refuse(f"more than {len(found)} files, or {weight - 1} bytes of names in them")
        found.append(entry)
        parts.append(_parts(entry, [first, *more], data_end, most_before) if entry.size else [])
    if sum(entry.size for entry in found) > limits.size:
        _refuse(f"its files have more than {limits.size} bytes")
    _check_names(found)
    ends = _ends([part for some in parts for part in some], data_end)
    return tuple(
        replace(entry, chunks=_chunks(some, ends), offset=-1 - number)
        for number, (entry, some) in enumerate(zip(found, parts, strict=True))
    )


def _refuse(what: str, path: str = "") -> NoReturn:
    where = f" at {path[:200]!r}" if path else ""
    raise MalformedDocument(
        f"the layer's table of contents is wrong{where}: {what}",
        hint="it was made wrong, or to mislead; ocitool check tells more of the image",
    )


def _grouped(items: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each file's entry, and the entries of its further chunks."""
    first: dict[str, Any] | None = None
    more: list[dict[str, Any]] = []
    for item in items:
        if item.get("type") == "chunk":
            if first is None or first.get("type") != "reg" or item.get("name") != first.get("name"):
                _refuse("a chunk without its file", str(item.get("name")))
            more.append(item)
            continue
        if first is not None:
            yield first, more
        first, more = item, []
    if first is not None:
        yield first, more


def _number(item: Mapping[str, Any], key: str, limit: int = _LARGEST) -> int:
    value = item.get(key)
    value = 0 if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        _refuse(f"{key} is {str(value)[:40]!r}", str(item.get("name")))
    return value


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    value = "" if value is None else value
    if not isinstance(value, str):
        _refuse(f"{key} is no text", str(item.get("name")))
    try:
        size = len(name_bytes(value))
    except UnicodeEncodeError:
        _refuse(f"{key} is no text", value)
    if size > MAX_PATH:
        _refuse(f"{key} has {size} bytes", value)
    if "\N{REPLACEMENT CHARACTER}" in value:
        # What Go writes for each byte that is not UTF-8: the name is lost.
        raise Unsupported(f"a table of contents that cannot tell the name {value[:200]!r}", ability="toc")
    return value


def _entry(item: dict[str, Any]) -> TocEntry:
    """The file of an entry, without its content."""
    kind = _KINDS.get(item["type"]) if isinstance(item.get("type"), str) else None
    if kind is None:
        _refuse(f"type is {str(item.get('type'))[:40]!r}", str(item.get("name")))
    is_device = kind in {FileKind.CHAR, FileKind.BLOCK}
    return TocEntry(
        _path(item, "name"),
        kind,
        _number(item, "mode") & 0o7777,
        _number(item, "uid"),
        _number(item, "gid"),
        _seconds(_text(item, "modtime")),
        _number(item, "size") if kind is FileKind.FILE else 0,
        _link(item, kind),
        _xattrs(item),
        (_number(item, "devMajor"), _number(item, "devMinor")) if is_device else (0, 0),
    )


def _path(item: Mapping[str, Any], key: str) -> str:
    text = _text(item, key)
    path = clean(text)
    if path is None:
        raise EscapingPath(f"the layer's table of contents has a {key} that leads out of the image: {text[:200]!r}")
    if not text:
        _refuse(f"an entry without a {key}")
    return path


def _link(item: Mapping[str, Any], kind: FileKind) -> str:
    if kind is FileKind.HARDLINK:
        return _path(item, "linkName")
    if kind is not FileKind.SYMLINK:
        return ""
    text = _text(item, "linkName")
    if not text or "\0" in text:
        _refuse("a symbolic link to nothing", str(item.get("name")))
    return text


@lru_cache(1024)
def _seconds(text: str) -> int:
    if not text:
        return 0
    moment = moment_of(text)
    if moment is None:
        _refuse(f"modtime is {text[:40]!r}")
    return int(moment)


def _xattrs(item: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    found = item.get("xattrs")
    if not found:
        return ()
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        _refuse("xattrs are no texts", str(item.get("name")))
    try:
        for key in found:
            name_bytes(key)
        return tuple((key, base64.b64decode(value, validate=True)) for key, value in sorted(found.items()))
    except (binascii.Error, ValueError):
        _refuse("xattrs are not base64", str(item.get("name")))


def _parts(entry: TocEntry, items: list[dict[str, Any]], data_end: int, most_before: int) -> _Parts:
    """Start, size, offset, skip and digest of each chunk: in order, and all of the file."""
    found = []
    at = 0
    for number, item in enumerate(items):
        is_last = number + 1 == len(items)
        size = _number(item, "chunkSize") or (entry.size - at if is_last else 0)
        offset, skip = _number(item, "offset"), _number(item, "innerOffset", most_before)
        if _number(item, "chunkOffset") != at or not 0 < size <= entry.size - at:
            _refuse("its chunks are not one after the other", entry.path)
        if offset >= data_end:
            _refuse(f"its content is at {offset}, outside of the blob", entry.path)
        # zstd:chunked names no digest of a chunk where the file is one.
        digest = _text(item, "chunkDigest") or (_text(item, "digest") if len(items) == 1 else "")
        if not digest:
            raise Unsupported("a table of contents without digests of contents", ability="toc")
        found.append((at, size, offset, skip, _verifiable(digest, entry.path)))
        at += size
    if at != entry.size:
        _refuse(f"its chunks are {at} of {entry.size} bytes", entry.path)
    return found


def _verifiable(text: str, path: str) -> Digest:
    try:
        digest = Digest(text)
    except MalformedDocument as error:
        _refuse(error.what, path)
    if not digest.is_verifiable:
        _refuse(f"a digest of {digest.algorithm}, which cannot be computed", path)
    return digest


def _ends(parts: _Parts, data_end: int) -> dict[int, int]:
    """Where the member at each offset ends at the latest. Refuses contents that overlap."""
    places = sorted((offset, skip, size) for _, size, offset, skip, _ in parts)
    for (offset, skip, size), (next_offset, next_skip, _) in pairwise(places):
        if offset == next_offset and skip + size > next_skip:
            _refuse(f"two contents overlap at {offset}")
    offsets = [*dict.fromkeys(offset for offset, _, _ in places), data_end]
    return dict(pairwise(offsets))


def _chunks(parts: _Parts, ends: Mapping[int, int]) -> tuple[Chunk, ...]:
    return tuple(Chunk(start, size, at, ends[at], skip, digest) for start, size, at, skip, digest in parts)


def _check_names(entries: Iterable[TocEntry]) -> None:
    """Refuse a name that comes twice, but for directories, and hard links that end at no file."""
    named: dict[str, TocEntry] = {}
    for entry in entries:
        there = named.setdefault(entry.path, entry)
        if there is not entry and not there.kind is entry.kind is FileKind.DIRECTORY:
            _refuse("the name comes twice", entry.path)
    ended: set[str] = set()
    for entry in named.values():
        way: dict[str, None] = {}
        step: TocEntry | None = entry
        while step is not None and step.kind is FileKind.HARDLINK and step.path not in ended:
            if step.path in way:
                _refuse("hard links in a circle", entry.path)
            way[step.path] = None
            step = named.get(step.link)
        ended.update(way)
