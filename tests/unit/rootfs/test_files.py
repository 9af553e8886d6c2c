"""Layers over layers: what is hidden, replaced and taken away."""

import pytest

from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry, whiteout
from ocitool.rootfs.files import Later, Layered, is_unread

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


class Read:
    """An image that tells whether somebody looked into it."""

    def __init__(self, *entries):
        self.times = 0
        self.files = Later(self._read)
        self._entries = entries

    def _read(self):
        self.times += 1
        return Layered(self._entries)


def test_an_image_is_read_when_somebody_looks_and_once():
    image = Read(folder("etc"), file("etc/a"), Entry("link", FileKind.SYMLINK, link="etc"))
    tree = Layered((file("b"),), image.files)

    assert is_unread(tree)
    assert (FileKind.DIRECTORY, None) == (image.files.kind_at(""), image.files.link_at(""))
    assert not image.times
    assert "b" == tree.get("b").path
    assert tree.lookup("link/a") is not None
    assert ("a",) == tree.names("etc")
    assert FileKind.SYMLINK is image.files.kind_at("link")
    assert "etc" == image.files.link_at("link")
    assert 1 == image.times
    assert not is_unread(tree)


def test_any_number_of_layers_stands_over_an_image_that_is_not_read():
    image = Read(folder("d"), file("d/below"))
    tree = image.files
    for number in range(3000):
        tree = Layered((folder("d"), file(f"d/{number}")), tree)

    assert is_unread(tree)
    assert not image.times
    assert 3001 == len(tree.names("d"))
    assert 1 == image.times
    assert not is_unread(tree)


def test_what_is_no_image_is_never_unread():
    assert not is_unread(None)
    assert not is_unread(Layered((file("a"),)))
