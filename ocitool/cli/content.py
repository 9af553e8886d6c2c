"""Exact bytes in and out: files and standard input for the commands that put and get manifests and blobs."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from ocitool.arguments import read_small
from ocitool.errors import MalformedDocument, local_io
from ocitool.model.files import temporary_beside
from ocitool.store.base import PIECE, renamed_to


def output(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that writes a file instead of standard output."""
    return click.option("-o", "--output", metavar="FILE", default="", help="Write it here; whole, or not at all.")(
        function
    )


def read(file: str, limit: int) -> bytes:
    """The bytes of a small file, of standard input for `-`. Raises LocalIOError, MalformedDocument for more."""
    if file != "-":
        return read_small(file, limit)
    data = b""
    for piece in stdin():
        data += piece
        if len(data) > limit:
            raise MalformedDocument(f"standard input has more than {limit} bytes", where="-")
    return data


def stdin() -> Iterator[bytes]:
    """Standard input in pieces of at most 256 KiB. Raises LocalIOError."""
    try:
        while piece := sys.stdin.buffer.read(PIECE):
            yield piece
    except OSError as error:
        raise local_io(error, "read standard input") from error


def save(file: str, pieces: Iterable[bytes]) -> None:
    """Write pieces into a file that appears when the last one is there. Raises LocalIOError."""
    path = Path(file)
    try:
        target = renamed_to(path)
        if target is None:  # a pipe or a device
            with path.open("wb") as straight:
                straight.writelines(pieces)
            return
        temporary = temporary_beside(target)
        try:
            with temporary.open("wb") as stream:
                stream.writelines(pieces)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise local_io(error, f"write {file}") from error
