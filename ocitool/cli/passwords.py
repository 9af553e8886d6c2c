"""Passwords of keys: from a file, a variable, an open descriptor or a prompt; never from the command line."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ocitool.errors import AuthError, UsageError, local_io
from ocitool.model.numbers import KIB, is_digits

_LIMIT: Final = 64 * KIB


def option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that says where passwords come from."""
    return click.option(
        "--password-from",
        "password_sources",
        metavar="FROM",
        multiple=True,
        help="file:PATH, env:NAME or fd:NUMBER; repeats, one for each key  [default: asked for]",
    )(function)


class Passwords:
    """Gives each key that asks its password: one source for all, or one for each key in their order.

    Without a source the terminal is asked, `twice` for a new key. Called with the name of a key file; raises
    UsageError, LocalIOError or AuthError.
    """

    def __init__(self, sources: Sequence[str], *, twice: bool = False) -> None:
        self._sources = tuple(sources)
        self._twice = twice
        self._asked = 0
        self._known: dict[str, bytes] = {}

    def __call__(self, name: str) -> bytes:
        """The password of a key, read once."""
        if name not in self._known:
            number = min(self._asked, max(0, len(self._sources) - 1))
            self._asked += 1
            self._known[name] = read(self._sources[number]) if self._sources else self._prompt(name)
        return self._known[name]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that passwords are read from."""
        return tuple(Path(source.removeprefix("file:")) for source in self._sources if source.startswith("file:"))

    def _prompt(self, name: str) -> bytes:
        if not sys.stdin.isatty():
            raise AuthError(
                f"there is no terminal to ask for the password of {name}",
                hint="add --password-from file:PATH, env:NAME or fd:NUMBER",
            )
        asked = click.prompt(
            f"password of {name}",
            default="",
            show_default=False,
            hide_input=True,
            confirmation_prompt=self._twice,
            err=True,
        )
        return str(asked).encode(errors="surrogateescape")


def read(source: str) -> bytes:
    """The password that a source names: its first line. Raises UsageError, LocalIOError."""
    kind, _, name = source.partition(":")
    if kind == "env" and name:
        value = os.environ.get(name)
        if value is None:
            raise UsageError(f"the variable {name} is not set, and --password-from names it")
        return os.fsencode(value)
    if kind == "file" and name:
        place: str | int = name
    elif kind == "fd" and is_digits(name) and len(name) < 10:
        place = int(name)
    else:
        # What was written may be the password itself, and is not repeated.
        raise UsageError("--password-from takes file:PATH, env:NAME or fd:NUMBER")
    try:
        with open(place, "rb", closefd=isinstance(place, str)) as stream:
            return stream.readline(_LIMIT).rstrip(b"\r\n")
    except OSError as error:
        raise local_io(error, f"read the password from {source}") from error
    except ValueError:
        raise UsageError("--password-from takes file:PATH, env:NAME or fd:NUMBER") from None
