"""K206: expansion against a plain model, with a count of the work and of what comes out."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocitool.dockerfile.syntax.expand import expand
from ocitool.errors import UsageError
from tests.amounts import amount
from tests.fakes.effort import effort

pytestmark = pytest.mark.property

_VALUES = st.text("ab\n", max_size=12)
_PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "?", "ab", "\\*"]), max_size=5).map("".join)


def ends(pattern, value, at):
    """The places where a pattern that begins at `at` can end; every way is tried."""
    if not pattern:
        return {at}
    head, rest = pattern[0], pattern[1:]
    if head == "\\":
        head, rest = f"\\{rest[0]}", rest[1:]
    after = value[at:]
    if head == "*":
        run = len(after.partition("\n")[0])
        return set().union(*(ends(rest, value, at + n) for n in range(run + 1)))
    if head == "?":
        return ends(rest, value, at + 1) if after and after[0] != "\n" else set()
    return ends(rest, value, at + 1) if after.startswith(head[-1]) else set()


def trimmed(value, pattern, mark):
    """The value without its shortest or longest start or end that matches."""
    pick = max if len(mark) == 2 else min
    if mark[0] == "#":
        found = ends(pattern, value, 0)
        return value[pick(found) :] if found else value
    starts = [at for at in range(len(value) + 1) if len(value) in ends(pattern, value, at)]
    return value[: (min if len(mark) == 2 else max)(starts)] if starts else value


def replaced(value, pattern, word, *, is_all):
    """The value with the leftmost longest match replaced, or all; no empty one right behind another."""
    out, at, last, is_done = [], 0, -1, False
    while at <= len(value):
        found = ends(pattern, value, at) if not is_done else set()
        end = max(found, default=-1)
        if found and not (end == at == last):
            out.append(word)
            last, is_done = end, not is_all
            if end > at:
                at = end
                continue
        out.append(value[at : at + 1])
        at += 1
    return "".join(out)


@settings(max_examples=amount(200, 6_000), deadline=None)
@given(_VALUES, _PATTERNS, st.sampled_from(["#", "##", "%", "%%"]))
def test_trimming_is_what_the_model_says(value, pattern, mark):
    if pattern.startswith(mark[0]):
        return

    assert trimmed(value, pattern, mark) == expand(f"${{v{mark}{pattern}}}", {"v": value}).text


@settings(max_examples=amount(200, 6_000), deadline=None)
@given(_VALUES, _PATTERNS, st.booleans())
def test_replacing_is_what_the_model_says(value, pattern, is_all):
    if not pattern and not is_all:
        return  # ${v//c} is something else
    word = f"${{v/{'/' if is_all else ''}{pattern}/c}}"

    assert replaced(value, pattern, "c", is_all=is_all) == expand(word, {"v": value}).text


@settings(max_examples=amount(100, 2_000), deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "*", "?", "ab"]), min_size=1, max_size=12).map("".join),
    st.integers(1, 400),
    st.sampled_from(["#", "##", "%", "%%", "/", "//"]),
)
def test_work_does_not_grow_faster_than_the_value(pattern, size, mark):
    """Steps of the interpreter, those in a match counted as one: no place is begun at twice."""
    word = f"${{v{mark}{pattern}{'/c' if mark[0] == '/' else ''}}}"
    values = [{"v": "a" * size}, {"v": "ab" * size}, {"v": "a\n" * size}]
    call = functools.partial(expand, word)
    for variables in values:
        call(variables)

        assert effort(call, variables) < 3000 + 400 * len(word) + 250 * len(variables["v"])


@settings(max_examples=amount(100, 2_000), deadline=None)
@given(st.lists(st.sampled_from(["$A", "${A}", '"$A"', "x", "${A:-$A}", "${A//a/$A}"]), min_size=1, max_size=20))
def test_what_comes_out_is_bounded_by_what_is_said(parts):
    """K206: each line's value is the next one's; at some line it is too much, and never more than that."""
    value, sizes, said = "a" * 10, [], ""
    for _ in range(12):
        try:
            value = expand("".join(parts), {"A": value}).text
        except UsageError as error:
            said = error.what
            break
        sizes.append(len(value))

    assert not said or "bring more than 1048576 characters" in said
    assert max(sizes, default=0) <= 1024 * 1024 + len("".join(parts))
