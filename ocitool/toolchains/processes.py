"""Starts compilers and what is given a stream to read: each in a process group of its own that ends with us.

With registry/credentials.py the only importer of subprocess.
"""

import os
import re
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from ocitool.errors import BuildError, NetworkError, OcitoolError, Unsupported, local_io
from ocitool.events import Done, Listener, Started, Working, silent
from ocitool.model.numbers import KIB
from ocitool.tasks import Scope, TaskGroup
from ocitool.toolchains.base import CompileJob, Inputs, JobStep
from ocitool.toolchains.build_tree import NOT_INSTALLED, conclude, is_done, note_done, prepare
from ocitool.values import dataclass

TAIL: Final = 16 * KIB
"""Bytes of a compiler's output that are kept; the last ones, where the reason stands."""
_CAPTURE: Final = 64 * KIB
_LAST: Final = 200
_FETCHING: Final = {
    "cargo": 'cargo vendor keeps crates beside the sources, and flags = ["--offline"] in [rust] asks for no others',
    "go": "go mod vendor keeps the modules beside the sources",
}
"""Compilers that fetch what they compile, and what makes that needless."""
_UNREACHABLE: Final = (
    r"(?i)resolve host|name resolution|dial tcp|no such host|network is unreachable|connect to server"
)
_FOREIGN: Final = r"Exec format error|cannot execute binary file|Invalid ELF image for this architecture"
"""What shells and emulators say of a program of another platform."""
_LACKING: Final = (
    r"unable to find dynamic system library|cannot find -l\w|file not found\s|\.h: No such file|No package '"
    r"|Could NOT find |Dependency .* not found|find a package configuration file"
    r"|configure: error: .*(?:library|lib\w|\.h)"
)
"""What compilers and build systems say of a library or header that is not there."""
_END: Final = 2048
_TERM_S: Final = 0.5
_POLL_S: Final = 0.2
_STEP_S: Final = 0.01
_WORKING_S: Final = 1.0
_LINE: Final = 1024
_DRAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Compiled:
    """A job that succeeded: its outputs are there. `said` is the tail of what the compiler printed."""

    job: CompileJob
    seconds: float
    said: str = ""


def run(jobs: Sequence[CompileJob], scope: Scope, width: int, listener: Listener = silent) -> tuple[Compiled, ...]:
    """Run every job, at most `width` at once; the results in the order of the jobs.

    The first failure stops the others and their children. Raises BuildError with the compiler's words (an
    ExceptionGroup if several failed by themselves), Unsupported if a compiler is not there, Cancelled.
    No process is left when this returns or raises.
    """
    exclusive = [job for job in jobs if job.is_exclusive]
    with TaskGroup(scope, width) as group:
        chain = group.spawn(lambda: [compile_one(job, group.scope, listener) for job in exclusive])
        tasks = [group.spawn(compile_one, job, group.scope, listener) for job in jobs if not job.is_exclusive]
    one_by_one, side_by_side = iter(chain.result), (task.result for task in tasks)
    return tuple(next(one_by_one if job.is_exclusive else side_by_side) for job in jobs)


def compile_one(job: CompileJob, scope: Scope, listener: Listener = silent) -> Compiled:
    """Run the commands of one job to their end; see `run`."""
    key = f"compile {job.target}"
    listener(Started(key, key))
    began = time.monotonic()
    prepare(job, scope, listener)
    said = ""
    for step in job.commands:
        if is_done(step, job.tree):
            continue
        try:
            returncode, said = _run(step.argv, step.cwd, job.env, scope, lambda line: listener(Working(key, line)))
        except (OSError, ValueError) as error:
            raise _cannot_start(job, step, error) from error
        scope.check()
        if returncode != 0:
            raise _failure(job, step, returncode, said)
        note_done(step, job.tree)
    for output in job.outputs:
        if not output.is_file():
            raise BuildError(
                f"cannot compile {job.target}: the command succeeded but wrote no {output}",
                target=str(job.target.platform),
                argv=job.argv,
                returncode=0,
                stderr=said,
                hint="name the file that the command writes",
            )
    conclude(job)
    listener(Done(key, "compiled", job.outputs[0].stat().st_size if job.outputs else 0))
    return Compiled(job, time.monotonic() - began, said)


