"""Errors as lines: what is told once, what is shown of a compiler; and the JSON envelope."""

import json

from ocitool.cli.outcome import distinct, envelope, error_lines
from ocitool.errors import AuthError, BuildError, NetworkError, RegistryError


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
