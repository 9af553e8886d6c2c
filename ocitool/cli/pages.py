"""Pages of commands: the option `--html`, and the file that it names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ocitool.errors import local_io


def option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the file of a page."""
    return click.option(
        "--html",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A page with everything, in one file.",
    )(function)


def write(file: Path, page: str) -> None:
    """Write a page. Raises LocalIOError."""
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise local_io(error, f"write {file}") from error
