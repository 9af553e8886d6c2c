"""Text of others on one line, whatever it is made of."""

import json

import pytest

from ocitool.model.printable import shown, shown_json, unicode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/arm64 → ünï", "linux/arm64 → ünï"),
        ("\x1b[31mred\nnext\t\u202e", "\\x1b[31mred\\nnext\\t\\u202e"),
        ("no\udcffname \ud800", "no\\xffname \\ud800"),
    ],
)
def test_shown(text, expected):
    assert expected == shown(text)


def test_unicode_keeps_what_can_be_written():
    assert "a\nb \\xff" == unicode("a\nb \udcff")


@pytest.mark.parametrize(
    "text", ["\x9b2J", "a\x7fb", "\u2028", "\u202e", "\ud800", "\U000e0001", "é 多", 'a "quoted\\" \n\t word']
)
def test_json_says_the_same_and_no_terminal_obeys_it(text):
    """K244: U+009B moves the cursor of a terminal as ESC [ does."""
    told = shown_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))

    assert {text: [text]} == json.loads(told)
    assert {"\n"} == {mark for mark in told if not mark.isprintable()}
    told.encode()
