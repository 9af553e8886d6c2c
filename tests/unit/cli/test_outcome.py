"""Errors as lines: what is told once, what is shown of a compiler; and the JSON envelope."""

import json
import sys

import click
import pytest

from ocitool.cli.outcome import distinct, envelope, error_lines, error_tree, fail, ours
from ocitool.errors import (
    AuthError,
    BuildError,
    LocalIOError,
    NetworkError,
    OutputClosed,
    RegistryError,
    UsageError,
)


def test_one_host_that_cannot_be_reached_is_one_error():
    down = [NetworkError(f"cannot look for blob {n}", host="reg.test") for n in range(3)]
    other = NetworkError("cannot look", host="other.test")
    refused = [RegistryError("refused"), RegistryError("refused too"), RegistryError("refused")]

    told = distinct([down[0], other, down[1], *refused, down[2]])

    assert [down[0], other, *refused[:2]] == told
    assert ["and 2 more requests that failed in the same way"] == down[0].__notes__


def test_errors_of_two_kinds_stay_two():
    both = [NetworkError("a", host="reg.test"), AuthError("b", host="reg.test")]

    assert both == distinct(both)


def test_the_end_of_a_compilers_words_is_shown_and_all_of_them_when_verbose():
    error = BuildError("cannot compile", stderr="".join(f"line {n}\n\n" for n in range(50)))

    short, long = list(error_lines(error)), list(error_lines(error, verbose=True))

    assert ["error: cannot compile", "  | ... 20 lines before; --verbose shows more", "  | line 20"] == short[:3]
    assert ("  | line 49", 51) == (short[-1], len(long))


def test_json_carries_what_utf_8_cannot():
    """Half a surrogate pair is told as text tells it: strict readers take no document that has one."""
    text = envelope("repair", {"label": "v\ud800 ü"}, 1, (), ())

    assert "v\\ud800 ü" == json.loads(text.encode())["data"]["label"]


def test_an_error_that_was_never_raised_is_told_too():
    assert "error: internal error in ?: RuntimeError: a bug" == next(error_lines(RuntimeError("a  bug")))


def fails():
    raise ZeroDivisionError("a bug")


def test_a_bug_is_told_with_the_place_where_it_was_raised():
    with pytest.raises(ZeroDivisionError) as caught:
        fails()

    [what, hint] = error_lines(caught.value)

    line = fails.__code__.co_firstlineno + 1
    assert what.startswith("error: internal error in ")
    assert what.endswith(f"test_outcome.py:{line}: ZeroDivisionError: a bug")
    assert "please report it" in hint


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (KeyboardInterrupt(), ["error: interrupted"]),
        (click.Abort(), ["error: interrupted"]),
        (OutputClosed("nobody reads the output"), []),
        (click.UsageError("Too many words."), ["error: too many words"]),
        (
            click.UsageError("Too many words.", ctx=click.Context(click.Command("x"), info_name="x")),
            ["error: too many words", "hint: x --help"],
        ),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_ends_a_command_without_being_a_bug(error, lines):
    assert lines == list(error_lines(error))


@pytest.mark.parametrize(
    ("error", "code", "number"),
    [
        (click.UsageError("Too many words."), "usage", 2),
        (KeyboardInterrupt(), "interrupted", 130),
        (RuntimeError("a bug"), "internal", 70),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_error_of_others_has_a_code_for_programs(error, code, number):
    tree = error_tree(error)

    assert (code, number) == (tree["code"], tree["exit_code"])
    assert not tree["what"].startswith("error")


def test_what_the_system_says_is_the_users_to_mend():
    pipe, full = ours(BrokenPipeError()), ours(OSError(28, "No space left on device"))
    name = ours(UnicodeEncodeError("utf-8", "a\udca7", 1, 2, "surrogates not allowed"))
    other = UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range")

    assert [OutputClosed, LocalIOError, UsageError] == [type(one) for one in (pipe, full, name)]
    assert "no space left on device" in str(full)
    assert "xa7" in str(name)
    assert ours(other) is other


def test_an_error_before_any_command_is_json_too_where_that_was_asked_for(capsys):
    error = ExceptionGroup("", [UsageError("no command 'x'"), UsageError("nor y")])

    code = fail(error, ["x", "--json"])

    told = json.loads((said := capsys.readouterr()).out)
    assert (2, 2, ["no command 'x'", "nor y"]) == (code, told["exit_code"], [one["what"] for one in told["errors"]])
    assert "x" == told["command"]
    see = "see: ocitool explain 2, or docs/reference/exit-codes.md#2-a-wrong-command-line\n"
    assert f"error: no command 'x'\nerror: nor y\n{see}" == said.err


def test_a_json_answer_that_nobody_can_be_given_is_the_error(monkeypatch, capsys):
    class Full:
        encoding = "utf-8"

        def write(self, _text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())

    assert 10 == fail(UsageError("no command"), ["x", "--json"])

    assert ["error: no command", True] == [
        (lines := capsys.readouterr().err.splitlines())[0],
        "no space" in lines[1],
    ]
