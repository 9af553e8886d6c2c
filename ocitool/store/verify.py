"""Streams that compare what passes with what a descriptor promises, and reads that are bounded."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ocitool.errors import Conflict, DigestMismatch, MalformedDocument, NotFound, SizeMismatch
from ocitool.model.digest import Digest, Tap
from ocitool.model.document import Document
from ocitool.model.numbers import GIB, MIB
from ocitool.model.views import Descriptor, ImageConfig
from ocitool.store.base import Expect, Reader, Source, read_file
from ocitool.tasks import Scope
from ocitool.values import replace

CONFIG_LIMIT: Final = 8 * MIB
"""Most bytes of an image config that are read; a guess far above what anybody publishes."""

OWN_SIZE_LIMIT: Final = GIB


def verified(stream: Iterable[bytes], descriptor: Descriptor, where: str) -> Iterator[bytes]:
    """The same pieces; DigestMismatch at the first byte too many, or at the end if size or digest differ.

    SizeMismatch where only the size does. A last piece that makes the size exceed is never passed on.
    """
    tap = Tap(descriptor.digest.algorithm, descriptor.size)
    for piece in stream:
        tap.update(piece)
        if tap.size > descriptor.size:
            raise DigestMismatch(
                f"{where} sent more than the {descriptor.size} bytes of {descriptor.digest}",
                expected=str(descriptor.size),
                got=f"over {tap.size}",
                where=where,
            )
        yield piece
    if tap.size != descriptor.size:
        what = f"{where} sent {tap.size} of the {descriptor.size} bytes of {descriptor.digest}"
        if tap.digest == descriptor.digest:
            raise SizeMismatch(what, size=tap.size, expected=str(descriptor.size), where=where)
        raise DigestMismatch(what, expected=str(descriptor.size), got=str(tap.size), where=where)
    if tap.digest != descriptor.digest:
        raise DigestMismatch(
            f"content of {descriptor.digest} from {where} hashes to {tap.digest}",
            expected=str(descriptor.digest),
            got=str(tap.digest),
            where=where,
            hint="the content is damaged there; push it again from a good copy",
        )


@contextmanager
def opened(source: Source, descriptor: Descriptor, offset: int = 0) -> Iterator[Iterator[bytes]]:
    """A blob's bytes from its source; from the start they are compared with the descriptor, by one of the two."""
    with source.open(offset) as pieces:
        yield pieces if offset or source.is_verified else verified(pieces, descriptor, "the source")


def hash_file(path: Path, scope: Scope) -> tuple[Digest, int]:
    """Digest and size of a file, read in pieces. Raises LocalIOError."""
    tap = Tap()
    for piece in scope.pieces(read_file(path)):
        tap.update(piece)
    return tap.digest, tap.size


def check_bytes(data: bytes, digest: Digest, where: str) -> None:
    """Raise DigestMismatch unless `data` has `digest`."""
    if not digest.matches(data):
        got = Digest.of(data, digest.algorithm)
        raise DigestMismatch(
            f"{where} answered {digest} with content that hashes to {got}",
            expected=str(digest),
            got=str(got),
            where=where,
        )


def own_size(store: Reader, descriptor: Descriptor, limit: int) -> int | None:
    """The bytes of a blob whose descriptor says another size; None unless it has its digest and less than `limit`.

    Reads all of it, up to four times what the descriptor says or 1 GiB: a file of holes has any size (K265). Raises
    what reading raises.
    """
    limit = min(limit, max(4 * descriptor.size, OWN_SIZE_LIMIT))
    try:
        with store.open_blob(replace(descriptor, size=limit, data=None)) as pieces:
            for _ in pieces:
                pass
    except SizeMismatch as error:
        return error.size if error.size != descriptor.size else None
    except DigestMismatch:
        return None
    return None


def read_blob(store: Reader, descriptor: Descriptor, limit: int) -> bytes:
    """A small blob (a config) whole and verified; MalformedDocument if it is larger than `limit` bytes.

    Content that the descriptor itself carries (`data`) is used, after it was verified.
    """
    if descriptor.size > limit:
        raise MalformedDocument(
            f"{descriptor.media_type} {descriptor.digest} has {descriptor.size} bytes, we read {limit}"
        )
    if descriptor.data is not None:
        check_bytes(descriptor.data, descriptor.digest, "the descriptor's data")
        return descriptor.data
    with store.open_blob(descriptor) as pieces:
        return b"".join(pieces)


def read_config(store: Reader, descriptor: Descriptor) -> ImageConfig:
    """The image config of a descriptor. Raises MalformedDocument for what is none, and what reading raises."""
    return ImageConfig.of(Document(read_blob(store, descriptor, CONFIG_LIMIT), descriptor.media_type))


def find_manifest(store: Reader, name: str) -> Document | None:
    """The manifest under a tag or digest, or None if there is none. Raises whatever else reading raises."""
    try:
        return store.get_manifest(name)
    except NotFound:
        return None


def check_expected(tag: str, expect: Expect | None, found: Digest | None, where: str) -> None:
    """Raise Conflict unless the tag holds what was expected (None: whatever it holds is fine)."""
    if expect is None or found == expect.digest:
        return
    now = f"holds {found}" if found else "is gone"
    then = f"it held {expect.digest}" if expect.digest else "it did not exist"
    raise Conflict(
        f"{tag} in {where} {now}; when we looked, {then}",
        tag=tag,
        expected=str(expect.digest or ""),
        found=str(found or ""),
        hint="somebody else wrote it; look at what is there now and run the command again",
    )
