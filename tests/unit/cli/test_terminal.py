"""Text for a terminal: colour and width."""

import io
import os
import pty

import pytest

from ocitool.cli.terminal import _parts, fitted, is_coloured, painted, width_of


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("said", "on_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR": "0"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_who_wants_colour(said, on_terminal, elsewhere):
    assert (on_terminal, elsewhere) == (is_coloured(Screen(), said), is_coloured(io.StringIO(), said))


def test_words_that_begin_a_line_are_in_colour(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b[1;31merror\x1b[0m: no\n  \x1b[1;33mwarning\x1b[0m x" == painted(
        "error: no\n  warning x", io.StringIO()
    )
    assert "errors: 1\nan error: x\nerror" == painted("errors: 1\nan error: x\nerror", io.StringIO())


def test_a_row_goes_on_below_at_a_cell():
    row = "linux/amd64  sha256:0123456789ab  3.4 MB  2024-05-06 07:08:09       3"

    assert row == fitted(row, 0)
    assert row == fitted(row, len(row))
    assert ["linux/amd64  sha256:0123456789ab  3.4 MB", "    2024-05-06 07:08:09       3"] == fitted(row, 60).split(
        "\n"
    )


def test_prose_goes_on_below_at_a_word():
    assert ["  one two", "      three"] == fitted("  one two three", 13).split("\n")


def test_a_word_that_is_too_long_stays_whole():
    digest = f"sha256:{'0' * 64}"

    assert ["of", f"    {digest}", "    and more"] == fitted(f"of {digest} and more", 20).split("\n")
    assert digest == fitted(digest, 20)


@pytest.mark.parametrize("width", range(1, 30))
def test_every_width_ends_and_loses_no_word(width):
    text = "one  two three   four\n\n    five sixseveneight  nine"

    assert text.split() == fitted(text, width).split()


def test_a_long_line_is_read_once():
    class Line(str):
        """Counts the characters that are looked at or copied."""

        __slots__ = ()
        work = 0

        def __getitem__(self, key):
            part = str.__getitem__(self, key)
            Line.work += len(part)
            return part

        def rfind(self, blank, at, limit):
            Line.work += limit - at
            return str.rfind(self, blank, at, limit)

    line = Line("word " * 100_000)

    assert 8_333 < len([*_parts(line, 60)]) < 10_000
    assert Line.work < 6 * len(line)


def test_the_width_is_that_of_the_terminal_or_what_columns_says(monkeypatch):
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        monkeypatch.setenv("COLUMNS", "61")
        assert 61 == width_of(stream)
        monkeypatch.setenv("COLUMNS", "wide")
        assert os.get_terminal_size(stream.fileno()).columns == width_of(stream)
    os.close(leader)
    monkeypatch.setenv("COLUMNS", "61")
    assert 0 == width_of(io.StringIO())
