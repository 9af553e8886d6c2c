"""Digests, and Tap, which hashes and counts a stream as it passes."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from ocitool.errors import DigestMismatch, MalformedDocument
from ocitool.model.numbers import KIB

if TYPE_CHECKING:
    import hashlib

_GRAMMAR: Final = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+")
_HEX: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_SMALL: Final = 64 * KIB
"""Up to here the interpreter's own SHA-256 is quicker than loading OpenSSL, which is quicker ever after."""


class Digest(str):
    """A content digest such as `sha256:…`: valid, or it does not exist.

    Known algorithms must carry lower-case hex of their length. A well-formed digest of an algorithm we
    do not know is accepted as a name, and `hasher` raises for it. Raises MalformedDocument.
    Spec: image-spec descriptor.md, "Digests".
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "Digest":
        """Check the grammar, and for known algorithms the length and the letters."""
        if len(text) > 512 or not _GRAMMAR.fullmatch(text):
            raise MalformedDocument(
                f"not a digest: {text[:100]!r}", hint="a digest looks like sha256:64 hex digits"
            )
        algorithm, _, encoded = text.partition(":")
        length = _HEX.get(algorithm)
        if length is not None and not re.fullmatch(rf"[0-9a-f]{{{length}}}", encoded):
            raise MalformedDocument(
                f"not a {algorithm} digest: {text[:150]!r}",
                hint=f"{algorithm} needs {length} lower-case hex digits",
            )
        return super().__new__(cls, text)

    @property
    def algorithm(self) -> str:
        """`sha256` and the like."""
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The encoded part, hex digits for every known algorithm."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The algorithm and twelve digits, for people."""
        return f"{self.algorithm}:{self.hex[:12]}"

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> "Digest":
        """The digest of `data`."""
        # What a hash gave needs no check of its grammar, and this is called for every look at a document.
        return str.__new__(cls, f"{algorithm}:{new_hash(algorithm, data, size=len(data)).hexdigest()}")

    @property
    def is_verifiable(self) -> bool:
        """Whether this program can compute the algorithm."""
        return self.algorithm in _HEX

    def matches(self, data: bytes) -> bool:
        """Whether `data` has this digest."""
        return Digest.of(data, self.algorithm) == self


def is_digest(text: str) -> bool:
    """Whether `text` is a valid digest."""
    try:
        Digest(text)
    except MalformedDocument:
        return False
    return True


def is_computed(algorithm: str) -> bool:
    """Whether we can compute digests of this algorithm."""
    return algorithm in _HEX


def as_digest(name: str) -> Digest | None:
    """The digest that a name in a store is, of an algorithm we can compute; None for a tag or another name."""
    if not is_computed(name.partition(":")[0]):
        return None
    try:
        return Digest(name)
    except MalformedDocument:
        return None


def new_hash(algorithm: str, data: bytes = b"", *, size: int | None = None) -> "hashlib._Hash":
    """A running hash of a digest algorithm; MalformedDocument for one we cannot compute.

    `size` is how many bytes will pass, where that is known.
    """
    if algorithm not in _HEX:
        raise MalformedDocument(
            f"cannot verify digests of algorithm {algorithm!r}", hint="sha256, sha384 and sha512 are known"
        )
    if algorithm == "sha256" and size is not None and size <= _SMALL:
        return _small_sha256()(data, usedforsecurity=False)
    import hashlib

    return hashlib.new(algorithm, data, usedforsecurity=False)


@cache
def _small_sha256() -> "Callable[..., hashlib._Hash]":
    for name in ("_sha2", "_sha256"):  # as Python names its own from 3.12 on, and before
        with suppress(ImportError):
            own: Callable[..., hashlib._Hash] = import_module(name).sha256
            return own
    from hashlib import sha256

    return sha256


class Tap:
    """Hash and count a stream of byte pieces as it passes: `for piece in tap(stream): …`.

    Afterwards `digest` and `size` describe what has passed so far. A tap may be used for several
    streams in a row; they count as one. It is made with the number of bytes to come, where that is known.
    """

    __slots__ = ("_algorithm", "_hash", "size")

    def __init__(self, algorithm: str = "sha256", size: int | None = None) -> None:
        self._algorithm = algorithm
        self._hash = new_hash(algorithm, size=size)
        self.size = 0

    def __call__(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """The same stream, hashed and counted as it is read."""
        for piece in stream:
            self.update(piece)
            yield piece

    def expecting(self, wanted: Digest, stream: Iterable[bytes], what: str, hint: str = "") -> Iterator[bytes]:
        """The same stream, hashed and counted. Raises DigestMismatch in the place of its end if it is not `wanted`.

        `what` says what was read; it begins the message.
        """
        yield from self(stream)
        if self.digest != wanted:
            what = f"{what} hashes to {self.digest}, not to {wanted}"
            raise DigestMismatch(what, expected=str(wanted), got=str(self.digest), hint=hint)

    def update(self, piece: bytes) -> None:
        """Take one piece into account."""
        self._hash.update(piece)
        self.size += len(piece)

    @property
    def digest(self) -> Digest:
        """The digest of everything that has passed."""
        return Digest(f"{self._algorithm}:{self._hash.hexdigest()}")
