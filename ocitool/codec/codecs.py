"""The codecs: how a tar becomes a layer's bytes, and any layer's bytes a tar again.

Only home of deflate, isal and zstandard. Compressing gives, for one CodecId, the same bytes for any number
of threads and on any machine; decompressing takes whatever registries hold, in bounded pieces.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeAlias, cast

from ocitool.codec.members import table_bytes
from ocitool.errors import MalformedDocument, Unsupported, UsageError
from ocitool.model.digest import Digest
from ocitool.model.numbers import KIB, MIB, is_digits
from ocitool.tasks import Scope, ordered_map
from ocitool.values import dataclass

BLOCK: Final = MIB
"""Uncompressed bytes in one gzip member."""
ZSTD_BLOCK: Final = 4 * MIB
"""Uncompressed bytes in one zstd frame."""
OURS: Final = "org.ocitool.toc."
"""What annotations of our lists of files begin with."""
OF_BYTES: Final = (
    "containerd.io/snapshot/stargz/",
    "io.containers.estargz.",
    "io.github.containers.zstd-chunked.",
    "io.containers.zstd-chunked.",
    OURS,
)
"""What annotations of a layer begin with that say where what is in its bytes: they belong to these bytes alone."""
PIECE: Final = 256 * KIB
"""Largest piece that streams of this package carry."""


@dataclass(frozen=True, slots=True)
class CodecId:
    """What decides compressed bytes: for an equal CodecId, equal input gives equal output on any machine.

    `probe` is the digest of a fixed text compressed here, because a library's version does not tell
    which compressor it was built with. `block` is 0 for a single stream.
    """

    name: str
    library: str = ""
    version: str = ""
    level: int = 0
    block: int = 0
    probe: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The fields that are set, for metadata files and cache keys."""
        fields = ((name, getattr(self, name)) for name in CodecId.__slots__)
        return {name: value for name, value in fields if value not in ("", 0)}


@dataclass(frozen=True, slots=True)
class LayerEnd:
    """What only the end of a layer tells, of one that is more than a compressed tar.

    `diff_id` is of the tar that it unpacks to, which may be another; `annotations` are those that its descriptor
    needs, in order.
    """

    diff_id: Digest
    annotations: tuple[tuple[str, str], ...]


