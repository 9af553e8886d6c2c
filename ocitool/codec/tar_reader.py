"""The members of a tar, read from a stream that may be hostile: layers, archives, contexts, stores in a file.

Understands what engines understand: v7, ustar, star, GNU (long names, base-256 numbers, sparse files) and
pax. Every length is bounded before anything is read, so memory is bounded whatever the archive says;
what cannot be read in one way only raises MalformedDocument with the byte offset. The reader writes nothing
and follows nothing: names and links come out as the archive has them, with `..` in a name refused.
Spec: POSIX pax; GNU tar manual, "Basic Tar Format" and "Sparse Formats".
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, NoReturn
from urllib.parse import unquote_to_bytes

from ocitool.errors import EscapingPath, MalformedDocument
from ocitool.model.files import MAX_PATH, FileKind, clean
from ocitool.model.numbers import GIB, KIB, MIB
from ocitool.values import dataclass, field, replace

BLOCK: Final = 512
PIECE: Final = 256 * KIB
_FILE_PIECE: Final = 16 * KIB
MAX_HEADER: Final = MIB
"""Most bytes in the extended headers and long names of one member; Go allows as much in each."""
MAX_EXTENTS: Final = 100_000
"""Most data areas of one sparse file."""
MAX_MEMBERS: Final = 2_000_000
"""Most members of one tar, and most files of an image; a guess well above the largest images met."""
_NAMES_SPARE: Final = 16 * MIB
_NAMES_EACH: Final = 2048
"""Bytes of names, links and attributes that a tar may have, and more for each member: real ones take some 100."""
_LARGEST: Final = 2**63 - 1
_ZERO: Final = bytes(BLOCK)
_XATTR: Final = b"SCHILY.xattr."
_ARCHIVE_XATTR: Final = b"LIBARCHIVE.xattr."

Extents = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TarLimits:
    """What a hostile tar may cost.

    `members` is the most files of it, and of a tree; `names` the most bytes of its names, links and attributes
    (fewer are taken where the members are few);
    `size` the most bytes of the whole. gzip packs a thousandfold at most, a zstd bomb far more: of what is
    compressed a thousandth of that is always too little (`of_packed`).
    """

    members: int = MAX_MEMBERS
    names: int = 256 * MIB
    size: int = 64 * GIB

    def of_packed(self, size: int) -> "TarLimits":
        """The limits for what `size` bytes unpack to."""
        return replace(self, size=max(self.size, 1100 * size))


USUAL: Final = TarLimits()


class TarFile:
    """An open file as the pieces of a tar, of which what nobody reads is left out."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        file.seek(0)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes from where the file stands."""
        return iter(lambda: self._file.read(_FILE_PIECE), b"")

    def skip(self, size: int) -> bool:
        """Whether the file has so many more bytes; they are passed over then."""
        at = self._file.tell() + size
        if at <= self._size:
            self._file.seek(at)
        return at <= self._size


@dataclass(frozen=True, slots=True)
class TarMember:
    """One member. `path` is in the form of `model.files`, "" for the root itself.

    `size` is that of the file when unpacked, 0 for all but files. `offset` is where the member's first header
    block starts in the uncompressed tar, `start` where its data does. `link` is the text of a symbolic link, or
    the cleaned path a hard link points to. `extents` are the (offset, length) of a sparse file's data, None for
    other files.
    """

    path: str
    kind: FileKind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    link: str
    xattrs: tuple[tuple[str, bytes], ...]
    device: tuple[int, int]
    offset: int
    start: int
    extents: Extents | None
    _body: Callable[[], Iterator[bytes]] = field(repr=False, compare=False)

    @property
    def stored(self) -> int:
        """Bytes of data, without holes."""
        return self.size if self.extents is None else sum(length for _, length in self.extents)

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """The data as (offset in the file, bytes), holes left out; once, and only until the next member."""
        if self.extents is None:
            at = 0
            for piece in self._body():
                yield at, piece
                at += len(piece)
            return
        spans = iter(self.extents)
        at, left = next(spans, (0, 0))
        for piece in self._body():
            rest = piece
            while rest:
                while not left:
                    at, left = next(spans)
                yield at, rest[:left]
                taken = min(left, len(rest))
                rest, at, left = rest[taken:], at + taken, left - taken

    def pieces(self) -> Iterator[bytes]:
        """The file's bytes in pieces of at most 256 KiB, holes as zeros; once, and only until the next member."""
        at = 0
        for start, piece in self.chunks():
            yield from _zeros(start - at)
            yield piece
            at = start + len(piece)
        yield from _zeros(self.size - at)

    def kept_in(self, file: IO[bytes]) -> "TarMember":
        """The same with its data in an empty file, from where it can be read as often as wanted."""
        for piece in self._body():
            file.write(piece)

        def body() -> Iterator[bytes]:
            file.seek(0)
            return iter(lambda: file.read(PIECE), b"")

        return replace(self, _body=body)


