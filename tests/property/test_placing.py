"""Entries placed over random bases: what was asked for is found there, and the base is as it was."""

import random

import pytest

from ocitool.codec.tar_reader import read_members
from ocitool.errors import MalformedDocument, UsageError
from ocitool.model.files import FileKind, name_bytes
from ocitool.pack.entries import BytesContent, Entry
from ocitool.pack.placing import place
from ocitool.pack.tar import tar_stream
from ocitool.rootfs.tree import Listed, Tree
from tests.amounts import amount
from tests.fakes.layers import tar

pytestmark = pytest.mark.property
ROUNDS = amount(600, 50_000)
LINKS = ["a", "b/c", "/a", "../b", ".", "nowhere", "/c/d", "a/../b"]


def path(dice: random.Random) -> str:
    return "/".join(dice.choices("abcd", k=dice.randint(1, 3)))


def base(dice: random.Random) -> Tree:
    files = []
    for _ in range(dice.randint(0, 8)):
        name = path(dice)
        match dice.randrange(3):
            case 0:
                files.append((f"{name}/", dice.choice(["755", "1777", "700"])))
            case 1:
                files.append((name, f"-> {dice.choice(LINKS)}"))
            case _:
                files.append((name, "base"))
    return listed_tree(tar(*files))


def listed_tree(*layers: bytes) -> Tree:
    return Tree([Listed.of(member) for member in read_members([layer])] for layer in layers)


def wish(dice: random.Random, number: int) -> Entry:
    match dice.randrange(4):
        case 0:
            return Entry(path(dice), FileKind.DIRECTORY, 0o711)
        case 1:
            return Entry(path(dice), FileKind.SYMLINK, 0o777, link=dice.choice(LINKS))
        case _:
            return Entry(path(dice), FileKind.FILE, 0o640, mtime=number + 1, content=BytesContent(b"%d" % number))


def test_a_layer_does_what_was_asked_and_nothing_else():
    dice = random.Random(145)
    placed_ones = 0
    for number in range(ROUNDS):
        below = base(dice)
        wishes = [wish(dice, at) for at in range(dice.randint(1, 6))]
        try:
            placed = place(wishes, below)
        except (UsageError, MalformedDocument):
            continue
        placed_ones += 1
        paths = [entry.path for entry in placed]
        assert sorted(set(paths), key=name_bytes) == paths, number
        layer = [Listed.of(member) for member in read_members(tar_stream(placed, 2**40))]
        above = Tree([list_of(below), layer])

        for entry in placed:  # each entry lands exactly where its path says: no link stands on its way
            node = above.get(entry.path)
            assert node is not None, number
            assert (entry.kind, entry.mode) == (node.kind, node.mode), number
            had = below.get(entry.path)
            if entry.kind is FileKind.DIRECTORY and had is not None and had.kind is FileKind.DIRECTORY:
                assert (had.mode, had.uid, had.gid) == (entry.mode, entry.uid, entry.gid), number
            above_it = entry.path.rpartition("/")[0]  # every engine must know whose the directory is
            assert not above_it or above_it in paths, number
        for name, node in below.walk():  # nothing of the base is lost but the files that were replaced
            if name not in paths:
                now = above.get(name)
                assert now is not None, (number, name)
                assert (node.kind, node.mode, node.link) == (now.kind, now.mode, now.link), (number, name)
        last = {entry.path: entry for entry in wishes}
        links = any(entry.kind is FileKind.SYMLINK for entry in wishes)
        for entry in last.values():
            if (
                entry.kind is FileKind.FILE and not links
            ):  # the content of the last wish is found under its own path
                assert entry.mtime <= above.lookup(entry.path).mtime, number
    assert placed_ones > ROUNDS // 4


def list_of(tree: Tree) -> list[Listed]:
    return [Listed(name, node) for name, node in tree.walk()]
