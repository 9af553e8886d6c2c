"""Patterns of COPY, of .dockerignore and of names in bake files, matched without backtracking.

All have the grammar of Go's filepath.Match: `*` and `?` stop at a slash, `[a-z]` and `[^a-z]` are classes, a
backslash takes the next character as it is. In .dockerignore `**` stands for any number of directories too.

All patterns of a list are one automaton, whose states are the bits of a number: each character of a path is one
step, whatever the patterns are (K204).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

from ocitool.errors import UsageError
from ocitool.model.files import ancestors
from ocitool.values import dataclass

_SPECIAL: Final = frozenset("*?[\\")
_KEPT: Final = 512
"""Characters whose moves an automaton remembers."""


@dataclass(frozen=True, slots=True)
class _Class:
    """One character that is in a range, or in none of them."""

    ranges: tuple[tuple[str, str], ...]
    is_negated: bool = False

    def has(self, mark: str) -> bool:
        """Whether the character is one of them."""
        return any(low <= mark <= high for low, high in self.ranges) != self.is_negated

    @property
    def expression(self) -> str:
        """The same for a regular expression."""
        ranges = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in self.ranges)
        if not ranges:
            return r"[\s\S]" if self.is_negated else "(?!)"
        return f"[{'^' if self.is_negated else ''}{ranges}]"


class _Many(Enum):
    """Any number of characters: of a name, of a path, or of a path that ends with a slash if it is not empty."""

    NAME = "*"
    PATH = "**"
    DIRECTORIES = "**/"


_Part: TypeAlias = _Class | _Many
_NAME_MARK: Final = _Class((("/", "/"),), is_negated=True)


@lru_cache(maxsize=1024)
def glob(pattern: str) -> Callable[[str], bool]:
    """Whether a path matches, by the rules of filepath.Match. Raises UsageError for a malformed pattern."""
    return _Automaton((_parts(pattern, deep=False),)).matches


@lru_cache(maxsize=1024)
def deep_glob(pattern: str) -> Callable[[str], bool]:
    """The same where `**` crosses slashes: `**/x` is x at any depth, `x/**` everything below x.

    After a `**` at the start plain text is the end of the path, whatever stands before it: `**.log` too.
    """
    return any_deep_glob((pattern,))


def any_deep_glob(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path matches any of the patterns; plain ones cost nothing, however many they are.

    Raises UsageError for a malformed pattern.
    """
    ends: set[str] = set()
    names: set[str] = set()
    others = []
    for pattern in patterns:
        end, after = pattern.removeprefix("**"), pattern.removeprefix("**/*")
        if _is_plain(pattern):
            names.add(pattern)
        elif end != pattern and _is_plain(end):
            ends.add(end)
            names |= {end[1:]} if end.startswith("/") else set()
        elif after != pattern and _is_plain(after) and "/" not in after:
            ends.add(after)
        else:
            others.append(_parts(pattern, deep=True))
    endings, automaton = tuple(ends), _Automaton(others) if others else None
    return lambda path: (
        path in names or path.endswith(endings) or (automaton is not None and automaton.matches(path))
    )


