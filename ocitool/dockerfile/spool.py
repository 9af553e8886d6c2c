"""Files out of layers and archives, written side by side into a folder so that they can be packed again.

A layer is read once for all files that are wanted of it, and one whose files are there already not at all.
"""

import bz2
import lzma
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, count, groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Final

from ocitool.codec.codecs import decompress, sniff
from ocitool.codec.tar_reader import TarLimits, TarMember, read_members
from ocitool.errors import EscapingPath, MalformedDocument, UsageError, local_io
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from ocitool.model.numbers import KIB
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Content, Entry, FileContent, NoFile, refuse_holes
from ocitool.rootfs.parts import LayerParts
from ocitool.rootfs.tree import bounded_members
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from ocitool.values import dataclass, replace

_BLOCK: Final = 512
_PIECE: Final = 256 * KIB
_MOST_FILES: Final = 1_000_000
"""Most files of an archive, a guess at what nobody sends."""


@dataclass(frozen=True, slots=True)
class LayerContent(NoFile):
    """A file of a layer: the member whose first header block stands at `offset` of the uncompressed tar.

    Of a layer that is read in `parts` it is the entry of its table that has this offset.
    """

    spool: "Spool"
    store: Reader
    layer: Descriptor
    offset: int
    size: int
    parts: LayerParts | None = None

    @property
    def path(self) -> Path:
        """Where the spool keeps it."""
        name = self.layer.digest if self.parts is None else Digest.of(self.parts.identity.encode())
        return self.spool.folder / name.hex[:32] / str(self.offset)

    @property
    def identity(self) -> str:
        """The layer's digest and the place in it."""
        return f"{self.layer.digest if self.parts is None else self.parts.identity}@{self.offset}"

    def pieces(self) -> Iterator[bytes]:
        """The bytes, fetched now if `Spool.fill` has not done it. Raises what reading the layer raises."""
        self.spool.fill((self,))
        yield from FileContent(self.path).pieces()


class Spool:
    """A folder of files that came out of layers and archives; its user holds it alone.

    Files of layers outlive it, for later builds; what a killed run left half written goes when it is used again.
    """

    def __init__(self, folder: Path, scope: Scope, *, allow_sparse: bool = False) -> None:
        self.folder = folder
        self._scope = scope
        self._allow_sparse = allow_sparse
        self._numbers = count()
        self._is_clean = False
        self._size = self._stored = 0
        self._unpacked: dict[int, tuple[Content, tuple[Entry, ...] | None]] = {}

    def fill(self, contents: Iterable[Content | None]) -> None:
        """Write every file of a layer that is not there yet, reading each layer once, or the parts of it.

        Raises NotFound for a missing layer, MalformedDocument and DigestMismatch for a damaged one, LocalIOError.
        """
        wanted: dict[Descriptor, dict[int, LayerContent]] = {}
        in_parts: dict[str, dict[int, LayerContent]] = {}
        for content in contents:
            if isinstance(content, LayerContent) and not content.path.exists():
                if content.parts is not None:
                    in_parts.setdefault(content.parts.identity, {})[content.offset] = content
                else:
                    wanted.setdefault(content.layer, {})[content.offset] = content
        self._clean()
        for some in in_parts.values():
            self._fill_in_parts(some)
        for layer, files in wanted.items():
            store = next(iter(files.values())).store
            with store.open_blob(layer) as pieces:
                for member in bounded_members(decompress(self._scope.pieces(pieces)), layer):
                    content = files.pop(member.offset, None)
                    if content is not None:
                        self._write(content.path, member)
            if files:
                raise MalformedDocument(f"layer {layer.digest} does not hold what was listed of it")

    def _fill_in_parts(self, files: Mapping[int, LayerContent]) -> None:
        """Write files of one layer."""
        parts = next(iter(files.values())).parts
        if parts is None:
            return
        read = parts.read(((offset, parts.entry(offset)) for offset in files), self._scope)
        for offset, group in groupby(read, key=itemgetter(0)):
            _write_file(files[offset].path, _writer_of(piece for _, piece in group))

    def unpack(self, content: Content) -> tuple[Entry, ...] | None:
        """The entries of a tar archive, plain or compressed; None if the file is none. Each is unpacked once.

        An archive is known by its content: its first header must be one. Raises MalformedDocument for a damaged
        archive, LocalIOError.
        """
        known = self._unpacked.get(id(content))
        if known is None:
            limits = TarLimits(_MOST_FILES).of_packed(content.size)
            try:
                known = self._unpacked[id(content)] = (content, self.unpacked(content.pieces(), limits))
            except EscapingPath as error:
                hint = "pack it again without .. in its names, or unpack it before the build and COPY what it holds"
                raise EscapingPath(error.what, offset=error.offset, hint=hint) from None
        return known[1]

    def unpacked(self, pieces: Iterator[bytes], limits: TarLimits) -> tuple[Entry, ...] | None:
        """The same of an archive that comes as a stream, read once.

        Raises MalformedDocument for one beyond the limits, UsageError for a file that is mostly holes.
        """
        try:
            stream = _opened(pieces)
            head = _head(stream)
        except MalformedDocument:
            return None  # its first bytes looked like a compression by chance
        if not _is_header(head):
            return None
        folder = self.folder / "archives"
        self._clean()
        found: dict[str, Entry] = {}
        files: dict[str, int] = {}  # which names are of one file
        dressed: dict[int, TarMember] = {}
        tar = self._scope.pieces(chain((head,), stream))
        for number, member in enumerate(read_members(tar, limits=limits, drain=False)):
            if not member.path:
                continue
            if member.kind is FileKind.HARDLINK:
                target = found.get(member.link)
                if target is None:
                    raise UsageError(
                        f"{member.path} in the archive is a link to {member.link}, which is not before it"
                    )
                found[member.path] = replace(target, path=member.path)
                files[member.path] = files[member.link]
                dressed[files[member.link]] = member
                continue
            body: Content | None = None
            if member.kind is FileKind.FILE:
                place = folder / str(next(self._numbers))
                self._write(place, member)
                body = FileContent(place)
            found.pop(member.path, None)
            files[member.path] = number
            found[member.path] = Entry(
                member.path,
                member.kind,
                member.mode,
                member.uid,
                member.gid,
                member.mtime,
                body,
                member.link,
                member.xattrs,
                member.device,
            )
        return tuple(_dressed(entry, dressed.get(files[path])) for path, entry in found.items())

    def _clean(self) -> None:
        """Remove what earlier builds left: archives, and what was half written when one was killed."""
        if not self._is_clean:
            self._is_clean = True
            shutil.rmtree(self.folder / "archives", ignore_errors=True)
            for path in self.folder.glob("*/.*"):
                path.unlink(missing_ok=True)

    def _write(self, path: Path, member: TarMember) -> None:
        """A whole file or none, holes as holes."""
        self._size, self._stored = self._size + member.size, self._stored + member.stored
        if not self._allow_sparse:
            refuse_holes(f"/{member.path}", member.size, member.stored)
            refuse_holes("what is unpacked", self._size, self._stored)

        def fill(file: IO[bytes]) -> None:
            for at, piece in member.chunks():
                file.seek(at)
                file.write(piece)
            file.truncate(member.size)

        _write_file(path, fill)


