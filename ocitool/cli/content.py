"""Exact bytes in and out: files and standard input for the commands that put and get manifests and blobs."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from ocitool.arguments import read_small
from ocitool.errors import MalformedDocument, local_io
from ocitool.store.base import PIECE


def output(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that writes a file instead of standard output, which `-` is too."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        default="",
        callback=lambda _context, _option, value: "" if value == "-" else value,
        help="Write it here; whole, or not at all.",
    )(function)


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