def any_below(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether any of the patterns of `any_deep_glob` may match a path below a directory.

    True where that is hard to tell; plain ones cost nothing, however many they are.
    """
    patterns = tuple(patterns)
    above = frozenset(folder for pattern in patterns if _is_plain(pattern) for folder in ancestors(pattern))
    others = tuple(pattern for pattern in patterns if not _is_plain(pattern))
    return lambda folder: folder in above or any(may_match_below(pattern, folder) for pattern in others)


def may_match_below(pattern: str, folder: str) -> bool:
    """Whether a pattern of `deep_glob` may match a path below a directory; True where that is hard to tell."""
    parts, names = pattern.split("/"), folder.split("/")
    for part, name in zip(parts, names, strict=False):
        if "**" in part or "[" in part or "\\" in part:  # a class may match a slash
            return True
        if not glob(part)(name):
            return False
    return len(parts) > len(names)


def _is_plain(text: str) -> bool:
    return not is_pattern(text) and "]" not in text


def is_pattern(text: str) -> bool:
    """Whether the text is more than a plain path: an escape counts, for it must be taken away."""
    return any(mark in text for mark in _SPECIAL)


def literal(path: str) -> str:
    """The pattern that this path alone matches."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)


class _Automaton:
    """Patterns side by side, each as a row of bits: that of a part is set where the part comes next.

    Behind a row stands the bit of its end. `**/` has two bits: where it may begin, and within its path.
    """

    def __init__(self, patterns: Sequence[Sequence[_Part]]) -> None:
        self._marks: list[tuple[int, _Class]] = []
        self._in_name = self._in_path = self._before_slash = 0
        self._skips_one = self._skips_two = 0
        self._start = self._end = 0
        at = 0
        for parts in patterns:
            self._start |= 1 << at
            for part in parts:
                if isinstance(part, _Class):
                    self._marks.append((1 << at, part))
                else:
                    self._skips_one |= 1 << at
                    if part is _Many.NAME:
                        self._in_name |= 1 << at
                    elif part is _Many.PATH:
                        self._in_path |= 1 << at
                    else:
                        self._skips_two |= 1 << at
                        at += 1
                        self._in_path |= 1 << at
                        self._before_slash |= 1 << at
                at += 1
            self._end |= 1 << at
            at += 1
        self._start = self._skipped(self._start)
        self._moves: dict[str, tuple[int, int]] = {}
        self._tail, self._tail_size = _tail_of(patterns)

    def matches(self, path: str) -> bool:
        """Whether the whole path is one that a pattern means."""
        if self._tail is not None and not self._tail.match(path, max(0, len(path) - self._tail_size)):
            return False
        states, known = self._start, self._moves
        for mark in path:
            moves, stays = known.get(mark) or self._of(mark)
            states = self._skipped((states & moves) << 1 | (states & stays))
            if not states:
                return False
        return bool(states & self._end)

    def _skipped(self, states: int) -> int:
        """The states, and those that are reached where a part stands for nothing."""
        while True:
            more = states | (states & self._skips_one) << 1 | (states & self._skips_two) << 2
            if more == states:
                return states
            states = more

    def _of(self, mark: str) -> tuple[int, int]:
        """The states that a character leads on from, and those that it stays in."""
        moves = sum(bit for bit, part in self._marks if part.has(mark))
        found = (
            (moves | self._before_slash, self._in_path) if mark == "/" else (moves, self._in_path | self._in_name)
        )
        if len(self._moves) < _KEPT:
            self._moves[mark] = found
        return found


def _tail_of(patterns: Sequence[Sequence[_Part]]) -> tuple[re.Pattern[str] | None, int]:
    """What every match ends with, and its length: most paths end otherwise, and need no step."""
    tails = []
    for parts in patterns:
        size = next((n for n, part in enumerate(reversed(parts)) if not isinstance(part, _Class)), len(parts))
        tails.append([part for part in parts[len(parts) - size :] if isinstance(part, _Class)])
    longest = max(map(len, tails))
    if not all(tails):
        return None, 0
    # Looked at from where the longest of them begins, so that shorter ones have anything before them.
    words = ("".join(part.expression for part in tail) for tail in tails)
    return re.compile(rf"[\s\S]{{0,{longest}}}?(?:{'|'.join(words)})\Z"), longest


@lru_cache(maxsize=1024)
def _parts(pattern: str, *, deep: bool) -> tuple[_Part, ...]:
    """The parts of a pattern; of those for any number of characters no two say the same where they meet.

    Raises UsageError for a malformed one.
    """
    found: list[_Part] = []
    at = 0
    while at < len(pattern):
        mark = pattern[at]
        at += 1
        if mark == "*":
            stars = 1
            while pattern[at : at + 1] == "*":
                stars, at = stars + 1, at + 1
            if not deep or stars == 1:
                _add(found, _Many.NAME)
                continue
            at += pattern[at : at + 1] == "/" and stars % 2 == 0
            if at == len(pattern):
                _add(found, _Many.PATH)
                continue
            _add(found, _Many.DIRECTORIES)
            if stars % 2:  # two stars and two more say the same again; of an odd number the last stops at a slash
                _add(found, _Many.NAME)
        elif mark == "?":
            found.append(_NAME_MARK)
        elif mark == "[":
            part, at = _class(pattern, at)
            found.append(part)
        else:
            if mark == "\\":
                if at == len(pattern):
                    raise _malformed(pattern, "nothing follows the last backslash")
                mark, at = pattern[at], at + 1
            found.append(_Class(((mark, mark),)))
    return tuple(found)


def _add(found: list[_Part], part: _Many) -> None:
    """One more part for any number of characters, made one with the one before it where that says as much."""
    last = found[-1] if found else None
    if last is part or last is _Many.PATH:
        return
    if part is _Many.PATH and isinstance(last, _Many):
        found.pop()
        _add(found, part)
    elif last is _Many.DIRECTORIES:  # and then a name: any path is that
        found.pop()
        _add(found, _Many.PATH)
    else:
        found.append(part)


def _class(pattern: str, at: int) -> tuple[_Class, int]:
    """The class whose bracket ends before `at`, and where the rest begins."""
    is_negated = pattern[at : at + 1] == "^"
    at += is_negated
    ranges: list[tuple[str, str]] = []
    is_first = True
    while is_first or pattern[at : at + 1] != "]":
        low, at = _member(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _member(pattern, at + 1)
        if low <= high:  # a range that runs backwards holds nothing
            ranges.append((low, high))
        is_first = False
    return _Class(tuple(ranges), is_negated), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    mark = pattern[at : at + 1]
    if mark in {"", "-", "]"}:
        raise _malformed(pattern, "the class has no end" if not mark else f"{mark!r} needs a backslash in a class")
    if mark == "\\":
        at += 1
        mark = pattern[at : at + 1]
        if not mark:
            raise _malformed(pattern, "nothing follows the last backslash")
    return mark, at + 1


def _malformed(pattern: str, why: str) -> UsageError:
    is_array = pattern.startswith("[") and "]" not in pattern
    hint = "a JSON array needs double quotes and commas; " if is_array else ""
    return UsageError(f"not a pattern: {pattern[:200]!r}: {why}", hint=f"{hint}a literal [ is written [[] or \\[")