def _writer_of(pieces: Iterable[bytes]) -> Callable[[IO[bytes]], None]:
    return lambda file: file.writelines(pieces)


def _write_file(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    """A whole file or none. Raises LocalIOError."""
    temporary = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                fill(file)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise local_io(error, f"write {path}") from error


def is_archive(head: bytes) -> bool:
    """Whether what begins with these 512 bytes is a tar, or is compressed."""
    return sniff(head) != "none" or _is_header(head[:_BLOCK])


def _dressed(entry: Entry, link: TarMember | None) -> Entry:
    """The entry with what the last hard link to it says of it: each header is applied, in their order."""
    if link is None:
        return entry
    xattrs = tuple(sorted({**dict(entry.xattrs), **dict(link.xattrs)}.items()))
    if entry.kind is FileKind.SYMLINK:
        return replace(entry, uid=link.uid, gid=link.gid, xattrs=xattrs)
    return replace(entry, mode=link.mode, uid=link.uid, gid=link.gid, mtime=link.mtime, xattrs=xattrs)


def _opened(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The uncompressed bytes; also of bzip2 and xz, which archives use and layers do not."""
    first = next(pieces, b"")
    stream = chain((first,), pieces)
    kind = sniff(first)
    if kind == "bzip2":
        return _inflated(stream, bz2.BZ2Decompressor)
    if kind == "xz":
        return _inflated(stream, lzma.LZMADecompressor)
    return decompress(stream, kind)


def _inflated(
    stream: Iterable[bytes], make: type[bz2.BZ2Decompressor] | type[lzma.LZMADecompressor]
) -> Iterator[bytes]:
    machine = make()
    for piece in stream:
        data = piece
        while data or not (machine.eof or machine.needs_input):
            try:
                if machine.eof:
                    machine = make()
                out = machine.decompress(data, _PIECE)
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise MalformedDocument(f"damaged archive: {error}") from None
            if out:
                yield out
            data = machine.unused_data if machine.eof else b""
    if not machine.eof:
        raise MalformedDocument("the archive ends in the middle of its data")


def _head(stream: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < _BLOCK and (piece := next(stream, b"")):
        head += piece
    return head


def _is_header(block: bytes) -> bool:
    """Whether a tar begins with these bytes: the checksum of its first header is right."""
    if len(block) < _BLOCK or not block[:1].strip(b"\0"):
        return False
    try:
        said = int(block[148:156].strip(b"\0 ") or b"x", 8)
    except ValueError:
        return False
    return said == sum(block[:148]) + sum(block[156:_BLOCK]) + 8 * 0x20
