"""What a runtime says and what limits mean: the parts of a command that need no namespace."""

import json

import pytest

from ocitool.errors import BuildError, Unsupported
from ocitool.executor.command import _bounded, _explain, _rlimits


@pytest.fixture
def explain(tmp_path):
    """`explain(*messages)`: what a runtime that logged these as errors is explained by."""

    def call(*messages):
        lines = [json.dumps({"level": "error", "msg": one}) for one in messages]
        noise = ["no JSON", "[]", '{"level": "warning", "msg": "odd"}', '{"level": "fatal"}']
        (tmp_path / "log").write_text("\n".join([*lines, *noise]))
        _explain(str(tmp_path), 3)

    return call


@pytest.mark.parametrize(
    ("error", "said", "words"),
    [
        (
            BuildError,
            'runc run failed: unable to start container process: exec: "x": not found',
            "cannot be started",
        ),
        (BuildError, "executable file `x` not found in $PATH", "cannot be started: executable file"),
        (BuildError, "exec format error", "cannot be started"),
        (BuildError, "chdir to cwd: permission denied", "the working directory cannot be entered: chdir"),
        (Unsupported, "cgroups are odd", "the OCI runtime failed with 3: cgroups are odd"),
    ],
)
def test_what_a_runtime_says_is_told_apart(explain, error, said, words):
    with pytest.raises(error) as raised:
        explain(said)

    assert words in raised.value.what
    assert "odd; odd" not in raised.value.what
    assert "runc run failed" not in raised.value.what


def test_several_errors_are_one(explain):
    with pytest.raises(Unsupported, match="with 3: one; two"):
        explain("one", "two")


def test_a_runtime_that_says_nothing_did_not_fail(tmp_path):
    (tmp_path / "log").write_text('{"level": "info", "msg": "exec: done"}\n')

    assert _explain(str(tmp_path), 3) is _explain(str(tmp_path / "none"), 3) is None


@pytest.mark.parametrize(("size", "memory", "expected"), [(0, 5, 5), (3, 5, 3), (9, 5, 5), (9, 0, 9), (0, 0, 0)])
def test_a_tmpfs_holds_no_more_than_the_memory_there_is(size, memory, expected):
    assert expected == _bounded({"kind": "tmpfs", "size": size}, memory)["size"]
    assert size == _bounded({"kind": "cache", "size": size}, memory)["size"]


def test_limits_go_before_those_of_a_process():
    ulimits = [["nproc", 5, 6], ["nofile", 7, 8]]

    assert (("nproc", 5, 6), ("nofile", 7, 8)) == _rlimits(ulimits, {"pids": 0, "disk": 0})
    assert (("nproc", 26, 26), ("nofile", 7, 8), ("fsize", 9, 9)) == _rlimits(ulimits, {"pids": 10, "disk": 9})
