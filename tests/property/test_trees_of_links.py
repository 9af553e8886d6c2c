"""Trees of links at random: work is counted, answers are a plain model's, and what is copied out is whole.

The seed is fixed, so that a failure comes again.
"""

import random
from functools import cached_property

import pytest

from ocitool.codec.tar_reader import read_members
from ocitool.dockerfile.copy import LayerBuilder, Order, copy
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.model.files import MAX_LINKS, MAX_PATH, FileKind, TreeBudget
from ocitool.pack.entries import BytesContent
from ocitool.pack.tar import tar_stream
from ocitool.rootfs.files import Imaged
from ocitool.rootfs.tree import Listed, Tree
from tests.amounts import amount
from tests.fakes.layers import tar

pytestmark = [pytest.mark.property]

NAMES = ["a", "b", "c", "d"]
TREES = amount(300, 8000)


def listing(*files) -> list[Listed]:
    return [Listed.of(member) for member in read_members([tar(*files)])]


def path(dice: random.Random, longest: int = 3) -> str:
    return "/".join(dice.choices(NAMES, k=dice.randint(1, longest)))


def text(dice: random.Random) -> str:
    """A link's text; some lead through the same link many times."""
    parts = dice.choices([*NAMES, "..", "."], k=dice.randint(1, 4)) * dice.choice([1, 1, 1, 2, 50, 250])
    return (dice.choice(["", "", "/"]) + "/".join(parts))[:MAX_PATH]


def member(dice: random.Random) -> tuple[str, str]:
    kind = dice.randrange(6)
    if kind < 2:
        return path(dice), "data"
    if kind == 2:
        return f"{path(dice)}/", ""
    return path(dice), f"-> {text(dice)}" if kind < 5 else f"= {path(dice)}"


class Counted(Tree):
    """A tree with a small budget, which counts its looks at single paths."""

    looks = 0
    lookups = 0

    @cached_property
    def budget(self) -> TreeBudget:
        return TreeBudget(steps=2000)

    def get(self, path):
        self.looks += 1
        return super().get(path)

    def resolve(self, path, *, follow_last=True):
        self.lookups += 1
        return super().resolve(path, follow_last=follow_last)


def slowly(tree: Tree, path: str, links: list[int]) -> list[str]:
    """The plain model: each component on its own, links by calling itself."""
    done: list[str] = []
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        node = tree.get("/".join([*done, part]))
        if node is None or node.kind is not FileKind.SYMLINK:
            done = [*done, part]
        else:
            links[0] += 1
            if links[0] > MAX_LINKS:
                raise RecursionError
            start = "" if node.link.startswith("/") else "/".join(done) + "/"
            done = slowly_from(tree, start, node.link, links)
        if len("/".join(done)) > MAX_PATH:
            raise RecursionError
    return done


def slowly_from(tree: Tree, start: str, text: str, links: list[int]) -> list[str]:
    """The text of a link read in the directory that it stands in, whose own path has no links."""
    done = [part for part in start.split("/") if part]
    for part in text.split("/"):
        if part in {"", "."}:
            continue
        done = done[:-1] if part == ".." else slowly(tree, "/".join([*done, part]), links)
    return done


def test_k238_work_is_bounded_and_answers_are_the_models():
    dice = random.Random(238)
    refused = answered = 0
    for number in range(TREES):
        rows = [listing(*(member(dice) for _ in range(dice.randint(2, 12)))) for _ in range(dice.randint(1, 2))]
        tree = Counted()
        try:
            for layer, row in enumerate(rows):
                tree._add_layer(row, layer)
        except MalformedDocument:
            refused += 1
            continue
        finally:
            # Ten components of its own for each path, and 64 that links bring; 2,000 to spare.
            assert tree.looks <= 2000 + 74 * tree.lookups, number
        for _ in range(5):
            wanted = text(dice)
            try:
                found = tree.resolve(wanted)
            except MalformedDocument:
                continue
            assert slowly(tree, wanted, [0]) == [part for part in found.split("/") if part], (number, wanted)
            answered += 1

    assert answered > TREES
    assert 0 < refused < TREES / 10


def test_k208_what_is_copied_out_of_an_image_has_no_dangling_link():
    dice = random.Random(208)
    copied = 0
    for number in range(TREES):
        tree = Tree(listing(*(member(dice) for _ in range(dice.randint(2, 12)))) for _ in range(dice.randint(1, 2)))
        layer = LayerBuilder(None)
        try:
            copy(
                Order(("/",), "/"), Imaged(tree, lambda _, node: BytesContent(b"data")), layer, NotImplementedError
            )
        except (MalformedDocument, NotFound, UsageError):
            assert tree.dangling, number
            continue
        copied += 1
        written = Tree([[Listed.of(one) for one in read_members([b"".join(tar_stream(layer.sorted(), 0))])]])
        assert [] == written.dangling, number
        assert {(path, node.kind) for path, node in tree.walk()} == {
            (path, node.kind) for path, node in written.walk()
        }, number

    assert copied > TREES / 3
