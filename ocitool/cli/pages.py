"""The option `--html` of commands that have a page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ocitool.errors import UsageError


def option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the file of a page."""
    return click.option(
        "--html",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_named,
        help="A page with everything, in one file.",
    )(function)


def _named(_context: click.Context, _option: click.Parameter, value: Path | None) -> Path | None:
    """The file; standard output has the answer itself. Raises UsageError."""
    if value is not None and str(value) in {"-", "."}:
        raise UsageError(f"--html {value} names no file", hint="name one, such as --html page.html")
    return value
