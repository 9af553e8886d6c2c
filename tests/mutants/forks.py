"""Tests put to one mutant after another by forks of a process that has loaded and collected them once.

The server half is pytest itself, started with `--serve` (`plugin.py` calls `serve`): for every request it forks, gives
the function its changed code in place, so that whoever holds the function has the change, and runs the tests asked
for until one fails. What tests start as processes of their own reads the changed file.
"""

import gc
import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import IO, Any

import pytest

from tests.mutants.edits import Mutant

CANNOT = 97
"""What a fork ends with where the function cannot be changed in place."""
ENDLESS = 98
"""What the server answers for a fork that had no end in its time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run of tests may use: seconds of processor and of the clock, bytes of memory."""

    cpu_s: int
    wall_s: float
    memory: int


class Forks:
    """The runner's half: a server for one copy of the tree. Close it to end the server."""

    def __init__(self, argv: Sequence[str], tree: Path, environment: Mapping[str, str], said: IO[bytes]):
        asks, self._asks = os.pipe()
        self._answers, answers = os.pipe()
        self._process = subprocess.Popen(
            [*argv, f"--serve={asks},{answers}"],
            cwd=tree,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=(asks, answers),
            start_new_session=True,
        )
        os.close(asks)
        os.close(answers)
        self._lines = os.fdopen(self._answers)
        self._hear()  # it has loaded the files as they are

    def run(self, tests: Sequence[str], limits: "Limits", mutant: Mutant | None = None) -> int:
        """The exit code of a fork, as pytest's, or CANNOT or ENDLESS; negative for a signal.

        The file of `mutant` is to be in the tree already.
        """
        asked = {"tests": list(tests), **asdict(limits)}
        if mutant is not None:
            asked |= {"path": mutant.path, "function": mutant.function}
        os.write(self._asks, json.dumps(asked).encode() + b"\n")
        return self._hear()

    def _hear(self) -> int:
        answer = self._lines.readline()
        if not answer:
            raise RuntimeError("the server of forks has ended; what it said is beside its tree")
        return int(answer)

    def close(self) -> None:
        """End the server."""
        os.close(self._asks)
        self._process.wait()
        self._lines.close()


def serve(session: pytest.Session, asks: int, answers: int) -> None:
    """Answer requests until their pipe is closed."""
    items = {item.nodeid: item for item in session.items}
    functions: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
    for one in gc.get_objects():
        if isinstance(one, FunctionType):
            code = one.__code__
            functions[code.co_filename, code.co_qualname, code.co_firstlineno].append(one)
    gc.collect()
    gc.freeze()
    os.write(answers, b"0\n")
    with os.fdopen(asks) as lines:
        for line in iter(lines.readline, ""):
            asked = json.loads(line)
            child = os.fork()
            if child == 0:
                code = 70
                try:
                    os.setsid()
                    code = _run(session, items, functions, asked)
                finally:
                    os._exit(code)
            os.write(answers, f"{_wait(child, asked['wall_s'])}\n".encode())


def _wait(child: int, wall_s: float) -> int:
    fd = os.pidfd_open(child)
    try:
        is_done = bool(select.select([fd], [], [], wall_s)[0])
    finally:
        os.close(fd)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if is_done else ENDLESS


def _run(
    session: pytest.Session,
    items: Mapping[str, pytest.Item],
    functions: Mapping[tuple[str, str, int], Sequence[FunctionType]],
    asked: Mapping[str, Any],
) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (asked["cpu_s"], asked["cpu_s"] + 5))
    resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    if "path" in asked:
        # A module that no test file loads is loaded by the fork, changed as it is.
        module = asked["path"].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        key = (str(Path.cwd() / asked["path"]), *asked["function"])
        if module in sys.modules and not _change(key, functions.get(key, ())):
            return CANNOT
    factory = session.config._tmp_path_factory
    factory._given_basetemp, factory._basetemp = Path(os.environ["TMPDIR"]) / f"fork-{os.getpid()}", None
    chosen = [items[name] for name in asked["tests"] if name in items]
    failures = session.testsfailed
    for item, following in zip(chosen, [*chosen, None][1:], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed > failures:
            session._setupstate.teardown_exact(None)
            return 1
    return 0 if chosen else 5


def _change(key: tuple[str, str, int], functions: Sequence[FunctionType]) -> bool:
    path, name, line = key
    module = compile(Path(path).read_text(), path, "exec", dont_inherit=True)
    new = next((one for one in _codes(module) if (one.co_qualname, one.co_firstlineno) == (name, line)), None)
    if new is None or any(one.__code__.co_freevars != new.co_freevars for one in functions):
        return False
    for one in functions:
        one.__code__ = new
    return bool(functions)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)
