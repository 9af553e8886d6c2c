"""`ocitool.cli.streams`: the end of a process whose output cannot be written."""

import atexit
import os
import signal
import subprocess
import sys

import pytest

from ocitool.cli.streams import leave
from ocitool.errors import LocalIOError, OutputClosed
from tests.structure.source import REPOSITORY

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
        patched.setattr(os, "_exit", sys.exit)
        patched.setattr(atexit, "_run_exitfuncs", lambda: None)
        leave(code)

    assert (ends, told) == (caught.value.code, capsys.readouterr().err)
    assert ([1] if error is not None else []) == dropped


def test_what_waits_for_the_end_of_the_process_has_its_turn_before_it():
    code = (
        "import atexit, os, sys, weakref\n"
        "from ocitool.cli.streams import leave, prepare_streams\n"
        "class Late:\n  def __del__(self): os.write(1, b'late')\n"
        "late = Late()\n"
        "weakref.finalize(late, os.write, 1, b'final ')\n"
        "atexit.register(lambda: sys.stderr.write('no line'))\n"
        "atexit.register(lambda: sys.stdout.write('said'))\n"
        "prepare_streams(); sys.stdout.write('written '); leave(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=False)

    assert (7, b"final written said", b"no line") == (done.returncode, done.stdout, done.stderr)
