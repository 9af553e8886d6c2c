"""`ocitool.cli.streams`: the end of a process whose output cannot be written."""

import os
import signal
import sys

import pytest

from ocitool.cli.streams import leave
from ocitool.errors import LocalIOError, OutputClosed

FULL, CLOSED = LocalIOError("cannot write the output: full"), OutputClosed("nobody reads the output")


class Output:
    """Standard output whose last bytes cannot be written."""

    def __init__(self, error):
        self._error = error

    def flush(self):
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(
    ("code", "error", "ends", "told"),
    [
        (3, None, 3, ""),
        (0, FULL, 10, f"error: {FULL}\n"),
        (10, FULL, 10, ""),
        (0, CLOSED, 141, ""),
        (0, RuntimeError("a bug"), 10, "error: a bug\n"),
    ],
    ids=["good", "full", "told already", "closed", "unknown"],
)
def test_what_is_left_to_write_decides_the_end_and_is_told_once(monkeypatch, capsys, code, error, ends, told):
    dropped = []
    with monkeypatch.context() as patched, pytest.raises(SystemExit) as caught:
        patched.setattr(signal, "signal", lambda *_: None)
        patched.setattr(os, "dup2", lambda null, number: dropped.append(number) or os.close(null))
        patched.setattr(sys, "stdout", Output(error))
        leave(code)

    assert (ends, told) == (caught.value.code, capsys.readouterr().err)
    assert ([1] if error is not None else []) == dropped
