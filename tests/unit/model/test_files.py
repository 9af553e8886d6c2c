"""Paths of an image: their one form, what is above them, and where links lead."""

import pytest

from ocitool.errors import MalformedDocument
from ocitool.model.files import (
    MAX_LINKS,
    FileKind,
    FileTree,
    LinkLoop,
    TreeBudget,
    ancestors,
    clean,
    is_temporary,
    resolve,
    temporary_beside,
)
from ocitool.pack.entries import BytesContent, Entry


class Tree(FileTree[Entry]):
    """Files by path; a text is the target of a link."""

    def __init__(self, **found):
        self.found = {path.replace("_", "/"): self.entry(path.replace("_", "/"), it) for path, it in found.items()}

    @staticmethod
    def entry(path, it):
        if isinstance(it, str):
            return Entry(path, FileKind.SYMLINK, 0o777, link=it)
        return (
            Entry(path, FileKind.DIRECTORY, 0o755)
            if it is None
            else Entry(path, FileKind.FILE, 0o644, content=BytesContent(it))
        )

    def get(self, path):
        return self.found.get(path)

    def names(self, path):
        inner = f"{path}/" if path else ""
        below = [one.removeprefix(inner) for one in self.found if one.startswith(inner)]
        return tuple(sorted(name for name in below if "/" not in name))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b", "a/b"),
        ("/a//b/", "a/b"),
        ("./a/./b", "a/b"),
        (".hidden/..x", ".hidden/..x"),
        ("", ""),
        ("/", ""),
        ("a/../b", None),
        ("..", None),
        ("a\0b", None),
    ],
)
def test_a_path_has_one_form_or_none(path, expected):
    assert expected == clean(path)


@pytest.mark.parametrize(
    ("path", "above"), [("a/b/c/d", ["a", "a/b", "a/b/c"]), ("aa/bb", ["aa"]), ("a", []), ("", [])]
)
def test_what_is_above_a_path(path, above):
    assert above == list(ancestors(path))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/../b", "b"),
        ("a/b/c/../d", "a/b/d"),
        ("real/in/side", "real/f"),
        ("../../b/c", "b/c"),
        ("a/..", ""),
        ("d/f", "real/f"),
        ("d/../x", "x"),
        ("up/x", "x"),
        ("real/abs/f", "real/f"),
        ("no/such", "no/such"),
        ("last", "real/f"),
    ],
)
def test_links_are_followed_inside_the_root(path, expected):
    tree = Tree(
        real=None,
        real_f=b"1",
        d="real",
        up="real/../..",
        real_abs="/real",
        real_in=None,
        real_in_side="../f",
        last="d/f",
    )

    assert expected == tree.resolve(path)


def test_the_last_link_is_kept_where_it_is_asked_for_itself():
    tree = Tree(real=None, d="real", real_l="f")

    assert "real/l" == tree.resolve("d/l", follow_last=False)
    assert "real/f" == tree.resolve("d/l")


def test_as_many_links_as_linux_follows_and_no_more():
    links = {f"l{number}": f"l{number + 1}" for number in range(MAX_LINKS + 1)}

    assert f"l{MAX_LINKS + 1}" == resolve("l1", links.get)
    with pytest.raises(LinkLoop, match="too many symbolic links on the way to /l0"):
        resolve("/l0", links.get)


def test_a_path_that_no_kernel_opens_is_refused():
    long = "a" * 4096

    assert long == resolve(long, {}.get)
    with pytest.raises(MalformedDocument, match="more than 4096"):
        resolve(f"{long}/b", {}.get)


def test_what_following_links_costs_has_a_bound():
    tree = Tree(a="/" + "x/" * 200)
    budget = TreeBudget(steps=100)

    with pytest.raises(MalformedDocument, match="more steps than any image needs"):
        for _ in range(10):
            resolve("a", tree.link_at, budget=budget)


def test_what_paths_cost_has_a_bound():
    budget = TreeBudget(paths=1000)
    budget.add(1500)

    with pytest.raises(MalformedDocument, match="longer, all in all"):
        budget.add(600)


def test_the_root_is_a_directory_and_no_link():
    tree = Tree(f=b"1", l="f")

    assert FileKind.DIRECTORY is tree.kind_at("")
    assert None is tree.link_at("")
    assert (FileKind.FILE, FileKind.SYMLINK, None) == tuple(map(tree.kind_at, ("f", "l", "no")))


def test_looking_up_gives_what_a_program_would_find():
    tree = Tree(f=b"1", l="f", loop="loop")

    assert b"1" == tree.lookup("l").content.data
    assert (None, None) == (tree.lookup("no"), tree.lookup("loop"))


def test_every_path_is_told_once_and_links_lead_nowhere():
    tree = Tree(d=None, d_e=None, d_e_f=b"1", l="d")

    assert ["d", "d/e", "d/e/f", "l"] == sorted(tree.paths())


def test_temporary_names_are_known_again(tmp_path):
    beside = temporary_beside(tmp_path / "app.tar")

    assert (tmp_path, True) == (beside.parent, is_temporary(beside.name))
    assert not is_temporary("app.tar")
