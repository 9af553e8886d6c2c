"""K232: numbers and dates from outside have any length, and may be none."""

import pytest

from ocitool.registry import numbers

ENDLESS = "9" * 5000


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("7", 7), (" 7 ", 7), ("0007", 7), (str(1 << 53), 1 << 53), (str((1 << 53) + 1), None),
        ("", None), ("-1", None), ("+1", None), ("1.5", None), ("1e3", None), ("٣", None), ("²", None),
        ("1_000", None), ("0x10", None), (ENDLESS, None), ("7 7", None),
    ],
)  # fmt: skip
def test_sizes(text, number):
    assert number == numbers.size({"content-length": text})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (300, 300.0), (0.5, 0.5), (10**400, numbers.SECONDS_LIMIT), (float("inf"), numbers.SECONDS_LIMIT),
        (315_360_000, 315_360_000.0), (315_360_001, 315_360_000.0),  # ten years
        (0, None), (-1, None), (float("nan"), None), (True, None), ("300", None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_seconds_of_json(value, seconds):
    assert seconds == numbers.seconds(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0), ("0", 0.0), ("1.5", 1.5), ("9999999999", numbers.SECONDS_LIMIT), (ENDLESS, numbers.SECONDS_LIMIT),
        ("0." + ENDLESS, 1.0), ("-1", None), ("soon", None), ("", None), ("٣", None),
        ("Fri, 21 Dec 1999 23:59:59 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", numbers.SECONDS_LIMIT),
        ("Fri, 21 Dec 1999 23:5999999999999", None), ("Fri, 21 Dec 99999999999999 00:00:00 GMT", None),
        (f"Fri, {ENDLESS} Dec 1999 00:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after(text, seconds):
    found = numbers.retry_after_s({"retry-after": text})

    assert found == seconds or (seconds == 1.0 and 0.99 < found <= 1.0)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Thu, 01 Jan 1970 00:00:07 GMT", 7), ("Wed, 31 Dec 1969 23:59:59 GMT", None), ("", None), ("x", None),
        ("Fri, 31 Dec 9999 23:59:59 -9959", None), ("Fri, 21 Dec 1999 23:5999999999999", None),
    ],
)  # fmt: skip
def test_moments(text, moment):
    assert moment == numbers.moment_s(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("bytes 5-9/10", 5),
        ("bytes  0-", 0),
        (f"bytes {ENDLESS}-", None),
        ("bytes */10", None),
        ("", None),
        ("items 5-9", None),
    ],
)
def test_where_a_part_begins(text, at):
    assert at == numbers.first_byte({"content-range": text})


def test_a_range_without_end_says_nothing():
    assert numbers.acknowledged(f"0-{ENDLESS}") is None
