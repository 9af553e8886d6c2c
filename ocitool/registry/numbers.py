"""Numbers and dates of answers, read within bounds: what a server says may have any length and be no number at all.

Nothing here raises; None stands for what is absent or nonsense. Specs: RFC 9110, "Date/Time Formats",
"Content-Range", "Retry-After"; distribution-spec, "Pushing a blob in chunks".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from ocitool.model.numbers import whole

SECONDS_LIMIT: Final = 10 * 365 * 24 * 3600
"""Seconds that are told apart: ten years, longer than anybody waits and any token lives."""


def size(headers: Mapping[str, str]) -> int | None:
    """The bytes that Content-Length says."""
    return whole(headers.get("content-length", ""))


def seconds(value: object) -> float | None:
    """A JSON number of seconds above zero, at most ten years."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        return None
    return float(min(value, SECONDS_LIMIT))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for, as a number or a date; at most ten years."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        # The first digits tell a long wait from a short one, and no number is longer than this.
        return min(float(text[:300]), float(SECONDS_LIMIT))
    moment = _moment(text)
    if moment is None:
        return None
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), float(SECONDS_LIMIT))


def moment_s(text: str) -> int | None:
    """The moment of an HTTP date in seconds since 1970; None also for one before."""
    moment = _moment(text)
    if moment is None:
        return None
    found = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return found if found >= 0 else None


def first_byte(headers: Mapping[str, str]) -> int | None:
    """Where a partial answer begins by its Content-Range."""
    match = re.match(r"bytes\s+([0-9]{1,20})-", headers.get("content-range", "")[:200])
    return whole(match[1]) if match else None


def acknowledged(text: str) -> int | None:
    """The number of bytes that an upload's Range header says the server has.

    `0-0` means an empty session on the servers that send it for one (K109).
    """
    match = re.fullmatch(r"(?:bytes=)?\s*0-([0-9]{1,20})", text.strip()[:200])
    last = whole(match[1]) if match else None
    if last is None:
        return None
    return last + 1 if last else 0


def _moment(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text[:200])
        # A zone may put it outside the years there are.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