def read_members(
    pieces: Iterable[bytes] | TarFile, *, limits: TarLimits = USUAL, drain: bool = True
) -> Iterator[TarMember]:
    """The members of an uncompressed tar in order; the stream is read to its end, so that it is verified.

    Without `drain` what comes behind the archive's end is left alone, whatever it is.
    Content that was not read is skipped. A name may come several times (the last one counts for engines).
    Raises MalformedDocument for a damaged tar, and for one beyond the limits.
    """
    stream = _Stream(pieces, limits.size)
    count = weight = 0
    while True:
        offset = stream.at
        block, extra = _headers(stream)
        if block is None:
            break
        member, body = _member(stream, block, extra, offset)
        count += 1
        weight += len(member.path) + len(member.link) + sum(len(name) + len(value) for name, value in member.xattrs)
        if count > limits.members or weight > min(limits.names, _NAMES_SPARE + _NAMES_EACH * count):
            stream.fail(f"more than {count - 1} files or {weight - 1} bytes of names in them")
        yield member
        body.skip()
    for _ in stream.rest() if drain else ():
        pass


def bounded(pieces: Iterable[bytes], limits: TarLimits = USUAL) -> Iterator[bytes]:
    """The same pieces of a tar that nobody looks into. Raises MalformedDocument beyond the limit of its size."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limits.size:
            raise MalformedDocument(f"it unpacks to more than {limits.size} bytes", offset=size)
        yield piece


class _Stream:
    """The archive as a queue of bytes; `at` counts those that were taken."""

    def __init__(self, pieces: Iterable[bytes] | TarFile, limit: int) -> None:
        self._source = pieces
        self._pieces = iter(pieces)
        self._limit = limit
        self._now = b""
        self._used = 0
        self.at = 0

    def some(self, limit: int) -> bytes:
        """Between 1 and `limit` bytes; none only at the end."""
        while self._used == len(self._now):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._now, self._used = piece, 0
        out = self._now[self._used : self._used + min(limit, PIECE)]
        self._used += len(out)
        self.at += len(out)
        if self.at > self._limit:
            self.fail(f"it unpacks to more than {self._limit} bytes")
        return out

    def skip(self, size: int) -> bool:
        """Pass over so many bytes without reading them, if there are so many and the source can."""
        have = min(size, len(self._now) - self._used)
        if not isinstance(self._source, TarFile) or not self._source.skip(size - have):
            return False
        self._used += have
        self.at += size
        return True

    def exactly(self, size: int) -> bytes:
        """`size` bytes; the caller has bounded it."""
        out = self.some(size)
        if len(out) < size:
            parts, have = [out], len(out)
            while have < size:
                part = self.some(size - have)
                if not part:
                    self.fail("the archive ends in the middle of a member")
                parts.append(part)
                have += len(part)
            out = b"".join(parts)
        return out

    def block(self) -> bytes | None:
        """The next block, None at the end of the stream."""
        first = self.some(BLOCK)
        return first + self.exactly(BLOCK - len(first)) if 0 < len(first) < BLOCK else first or None

    def rest(self) -> Iterator[bytes]:
        """Whatever is left."""
        while piece := self.some(PIECE):
            yield piece

    def fail(self, what: str) -> NoReturn:
        raise MalformedDocument(self.placed(what), offset=self.at)

    def placed(self, what: str) -> str:
        return f"{what} (at byte {self.at} of the tar)"


class _Body:
    """A member's data and padding in the stream, readable once."""

    def __init__(self, stream: _Stream, size: int) -> None:
        self._stream = stream
        self._left = size
        self._padding = -size % BLOCK

    def pieces(self) -> Iterator[bytes]:
        while self._left:
            piece = self._stream.some(self._left)
            if not piece:
                self._stream.fail("the archive ends in the middle of a file")
            self._left -= len(piece)
            yield piece

    def exactly(self, size: int) -> bytes:
        if size > self._left:
            self._stream.fail("a sparse file's map is longer than its data")
        self._left -= size
        return self._stream.exactly(size)

    def skip(self) -> None:
        if self._left and self._stream.skip(self._left):
            self._left = 0
        for _ in self.pieces():
            pass
        while self._padding:
            # Archives that end without the last padding are met, and everybody reads them.
            piece = self._stream.some(self._padding)
            if not piece:
                return
            self._padding -= len(piece)


