"""Standard streams that are always there, and whose failures are errors of ours.

What the caller closed is opened as a place that takes and gives nothing: else the next file that is opened gets its
number, and is written into. Loads almost nothing, because every command begins here.
"""

import atexit
import io
import os
import signal
import sys

TYPE_CHECKING = False  # as in the package: typing alone takes as long as all of this
if TYPE_CHECKING:
    from typing import IO, Never

_ENCODING = "utf-8"
_GONE = 141
"""The exit code of a pipe that nobody reads, of which nothing is said."""


def prepare_streams() -> None:
    """Put streams of ours in the place of Python's. What an encoding lacks is written as an escape."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is given. Standard output is opened such that writing to it fails.
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), _ENCODING)
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Talk(2, "w", closefd=False), sys.stderr)


def leave(code: int) -> "Never":
    """Write out what is left and end the process, with the code for that failure where it is the first one.

    What waits for the end has its turn first, as in Python, and may say something.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing does, there is no other name for it
    try:
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - ours, whose module is loaded only then
        late = getattr(error, "exit_code", 10)
        if late not in {code, _GONE}:
            sys.stderr.write(f"error: {error}\n")
        code = late
        _drop_output()
    sys.stderr.flush()
    os._exit(code)  # what is left goes with the process, and is not taken apart piece by piece


def _drop_output() -> None:
    """Let what cannot be written go nowhere, or Python tries it again at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)


def _text(raw: io.RawIOBase, old: "IO[str] | None") -> io.TextIOWrapper:
    encoding = getattr(old, "encoding", None) or _ENCODING
    buffer = io.BufferedWriter(raw)
    is_talk = isinstance(raw, _Talk)  # which is seen when it is said, also in a file
    return io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=is_talk or raw.isatty())


class _Output(io.FileIO):
    """Standard output: raises OutputClosed where the reader has gone, LocalIOError where it cannot be written."""

    def write(self, data: object) -> int:
        """Write some bytes; how many were taken."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            from ocitool.errors import output_error

            raise output_error(error) from None


class _Talk(io.FileIO):
    """Standard error: what nobody can be told is not told."""

    def write(self, data: object) -> int:
        """Write some bytes; how many were taken."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError:
            return len(data)  # type: ignore[arg-type]
