"""Patterns and ignore rules against a plain model that tries everything, one character after the other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocitool.build.dockerfile.ignore import IgnoreRules
from ocitool.build.dockerfile.patterns import deep_glob, glob

pytestmark = pytest.mark.property

_PATHS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
_ATOMS = st.sampled_from(
    ["*", "?", "a", "b", ".", "/", "[ab]", "[^a]", "[a-b]", "\\a", "\\*", "**", "**/", "/**", "a/", "[[]"]
)
_PATTERNS = st.lists(_ATOMS, min_size=1, max_size=5).map("".join)


def model(pattern: str, path: str, *, deep: bool) -> bool:
    """Whether they match, by trying every length a star can have."""
    if not pattern:
        return not path
    head, rest = pattern[0], pattern[1:]
    if head == "*":
        stars = len(pattern) - len(pattern.lstrip("*"))
        rest = pattern[stars:]
        if not deep or stars == 1:
            return any(model(rest, path[n:], deep=deep) for n in range(len(path) + 1) if "/" not in path[:n])
        if not rest:
            return True
        rest = rest.removeprefix("/")
        starts = [0, *(n + 1 for n, mark in enumerate(path) if mark == "/")]
        return any(model(rest, path[n:], deep=deep) for n in starts)
    if not path:
        return False
    if head == "?":
        return path[0] != "/" and model(rest, path[1:], deep=deep)
    if head == "\\":
        return path[0] == rest[0] and model(rest[1:], path[1:], deep=deep)
    if head == "[":
        body, _, rest = rest.partition("]")
        members = {"ab": "ab", "a-b": "ab", "^a": "a", "[": "["}[body]
        return ((path[0] in members) is not body.startswith("^")) and model(rest, path[1:], deep=deep)
    return path[0] == head and model(rest, path[1:], deep=deep)


@settings(max_examples=1500, deadline=None)
@given(_PATTERNS, _PATHS)
def test_globs_match_as_the_model_does(pattern, path):
    assert model(pattern, path, deep=False) is glob(pattern)(path)
    assert model(pattern, path, deep=True) is deep_glob(pattern)(path)


_WORDS = st.lists(st.sampled_from(["a", "b", "*", "**", "?", "a*", "[ab]"]), min_size=1, max_size=3).map("/".join)
_LINES = st.lists(st.tuples(st.booleans(), _WORDS), max_size=5)


@settings(max_examples=1500, deadline=None)
@given(_LINES, st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4))
def test_the_last_line_that_matches_the_path_or_a_parent_decides(lines, parts):
    ignored = False
    for keeps, pattern in lines:
        prefixes = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        if any(model(pattern, prefix, deep=True) for prefix in prefixes):
            ignored = not keeps

    rules = IgnoreRules.parse("".join(f"{'!' if keeps else ''}{pattern}\n" for keeps, pattern in lines))

    assert ignored is rules.ignores("/".join(parts))
