"""Patterns of COPY and of .dockerignore, as the regular expressions they mean.

Both have the grammar of Go's filepath.Match: `*` and `?` stop at a slash, `[a-z]` and `[^a-z]` are classes, a
backslash takes the next character as it is. In .dockerignore `**` stands for any number of directories too.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from ocitool.errors import UsageError
from ocitool.model.files import ancestors

_NOTHING = "(?!)"
_ANYTHING = r"[\s\S]"
_STAR = "[^/]*"
_ANY_DIRECTORIES = f"(?:{_ANYTHING}*/)?"
_SPECIAL = frozenset("*?[]\\")


@lru_cache(maxsize=1024)
def glob(pattern: str) -> Callable[[str], bool]:
    """Whether a path matches, by the rules of filepath.Match. Raises UsageError for a malformed pattern."""
    compiled = re.compile(_expression(pattern, deep=False))
    return lambda path: compiled.fullmatch(path) is not None


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
    expressions = []
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
            expressions.append(_expression(pattern, deep=True))
    endings, others = tuple(ends), re.compile("|".join(expressions)) if expressions else None
    return lambda path: (
        path in names or path.endswith(endings) or (others is not None and others.fullmatch(path) is not None)
    )


def _is_plain(text: str) -> bool:
    return not any(mark in _SPECIAL for mark in text)


def any_below(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether any of the patterns of `any_deep_glob` may match a path below a directory.

    True where that is hard to tell; plain ones cost nothing, however many they are.
    """
    patterns = tuple(patterns)
    above = frozenset(folder for pattern in patterns if _is_plain(pattern) for folder in ancestors(pattern))
    others = tuple(pattern for pattern in patterns if not _is_plain(pattern))
    return lambda folder: folder in above or any(_may_match_below(pattern, folder) for pattern in others)


def _may_match_below(pattern: str, folder: str) -> bool:
    parts, names = pattern.split("/"), folder.split("/")
    for part, name in zip(parts, names, strict=False):
        if "**" in part or "[" in part or "\\" in part:  # a class may match a slash
            return True
        if not glob(part)(name):
            return False
    return len(parts) > len(names)


def is_pattern(text: str) -> bool:
    """Whether the text is more than a plain path: an escape counts, for it must be taken away."""
    return any(mark in text for mark in "*?[\\")


def literal(path: str) -> str:
    """The pattern that this path alone matches."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)


def _expression(pattern: str, *, deep: bool) -> str:
    out, at = "", 0
    open_star = None  # where the last `*` stands, while nothing after it can match a slash but a slash
    while at < len(pattern):
        mark = pattern[at]
        at += 1
        if mark == "*":
            stars = 1
            while pattern[at : at + 1] == "*":
                stars, at = stars + 1, at + 1
            if not deep or stars == 1:
                if open_star is not None:
                    out = out[:open_star] + _first(out[open_star:])
                open_star = len(out)
                out += _STAR
                continue
            open_star = None
            at += pattern[at : at + 1] == "/" and stars % 2 == 0
            if at == len(pattern):
                out += f"{_ANYTHING}*"
                continue
            # Two stars and two more say the same again; of an odd number the last one stops at a slash.
            out += "" if out.endswith(_ANY_DIRECTORIES) else _ANY_DIRECTORIES
            out += _STAR * (stars % 2)
        elif mark == "?":
            out += "[^/]"
        elif mark == "[":
            part, at = _class(pattern, at)
            out, open_star = out + part, None
        elif mark == "\\":
            if at == len(pattern):
                raise _malformed(pattern, "nothing follows the last backslash")
            out, at = out + re.escape(pattern[at]), at + 1
        else:
            out += re.escape(mark)
    return out


def _first(stretch: str) -> str:
    """A star and what follows it up to the next one, which takes the rest of the name: the first match will do.

    Looking for the others as well would take forever where there are many.
    """
    return f"(?>{_STAR}?{stretch.removeprefix(_STAR)})"


def _class(pattern: str, at: int) -> tuple[str, int]:
    """The expression of a class whose bracket ends before `at`, and where the rest begins."""
    is_negated = pattern[at : at + 1] == "^"
    at += is_negated
    ranges, is_first = "", True
    while is_first or pattern[at : at + 1] != "]":
        low, at = _member(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _member(pattern, at + 1)
        if low <= high:  # a range that runs backwards holds nothing
            ranges += f"{re.escape(low)}-{re.escape(high)}"
        is_first = False
    if not ranges:
        return _ANYTHING if is_negated else _NOTHING, at + 1
    return f"[{'^' if is_negated else ''}{ranges}]", at + 1


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
