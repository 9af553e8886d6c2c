"""Which stretches of layers go with a path, what stands in their place, and the tar without them."""

from dataclasses import replace

import pytest

from ocitool.codec.tar_reader import read_members
from ocitool.errors import UsageError
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent
from ocitool.rootfs.strip import spliced, strip_layers
from ocitool.rootfs.tree import Listed
from tests.fakes.layers import tar


def listings(*layers):
    return [[Listed.of(one) for one in read_members([layer])] for layer in layers]


def strip(*layers, path, beside=None):
    """What goes of each layer with this path."""
    return strip_layers(listings(*layers), {path: path.__eq__}, beside)[0]


def without(layer, stripped, content=b""):
    """The members of the layer that is left, files in the place of others with this content."""
    cuts = [
        replace(cut, entry=replace(cut.entry, content=BytesContent(content)))
        if cut.entry is not None and cut.entry.kind is FileKind.FILE
        else cut
        for cut in stripped.cuts
    ]
    return list(read_members([b"".join(spliced([layer], cuts))]))


def test_members_that_stay_keep_their_bytes():
    layer = tar(("a", "x" * 600, {"uname": "somebody", "pax_headers": {"comment": "own"}}), ("b", "y"), ("c", "z"))
    second, third = (row.node.offset for row in listings(layer)[0][1:])

    (first,), (last,) = (strip(layer, path=path) for path in "ac")

    assert layer[second:] == b"".join(spliced([layer], first.cuts))
    assert layer[:third] + bytes(1024) == b"".join(spliced([layer], last.cuts))


@pytest.mark.parametrize("size", [1, 7, 512, 513, 100_000])
def test_the_pieces_of_the_tar_make_no_difference(size):
    layer = tar(("a", "x" * 600), ("b", "y" * 600), ("c", "z"), ("d", "= b"))
    (found,) = strip(layer, path="b")
    cuts = [
        replace(cut, entry=cut.entry and replace(cut.entry, content=BytesContent(b"new"))) for cut in found.cuts
    ]
    pieces = [layer[at : at + size] for at in range(0, len(layer), size)]

    assert b"".join(spliced([layer], cuts)) == b"".join(spliced(pieces, cuts))


def test_no_whiteout_is_left_of_what_goes():
    layers = tar(("d/a", ""), ("d/b", "")), tar(("d/.wh.a", ""), ("d/.wh..wh..opq", ""), ("d/.wh.c", ""))

    assert [("d/a", "d/b"), ("d/.wh.a", "d/.wh..wh..opq", "d/.wh.c")] == [
        one.gone for one in strip(*layers, path="d")
    ]
    assert [("d/a",), ("d/.wh.a",)] == [one.gone for one in strip(*layers, path="d/a")]


def test_what_a_layer_says_of_the_root_stays():
    layer = tar(("./", "700"), ("a", "x"))

    (stripped,) = strip(layer, path="a")

    assert [("", 0o700)] == [(one.path, one.mode) for one in without(layer, stripped)]


def test_the_first_name_that_stays_is_the_file_and_the_others_are_links_to_it():
    says = {"mode": 0o4755, "uid": 7, "gid": 8, "mtime": 9, "pax_headers": {"SCHILY.xattr.user.a": "b"}}
    layer = tar(("a", "data"), ("gone", "= a"), ("b", "= a", says), ("c", "= gone", {"mtime": 5}), ("d", "= b"))

    (stripped,) = strip_layers(listings(layer), {"": {"a", "gone"}.__contains__})[0]
    first, *others = without(layer, stripped, b"data")

    assert (("a", "gone"), ("b",)) == (stripped.gone, stripped.promoted)
    assert ("b", FileKind.FILE, 4, 0o4755, 7, 8, 9) == (
        *(first.path, first.kind, first.size),
        *(first.mode, first.uid, first.gid, first.mtime),
    )
    assert (("user.a", b"b"),) == first.xattrs
    assert [("c", "b", 5), ("d", "b", 0)] == [(one.path, one.link, one.mtime) for one in others]
    assert {(0, 0)} == {cut.inode for cut in stripped.cuts if cut.entry is not None}
    assert [4] == [cut.size for cut in stripped.cuts if cut.entry is not None and cut.entry.kind is FileKind.FILE]


