"""Functions of HCL about dates, which are texts of RFC 3339."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ocitool.bake.values import Budget, text_of
from ocitool.errors import UsageError

_DATE: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_TOKEN: Final = re.compile(r"''|'(?:[^']|'')*'(?!')|'|([a-zA-Z])\1*|[^a-zA-Z']+", re.DOTALL)
_DURATION: Final = re.compile(r"([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|μs|ms|s|m|h))+|0)", re.ASCII)
_PART: Final = re.compile(r"(\d+(?:\.\d*)?)([a-zµμ]+)", re.ASCII)
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_VERBS: Final[dict[str, Callable[[datetime], str]]] = {
    "YY": lambda date: f"{date.year % 100:02}",
    "YYYY": lambda date: f"{date.year:04}",
    "M": lambda date: str(date.month),
    "MM": lambda date: f"{date.month:02}",
    "MMM": lambda date: _MONTHS[date.month - 1][:3],
    "MMMM": lambda date: _MONTHS[date.month - 1],
    "D": lambda date: str(date.day),
    "DD": lambda date: f"{date.day:02}",
    "EEE": lambda date: _DAYS[date.weekday()][:3],
    "EEEE": lambda date: _DAYS[date.weekday()],
    "h": lambda date: str(date.hour),
    "hh": lambda date: f"{date.hour:02}",
    "H": lambda date: str(date.hour % 12 or 12),
    "HH": lambda date: f"{date.hour % 12 or 12:02}",
    "AA": lambda date: "AM" if date.hour < 12 else "PM",
    "aa": lambda date: "am" if date.hour < 12 else "pm",
    "m": lambda date: str(date.minute),
    "mm": lambda date: f"{date.minute:02}",
    "s": lambda date: str(date.second),
    "ss": lambda date: f"{date.second:02}",
    "Z": lambda date: _offset(date, ":") if date.utcoffset() else "Z",
    "ZZZ": lambda date: _offset(date, "") if date.utcoffset() else "UTC",
    "ZZZZ": lambda date: _offset(date, ""),
    "ZZZZZ": lambda date: _offset(date, ":"),
}


def _date_of(text: str) -> datetime:
    """A date of RFC 3339. Raises UsageError."""
    match = _DATE.fullmatch(text)
    try:
        if match is not None:
            fraction = (match[2] or "0")[:6].ljust(6, "0")
            return datetime.fromisoformat(f"{match[1]}.{fraction}{'+00:00' if match[3] == 'Z' else match[3]}")
    except ValueError:
        pass
    raise UsageError(f"no date: {text[:60]!r}", hint="as in 2025-01-31T12:00:00Z")


def _offset(date: datetime, colon: str) -> str:
    minutes = int((date.utcoffset() or timedelta()).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{colon}{abs(minutes) % 60:02}"


def _shown(date: datetime) -> str:
    return f"{date:%Y-%m-%dT%H:%M:%S}".zfill(19) + _VERBS["Z"](date)


def _format_date(args: tuple[Any, ...], _: Budget) -> str:
    form, date = text_of(args[0], "a form"), _date_of(text_of(args[1], "a date"))
    made = ""
    for token in _TOKEN.finditer(form):
        word = token[0]
        if word[0] == "'":
            if word == "'":
                raise UsageError("a ' of the form has no end")
            made += word[1:-1].replace("''", "'") or "'"
        elif token[1]:
            if word not in _VERBS:
                raise UsageError(
                    f"a form of dates has no {word!r}", hint="letters that mean themselves stand in ' '"
                )
            made += _VERBS[word](date)
        else:
            made += word
    return made


def _time_add(args: tuple[Any, ...], _: Budget) -> str:
    date, text = _date_of(text_of(args[0], "a date")), text_of(args[1], "a duration")
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"no duration: {text[:60]!r}", hint="as in 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(match[2]))
    try:
        return _shown(date + timedelta(seconds=-seconds if match[1] == "-" else seconds))
    except OverflowError:
        raise UsageError(f"{text[:60]!r} leads to no date") from None


DATE_FUNCTIONS: Final = {
    "formatdate": (2, 2, _format_date),
    "timeadd": (2, 2, _time_add),
    "timestamp": (0, 0, lambda _args, _budget: _shown(datetime.now(UTC))),
}
