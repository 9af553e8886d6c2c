"""The command line in processes of their own, which have the package loaded already: for tests that kill many."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess

from ocitool.cli import main

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        *(f"ocitool.cli.cmd.{command}" for command in ("build", "repair")),
        *(f"ocitool.store.{store}" for store in ("remote", "layout")),
    ]
)


def begin(*argv: object, variables: Mapping[str, str]) -> BaseProcess:
    """A process that runs the command line with these variables, and says nothing."""
    return begin_call(main, [str(word) for word in argv], variables=variables)


def begin_call(function: Callable[..., object], *arguments: object, variables: Mapping[str, str]) -> BaseProcess:
    """A process that calls a function of a module with these variables, and says nothing; what it returns is the code."""
    process = _PROCESSES.Process(target=_alone, args=(function, arguments, dict(variables)))
    process.start()
    return process


def _alone(function: Callable[..., object], arguments: tuple[object, ...], variables: Mapping[str, str]) -> None:
    os.environ.update(variables)
    with open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        sys.exit(function(*arguments))
