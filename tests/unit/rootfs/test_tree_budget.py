"""Trees that cost far more than their bytes: refused with the reason, after bounded work (K208, K238)."""

import pytest

from ocitool.codec.tar_reader import read_members
from ocitool.errors import MalformedDocument
from ocitool.model.files import FileKind, LinkLoop, TreeBudget, resolve
from ocitool.pack.entries import BytesContent, Entry
from ocitool.pack.placing import place
from ocitool.rootfs.files import Imaged, Layered
from ocitool.rootfs.tree import Listed, Tree
from tests.fakes.layers import tar

DEEP = "/".join(["d"] * 2040)


class Counted(Tree):
    """A tree that counts how often somebody looks at a path."""

    looks = 0

    def get(self, path):
        self.looks += 1
        return super().get(path)


def tree(*files, kind=Counted) -> Tree:
    return kind([[Listed.of(member) for member in read_members([tar(*files)])]])


def chain(links: int = 39, times: int = 800) -> list:
    """Links of which each leads through the next, many times over; the last leads to x."""
    texts = (f"l{number + 1}" if number < links - 1 else "x" for number in range(links))
    return [("x/", ""), ("x/f", "f"), *((f"l{n}", f"-> {'x/../' * times}{text}") for n, text in enumerate(texts))]


@pytest.mark.slow
def test_k238_endless_links_are_refused():
    looks = []

    class Kept(Counted):
        def get(self, path):
            looks.append(path)
            return super().get(path)

    with pytest.raises(MalformedDocument, match="more steps than any image needs"):
        tree(*chain(), *((f"h{number}", "= l0/f") for number in range(5000)), kind=Kept)

    assert len(looks) < 1_200_000


def test_k238_what_few_look_at_is_followed():
    found = tree(*chain())

    assert "x/f" == found.resolve("l0/f")
    assert found.looks < 80_000


@pytest.mark.parametrize("extra", ["k0", "k0/e", "k9/f"])
def test_k238_links_to_deeper_and_deeper(extra):
    """Each is 2,040 directories deeper than the one before, so that few bytes make paths of any length."""
    links = [("k0", f"-> {DEEP}"), *((f"k{n + 1}", f"-> k{n}/{DEEP}") for n in range(10))]

    if extra == "k9/f":
        with pytest.raises(MalformedDocument, match="leads to a path of more than 4096 characters"):
            tree((f"{DEEP}/", ""), *links, (extra, ""))
    else:
        assert tree((f"{DEEP}/", ""), *links, (extra, "")).kind_at(DEEP) is FileKind.DIRECTORY


@pytest.mark.slow
def test_k238_paths_may_be_as_long_as_files_justify():
    tops = [f"{number}/{'/'.join(['d'] * 2000)}/" for number in range(40)]

    assert 3 * 2001 == sum(1 for _ in tree(*((top, "") for top in tops[:3])).walk())
    with pytest.raises(MalformedDocument, match="longer, all in all, than those of any image"):
        tree(*((top, "") for top in tops))


def test_a_real_path_has_a_limit_from_both_sides():
    """K254"""
    link = "d" * 4000

    assert f"{link}/{'e' * 95}" in [path for path, _ in tree(("k", f"-> {link}"), (f"k/{'e' * 95}", "")).walk()]
    with pytest.raises(MalformedDocument):
        tree(("k", f"-> {link}"), (f"k/{'e' * 96}", ""))


def test_forty_links_are_followed_and_no_more():
    links = {f"l{number}": f"l{number + 1}" for number in range(41)}

    assert "l41" == resolve("l1", links.get)
    with pytest.raises(LinkLoop):
        resolve("l0", links.get)


def test_ordinary_links_cost_nothing_that_counts():
    budget = TreeBudget(steps=0)
    links = {"bin": "usr/bin", "usr/bin/sh": "dash"}

    assert {"usr/bin/dash"} == {resolve("bin/sh", links.get, budget=budget) for _ in range(10_000)}
    assert budget.steps > 0


@pytest.mark.slow
def test_k238_placing_over_such_a_base_is_refused():
    base = Imaged(tree(*chain(times=200)), lambda path, node: BytesContent(b""))
    entries = [Entry(f"l0/{number}/f", FileKind.FILE, content=BytesContent(b"")) for number in range(1000)]

    with pytest.raises(MalformedDocument, match="more steps"):
        place(entries, base)


@pytest.mark.slow
def test_k238_a_look_that_costs_too_much_finds_nothing():
    found = tree(*chain())

    assert {None, FileKind.FILE} == {
        None if (node := found.lookup("l0/f")) is None else node.kind for _ in range(100)
    }
    assert found.looks < 1_200_000


def test_k208_a_hard_link_before_its_file_is_dangling():
    found = tree(("r/a", "= r/z"), ("r/z", "x"), ("r/b", "= r/z"), ("n", "= gone"), ("d/", ""), ("e", "= d"))

    assert [(0, "r/a", "r/z"), (0, "n", "gone"), (0, "e", "d")] == found.dangling
    assert (FileKind.HARDLINK, FileKind.FILE) == (found.kind_at("r/a"), found.kind_at("r/b"))


def test_k208_a_hard_link_to_a_lower_layer_is_whole():
    lower, upper = ([Listed.of(one) for one in read_members([tar(row)])] for row in (("z", "x"), ("a", "= z")))

    assert [] == Tree([lower, upper]).dangling
    assert [(0, "a", "z")] == Tree([upper, lower]).dangling


def test_layers_over_layers_answer_like_one_tree():
    base = Imaged(tree(("bin", "-> usr/bin"), ("usr/bin/sh", "x")), lambda path, node: BytesContent(b"x"))
    over = Layered(place([Entry("bin/app", FileKind.FILE)], base), base)

    assert {"bin", "usr", "usr/bin", "usr/bin/sh", "usr/bin/app"} == set(over.paths())
    assert over.lookup("bin/app").path == "usr/bin/app"
    assert over.lookup("bin/none") is None
