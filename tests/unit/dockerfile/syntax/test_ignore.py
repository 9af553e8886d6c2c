""".dockerignore: its grammar, and which line decides."""

import pytest

from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.errors import UsageError


def kept(text: str, *paths: str) -> list[str]:
    rules = IgnoreRules.parse(text)
    return [path for path in paths if not rules.ignores(path)]


def test_everything_but_one_file_below_a_directory():
    """K167: the image sees only target/a.jar."""
    assert ["target/a.jar"] == kept("*\n!target/a.jar\n", "src/x", "target/a.jar", "target/b.jar", ".git/config")


@pytest.mark.parametrize(
    ("text", "ignored", "others"),
    [
        ("foo", ["foo", "foo/x"], ["a/foo"]),
        ("/foo/", ["foo", "foo/x/y"], ["a/foo"]),
        ("*/foo", ["a/foo", "a/foo/x"], ["foo", "a/b/foo"]),
        ("**/foo", ["foo", "a/b/foo", "a/foo/x"], ["foos"]),
        ("./a/../b", ["b"], ["a"]),
        ("a//b", ["a/b"], ["a"]),
        ("a/**", ["a/b"], ["a"]),
        ("\\#x\n", ["#x"], ["x"]),
        ("#x\n #y", ["#y"], ["#x"]),
        ("\ufeffa\r\nb\r\n", ["a", "b"], ["c"]),
        (".\n\n", [], ["a", "b/c"]),
        ("docs\n!docs/README.md", ["docs/x"], ["docs/README.md"]),
        ("!docs/README.md\ndocs", ["docs/README.md"], ["x"]),
        ("*.md\n! README*.md\nREADME-secret.md", ["x.md", "README-secret.md"], ["README.md", "README-a.md"]),
        ("a\n!a/b\na/b/c", ["a/x", "a/b/c", "a/b/c/d"], ["a/b", "a/b/d"]),
        ("x/a\n!x", ["x/a"], ["x", "x/b"]),  # at x there was nothing to except
        ("x\n!x\nx/a\n!x", ["x/a/b"], ["x", "x/b"]),
        ("**/y\n!*/x", ["a/x/y", "y"], ["a/x"]),
        ("**\n!*/x", ["a", "y"], ["a/x", "a/x/y"]),
        ("**.go", ["a.go", "b/c.go"], ["go", "a.go.x"]),
        ("*\n!/a/\n./!b", ["c", "a.x"], ["a", "a/x", "b"]),
        ("/", [], ["a"]),
        ("a\t\n\tb ", ["a", "b"], ["c"]),
        ("[ab]?", ["a1", "bz"], ["c1", "a"]),
    ],
)
def test_the_last_line_that_matches_decides(text, ignored, others):
    assert others == kept(text, *ignored, *others)


@pytest.mark.parametrize("line", ["!", "! ", "!/", "!/a/..", "./!"])
def test_an_exception_without_a_pattern_is_refused_with_its_line(line):
    with pytest.raises(UsageError, match=r"\.dockerignore:2: '!'"):
        IgnoreRules.parse(f"a\n{line}\n")


def test_a_malformed_class_is_refused_with_its_line():
    with pytest.raises(UsageError, match=r"\.dockerignore:3: not a pattern"):
        IgnoreRules.parse("a\n\nb[\n")
