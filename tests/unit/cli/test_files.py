"""`ocitool.cli.files`: one file of an image, for programs."""

from ocitool.cli.files import file_tree
from ocitool.model.files import FileKind
from ocitool.rootfs.tree import Node
from tests.fakes.layers import stored, tar

_, MANIFEST = stored(tar(("a", "1")), tar(("b", "2")))


def test_a_file_names_its_layer_and_has_its_attributes_in_hexadecimal():
    node = Node(FileKind.FILE, 0o644, 1, 2, size=3, xattrs=(("security.capability", b"\x01\0"),), layer=1)

    tree = file_tree("b\x1b", node, MANIFEST)

    assert "b\\x1b" == tree["path"]
    assert {"security.capability": "0100"} == tree["xattrs"]
    assert str(MANIFEST.layers[1].digest) == tree["layer"]
    assert [] == [key for key in ("link", "device") if key in tree]


def test_a_directory_that_no_layer_has_names_none():
    tree = file_tree("", Node(FileKind.DIRECTORY), MANIFEST)

    assert ("directory", "0755") == (tree["kind"], tree["mode"])
    assert [] == [key for key in ("layer", "xattrs") if key in tree]


def test_a_device_has_its_numbers_and_a_link_its_text():
    assert [1, 3] == file_tree("null", Node(FileKind.CHAR, device=(1, 3), layer=0), MANIFEST)["device"]
    assert "../x" == file_tree("l", Node(FileKind.SYMLINK, link="../x", layer=0), MANIFEST)["link"]
