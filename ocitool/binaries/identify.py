"""From the first bytes of a file to what it is: the one way in to this package."""

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import BinaryIO, Final

from ocitool.binaries.binary import ELF_MAGIC, MACHO_MAGICS, Binary, BinaryKind, Format
from ocitool.binaries.window import Window
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform

_SPOOL_MEMORY: Final = 4 * MIB
_WASM_MAGIC: Final = b"\0asm"


def inspect_binary(open_file: Callable[[], AbstractContextManager[BinaryIO]]) -> Binary | None:
    """What the file says of itself, or None if it is no program: data, text, or too broken to tell.

    `open_file` gives a seekable binary file, closed here. Of any file at most a few MiB are read. Never
    raises for what the file holds; an OSError of the file system passes.
    """
    with open_file() as file:
        return _identify(Window(file))


def inspect_stream(pieces: Iterable[bytes]) -> Binary | None:
    """The same for a file that can only be read once, such as one inside a layer.

    All pieces are consumed. Only what begins like a program is kept, beyond 4 MiB in a temporary file.
    """
    stream = iter(pieces)
    head = b""
    for piece in stream:
        head += piece
        if len(head) >= 4:
            break
    if not is_promising(head):
        for _ in stream:
            pass
        return None
    import tempfile

    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_MEMORY) as spool:
        spool.write(head)
        for piece in stream:
            spool.write(piece)
        return _identify(Window(spool))


def is_promising(head: bytes) -> bool:
    """Whether a file that begins with these four bytes or more may be a program."""
    return head.startswith((ELF_MAGIC, b"MZ", b"#!", _WASM_MAGIC, *MACHO_MAGICS))


def _identify(window: Window) -> Binary | None:
    """What it is; readers of a format are loaded for the first file of it, and a build may have none."""
    head = window.at(0, 4)
    if head == ELF_MAGIC:
        from ocitool.binaries.elf import read_elf

        return read_elf(window)
    if head[:2] == b"MZ":
        from ocitool.binaries.pe import read_pe

        return read_pe(window)
    if head in MACHO_MAGICS:
        from ocitool.binaries.macho import read_macho

        return read_macho(window)
    if head == _WASM_MAGIC:
        return _read_wasm(window)
    if head[:2] == b"#!":
        return _read_script(window)
    return None


def _read_wasm(window: Window) -> Binary | None:
    """A WebAssembly module; which host calls it makes (wasip1, js) is not in its header."""
    if len(window.at(0, 8)) < 8:
        return None
    return Binary(
        Format.WASM,
        BinaryKind.PROGRAM,
        "WebAssembly",
        (Platform("wasip1", "wasm"),),
        os_is_guess=True,
        is_static=True,
    )


def _read_script(window: Window) -> Binary:
    """A script; `loader` is its interpreter, `needed` what that looks for on the PATH, if it is env.

    Read as the kernel does, which ends the line at a newline only (a carriage return belongs to the name) and gives
    the interpreter the rest as one argument.
    """
    line = re.split(rb"[\n\0]", window.at(2, 254), maxsplit=1)[0].decode("utf-8", "backslashreplace").strip(" \t")
    loader, *rest = re.split(r"[ \t]+", line, maxsplit=1)
    needed = _by_env(rest[0]) if rest and loader.rpartition("/")[2] == "env" else ""
    return Binary(
        Format.SCRIPT,
        BinaryKind.PROGRAM,
        "script",
        is_portable=True,
        loader=loader,
        needed=(needed,) if needed else (),
    )


def _by_env(argument: str) -> str:
    """The program that env starts; empty where its options leave that open."""
    split = re.match(r"-S[ \t]*|--split-string=", argument)
    words = argument[split.end() :].split() if split else [argument]
    program = next((word for word in words if split is None or "=" not in word), "")
    return "" if program.startswith("-") or "=" in program else program
