"""The executor before anything is started, and what it makes of what it hears."""

import os

import pytest

from ocitool.errors import OcitoolError, Unsupported
from ocitool.executor.runtime import RuntimeExecutor, _listen
from ocitool.model.platform import Platform
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import host_platform


def listened(data, scope):
    """(What is kept of what comes, what is passed on)."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    passed = []
    try:
        return _listen(reading, scope, passed.append), b"".join(passed)
    finally:
        os.close(reading)


def test_what_a_command_says_is_passed_on_and_its_end_kept():
    data = b"x" * 20_000 + b"end"

    kept, passed = listened(data, Scope())

    assert (data[-16 * 1024 :], data) == (kept, passed)


def test_what_comes_after_the_end_of_a_build_is_passed_on_to_nobody():
    scope = Scope()
    scope.cancel()

    assert (b"late", b"") == listened(b"late", scope)


def test_a_failure_to_start_is_the_same_each_time(tmp_path):
    (tmp_path / "file").touch()
    executor = RuntimeExecutor(MachineStore(tmp_path / "file/store"))
    raised = []
    for _ in range(2):
        with pytest.raises(OcitoolError) as caught:
            executor.check([host_platform()])
        raised.append(caught.value)
    executor.close()

    assert raised[0] is raised[1]


def test_commands_are_for_linux_alone(tmp_path):
    with pytest.raises(Unsupported, match="RUN is for linux, and not for windows/amd64"):
        RuntimeExecutor(MachineStore(tmp_path)).check([host_platform(), Platform("windows", "amd64")])
