"""Processes of their own that have the package loaded already: for tests that start, and may kill, many."""

import functools
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import chdir
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

from ocitool.cli import main

_REPOSITORY = Path(__file__).resolve().parents[2]


def begin(*argv: object, variables: Mapping[str, str]) -> BaseProcess:
    """A process that runs the command line with these variables, and says nothing."""
    return begin_call(main, [str(word) for word in argv], variables=variables)


def begin_call(function: Callable[..., object], *arguments: object, variables: Mapping[str, str]) -> BaseProcess:
    """A process that calls a function of a module with these variables, and says nothing; what it returns is the code."""
    return start(_silently, function, arguments, dict(variables))


def begin_on(output: str, folder: Path, *argv: str) -> BaseProcess:
    """A process that runs the command line as Python starts it, in a folder, with the environment of this one.

    It reads the folder's file `stdin` and writes its `stderr`. Its standard output is the file `output`, or `closed`,
    or a `pipe` that nobody reads.
    """
    return start(_on_files, output, folder, argv, dict(os.environ))


def start(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """A process that calls a function of a module."""
    process = _processes().Process(target=function, args=arguments)
    process.start()
    return process


@functools.cache
def _processes() -> multiprocessing.context.ForkServerContext:
    """What forks them: it has loaded all that a command loads, and starts where the tests' own modules are found."""
    package = _REPOSITORY / "ocitool"
    names = (path.relative_to(_REPOSITORY).with_suffix("").parts for path in sorted(package.rglob("*.py")))
    own = [".".join(parts) for parts in names if parts[-1] not in {"__init__", "__main__"}]
    others = ["h11", "rich.progress", "rich.console", "cryptography.hazmat.primitives.serialization", "yaml"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["ocitool.__main__", *own, *others, "tests.fakes.killed", "tests.registry.writes"]
    )
    with chdir(_REPOSITORY):
        forkserver.ensure_running()
    return context


def _silently(function: Callable[..., object], arguments: tuple[object, ...], variables: Mapping[str, str]) -> None:
    os.environ.update(variables)
    with open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        sys.exit(function(*arguments))


def _on_files(output: str, folder: Path, argv: tuple[str, ...], variables: Mapping[str, str]) -> None:
    """In the child: files 0 to 2, then the process as Python starts it."""
    os.chdir(folder)
    os.environ.update(variables)
    os.dup2(os.open("stdin", os.O_RDONLY), 0)
    sys.stdin = None  # multiprocessing has put another one there
    os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    if output == "closed":
        os.close(1)
        sys.stdout = None
    elif output == "pipe":
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, 1)
        os.close(writing)
    else:
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    from ocitool.__main__ import main as as_started

    sys.argv = ["ocitool", *argv]
    as_started()
