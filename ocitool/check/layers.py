"""Layers read to their end: what is in them, for rules that look deep."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final

from ocitool.binaries.binary import Binary
from ocitool.binaries.identify import inspect_stream, is_promising
from ocitool.codec.codecs import decompress, sniff
from ocitool.codec.tar_reader import TarMember
from ocitool.errors import DigestMismatch, MalformedDocument, OcitoolError, Unsupported
from ocitool.model.digest import Digest, Tap
from ocitool.model.files import FileKind
from ocitool.model.numbers import GIB, MIB
from ocitool.model.views import Descriptor
from ocitool.rootfs.tree import Listed, bounded_members
from ocitool.store.base import Reader
from ocitool.store.verify import own_size
from ocitool.tasks import Scope
from ocitool.values import dataclass, field, replace

_PASSWD: Final = frozenset({"etc/passwd", "etc/group"})
_HEAD: Final = 4
"""Bytes that tell whether a file may be a program."""
_PASSWD_LIMIT: Final = MIB
_PROGRAM_LIMIT: Final = GIB
"""Largest file that is looked into for a program, in bytes; a guess. Sparse files can be of any size (K158)."""
_LARGEST: Final = 64 * GIB
"""Most bytes that are read of a layer whose size is wrong, a guess: what a registry sends must end."""


@dataclass(frozen=True, slots=True)
class ImageProgram:
    """A program or library in a layer; `digest` is the SHA-256 of its bytes in hex."""

    path: str
    binary: Binary
    is_executable: bool
    digest: str = ""


@dataclass(frozen=True, slots=True)
class LayerLook:
    """What reading a layer to its end showed. `codec` is what its bytes are, whatever its type says.

    `damage` is why it could not be read to its end; then the other fields hold what came before that. `size` is how
    many bytes it has, whatever its descriptor says.
    `accounts` are the contents of etc/passwd and etc/group.
    """

    codec: str
    diff_id: Digest | None = None
    size: int | None = None
    listed: tuple[Listed, ...] = ()
    programs: tuple[ImageProgram, ...] = ()
    accounts: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    damage: OcitoolError | None = None


class ReadLayers:
    """Looks at layers by digest and size, the last used of them: tags share the layers of their base.

    Bounded by the files that they list; safe from several threads.
    """

    def __init__(self, most_files: int = 100_000) -> None:
        self._most = most_files
        self._lock = threading.Lock()
        self._looks: OrderedDict[tuple[Digest, int], LayerLook] = OrderedDict()
        self._files = 0

    def get(self, layer: Descriptor) -> LayerLook | None:
        """The look at a layer that was read, None if it was not or is forgotten."""
        with self._lock:
            key = (layer.digest, layer.size)
            if key in self._looks:
                self._looks.move_to_end(key)
            return self._looks.get(key)

    def put(self, layer: Descriptor, look: LayerLook) -> None:
        """Remember a look, and forget what was not used for longest."""
        with self._lock:
            if (layer.digest, layer.size) not in self._looks:
                self._looks[layer.digest, layer.size] = look
                self._files += _weight(look)
            while self._files > self._most:
                _, old = self._looks.popitem(last=False)
                self._files -= _weight(old)


def _weight(look: LayerLook) -> int:
    """How many files in memory a look is worth: one takes some 400 bytes, a program some times that."""
    return 1 + len(look.listed) + 5 * len(look.programs) + sum(map(len, look.accounts.values())) // 400


def read_layer(
    store: Reader, layer: Descriptor, scope: Scope, known: ReadLayers, heard: Callable[[int], None]
) -> LayerLook:
    """The look at a layer, from `known` if it was read before. Raises what keeps the store from answering.

    `heard` is told of each piece how many bytes it has.
    """
    seen = known.get(layer)
    if seen is None:
        seen = _read(store, layer, scope, heard)
        size = own_size(store, layer, _LARGEST) if isinstance(seen.damage, DigestMismatch) else None
        if size is not None:
            seen = _read(store, replace(layer, size=size), scope, heard)
        known.put(layer, seen)
    return seen


def _read(store: Reader, layer: Descriptor, scope: Scope, heard: Callable[[int], None]) -> LayerLook:
    """The layer read once, to its end. Raises NotFound and whatever else keeps the store from answering."""
    tap = Tap()
    listed: list[Listed] = []
    programs: list[ImageProgram] = []
    accounts: dict[str, bytes] = {}
    codec = ""
    try:
        with store.open_blob(layer) as pieces:
            head, stream = _peek(_counted(scope.pieces(pieces), heard))
            codec = sniff(head)
            for member in bounded_members(tap(decompress(stream)), layer):
                listed.append(Listed.of(member))
                if member.path in _PASSWD and member.kind is FileKind.FILE and member.size <= _PASSWD_LIMIT:
                    accounts[member.path] = b"".join(member.pieces())
                elif member.kind is FileKind.FILE and 0 < member.size <= _PROGRAM_LIMIT:
                    programs += _program(member)
    except (MalformedDocument, DigestMismatch, Unsupported) as damage:
        return LayerLook(codec, None, None, tuple(listed), tuple(programs), accounts, damage)
    return LayerLook(codec, tap.digest, layer.size, tuple(listed), tuple(programs), accounts)


def _counted(pieces: Iterable[bytes], heard: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        heard(len(piece))
        yield piece


def _program(member: TarMember) -> list[ImageProgram]:
    digest = hashlib.sha256()
    binary = inspect_stream(_hashed(member.pieces(), digest.update))
    if binary is None:
        return []
    return [ImageProgram(member.path, binary, bool(member.mode & 0o111), digest.hexdigest())]


def _hashed(pieces: Iterable[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    """The same pieces, hashed as well if they may be a program's."""
    head, is_wanted = b"", False
    for piece in pieces:
        if len(head) < _HEAD:
            head += piece
            is_wanted = len(head) >= _HEAD and is_promising(head)
            if is_wanted:
                update(head)
        elif is_wanted:
            update(piece)
        yield piece


def _peek(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    stream = iter(pieces)
    head = b""
    for piece in stream:
        head += piece
        if len(head) >= 512:
            break
    return head, chain((head,), stream)
