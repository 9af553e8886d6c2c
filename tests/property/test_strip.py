"""Layers put together at random, out of which a path is taken: it is in none of them, and all else is as it was.

The seed is fixed, so that a failure comes again.
"""

import random

import pytest

from ocitool.codec.tar_reader import read_members
from ocitool.errors import MalformedDocument, UsageError
from ocitool.model.files import FileKind, ancestors
from ocitool.pack.entries import BytesContent
from ocitool.rootfs.strip import spliced, strip_layers
from ocitool.rootfs.tree import Listed, Tree
from tests.amounts import amount
from tests.fakes.layers import tar
from tests.property.test_squash import member, path

pytestmark = [pytest.mark.property]

IMAGES = amount(150, 8000)


def read(layers):
    """The listings of the layers, and each file's content by layer and offset."""
    rows, contents = [], {}
    for number, layer in enumerate(layers):
        listing = []
        for one in read_members([layer]):
            listing.append(Listed.of(one))
            contents[number, one.offset] = b"".join(one.pieces())
        rows.append(listing)
    return rows, contents


def seen(rows, contents):
    """Every path that is no directory, and what it is; each header of a hard link says more of all its names."""
    return {
        here: (node.kind, node.link, node.device)
        + ((contents[node.layer, node.offset],) if node.kind is FileKind.FILE else ())
        for here, node in Tree(rows).walk()
        if node.kind not in {FileKind.DIRECTORY, FileKind.HARDLINK}
    }


def below(gone, here):
    return gone in {here, *ancestors(here)}


def check_links(rows):
    """Raise MalformedDocument for a link that leads in a circle: engines differ in what is written through it."""
    for tree in Tree.growing([*rows, ()]):
        for here, node in tree.walk():
            if node.kind is FileKind.SYMLINK:
                tree.resolve(here)


def only(text):
    """What is meant is one path."""
    return {text: text.__eq__}


def test_what_is_taken_out_is_in_no_layer_and_all_else_is_as_it_was():
    dice = random.Random(7)
    compared = found = promoted = 0
    for number in range(IMAGES):
        layers = [tar(*(member(dice) for _ in range(dice.randint(1, 8)))) for _ in range(dice.randint(1, 4))]
        try:
            rows, contents = read(layers)
            named = [
                row.node.link or row.path
                for listing in rows
                for row in listing
                if row.node.kind is not FileKind.SYMLINK
            ]
            gone = dice.choice([path(dice), *named])
            before = seen(rows, contents)
            check_links(rows)
            stripped, matched = strip_layers(rows, only(gone))
        except (MalformedDocument, UsageError):
            continue
        after = []
        for layer, without in zip(layers, stripped, strict=True):
            for cut in without.cuts:
                if cut.entry is not None and cut.entry.kind is FileKind.FILE:
                    object.__setattr__(cut.entry, "content", BytesContent(contents[cut.inode]))
            pieces = [layer[at : at + 700] for at in range(0, len(layer), 700)]
            after.append(b"".join(spliced(pieces, without.cuts)))
            if not without.cuts:
                assert layer == after[-1]

        rows, contents = read(after)

        result = seen(rows, contents)
        assert {here: one for here, one in before.items() if not below(gone, here)} == result, number
        assert bool(matched) == any(without.gone for without in stripped)
        compared += 1
        found += bool(matched)
        promoted += any(without.promoted for without in stripped)
    assert compared > IMAGES * 0.8
    assert found > IMAGES * 0.2
    assert promoted > IMAGES * 0.01
