"""A download that goes on where it broke off."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from ocitool.errors import NetworkError
from ocitool.registry.patience import Patience
from ocitool.tasks import Scope

OpenAt = Callable[[int], AbstractContextManager[Iterator[bytes]]]
"""Asks for the content from an offset on; entering sends the request."""


def resuming(
    first: Iterator[bytes], open_at: OpenAt, offset: int, patience: Patience, scope: Scope
) -> Iterator[bytes]:
    """The pieces of `first`, which begins at `offset`, and after a break those of a new request from there on.

    Failures count only since the last byte that arrived. Raises NetworkError, or what asking again raises.
    """
    at = offset
    pieces: Iterator[bytes] | None = first
    again: AbstractContextManager[Iterator[bytes]] | None = None
    try:
        while True:
            try:
                if pieces is None:
                    again = open_at(at)
                    pieces = again.__enter__()
                for piece in pieces:
                    at += len(piece)
                    patience.progressed()
                    yield piece
            except NetworkError as error:
                pieces = None
                _leave(again)
                again = None
                scope.sleep(patience.wait_after(error))
            else:
                return
    finally:
        _leave(again)


def _leave(opened: AbstractContextManager[Iterator[bytes]] | None) -> None:
    if opened is not None:
        opened.__exit__(None, None, None)
