"""Expansion of variables: every form, and what is wrong."""

import pytest

from ocitool.dockerfile.syntax.expand import expand, expand_words
from ocitool.errors import UsageError
from tests.fakes.effort import effort

VARIABLES = {"a": "one", "empty": "", "path": "/usr/local/lib", "n": "x.y.z", "two": "80 443"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$a", "one"),
        ("${a}", "one"),
        ("pre$a.post", "preone.post"),
        ("$none", ""),
        ("$1x", "x"),
        ("$", "$"),
        ("$.", "$."),
        ("\\$a", "$a"),
        ("\\${a}", "${a}"),
        ("'$a'", "$a"),
        ('"$a"', "one"),
        ('"\\$a \\" \\x"', '$a " \\x'),
        ("a\\ b", "a b"),
        ("${none:-w}", "w"),
        ("${empty:-w}", "w"),
        ("${empty-w}", ""),
        ("${none-w}", "w"),
        ("${none:-${a}}", "one"),
        ("${none:-'a}b'}", "a}b"),
        ("${a:+w}", "w"),
        ("${empty:+w}", ""),
        ("${empty+w}", "w"),
        ("${none+w}", ""),
        ("${a:?m}", "one"),
        ("${empty?m}", ""),
        ("${n#*.}", "y.z"),
        ("${n##*.}", "z"),
        ("${n%.*}", "x.y"),
        ("${n%%.*}", "x"),
        ("${n#q}", "x.y.z"),
        ("${n/./-}", "x-y.z"),
        ("${n//./-}", "x-y-z"),
        ("${path//\\//_}", "_usr_local_lib"),
        ("${n/?./}", "y.z"),
        ("${n//./}", "xyz"),
    ],
)
def test_every_form(word, expected):
    assert expected == expand(word, VARIABLES).text


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("${", "bad substitution"),
        ("${}", "bad substitution"),
        ("${{a}}", "bad substitution"),
        ("${:a}", "bad substitution"),
        ("${a", "missing '}'"),
        ("${a:-b", "missing '}'"),
        ("${a:", "missing '}'"),
        ("${a:x}", "':x' is no modifier"),
        ("${a:#x}", "':#' is no modifier"),
        ("${a!x}", "'!' is no modifier"),
        ("${a#\\x}", "not a pattern: '\\\\x': a backslash before 'x'"),
        ('${a#"b\\\\"}', "not a pattern: 'b\\\\': a backslash at its end"),
        ("'a", "single quote"),
        ('"a', "double quote"),
        ("${empty:?must be there}", "empty: must be there"),
        ("${none?}", "none: is not allowed to be unset"),
    ],
)
def test_what_is_wrong_is_said(word, said):
    with pytest.raises(UsageError) as raised:
        expand(word, VARIABLES)

    assert said in raised.value.what


def test_the_other_escape_character():
    assert "C:\\one$a" == expand("C:\\$a`$a", VARIABLES, escape="`").text


def test_every_variable_that_is_asked_for_is_told_once():
    assert ("x", "w", "y", "z", "a") == expand("$x ${y:-$w} ${z+1} $a $x \\$b '$c'", VARIABLES).names


def test_quotes_in_a_heredoc_are_text():
    assert "'one' \"one\" $a" == expand("'$a' \"$a\" \\$a", VARIABLES, keeps_quotes=True).text


def test_expose_splits_what_a_variable_holds():
    assert ("80", "443", "x", "80 443") == tuple(
        word for text in ("$two", "x", '"$two"') for word in expand_words(text, VARIABLES)
    )
    assert ("80", "x", "443") == expand_words("$a$b", {"a": " 80 x ", "b": "  443 "})


def test_substitutions_in_substitutions_have_a_limit():
    def nested(depth: int) -> str:
        return "${A:-" * depth + "x" + "}" * depth

    assert "x" == expand(nested(64), {}).text
    assert "xx" == expand(nested(64) * 2, {}).text
    with pytest.raises(UsageError, match="more than 64 deep"):
        expand(nested(65), {})


@pytest.mark.parametrize(
    ("expected", "word"),
    [("a" * 300, "${V#*a*a*a*a*a*a*b}"), ("a" * 300, "${V%%*b*a*a*a*a*a*c}"), ("a" * 294, "${V#*a*a*a*a*a*a}")],
)
def test_many_stars_are_tried_once_each(expected, word):
    assert expected == expand(word, {"V": "a" * 300}).text


@pytest.mark.parametrize("word", ["$a" * 200, '"$a"' * 200, "${a//x/$a}", "${none:-" + "$a" * 200 + "}"])
def test_k206_values_that_bring_too_much(word):
    with pytest.raises(UsageError, match="bring more than 1048576 characters"):
        expand(word, {"a": "x" * 10_000})


def test_k206_a_heredoc_may_bring_more_than_a_word():
    assert 2_000_000 == len(expand("$a" * 200, {"a": "x" * 10_000}, keeps_quotes=True).text)
    with pytest.raises(UsageError, match="bring more than 16777216 characters"):
        expand("$a" * 2000, {"a": "x" * 10_000}, keeps_quotes=True)


@pytest.mark.parametrize("word", ["${A##*a" + "?" * 20 + "b}", "${A//*ab/c}", "${A%%b*a}", "${A//a*b*a*c/}"])
def test_k206_patterns_over_long_values(word):
    """Steps in C are not counted; each of these ran for seconds."""
    value = "a" * 30_000

    assert value == expand(word, {"A": value}).text
    assert effort(lambda: expand(word, {"A": value})) < 10_000


def test_k206_a_pattern_that_is_too_long_for_its_value():
    with pytest.raises(UsageError, match="pattern is too long for its value"):
        expand("${a//$p/}", {"a": "x" * 900_000, "p": "?" * 10_000})
