"""Moments that images say they were made at, in seconds since 1970, and which of them can be believed."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

FIRST: Final = datetime(2013, 1, 1, tzinfo=UTC).timestamp()
"""Nothing is older: there were no images. Builds that give the same bytes say 1970 or 1980."""
SKEW_S: Final = 24 * 3600
"""How far clocks go ahead of ours; a guess. Later is in the future."""
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,20})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_UNITS: Final = {"h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600, "y": 365 * 24 * 3600}


def moment_of(text: str) -> float | None:
    """The moment that a text of RFC 3339 says, in whole seconds; None where it says none."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    zone = "+00:00" if match[3] in "Zz" else match[3]
    try:
        found = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").astimezone(UTC)
        return (found - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None


def why_unknown(moment: float | None, now: float) -> str:
    """Why the age of what was made at that moment is not known; empty if it is."""
    if moment is None:
        return "says no date"
    if moment < FIRST:
        return "says a date before there were images"
    return "says a date in the future" if moment > now + SKEW_S else ""


def rfc3339(moment: float) -> str:
    """A moment as config and history write it, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(moment: float) -> str:
    """The day of a moment, in UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def span_of(text: str) -> float | None:
    """Seconds of a span such as `12h`, `30d`, `6w` or `1y` (365 days); None where it is none, or of no length."""
    match = re.fullmatch(r"([0-9]{1,6})([hdwy])", text)
    return float(int(match[1]) * _UNITS[match[2]]) or None if match else None