@dataclass(slots=True)
class _Extra:
    """What extended headers say of the member that follows."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    sparse: list[bytes] = field(default_factory=list)  # offset, numbytes, … of pax sparse format 0.0
    name: bytes | None = None
    link: bytes | None = None


def _headers(stream: _Stream) -> tuple[bytes | None, _Extra]:
    """The next member's own header block and what its extended headers say; None at the archive's end."""
    extra = _Extra()
    pending = False
    total = 0
    while True:
        block = stream.block()
        if block is None or block == _ZERO:
            if pending:
                stream.fail("an extended header without a member")
            # One zero block and then something else is what a damaged archive looks like.
            if block is not None and (second := stream.block()) is not None and second != _ZERO:
                stream.fail("data after a zero block")
            return None, extra
        _check_sum(stream, block)
        flag = block[156:157]
        if flag not in (b"x", b"g", b"L", b"K"):
            return block, extra
        size = _number(stream, block[124:136], "size")
        total += size
        if total > MAX_HEADER:
            stream.fail(f"extended headers of {total} bytes")
        body = _Body(stream, size)
        data = body.exactly(size)
        body.skip()
        if flag == b"g":
            continue  # containerd ignores global headers, and nobody packs layers with them on purpose
        pending = True
        if flag == b"x":
            _read_records(stream, data, extra)
        elif flag == b"L":
            extra.name = data.split(b"\0", 1)[0]
        else:
            extra.link = data.split(b"\0", 1)[0]


def _check_sum(stream: _Stream, block: bytes) -> None:
    stated = _number(stream, block[148:156], "checksum")
    plain = sum(block) - sum(block[148:156]) + 8 * 0x20
    if stated != plain:
        # Some old archivers summed the bytes as signed ones.
        above = sum(1 for byte in block[:148] + block[156:] if byte > 127)
        if stated != plain - 256 * above:
            stream.fail("not a tar header: the checksum is wrong")


def _number(stream: _Stream, text: bytes, what: str) -> int:
    """An octal or base-256 number. Raises MalformedDocument."""
    if text[0] & 0x80:
        value = int.from_bytes(bytes([text[0] & 0x7F]) + text[1:], "big")
        if text[0] & 0x40:
            value -= 1 << (8 * len(text) - 1)
    else:
        digits = text.strip(b" \0").split(b"\0", 1)[0].rstrip(b" ")
        if digits and digits.translate(None, b"01234567"):
            stream.fail(f"{what} is not a number")
        value = int(digits or b"0", 8)
    if abs(value) > _LARGEST or (value < 0 and what != "mtime"):
        stream.fail(f"{what} is out of range")
    return value


def _read_records(stream: _Stream, data: bytes, extra: _Extra) -> None:
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 20)
        digits = data[at:blank] if blank > 0 else b""
        end = at + int(digits) if digits.isdigit() and not digits.startswith(b"0") else 0
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not blank < end <= len(data) or data[end - 1 : end] != b"\n" or not equals or not key:
            stream.fail("a damaged pax record")
        if b"\0" in key or (b"\0" in value and key in _TEXT_KEYS):
            stream.fail("a pax record with a NUL")
        at = end
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            if (len(extra.sparse) % 2 == 1) != key.endswith(b"numbytes"):
                stream.fail("a damaged sparse map")
            extra.sparse.append(value)
            if len(extra.sparse) > 2 * MAX_EXTENTS:
                stream.fail("a sparse file of too many parts")
        elif value:
            extra.records[key] = value
        else:
            extra.records.pop(key, None)


_TEXT_KEYS: Final = (b"path", b"linkpath", b"GNU.sparse.name")


def _member(stream: _Stream, block: bytes, extra: _Extra, offset: int) -> tuple[TarMember, _Body]:
    records = extra.records
    flag = block[156:157]
    if (b"path" in records and extra.name) or (b"linkpath" in records and extra.link):
        stream.fail("a member with two names, which readers take differently")
    raw_name = records.get(b"path") or extra.name or _short_name(block)
    raw_link = records.get(b"linkpath") or extra.link or block[157:257].split(b"\0", 1)[0]
    kind = _kind(stream, flag, raw_name)
    stored = _decimal(stream, records, b"size") if b"size" in records else _number(stream, block[124:136], "size")
    if kind is not FileKind.FILE:
        stored = 0  # engines take links, directories and devices to have no data, whatever the field says
    start, extents, size, body = stream.at, None, stored, _Body(stream, stored)
    if flag == b"S":
        extents, size = _gnu_extents(stream, block)
    elif kind is FileKind.FILE and any(key.startswith(b"GNU.sparse.") for key in records):
        raw_name = records.get(b"GNU.sparse.name", raw_name)
        extents, size = _pax_extents(stream, extra, body)
    if extents is not None:
        _check_extents(stream, extents, size, body._left)  # noqa: SLF001 - one reader in several parts
    path = _path(stream, raw_name, "name")
    return TarMember(
        path=path,
        kind=kind,
        mode=_number(stream, block[100:108], "mode") & 0o7777,
        uid=_decimal(stream, records, b"uid") if b"uid" in records else _number(stream, block[108:116], "uid"),
        gid=_decimal(stream, records, b"gid") if b"gid" in records else _number(stream, block[116:124], "gid"),
        mtime=_seconds(stream, records) if b"mtime" in records else _number(stream, block[136:148], "mtime"),
        size=size,
        link=_link(stream, kind, raw_link),
        xattrs=_xattrs(stream, records),
        device=_device(stream, kind, block),
        offset=offset,
        start=start,
        extents=extents,
        _body=body.pieces,
    ), body


def _kind(stream: _Stream, flag: bytes, name: bytes) -> FileKind:
    if flag in (b"0", b"\0", b"7", b"S"):
        # A version 7 archive marks a directory by the slash alone.
        return FileKind.DIRECTORY if name.endswith(b"/") and flag != b"S" else FileKind.FILE
    try:
        return FileKind(flag.decode("latin-1"))
    except ValueError:
        stream.fail(f"a member of unknown type {flag!r}")


def _short_name(block: bytes) -> bytes:
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] != b"ustar\0":
        return name
    star = block[508:512] == b"tar\0"
    prefix = block[345 : 476 if star else 500].split(b"\0", 1)[0]
    return prefix + b"/" + name if prefix else name


def _path(stream: _Stream, raw: bytes, what: str) -> str:
    if len(raw) > MAX_PATH:
        stream.fail(f"a {what} of {len(raw)} bytes")
    text = raw.decode("utf-8", "surrogateescape")
    path = clean(text)
    if path is None:
        raise EscapingPath(stream.placed(f"a {what} that leads out of the image: {text[:200]!r}"), offset=stream.at)
    if not text:
        stream.fail(f"a member without a {what}")
    return path


def _link(stream: _Stream, kind: FileKind, raw: bytes) -> str:
    if kind is FileKind.HARDLINK:
        return _path(stream, raw, "link target")
    if kind is not FileKind.SYMLINK:
        return ""
    if not raw or len(raw) > MAX_PATH:
        stream.fail(f"a symbolic link of {len(raw)} bytes")
    return raw.decode("utf-8", "surrogateescape")


def _device(stream: _Stream, kind: FileKind, block: bytes) -> tuple[int, int]:
    if kind not in (FileKind.CHAR, FileKind.BLOCK):
        return (0, 0)
    return _number(stream, block[329:337], "device"), _number(stream, block[337:345], "device")


def _xattrs(stream: _Stream, records: dict[bytes, bytes]) -> tuple[tuple[str, bytes], ...]:
    found = {}
    for key, value in records.items():
        if key.startswith(_ARCHIVE_XATTR):
            try:
                found[unquote_to_bytes(key.removeprefix(_ARCHIVE_XATTR))] = base64.b64decode(value + b"==")
            except binascii.Error:
                stream.fail("an extended attribute that is not base64")
    found |= {key.removeprefix(_XATTR): value for key, value in records.items() if key.startswith(_XATTR)}
    return tuple((key.decode("utf-8", "surrogateescape"), value) for key, value in sorted(found.items()))


def _decimal(stream: _Stream, records: dict[bytes, bytes], key: bytes) -> int:
    text = records.get(key, b"")
    if not text.isdigit() or len(text) > 19 or int(text) > _LARGEST:
        stream.fail(f"pax {key.decode('latin-1')} is not a number")
    return int(text)


def _seconds(stream: _Stream, records: dict[bytes, bytes]) -> int:
    """Whole seconds, rounded down also before 1970."""
    text = records[b"mtime"]
    whole, dot, part = text.partition(b".")
    digits = whole.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 18 or (dot and part and not part.isdigit()):
        stream.fail("pax mtime is not a number")
    return int(whole) - (1 if whole.startswith(b"-") and part.strip(b"0") else 0)


# Sparse files: three ways to write a map of (offset, length).


def _gnu_extents(stream: _Stream, block: bytes) -> tuple[Extents, int]:
    """The map in the header of GNU's own format, continued in blocks of 21 areas while a flag says so."""
    size = _number(stream, block[483:495], "real size")
    areas, more = block[386:482], block[482]
    found: list[tuple[int, int]] = []
    while True:
        for at in range(0, len(areas), 24):
            if areas[at] == 0:
                break
            found.append(
                (
                    _number(stream, areas[at : at + 12], "sparse offset"),
                    _number(stream, areas[at + 12 : at + 24], "sparse length"),
                )
            )
        if not more:
            return tuple(found), size
        if len(found) > MAX_EXTENTS:
            stream.fail("a sparse file of too many parts")
        extension = stream.exactly(BLOCK)
        areas, more = extension[:504], extension[504]


