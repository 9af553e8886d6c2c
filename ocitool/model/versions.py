"""Versions that tags say, their order, and ranges of them as semver tools write them.

    version = ["v"] number *3("." number) [("-" / "_" / "+") suffix]
    range   = all-of *("||" all-of)       all-of = comparator *([","] comparator)
    comparator = [">=" / ">" / "<=" / "<" / "=" / "^" / "~"] (version with x, X or * for a number / "*")

Spec: semver.org for the order; a suffix is its pre-release, so that 1.2-rc1 and 1.2-alpine stand before 1.2.
"""

import re
from typing import Final, TypeAlias

from ocitool.errors import UsageError
from ocitool.values import dataclass

_VERSION: Final = r"v?([0-9]{1,6}|[0-9]{1,18}(?:\.[0-9]{1,18}){1,3})(?:[-_+](.+))?"
_COMPARATOR: Final = r"(>=|<=|>|<|=|\^|~)?\s*(v?[0-9][^\s,|<>=^~]*|[*xX](?![^\s,<>=^~]))"
_LENGTH: Final = 4
"""Most numbers of a version."""
Numbers: TypeAlias = tuple[int, ...]
_Part: TypeAlias = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Version:
    """What a tag says: one to four numbers, and a suffix or none.

    One number of seven digits or more is a date, a build or the beginning of a commit.
    """

    numbers: Numbers
    suffix: str = ""

    @classmethod
    def of(cls, tag: str) -> "Version | None":
        """The version of a tag; None where it is none."""
        match = re.fullmatch(_VERSION, tag)
        return cls(tuple(map(int, match[1].split("."))), match[2] or "") if match else None

    @property
    def key(self) -> tuple[Numbers, bool, tuple[_Part, ...]]:
        """What versions are sorted by: numbers that are not there are 0, and one with a suffix stands before."""
        padded = self.numbers + (0,) * (_LENGTH - len(self.numbers))
        parts = re.split(r"[-_+.]", self.suffix) if self.suffix else []
        return padded, not self.suffix, tuple(map(_part, parts))


def version_key(tag: str) -> tuple[bool, object, str]:
    """What tags are sorted by in the order of versions: those that are none first, by name."""
    version = Version.of(tag)
    return version is not None, version.key if version is not None else (), tag


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Versions that one of several lists of bounds holds; `text` is how it was written.

    A suffix does not count, unless the bound itself has one: 1.3-alpine is in `>=1.3`, and 2.0-rc1 is not in `<2`.
    Numbers count as far as the bound has them: 1.2.5 is in `1.2`. Of a tag with fewer numbers than the bound, as 1
    for all of 1.x, any version may be meant, so it is in `^1.2`.
    """

    text: str
    alternatives: tuple[tuple[tuple[str, Version], ...], ...]

    @classmethod
    def parse(cls, text: str) -> "VersionRange":
        """What was written. Raises UsageError."""
        return cls(text, tuple(_all_of(part, text) for part in text.split("||")))

    def holds(self, tag: str) -> bool:
        """Whether a tag is a version in the range."""
        version = Version.of(tag)
        return version is not None and any(
            all(_compares(version, sign, bound) for sign, bound in bounds) for bounds in self.alternatives
        )


def _part(text: str) -> _Part:
    """A piece of a suffix: numbers by size and before words."""
    return (0, int(text[:18]), "") if text.isascii() and text.isdigit() else (1, 0, text)


def _all_of(part: str, text: str) -> tuple[tuple[str, Version], ...]:
    bounds: list[tuple[str, Version]] = []
    at, part = 0, part.strip()
    while at < len(part):
        match = re.compile(_COMPARATOR).match(part, at)
        found = _bounds(match[1] or "=", match[2]) if match else None
        if match is None or found is None:
            raise UsageError(
                f"not a range of versions: {text[:100]!r}", hint="such as '>=1.2 <2', '^1.4', '~1.4.2 || 2.x'"
            )
        bounds += found
        at = match.end()
        at += len(part[at:]) - len(part[at:].lstrip(" \t,"))
    if not bounds and part != "*":
        raise UsageError("a range of versions is empty", hint="'*' is every version")
    return tuple(bounds)


def _bounds(sign: str, text: str) -> list[tuple[str, Version]] | None:
    """What one comparator asks for; None where it is none."""
    if text in {"*", "x", "X"}:
        return [(">=", Version((0,)))]
    version = Version.of(re.sub(r"(\.[xX*])+$", "", text))
    if version is None:
        return None
    numbers = version.numbers
    if sign == "~":
        return [(">=", version), ("<", _next(numbers, min(2, len(numbers))))]
    if sign == "^":
        first = next((n for n, number in enumerate(numbers) if number), len(numbers) - 1)
        return [(">=", version), ("<", _next(numbers, first + 1))]
    return [(sign, version)]


def _next(numbers: Numbers, length: int) -> Version:
    """The first version that differs within so many numbers."""
    return Version((*numbers[: length - 1], numbers[length - 1] + 1))


def _compares(version: Version, sign: str, bound: Version) -> bool:
    if bound.suffix:
        return _is(version.key, sign, bound.key)
    own, other = version.numbers, bound.numbers
    if len(own) < len(other) and other[: len(own)] == own:
        return True
    return _is(own[: len(other)], sign, other)


def _is(own: tuple[object, ...], sign: str, other: tuple[object, ...]) -> bool:
    match sign:
        case ">=":
            return own >= other
        case ">":
            return own > other
        case "<=":
            return own <= other
        case "<":
            return own < other
        case _:
            return own == other
