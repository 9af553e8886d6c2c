"""Go's durations, which health checks are written in."""

import re
from typing import Final

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PLACES: Final = 18
_PART: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a duration such as `1m30s` or `1.5h`; None if it is none. Negative ones are none here."""
    text = text.removeprefix("+")
    if text == "0":
        return 0
    if not text or _PART.sub("", text):
        return None
    total = sum(_exact(number) * _UNITS[unit] for number, unit in _PART.findall(text)) // 10**_PLACES
    return total if total < 2**63 else None


def _exact(number: str) -> int:
    """A decimal number times 10 to the power of its most places."""
    whole, _, places = number.partition(".")
    return int(whole + places.ljust(_PLACES, "0"))


def format_duration(nanoseconds: int) -> str:
    """The duration as Go prints it: `1m30s`, `500ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 1_000_000_000:
        unit, size = next(pair for pair in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)) if nanoseconds >= pair[1])
        return f"{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{start}{_decimal(rest, 1_000_000_000)}s"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