def _pax_extents(stream: _Stream, extra: _Extra, body: _Body) -> tuple[Extents | None, int]:
    """The map of pax sparse formats 0.0 and 0.1 (in records) or 1.0 (in front of the data)."""
    records = extra.records
    if records.get(b"GNU.sparse.major", b"0") == b"1" and records.get(b"GNU.sparse.minor", b"0") == b"0":
        size = _decimal(stream, records, b"GNU.sparse.realsize")
        return _pairs(stream, _map_in_data(stream, body)), size
    size = _decimal(stream, records, b"GNU.sparse.size")
    words = records[b"GNU.sparse.map"].split(b",") if b"GNU.sparse.map" in records else extra.sparse
    if len(words) > 2 * MAX_EXTENTS:
        stream.fail("a sparse file of too many parts")
    return _pairs(stream, words), size


def _map_in_data(stream: _Stream, body: _Body) -> list[bytes]:
    """The decimal lines of format 1.0: how many areas, then offset and length of each; padded to a block."""
    text = b""
    lines: list[bytes] = []
    wanted = 1
    while len(lines) < wanted:
        text += body.exactly(BLOCK)
        *whole, text = text.split(b"\n")
        lines += whole
        if len(text) > 20 and len(lines) < wanted:  # what follows the last line is padding
            stream.fail("a damaged sparse map")
        if wanted == 1 and lines:
            if not lines[0].isdigit() or len(lines[0]) > 6 or int(lines[0]) > MAX_EXTENTS:
                stream.fail("a damaged sparse map")
            wanted = 1 + 2 * int(lines[0])
    return lines[1:wanted]


def _pairs(stream: _Stream, words: list[bytes]) -> Extents:
    if len(words) % 2 or not all(word.isdigit() and len(word) < 20 for word in words):
        stream.fail("a damaged sparse map")
    numbers = [int(word) for word in words]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _check_extents(stream: _Stream, extents: Extents, size: int, stored: int) -> None:
    """Areas in order, inside the file, and as long together as the data that is stored."""
    at = total = 0
    for start, length in extents:
        if start < at or start + length > size:
            stream.fail("a sparse map whose parts overlap or lie beyond the end")
        at = start + length
        total += length
    if total != stored or size > _LARGEST:
        stream.fail("a sparse map that does not fit the data")


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, PIECE))
        count -= PIECE
