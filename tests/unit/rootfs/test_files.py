"""Layers over layers: what is hidden, replaced and taken away."""

import pytest

from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry, whiteout
from ocitool.rootfs.files import Layered

OPAQUE = ".wh..wh..opq"


def folder(path):
    return Entry(path, FileKind.DIRECTORY, 0o755)


def file(path, data=b"x"):
    return Entry(path, FileKind.FILE, content=BytesContent(data))


def marker(path):
    return Entry(path, FileKind.FILE, 0)


def over(*layers):
    tree = None
    for layer in layers:
        tree = Layered(layer, tree)
    return sorted(tree.paths())


BASE = (folder("d"), file("d/a"), file("d/b"), folder("e"), file("e/c"))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([[whiteout("d/a")]], ["d", "d/b", "e", "e/c"]),
        ([[whiteout("d")]], ["e", "e/c"]),
        ([[whiteout("d"), folder("d"), file("d/n")]], ["d", "d/n", "e", "e/c"]),
        ([[folder("d"), marker(f"d/{OPAQUE}"), file("d/n")]], ["d", "d/n", "e", "e/c"]),
        ([[marker(f"d/{OPAQUE}")]], ["e", "e/c"]),
        ([[marker(OPAQUE), file("n")]], ["n"]),
        ([[whiteout("d")], [folder("d")]], ["d", "e", "e/c"]),
        ([[whiteout("d")], [folder("d"), file("d/a")]], ["d", "d/a", "e", "e/c"]),
        ([[file("d/n")], [whiteout("d")]], ["e", "e/c"]),
        ([[file("d/n")], [whiteout("d/n")], [file("e/m")]], ["d", "d/a", "d/b", "e", "e/c", "e/m"]),
        ([[whiteout("d/a")], [whiteout("d/b")], [file("d/a")]], ["d", "d/a", "e", "e/c"]),
        ([[whiteout("nothing")]], ["d", "d/a", "d/b", "e", "e/c"]),
    ],
)
def test_whiteouts_take_away_what_is_below(layers, expected):
    many = tuple(file(f"z{number}") for number in range(40))  # so large that no level becomes one with it

    assert expected == over(BASE, *layers)
    assert sorted([*expected, *(one.path for one in many)]) == over([*many, *BASE], *layers) or ["n"] == expected


def test_a_path_below_one_that_was_taken_away_is_not_found():
    tree = Layered([whiteout("d")], Layered(BASE))

    assert (None, None, ()) == (tree.get("d"), tree.get("d/a"), tree.names("d"))
