"""Layers put together at random and squashed from any of them on: over what is below, the files are the same.

The seed is fixed, so that a failure comes again.
"""

import random

import pytest

from ocitool.errors import MalformedDocument
from ocitool.model.files import FileKind
from ocitool.rootfs.extract import export_tar, layer_contents
from ocitool.rootfs.tree import Tree, list_layer, read_file
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.fakes.layers import stored, tar

pytestmark = [pytest.mark.property]

NAMES = ["a", "b", "c", "d"]
IMAGES = amount(80, 8000)


def path(dice):
    return "/".join(dice.choices(NAMES, k=dice.randint(1, 3)))


def member(dice):
    """A file, a directory, a link, a hard link, a device, a pipe, or what takes one of these away."""
    here = path(dice)
    says = {
        "uid": dice.randrange(3),
        "mtime": dice.randrange(3),
        "mode": dice.choice([0o600, 0o4755]),
        "pax_headers": dice.choice([{}, {"SCHILY.xattr.user.a": "b"}]),
    }
    above, _, name = here.rpartition("/")
    kinds = (
        (here, str(dice.randrange(100)) * dice.randrange(3), says),
        (f"{here}/", dice.choice(["755", "700"])),
        (here, f"-> {dice.choice(['', '/', '../'])}{path(dice)}"),
        (here, f"= {path(dice)}", says),
        (here, dice.choice(["c 1 3", "p"]), says),
        (f"{above}/.wh.{name}".lstrip("/"), ""),
        (f"{above}/.wh..wh..opq".lstrip("/"), ""),
    )
    return dice.choices(kinds, weights=(6, 3, 2, 3, 1, 2, 1))[0]


def listings(store, manifest):
    return [list_layer(store, layer, None, scope=Scope()) for layer in manifest.layers]


def seen(store, manifest, tree, left_out=()):
    """Every path with all that a container sees of it."""
    found = {}
    for here, node in tree.walk():
        if here in left_out:
            continue
        data = b""
        if node.kind is FileKind.FILE:
            # By the place and not by the path: a lookup would follow links.
            data = b"".join(read_file(store, manifest, At(node), here, scope=Scope()))
        found[here] = (
            node.kind,
            node.mode,
            node.uid,
            node.gid,
            node.mtime,
            node.link,
            node.xattrs,
            node.device,
            data,
        )
    return found


class At:
    """A tree in which every path is one file."""

    def __init__(self, node):
        self.parts = {}
        self._node = node

    def lookup(self, path):
        return self._node


def test_over_what_is_below_a_squashed_layer_gives_the_same_files():
    dice = random.Random(5)
    compared = 0
    for number in range(IMAGES):
        layers = [tar(*(member(dice) for _ in range(dice.randint(1, 8)))) for _ in range(dice.randint(1, 4))]
        store, manifest = stored(*layers)
        try:
            rows = listings(store, manifest)
            tree = Tree(rows)
        except MalformedDocument:
            continue
        below = dice.randrange(len(layers))
        what = layer_contents(tree, Tree(rows[:below]))
        one = b"".join(export_tar(store, manifest, tree, what, scope=Scope()))
        after_store, after = stored(*layers[:below], one)

        result = Tree(listings(after_store, after))

        assert seen(store, manifest, tree, what.left_out) == seen(after_store, after, result), number
        compared += 1
    assert compared > IMAGES * 0.9
