"""The exit code of whatever ends a command."""

import click
import pytest

from ocitool.cli.outcome import exit_code
from ocitool.errors import Cancelled, NetworkError, NotFound, UsageError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (NotFound("x"), 3),
        (NetworkError("x", host="h"), 5),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.ClickException("x"), 2),
        (RuntimeError("a bug"), 70),
        (ExceptionGroup("", [NotFound("x"), UsageError("y")]), 3),
        (BaseExceptionGroup("", [Cancelled("x"), NotFound("y")]), 3),
        (ExceptionGroup("", [RuntimeError("a bug"), NotFound("y")]), 70),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_code_of_an_error(error, code):
    assert code == exit_code(error)
