"""Stand-ins for modules of the standard library: what they answer themselves, and that the rest is the module's."""

import gc
import inspect
import json
import subprocess
import sys

import pytest

from ocitool.cli import deferred
from tests.conftest import untraced
from tests.structure.source import REPOSITORY

WITH_STAND_INS = "import sys, json; from ocitool.cli import deferred; deferred.defer()\n"
EVENTS = (
    "import h11, dataclasses\n"
    "print(json.dumps([sorted(f.name for f in dataclasses.fields(h11.Response)), 'ast' in sys.modules]))"
)


def told(code: str):
    """What a fresh interpreter with the stand-ins prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", WITH_STAND_INS + code],
        cwd=REPOSITORY,
        env=untraced({"PATH": "/usr/bin:/bin"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("text", ["", " one ", "two\n  lines\n", "\ta tab", "  \n", "x\n\n    y\n      z\n"])
def test_texts_are_cleaned_as_inspect_does(text, monkeypatch):
    monkeypatch.setattr(deferred, "_loaded", lambda _: inspect)

    assert inspect.cleandoc(text) == deferred._cleandoc(text)


def test_a_short_flag_is_compared_with_no_other():
    code = (
        "import click\n"
        "@click.command()\n"
        "@click.option('-o', '--output')\n"
        "def run(output): print(json.dumps([output, 'SequenceMatcher' in vars(sys.modules['difflib'])]))\n"
        "run.main(['-o', 'x'], standalone_mode=False)"
    )

    assert ["x", False] == told(code)


def test_h11_is_whole_and_nothing_large_is_loaded_for_it():
    assert [["headers", "http_version", "reason", "status_code"], False] == told(EVENTS)


def test_h11_is_whole_where_dataclasses_expect_no_error():
    """As Python 3.11.2 writes the text of a class, which Debian 12 has."""
    code = "import h11, inspect; print(json.dumps(str(inspect.signature(h11._events._ResponseBase))))"

    assert "" == told(code)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import inspect; print(json.dumps(str(inspect.signature(lambda a, *, b=1: 0))))", "(a, *, b=1)"),
        ("from inspect import Parameter; print(json.dumps(Parameter.empty.__name__))", "_empty"),
        ("import inspect; print(json.dumps(inspect.getdoc(json.dumps)[:9]))", "Serialize"),
        (
            "import inspect\nclass A:\n  x: int\nprint(json.dumps(str(inspect.get_annotations(A))))",
            "{'x': <class 'int'>}",
        ),
        ("import inspect; inspect.isclass(1); import inspect as i; print(json.dumps(i.__name__))", "inspect"),
        ("import platform; print(json.dumps(platform.system() == platform.uname().system))", True),
        ("import platform; print(json.dumps(platform.python_version()))", sys.version.split()[0]),
        ("import difflib; print(json.dumps(difflib.get_close_matches('--tga', ['--tag', '-t'])))", ["--tag"]),
        ("from difflib import SequenceMatcher as M; print(json.dumps(M(None, 'ab', 'ab').ratio()))", 1.0),
    ],
)
def test_everything_else_is_the_modules_own(code, expected):
    assert expected == told(code)


def test_what_is_missing_is_an_attribute_error_of_the_module():
    code = "import inspect\ntry: inspect.nothing\nexcept AttributeError as e: print(json.dumps(str(e)))"

    assert "module 'inspect' has no attribute 'nothing'" == told(code)


def test_several_threads_may_be_the_first_to_ask():
    code = (
        "import inspect, threading\nbarrier, found = threading.Barrier(8), []\n"
        "def ask():\n  barrier.wait(); found.append(inspect.Signature)\n"
        "threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print(json.dumps([len(found), len(set(found))]))"
    )

    assert [8, 1] == told(code)


def test_a_module_that_is_loaded_already_stays():
    before = sys.modules["inspect"]

    deferred.defer()

    assert sys.modules["inspect"] is before


def test_a_command_leaves_the_collecting_of_a_program_that_calls_it_alone(run):
    gc.enable()
    before = gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()

    run("schema")

    assert before == (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count())
