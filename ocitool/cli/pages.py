"""The option `--html` of commands that have a page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the file of a page."""
    return click.option(
        "--html",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A page with everything, in one file.",
    )(function)