def test_a_name_that_another_file_has_by_then_is_no_name_of_the_file():
    layer = tar(("a", "data"), ("b", "= a"), ("b", "other"), ("c", "= a"))

    (stripped,) = strip(layer, path="a")

    assert [("b", FileKind.FILE), ("b", FileKind.FILE), ("c", FileKind.FILE)] == [
        (one.path, one.kind) for one in without(layer, stripped)
    ]


def test_a_link_to_a_lower_layer_becomes_the_file_of_that_layer():
    layers = tar(("x", ""), ("a", "data")), tar(("b", "= a"), ("c", "= a"))

    below, above = strip(*layers, path="a")

    assert (("a",), ("b",)) == (below.gone, above.promoted)
    assert {(0, listings(*layers)[0][1].node.offset)} == {cut.inode for cut in above.cuts}
    assert [("b", ""), ("c", "b")] == [(one.path, one.link) for one in without(layers[1], above, b"data")]


@pytest.mark.parametrize(
    ("what", "kind", "link", "device"),
    [
        ("-> x", FileKind.SYMLINK, "x", (0, 0)),
        ("c 1 3", FileKind.CHAR, "", (1, 3)),
        ("p", FileKind.FIFO, "", (0, 0)),
    ],
)
def test_a_link_to_what_is_no_file_becomes_that(what, kind, link, device):
    layer = tar(("a", what), ("b", "= a"))

    (stripped,) = strip(layer, path="a")

    assert [("b", kind, link, device)] == [
        (one.path, one.kind, one.link, one.device) for one in without(layer, stripped)
    ]


def test_links_to_nothing_and_to_what_stays_are_left_alone():
    layer = tar(("a", "data"), ("b", "= nothing"), ("c", "= a"), ("d", "gone"))

    (stripped,) = strip(layer, path="d")

    assert (("d",), ()) == (stripped.gone, stripped.promoted)
    assert 1 == len(stripped.cuts)


def test_a_file_is_where_links_led_when_it_was_laid():
    base, through = tar(("usr/lib/x", ""), ("lib", "-> usr/lib")), tar(("lib/a", ""))
    replaced = tar(("lib/", ""), ("lib/a", ""))

    found = [[one.gone for one in strip(base, through, replaced, path=path)] for path in ("usr/lib/a", "lib/a")]

    assert [[(), ("lib/a",), ()], [(), (), ("lib/a",)]] == found


def test_a_link_that_a_layer_writes_through_does_not_go_alone():
    base, through = tar(("d/x", ""), ("c", "-> d"), ("b", "-> c")), tar(("b/a", ""))

    for link in "bc":
        with pytest.raises(UsageError) as refused:
            strip(base, through, path=link)
        assert f"/{link} is a link that a layer writes /d/a through" in str(refused.value)
    assert [("d/x",), ("b/a",)] == [one.gone for one in strip(base, through, path="d")]


def test_what_a_directory_without_a_name_had_hidden_stays_hidden():
    layers = (
        tar(
            ("a", "file"),
        ),
        tar(("a/b/c", ""), ("d", "")),
    )

    _, above = strip(*layers, path="a/b/c")

    assert [("a", FileKind.DIRECTORY), ("d", FileKind.FILE)] == [
        (one.path, one.kind) for one in without(layers[1], above)
    ]
    assert ("a/b/c",) == above.gone
    assert [(), ()] == [one.promoted for one in strip(*layers, path="a/b/c")]


def test_a_member_beside_goes_with_any_other_of_its_layer():
    layers = tar(("t", ""), ("a", "")), tar(("t", ""), ("b", ""))

    stripped = strip(*layers, path="a", beside="t")

    assert [[], ["t", "b"]] == [[one.path for one in without(*both)] for both in zip(layers, stripped, strict=True)]
    assert [("a",), ()] == [one.gone for one in stripped]
    assert not any(one.gone for one in strip(*layers, path="nothing", beside="t"))


def test_what_matched_is_told_for_each_of_several():
    matches = {"one": "a".__eq__, "two": "a".__eq__, "three": "b".__eq__}

    _, found = strip_layers(listings(tar(("a", ""), ("c", ""))), matches)

    assert {"one", "two"} == found