Compressor: TypeAlias = Callable[[Iterable[bytes], Scope, int], Generator[bytes, None, LayerEnd | None]]


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to write layers. `kind` is gzip, zstd, none; estargz or gzip-toc, which are gzip and more."""

    id: CodecId
    kind: str
    _compress: Compressor

    def compress(
        self, stream: Iterable[bytes], scope: Scope, width: int = 1
    ) -> Generator[bytes, None, LayerEnd | None]:
        """The layer's bytes, in pieces of any size; at most about `width + 2` blocks are in memory.

        The same for every `width`. Returns nothing where they are the compressed stream and no more.
        """
        return self._compress(stream, scope, width)


GRAMMAR: Final = "gzip[:LEVEL][,single|,toc], isal[:LEVEL], zstd[:LEVEL], estargz[:LEVEL], auto, none"
"""What can be written for one compression."""


def parse_codecs(text: str) -> tuple[Codec, ...]:
    """The codec a user named, or the two of `gzip+zstd` and the like, zstd second: each platform has two images.

    Raises as `parse_codec`, and UsageError for two that nobody could tell apart.
    """
    codecs = tuple(map(parse_codec, text.split("+")))
    if len(codecs) == 1:
        return codecs
    ordered = tuple(sorted(codecs, key=lambda codec: codec.kind == "zstd"))
    if len(codecs) != 2 or ordered[0].kind not in _BEFORE_ZSTD or ordered[1].kind != "zstd":
        raise UsageError(
            f"{text} cannot stand side by side: images of one platform are told apart as gzip and zstd",
            hint="as in gzip+zstd, isal+zstd or estargz+zstd",
        )
    return ordered


def parse_codec(text: str) -> Codec:
    """The codec a user named, as `GRAMMAR` has it.

    Raises UsageError, and Unsupported for one whose library is not installed.
    """
    words, _, option = text.partition(",")
    name, _, level = words.partition(":")
    if "+" in text:
        raise UsageError(f"{text} are two compressions, and one is wanted here", hint=f"one of {GRAMMAR}")
    if name not in _LEVELS or (option and f"{name},{option}" not in _LEVELS):
        raise UsageError(f"unknown compression {text!r}", hint=f"one of {GRAMMAR}")
    called = f"{name},{option}" if option else name
    lowest, highest, usual = _LEVELS[called]
    number = int(level) if is_digits(level) and len(level) < 3 else usual if not level else -1
    if not lowest <= number <= highest:
        levels = f"{called} takes levels {lowest} to {highest}" if highest else f"{called} has no levels"
        raise UsageError(f"not a level of {called}: {level!r}", hint=levels)
    if name == "none":
        return Codec(CodecId("none"), "none", _as_it_is)
    if name == "zstd":
        return zstd(number)
    if name == "estargz":
        from ocitool.codec.estargz_writer import estargz

        return estargz(number)
    if name == "isal":
        return isal_members(number)
    if name == "auto":
        return _fastest()
    if option == "toc":
        from ocitool.codec.listed import gzip_listed

        return gzip_listed(number)
    return gzip_single(number) if option else gzip_members(number)


_BEFORE_ZSTD: Final = frozenset({"gzip", "gzip-toc", "estargz"})
"""What may stand beside zstd: forms of gzip."""
_LEVELS: Final = {
    "gzip": (1, 12, 1),
    "gzip,single": (1, 9, 1),
    "gzip,toc": (1, 12, 1),
    "isal": (0, 3, 2),
    "auto": (0, 0, 0),
    "zstd": (1, 19, 3),
    "estargz": (1, 12, 1),
    "none": (0, 0, 0),
}
"""Lowest, highest and usual level of each codec."""


def gzip_member(level: int) -> Callable[[bytes], bytes]:
    """What makes one gzip member of a block, by libdeflate."""
    import deflate

    def member(block: bytes) -> bytes:
        return cast("bytes", deflate.gzip_compress(block, level))  # a bytearray, which serves as well

    return member


@lru_cache
def gzip_members(level: int = 1) -> Codec:
    """The default: members of 1 MiB by libdeflate, the same bytes on every x86 and on aarch64."""
    import deflate

    member = gzip_member(level)
    codec = CodecId("gzip", "libdeflate", deflate.__version__, level, BLOCK, _probe(member))
    return Codec(codec, "gzip", _by_members(member))


@lru_cache
def isal_members(level: int = 2) -> Codec:
    """Members of 1 MiB by ISA-L: the fastest, but its bytes differ between x86 and aarch64."""
    try:
        from isal import __version__, isal_zlib
    except ImportError:
        raise Unsupported(
            "compression isal needs the isal package",
            ability="isal",
            hint="pip install 'ocitool[isal]', or '.[isal]' in a checkout",
        ) from None

    def member(block: bytes) -> bytes:
        # In four fifths of the time of a compressobj, and not its bytes.
        return isal_zlib.compress(block, level, 31)

    codec = CodecId("isal", "isal.compress", __version__, level, BLOCK, _probe(member))
    return Codec(codec, "gzip", _by_members(member))


def _fastest() -> Codec:
    """The gzip that takes least time here, for who does not ask for the same bytes on other machines."""
    with suppress(Unsupported):
        return isal_members()
    return gzip_members()


@lru_cache
def gzip_single(level: int = 1) -> Codec:
    """One gzip member by zlib, for readers that stop after the first; one thread, and bytes that vary with zlib."""

    def compress(stream: Iterable[bytes], scope: Scope, _width: int) -> Generator[bytes, None, None]:
        machine = zlib.compressobj(level, zlib.DEFLATED, 31)
        for piece in scope.pieces(stream):
            if out := machine.compress(piece):
                yield out
        yield machine.flush()

    probe = _probe(lambda block: b"".join(compress([block], Scope(), 1)))
    return Codec(CodecId("gzip-single", "zlib", zlib.ZLIB_RUNTIME_VERSION, level, 0, probe), "gzip", compress)


@lru_cache
def zstd(level: int = 3) -> Codec:
    """Frames of 4 MiB by zstd; OCI only."""
    import zstandard

    def frame(block: bytes) -> bytes:
        return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(block)

    def compress(stream: Iterable[bytes], scope: Scope, width: int) -> Generator[bytes, None, None]:
        yield from ordered_map(scope, frame, blocks(stream, ZSTD_BLOCK), width)

    version = ".".join(str(part) for part in zstandard.ZSTD_VERSION)
    return Codec(CodecId("zstd", "libzstd", version, level, ZSTD_BLOCK, _probe(frame)), "zstd", compress)


def _as_it_is(stream: Iterable[bytes], _scope: Scope, _width: int) -> Generator[bytes, None, None]:
    yield from stream


def _by_members(member: Callable[[bytes], bytes]) -> Compressor:
    """A row of members and the table of their sizes."""

    def compress(stream: Iterable[bytes], scope: Scope, width: int) -> Generator[bytes, None, None]:
        sizes: list[int] = []
        for out in ordered_map(scope, member, blocks(stream, BLOCK), width):
            sizes.append(len(out))
            yield out
        yield table_bytes(BLOCK, sizes)

    return compress


def _probe(compress: Callable[[bytes], bytes]) -> str:
    return hashlib.sha256(compress(_PROBE)).hexdigest()[:16]


_PROBE: Final = b"".join(hashlib.sha256(bytes([n // 3])).digest()[: n % 29] + b"ocitool probe" for n in range(256))


def blocks(stream: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The stream cut into blocks of exactly `size` bytes, the last one shorter; nothing for no bytes."""
    pending: list[bytes | memoryview] = []
    have = 0
    for piece in stream:
        view = memoryview(piece)
        while have + len(view) >= size:
            cut = size - have
            yield b"".join([*pending, view[:cut]])
            view = view[cut:]
            pending, have = [], 0
        if view:
            pending.append(view)
            have += len(view)
    if have:
        yield b"".join(pending)


