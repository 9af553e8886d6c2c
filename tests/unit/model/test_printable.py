"""Text of others on one line, whatever it is made of."""

import pytest

from ocitool.model.printable import shown, unicode


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
