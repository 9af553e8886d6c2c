"""Patterns: filepath.Match's grammar, and `**` of .dockerignore."""

import pytest

from ocitool.errors import UsageError
from ocitool.model.path_pattern import deep_glob, glob
from tests.fakes.effort import effort


# After the examples that Go's own documentation and tests of filepath.Match are made of.
@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("abc", "abc", True),
        ("*c", "abc", True),
        ("a*", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^b-d]", "abc", False),
        ("ab[z-b]", "abc", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a☺b", True),
        ("a???b", "a☺b", False),
        ("[a-ζ]*", "α", True),
        ("a?b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[x\\-]", "-", True),
        ("[[]x", "[x", True),
        ("a.b", "axb", False),
        ("*", ".hidden", True),
        ("a**b", "a/b", False),
    ],
)
def test_glob_is_filepath_match(pattern, path, expected):
    assert expected is glob(pattern)(path)


@pytest.mark.parametrize("pattern", ["[]a]", "[-]", "[x-]", "[-x]", "a[", "[a-b-c]", "[", "[^", "[^bc", "a\\"])
def test_malformed_patterns_are_refused(pattern):
    with pytest.raises(UsageError, match="not a pattern"):
        glob(pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "a/b", True),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("**/x", "ax", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a**", "ab/c", True),
        ("**file", "dir/file", True),
        ("**.go", "a/b.go", True),
        ("**.go", "x.go", True),
        ("**.g?", "a/b.go", False),  # as moby has it: only plain text after the stars is the end of a path
        ("**.g?", "a/.go", True),
        ("a**.go", "a/x.go", False),
        ("***o", "a/go", True),
        ("a***o", "ab/go", True),
        ("**/**/o", "o", True),
        ("*", "a/b", False),
    ],
)
def test_two_stars_cross_directories(pattern, path, expected):
    assert expected is deep_glob(pattern)(path)


@pytest.mark.parametrize("matches", [glob, deep_glob])
def test_many_stars_are_tried_once_each(matches):
    assert not matches("*a*a*a*a*a*a*a*a*b")("a" * 250)
    assert matches("*a*a*a*a*a*a*a*a*")("a" * 250)
    assert matches("*/*b*c")("x/bbc")
    assert not matches("*/*b*c")("x/y/bc")


def test_what_was_meant_as_an_array_is_told_so():
    """`COPY [a.txt, /b]` is no JSON, so that its words are patterns."""
    with pytest.raises(UsageError) as array:
        glob("[a.txt,")
    with pytest.raises(UsageError) as pattern:
        glob("a[b")

    assert [True, False] == ["JSON array needs double quotes" in one.value.hint for one in (array, pattern)]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*[a]*[a]*[a]*[a]*[a]b", "a" * 200),
        ("**/a*/" * 7 + "b", "/".join(["a"] * 60)),
        ("*[^a]" * 20 + "b", "/x" * 100),
        ("**/*" * 20 + "[x]", "a/" * 100 + "a"),
        ("*?" * 100 + "b", "a" * 200),
    ],
)
def test_k204_a_pattern_that_never_ended(pattern, path):
    """K204: the work is a step for each character."""
    assert effort(deep_glob(pattern), path) < 200 * len(path) + 50 * len(pattern)
    assert not deep_glob(pattern)(path)
    assert effort(glob(pattern), path) < 200 * len(path) + 50 * len(pattern)


def test_more_characters_than_are_remembered():
    """The moves of 512 characters are kept; those of others are worked out anew."""
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 600)))
    fits = glob(f"*{many[-1]}[^b]")

    assert fits(many + "a")
    assert not fits(many + "b")
    assert not fits(many)
