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
EVENTS = """
import h11
import sys
is_large = "ast" in sys.modules
events = h11.Request(method="GET", target="/", headers=[("host", "a")]), h11.Data(data=b"a"), h11.ConnectionClosed()
def refused(act):
    try:
        act()
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        return told.replace("assign to", "change")
told = [
    [repr(one) for one in events],
    [one == type(one)(**{name: getattr(one, name) for name in one.__dataclass_fields__}) for one in events[1:]],
    [events[1] == h11.Data(data=b"b"), events[1] == events[2], hash(events[2]) == hash(h11.ConnectionClosed())],
    [refused(lambda: hash(events[0])), refused(lambda: setattr(events[1], "data", b""))],
    refused(lambda: h11.Response(status_code=1, headers=[])),
    refused(lambda: h11.Data()),
    is_large,
    sorted(h11.Response.__dataclass_fields__),
]
"""


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


def test_h11s_events_are_what_the_standard_library_makes_of_them_and_nothing_large_is_loaded_for_them():
    whole: dict[str, object] = {}
    exec(EVENTS, whole)  # where nothing stands in for dataclasses
    expected = whole["told"]
    expected[-2] = False

    assert expected == told(EVENTS + "print(json.dumps(told))")


def test_other_dataclasses_are_the_standard_librarys():
    code = (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n  x: int\n"
        "import dataclasses\n@dataclasses.dataclass\nclass B(A.__class__):\n  pass\n"
        "print(json.dumps([A.__init__.__code__.co_varnames[:2], hasattr(A, '_fields')]))"
    )

    assert [["self", "x"], False] == told(code)


def test_names_taken_from_a_stand_in_load_nothing_else():
    code = (
        "from gettext import gettext, ngettext; from datetime import UTC, datetime, timedelta; import selectors, copy\n"
        "said = [gettext('a'), ngettext('one', 'many', 1), ngettext('one', 'many', 2), datetime(2000, 1, 2).isoformat()]\n"
        "print(json.dumps([*said, sorted({'locale', 'math', 'select', 'weakref'} & set(sys.modules))]))"
    )

    assert ["a", "one", "many", "2000-01-02T00:00:00", []] == told(code)


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
        ("import difflib; print(json.dumps(difflib.get_close_matches('ap', ['app', 'web'])))", ["app"]),
        ("from difflib import SequenceMatcher as M; print(json.dumps(M(None, 'ab', 'ab').ratio()))", 1.0),
        ("import gettext; print(json.dumps(gettext.NullTranslations().gettext('a')))", "a"),
        ("from base64 import b64encode; print(json.dumps(b64encode(b'a').decode()))", "YQ=="),
        ("from ipaddress import ip_address; print(json.dumps(ip_address('::1').is_loopback))", True),
        ("import array; print(json.dumps(array.array('b', [1]).tolist()))", [1]),
        ("from copy import deepcopy; print(json.dumps(deepcopy([1])))", [1]),
    ],
)
def test_everything_else_is_the_modules_own(code, expected):
    assert expected == told(code)


def test_what_is_missing_is_an_attribute_error_of_the_module():
    code = "import inspect\ntry: inspect.nothing\nexcept AttributeError as e: print(json.dumps(str(e)))"

    assert "module 'inspect' has no attribute 'nothing'" == told(code)


def test_times_are_the_same_before_and_after_their_module_is_loaded():
    code = (
        "import datetime, pickle; before = datetime.datetime.strptime('2000-01-02', '%Y-%m-%d')\n"
        "found = [datetime.__file__[-11:], str(pickle.loads(pickle.dumps(before))), type(before) is datetime.datetime]\n"
        "print(json.dumps(found))"
    )

    assert ["datetime.py", "2000-01-02 00:00:00", True] == told(code)


def test_a_type_that_is_named_by_a_text_is_what_it_names():
    code = (
        "import typing\nclass A(typing.TypedDict):\n  x: 'int'\n  y: 'typing.Sequence[A]'\n"
        "print(json.dumps([str(it) for it in typing.get_type_hints(A).values()]))"
    )

    assert ["<class 'int'>", "typing.Sequence[__main__.A]"] == told(code)


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