def capture(argv: Sequence[str], cwd: Path, env: Mapping[str, str], *, timeout_s: float = 30.0) -> str | None:
    """What a small helper program prints, at most 64 KiB; None if it is not there, fails or takes too long."""
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:_CAPTURE].decode("utf-8", "replace") if done.returncode == 0 else None


class Companion:
    """A program of ours that stays beside this one until it is ended."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def end(self, patience_s: float) -> None:
        """Wait so long for its end, then kill it."""
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start(argv: Sequence[str], env: Mapping[str, str], descriptors: Sequence[int]) -> Companion:
    """Start a program in its own session, with these descriptors and nothing to read or say. Raises OSError."""
    process = subprocess.Popen(
        argv,
        cwd="/",
        env=dict(env),
        pass_fds=tuple(descriptors),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Companion(process)


def call(argv: Sequence[str], cwd: Path, env: Mapping[str, str], scope: Scope) -> tuple[int, str]:
    """(exit code, tail of stdout and stderr together) of a helper program that may take long.

    It ends with the scope. Raises Unsupported if it cannot be started, Cancelled.
    """
    try:
        return _run(argv, cwd, env, scope)
    except (OSError, ValueError) as error:
        raise _missing(argv, error) from error


def feed(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], scope: Scope, write: Callable[[IO[bytes]], None]
) -> tuple[int, str]:
    """(exit code, tail of stdout and stderr together) of a program that reads what `write` writes.

    Where it ends before it has read everything, writing ends too, and its exit code says what that means. After an
    error of `write`, which is raised again, it is ended before it can take what it read for the whole. What it
    leaves running after its own end is its own affair. Raises Unsupported if it cannot be started, Cancelled.
    """
    scope.check()
    try:
        process = _start(argv, cwd, env, subprocess.PIPE)
    except (OSError, ValueError) as error:
        raise _missing(argv, error) from error
    group = _Group(process)
    stream = _Fed(process.stdin)  # type: ignore[arg-type]
    with process, scope.on_cancel(group.stop):
        try:
            with TaskGroup(scope, 1) as listening:
                said = listening.spawn(_listen, process, group, lambda _line: None)
                try:
                    with suppress(_HasEnded):
                        write(stream)  # type: ignore[arg-type]
                except BaseException:
                    group.stop()
                    try:
                        while not group.has_exited():
                            time.sleep(_STEP_S)
                    finally:
                        group.end()  # what is stuck in a write comes back, and the pipe can be closed
                    raise
                finally:
                    stream.close()
        except BaseException:
            group.end()
            raise
        return group.leave(), said.result


class _HasEnded(Exception):  # noqa: N818 - a fact
    """Nobody reads any more."""


class _Fed:
    """The standard input of a program, whose end is none of our errors."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> int:
        try:
            return self._pipe.write(data)
        except BrokenPipeError:
            raise _HasEnded from None

    def flush(self) -> None:
        try:
            self._pipe.flush()
        except BrokenPipeError:
            raise _HasEnded from None

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._pipe.close()


def _run(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    scope: Scope,
    working: Callable[[str], None] = lambda _line: None,
) -> tuple[int, str]:
    """(exit code, tail of stdout and stderr together); the group is gone afterwards. Raises OSError, ValueError.

    `working` is called every second with the last line so far.
    """
    scope.check()
    process = _start(argv, cwd, env, subprocess.DEVNULL)
    group = _Group(process)
    with process, scope.on_cancel(group.stop):
        try:
            said = _listen(process, group, working)
        finally:
            returncode = group.end()
    return returncode, said


def _start(argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: int) -> "subprocess.Popen[bytes]":
    """A process in a group of its own, its words in one pipe. Raises OSError, ValueError."""
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _missing(argv: Sequence[str], error: Exception) -> Unsupported:
    return Unsupported(f"cannot start {argv[0]}: {error}", ability=argv[0], hint="install it")


