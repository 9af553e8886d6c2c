"""Text of others on one line, whatever it is made of."""

import json

import pytest

from ocitool.model.printable import ascii_json, human, shown, shown_json, unicode


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
    "text", ["\x9b2J", "a\x7fb", "\u2028", "\u202e", "\U000e0001", "é 多", 'a "quoted\\" \n\t word']
)
def test_json_says_the_same_and_no_terminal_obeys_it(text):
    """K244: U+009B moves the cursor of a terminal as ESC [ does."""
    told = shown_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))

    assert {text: [text]} == json.loads(told)
    assert {"\n"} == {mark for mark in told if not mark.isprintable()}
    told.encode()


@pytest.mark.parametrize("form", [shown_json, ascii_json])
def test_json_has_no_half_of_a_pair(form):
    """Strict readers refuse `\\udcff`, others make something else of it (RFC 8259, 8.2)."""
    told = form(json.dumps({"name": "a\udcff\ud800", "pair": "\U0001f600"}, ensure_ascii=False))

    assert {"name": "a\\xff\\ud800", "pair": "\U0001f600"} == json.loads(told)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (100_000, "100 kB"), (999_499, "999 kB"),
        (999_500, "1.0 MB"), (3_456_000_000, "3.5 GB"), (5 * 10**12, "5.0 TB"), (5 * 10**16, "50000 TB"),
    ],
)  # fmt: skip
def test_sizes_for_people(size, text):
    assert text == human(size)
