"""Durations as Go reads and prints them; signals of Linux."""

import pytest

from ocitool.image.options import is_signal
from ocitool.model.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds", "printed"),
    [
        ("0", 0, "0s"),
        ("30s", 30 * 10**9, "30s"),
        ("1m30s", 90 * 10**9, "1m30s"),
        ("1.5h", 5400 * 10**9, "1h30m0s"),
        ("500ms", 500 * 10**6, "500ms"),
        ("1500ms", 1500 * 10**6, "1.5s"),
        (".5s", 500 * 10**6, "500ms"),
        ("1500us", 1_500_000, "1.5ms"),
        ("2h", 7200 * 10**9, "2h0m0s"),
    ],
)
def test_durations(text, nanoseconds, printed):
    assert nanoseconds == parse_duration(text)
    assert printed == format_duration(nanoseconds)


@pytest.mark.parametrize("text", ["", "1", "1x", "s", "1 s", "-1s", "1s ", "9" * 18 + "h"])
def test_what_is_no_duration(text):
    assert parse_duration(text) is None


def test_signals():
    assert all(map(is_signal, ["9", "65", "+9", "-1", "SIGTERM", "term", "SIGRTMIN+3", "RTMAX-14"]))
    assert not any(map(is_signal, ["0", "9x", "SIGNONE", "", "RTMIN+16", "0x9"]))
