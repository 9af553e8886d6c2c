"""Moments that images say: read, believed or not, and spans of time."""

import pytest

from ocitool.model.moments import day, moment_of, rfc3339, span_of, why_unknown

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.123456789Z", NOW),
        ("2023-11-14t23:13:20+01:00", NOW),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        *((text, None) for text in ("", "yesterday", "2023-11-14", "2023-13-01T00:00:00Z", "2023-11-14T22:13:20")),
        ("0001-01-01T00:00:00+23:59", None),
        ("2023-02-30T00:00:00Z", None),
        ("２０２３-11-14T22:13:20Z", None),
    ],
)
def test_what_a_text_says(text, moment):
    assert moment == moment_of(text)


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (None, "says no date"),
        (0, "says a date before there were images"),
        (315_532_801, "says a date before there were images"),
        (NOW - 1, ""),
        (NOW + 3600, ""),
        (NOW + 2 * 24 * 3600, "says a date in the future"),
    ],
)
def test_which_moments_are_believed(moment, why):
    assert why == why_unknown(moment, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), ("1y", 31_536_000)]
    + [(text, None) for text in ("", "0d", "30", "d", "1m", "-1d", "1.5d", "٣d", "9999999d")],
)
def test_spans(text, seconds):
    assert seconds == span_of(text)


def test_moments_are_written_in_utc():
    assert ("2023-11-14", "2023-11-14T22:13:20Z") == (day(NOW), rfc3339(NOW))
    assert 0 == moment_of(rfc3339(0))
