"""What a source of ADD is, and what it would be called."""

import pytest

from ocitool.dockerfile.places import is_git, is_git_context, is_web, name_of


@pytest.mark.parametrize(
    "source",
    [
        "https://h.test/a.git",
        "https://h.test/a.git#main:sub",
        "http://h.test/a.git?ref=v1",
        "git@h.test:a/b",
        "git://h.test/a",
        "ssh://git@h.test/a",
    ],
)
def test_git_repositories(source):
    assert (True, False) == (is_git(source), is_web(source))


@pytest.mark.parametrize(
    "source", ["https://h.test/a", "http://h.test/?x.git", "https://h.test/a.git/info", "https://h.test/#.git"]
)
def test_files_of_the_web(source):
    assert (False, True) == (is_git(source), is_web(source))


@pytest.mark.parametrize("source", ["a.git", "./https://h", "github.com/a/b", "a:b", "@a:b", "ftp://h.test/a", ""])
def test_paths(source):
    assert (False, False) == (is_git(source), is_web(source))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("github.com/a/b", True),
        ("github.com/a/b#main", True),
        ("h.test/a.git#main:sub", True),
        ("https://h.test/a.git#main", True),
        ("app#x.git", False),
        ("./github.com/a", False),
    ],
)
def test_contexts_that_buildx_would_clone(place, expected):
    assert expected == is_git_context(place)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/b.tgz", "b.tgz"),
        ("/a/b/", "b"),
        ("/a%2Fb%20c?x=/y#/z", "b c"),
        ("", "__unnamed__"),
        ("/", "__unnamed__"),
        ("/a/..", "__unnamed__"),
        ("/%00", "__unnamed__"),
    ],
)
def test_names(path, name):
    """As BuildKit: the last part of the URL's path, its escapes undone."""
    assert name == name_of(f"https://h.test{path}")
