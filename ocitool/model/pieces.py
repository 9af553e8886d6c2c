"""Streams of bytes in pieces."""

from collections.abc import Iterable, Iterator


def gathered(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The same bytes, pieces that are small put together up to `most` bytes; larger ones pass as they are."""
    waiting = bytearray()
    for piece in pieces:
        if waiting and len(waiting) + len(piece) > most:
            yield bytes(waiting)
            waiting.clear()
        if len(piece) > most:
            yield piece
        else:
            waiting += piece
    if waiting:
        yield bytes(waiting)
