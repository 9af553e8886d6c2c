"""Lines: directives, continuation, comments, heredocs, flags and words."""

import pytest

from ocitool.dockerfile.syntax.lines import Heredoc, placed, problem, read_text, split_flags, split_words
from ocitool.errors import BuildError, Cancelled, NotFound, UsageError


def lines(text: str) -> list[tuple[int, int, str, str]]:
    return [(line.number, line.end, line.name, line.rest) for line in read_text(text.encode(), "Dockerfile").lines]


def test_continuation_comments_and_empty_lines():
    text = "\ufeff# note\r\n\n  from a \\ \r\n  # inside\r\n\n  b\n#x\nRUN c\\\\\ncmd d # e\n"

    assert [
        (3, 6, "FROM", "a   b"),
        (8, 8, "RUN", "c\\\\"),
        (9, 9, "CMD", "d # e"),
    ] == lines(text)
    assert [True, False, False] == [line.has_empty for line in read_text(text.encode(), "f").lines]


def test_directives_end_at_the_first_other_line():
    text = read_text(
        b"# Syntax = docker/dockerfile:1 \n#escape=`\n#check=skip=all;error=true\n# x=1\n#escape=\\\nCMD a`\nb", "f"
    )

    assert {"syntax": "docker/dockerfile:1", "escape": "`", "check": "skip=all;error=true"} == text.directives
    assert ["ab"] == [line.rest for line in text.lines]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "f:1: no instruction"),
        (b"# only\n", "f:1: no instruction"),
        (b"#escape=x\nFROM a", "f:1: escape='x'"),
        (b"#escape=\\\n#escape=`\n", "f:2: the directive escape is there twice"),
        (b"FROM a\n\xff\n", "f:2: not valid UTF-8"),
        (b"FROM a\nCMD \0\n", "f:2: a NUL"),
        (b"FROM a\nCOPY <<E /x\nb\n", "f:2: the heredoc E has no end"),
        (b"FROM a\n\\\n\n", "f:2: nothing but \\"),
        (b"FROM a\n# " + b"x" * 70_000, "f:2: a line of 70002 characters"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(data, said):
    with pytest.raises(UsageError) as raised:
        read_text(data, "f")

    assert said in raised.value.what


def test_heredocs_follow_in_order_and_are_ended_by_their_name_alone():
    text = "COPY <<A <<-'B' /d/\nx $y\n A\nA\n\tt\n\tB\nONBUILD ADD <<C /c\nc\nC\nCMD <<D\n"
    first, second, third = read_text(text.encode(), "f").lines

    assert (Heredoc("A", "x $y\n A\n"), Heredoc("B", "t\n", is_expanded=False)) == first.heredocs
    assert (Heredoc("C", "c\n"),) == second.heredocs
    assert (10, "CMD", ()) == (third.number, third.name, third.heredocs)


@pytest.mark.parametrize(
    ("word", "name", "is_expanded"),
    [
        ("<<E", "E", True),
        ("3<<-E", "E", True),
        (r"<<\E", "E", True),
        (r"<<E\'", "E'", True),
        ("<<'a b'", "a b", False),
        ('<<a"b"', "ab", False),
        ("<<$A", "$A", True),
    ],
)
def test_names_of_heredocs(word, name, is_expanded):
    """Recorded from BuildKit: an escape alone does not keep the body from being expanded, quotes do."""
    (line,) = read_text(f"COPY {word} /x\nbody\n{name}\n".encode(), "f").lines

    assert (Heredoc(name, "body\n", is_expanded),) == line.heredocs


@pytest.mark.parametrize("word", ["<<", "<<-", "<<<E", '<<E"', "<<''", "a<<E"])
def test_what_is_no_heredoc(word):
    line, *rest = read_text(f"COPY {word} /x\nE\n".encode(), "f").lines

    assert () == line.heredocs
    assert ["E"] == [one.name for one in rest]


def test_onbuild_keeps_what_is_written():
    """The blanks at its end, and the tabs that `<<-` takes away from the file."""
    (line,) = read_text(b"ONBUILD COPY <<-E /x \t\n\ta\n\tE\n", "f").lines

    assert "COPY <<-E /x \t" == line.rest
    assert ("a\n", "\ta\n") == (line.heredocs[0].content, line.heredocs[0].written)


def test_bodies_of_heredocs_keep_the_line_ends_of_the_file():
    (_, first, second) = read_text(
        b"FROM a\r\nCOPY <<X /x\r\na\r\n\r\nX\r\nCOPY <<-Y /y\r\n\tb\n\tY\r\n", "D"
    ).lines

    assert ("a\r\n\r\n", "b\n") == (first.heredocs[0].content, second.heredocs[0].content)


@pytest.mark.parametrize(
    ("rest", "flags", "left"),
    [
        ("--from=a b c", (("from", "a"),), "b c"),
        ("--link --chown='a b' x --y", (("link", None), ("chown", "a b")), "x --y"),
        ("-- --x y", (), "--x y"),
        ("-x y", (), "-x y"),
        (r"--chown=\a\ \\b c", (("chown", r"a \b"),), "c"),
    ],
)
def test_flags_stand_before_everything_else(rest, flags, left):
    assert (flags, left) == split_flags(rest, lambda what: problem("f", 1, what))


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("a=b c", ("a=b", "c")),
        ('a=\'x y\' b="u \\" v"', ("a='x y'", 'b="u \\" v"')),
        ("a=x\\ y", ("a=x\\ y",)),
        ("a='\\' b", ("a='\\'", "b")),
        ("a=b\\", ("a=b",)),
    ],
)
def test_words_keep_their_quotes_for_expansion(rest, words):
    assert words == split_words(rest, "\\")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UsageError("no"), "D:2: no"),
        (NotFound("none", name="x", where="y"), "D:2: none"),
        (BuildError("failed"), "D:2: failed"),
        (BuildError("D:2: failed"), "D:2: failed"),
        (Cancelled("ended"), "ended"),
    ],
)
def test_an_error_says_its_place_once(error, said):
    with pytest.raises(type(error)) as raised, placed("D:2"):
        raise error

    assert said == raised.value.what