def sniff(head: bytes) -> str:
    """The compression of a blob by its first bytes: gzip, zstd, bzip2, xz, or none."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return "zstd"
    if head.startswith(b"BZh"):
        return "bzip2"
    return "xz" if head.startswith(b"\xfd7zXZ\x00") else "none"


def decompress(stream: Iterable[bytes], kind: str | None = None) -> Iterator[bytes]:
    """The uncompressed bytes of a blob, in pieces of at most 256 KiB whatever it expands to.

    `kind` is gzip, zstd or none; None looks at the bytes. Reads all gzip members and zstd frames. Raises
    MalformedDocument for damaged or cut-off data, Unsupported for a compression layers do not use.
    """
    source = iter(stream)
    head = b""
    while len(head) < 6 and (piece := next(source, None)) is not None:
        head += piece
    rest = chain((head,) if head else (), source)
    found = kind or sniff(head)
    if found == "gzip":
        yield from _gunzip(rest)
    elif found == "zstd":
        yield from _unzstd(rest)
    elif found == "none":
        for piece in rest:
            for at in range(0, len(piece), PIECE):
                yield piece[at : at + PIECE]
    else:
        raise Unsupported(f"{found} compression is not used for layers", ability=found)


def _gunzip(stream: Iterable[bytes]) -> Iterator[bytes]:
    machine = None
    for piece in stream:
        data = piece
        while data:
            if machine is None:
                machine = zlib.decompressobj(wbits=31)
            try:
                out = machine.decompress(data, PIECE)
            except zlib.error as error:
                raise MalformedDocument(f"damaged gzip data: {error}") from None
            if out:
                yield out
            data = machine.unused_data if machine.eof else machine.unconsumed_tail
            if machine.eof:
                machine = None
        while machine is not None and (out := _more(machine)):
            yield out
    if machine is not None and not machine.eof:
        raise MalformedDocument("gzip data ends in the middle of a member")


def _more(machine: "zlib._Decompress") -> bytes:
    """Output that zlib still holds although it has taken all input."""
    return b"" if machine.eof else machine.decompress(b"", PIECE)


def _unzstd(stream: Iterable[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise Unsupported("reading zstd layers needs the zstandard package", hint="pip install zstandard") from None
    # A window of 128 MiB is what zstd itself calls "long"; a frame that asks for more is refused.
    machine = zstandard.ZstdDecompressor(max_window_size=128 * MIB)
    # The reader does not tell the end of its input from the end of a frame. So a frame of our own follows: what
    # it holds comes out last only if the frame before it was whole. It repeats itself so that the frame's bytes,
    # taken for the rest of a cut-off frame, cannot look like it.
    mark = os.urandom(16) * 64
    source: Any = _Readable(chain(stream, (zstandard.compress(mark),)))
    reader = machine.stream_reader(source, read_across_frames=True, read_size=PIECE)
    held = b""
    try:
        while out := reader.read(PIECE):
            held += out
            if len(held) > len(mark):
                yield held[: -len(mark)]
                held = held[-len(mark) :]
    except zstandard.ZstdError as error:
        raise MalformedDocument(f"damaged zstd data: {error}") from None
    if held != mark:
        raise MalformedDocument("zstd data ends in the middle of a frame")


class _Readable:
    """A stream of pieces as the file object that zstandard wants."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = iter(stream)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            piece = next(self._stream, None)
            if piece is None:
                return b""
            self._rest = piece
        out, self._rest = (self._rest[:size], self._rest[size:]) if size >= 0 else (self._rest, b"")
        return out