class _Group:
    """The process group of a compiler and its children; no signal is sent once its number may be another's."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._lock = threading.Lock()
        self._has_ended = False
        self._asked_at: float | None = None

    def stop(self) -> None:
        """Ask the group to end, from any thread; `has_exited` insists half a second later."""
        self._asked_at = self._asked_at or time.monotonic()
        self._signal(signal.SIGTERM)

    def has_exited(self) -> bool:
        """Whether the leader has exited; it stays unreaped, so that its number stays taken.

        Ends a group that was asked to and would not.
        """
        if self._asked_at is not None and time.monotonic() - self._asked_at > _TERM_S:
            self._signal(signal.SIGKILL)
        with self._lock:
            look = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return self._has_ended or os.waitid(os.P_PID, self._process.pid, look) is not None

    def end(self) -> int:
        """Kill what is left of the group and give the leader's exit code."""
        with self._lock:
            if not self._has_ended:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._has_ended = True
            return self._process.wait()

    def leave(self) -> int:
        """The leader's exit code; what it left running goes on."""
        with self._lock:
            self._has_ended = True
            return self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with self._lock, suppress(ProcessLookupError, PermissionError):
            if not self._has_ended:
                os.killpg(self._process.pid, number)


def _listen(process: "subprocess.Popen[bytes]", group: _Group, working: Callable[[str], None]) -> str:
    """The tail of what the process prints until it ends and its output is drained.

    A grandchild that keeps the pipe open after the end is waited for no longer than a second.
    """
    stream: IO[bytes] = process.stdout  # type: ignore[assignment]
    pieces: deque[bytes] = deque()
    size = 0
    deadline: float | None = None
    told_s = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            ready = selector.select(_POLL_S)
            if ready:
                piece = os.read(stream.fileno(), TAIL)
                if not piece:
                    break
                pieces.append(piece)
                size += len(piece)
                while size - len(pieces[0]) >= TAIL:
                    size -= len(pieces.popleft())
            if time.monotonic() - told_s >= _WORKING_S:
                told_s = time.monotonic()
                working(_last_line(pieces))
            if group.has_exited():
                deadline = deadline or time.monotonic() + _DRAIN_S
                if not ready or time.monotonic() >= deadline:
                    break
    while not group.has_exited():  # the output may be closed before the end
        time.sleep(_STEP_S)
    return b"".join(pieces)[-TAIL:].decode("utf-8", "replace")


def _last_line(pieces: Sequence[bytes]) -> str:
    lines = b"".join(pieces)[-_LINE:].decode("utf-8", "replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _cannot_start(job: CompileJob, step: JobStep, error: Exception) -> OcitoolError:
    if isinstance(error, OSError):
        if not step.cwd.is_dir():
            return local_io(error, f"enter {step.cwd}")
        reason = (error.strerror or str(error)).lower()
    else:
        reason = str(error).lower()
    return Unsupported(
        f"cannot start {step.argv[0]} to compile {job.target}: {reason}",
        ability=step.argv[0],
        hint="install it, or choose another --toolchain",
    )


def _failure(job: CompileJob, step: JobStep, returncode: int, said: str) -> OcitoolError:
    name = step.argv[0].rpartition("/")[2]
    lines = [line.strip() for line in said.splitlines() if name in _FETCHING and re.search(_UNREACHABLE, line)]
    if lines:
        return NetworkError(
            f"cannot compile {job.target}: {name} cannot fetch what it needs: {lines[-1][:_LAST]}",
            hint=f"without a network: {_FETCHING[name]}",
        )
    if returncode < 0:
        ended = f"{name} was ended by {_signal_name(-returncode)}"
    else:
        ended = f"{name} exited with {returncode}"
    return BuildError(
        f"cannot compile {job.target}: {ended}",
        target=str(job.target.platform),
        argv=step.argv,
        returncode=returncode,
        stderr=said,
        hint=_hint(job, said),
    )


def _hint(job: CompileJob, said: str) -> str:
    if re.search(_FOREIGN, said):
        return (
            f"the build started a program that it had compiled for {job.target.platform}: leave that out, "
            "such as by targets, or let cc-for-build compile what runs here"
        )
    if re.search(_LACKING, said[-_END:]) and job.inputs is not Inputs.GO_MODULE:
        return 'libraries of the target come from its sysroot: [sysroot] packages = ["NAME-dev"] in ocitool.toml'
    return NOT_INSTALLED if job.tree is not None and "'install'" in said[-_LAST:] else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
