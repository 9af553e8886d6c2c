"""Documents: the bytes are the identity, an edit rewrites only what it changes."""

import json

import pytest

from ocitool.errors import MalformedDocument, UsageError
from ocitool.model.digest import Digest
from ocitool.model.document import COMPACT, PRETTY, Document, parse, write

ODD = (
    b'{\n   "schemaVersion": 2,\n   "mediaType": "application\\/vnd.oci.image.index.v1+json",\n'
    b'   "x-odd": {"b": 1.0, "a": 1e2, "n": 12345678901234567890123, "t": "\\u00e4 \xc3\xa4"},\n'
    b'   "manifests": [\n      {"digest": "sha256:1", "size": 1},\n      {\n         "digest": "sha256:2",\n'
    b'         "platform": { "os":"linux" , "architecture":"arm64" }\n      }\n   ],\n'
    b'   "annotations": {"\\u006Bey": "v\\/1"}\n}'
)
LAYOUTS = {
    "two spaces": b'{\n  "a": {\n    "b": 1\n  },\n  "c": [\n    1,\n    2\n  ]\n}',
    "four spaces and newline": b'{\n    "a": {\n        "b": 1\n    },\n    "c": [\n        1,\n        2\n    ]\n}\n',
    "tab": b'{\n\t"a": {\n\t\t"b": 1\n\t},\n\t"c": [\n\t\t1,\n\t\t2\n\t]\n}',
    "compact": b'{"a":{"b":1},"c":[1,2]}',
    "python": b'{"a": {"b": 1}, "c": [1, 2]}',
    "spaced colon": b'{\n "a" : {\n  "b" : 1\n },\n "c" : [\n  1,\n  2\n ]\n}',
    "windows lines": b'{\r\n  "a": {\r\n    "b": 1\r\n  },\r\n  "c": [\r\n    1,\r\n    2\r\n  ]\r\n}\r\n',
}


def edited(raw: bytes, change) -> bytes:
    return Document(raw, "").edit(change).raw


def replace(raw: bytes, old: bytes, new: bytes) -> bytes:
    """`raw` with its one `old` replaced: the smallest edit there is."""
    assert 1 == raw.count(old)
    return raw.replace(old, new)


def test_identity_is_that_of_the_bytes():
    document = Document(b"{}", "x")

    assert (Digest.of(b"{}"), 2) == (document.digest, document.size)
    assert document != Document(b"{ }", "x")


def test_edit_of_nothing_is_the_same_object():
    """K028: whatever the layout."""
    document = Document(ODD, "x")

    assert document.edit(lambda tree: None) is document
    assert document.edit(lambda tree: tree.update(schemaVersion=2)) is document


def test_true_one_and_one_point_zero_are_different_values():
    assert b'{"a":true}' == edited(b'{"a":1}', lambda tree: tree.update(a=True))
    assert b'{"a":1.0}' == edited(b'{"a":1}', lambda tree: tree.update(a=1.0))


def test_changing_one_value_changes_only_its_bytes():
    """K028: indentation, key order, escapes, numbers and unknown keys stay."""
    assert replace(ODD, b'"size": 1}', b'"size": 7}') == edited(
        ODD, lambda tree: tree["manifests"][0].update(size=7)
    )
    assert replace(ODD, b'"architecture":"arm64"', b'"architecture":"arm"') == edited(
        ODD, lambda tree: tree["manifests"][1]["platform"].update(architecture="arm")
    )
    assert replace(ODD, b'"v\\/1"', b'"w"') == edited(ODD, lambda tree: tree["annotations"].update(key="w"))
    assert replace(ODD, b'"b": 1.0', b'"b": 2') == edited(ODD, lambda tree: tree["x-odd"].update(b=2))


def test_new_values_stand_like_their_neighbours():
    assert replace(ODD, b'"architecture":"arm64" }', b'"architecture":"arm64" , "variant":"v8" }') == edited(
        ODD, lambda tree: tree["manifests"][1]["platform"].update(variant="v8")
    )
    assert replace(ODD, b'"v\\/1"}\n}', b'"v\\/1"},\n   "z": [\n      1\n   ]\n}') == edited(
        ODD, lambda tree: tree.update(z=[1])
    )


@pytest.mark.parametrize("raw", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_is_continued(raw):
    changed = edited(raw, lambda tree: tree["c"].append(3))

    assert parse(changed) == {"a": {"b": 1}, "c": [1, 2, 3]}
    assert raw == edited(changed, lambda tree: tree["c"].pop())


def test_removing_an_item_leaves_the_others_as_they_are():
    gone = b'      {"digest": "sha256:1", "size": 1},\n'

    assert replace(ODD, gone, b"") == edited(ODD, lambda tree: tree["manifests"].pop(0))


def test_items_that_move_keep_their_bytes():
    changed = edited(b'[{"a" : 1},{"b":2},{"c":  3}]', lambda tree: tree.reverse())

    assert b'[{"c":  3},{"b":2},{"a" : 1}]' == changed


def test_an_edited_item_keeps_its_layout_while_another_is_added():
    raw = b'[\n  { "a":1 },\n  { "b":2 }\n]'

    def change(tree):
        tree[1]["b"] = 3
        tree.append({"c": 4})

    assert b'[\n  { "a":1 },\n  { "b":3 },\n  {\n    "c":4\n  }\n]' == edited(raw, change)


def test_only_the_label_differs_after_adding_one():
    """K031: every other key of a config keeps value and order."""
    raw = json.dumps(
        {
            "variant": "v7",
            "os.features": ["x"],
            "config": {"Healthcheck": {"Test": ["NONE"]}, "OnBuild": ["RUN x"], "Labels": {"z": "1"}},
            "moby.buildkit.buildinfo.v1": "e30=",
            "architecture": "arm",
        },
        separators=(",", ":"),
    ).encode()

    assert replace(raw, b'{"z":"1"}', b'{"z":"1","a":"b"}') == edited(
        raw, lambda tree: tree["config"]["Labels"].update(a="b")
    )


def test_empty_containers_are_filled_and_emptied():
    assert b'{\n  "a": {\n    "b": []\n  }\n}' == edited(b'{\n  "a": {}\n}', lambda tree: tree["a"].update(b=[]))
    assert b'{"a":{}}' == edited(b'{"a":{"b":1}}', lambda tree: tree["a"].clear())


def test_non_ascii_is_written_as_the_document_writes_it():
    assert '{"a":"ä","b":"ö"}'.encode() == edited('{"a":"ä"}'.encode(), lambda tree: tree.update(b="ö"))
    assert b'{"a":"\\u00e4","b":"\\u00f6"}' == edited(b'{"a":"\\u00e4"}', lambda tree: tree.update(b="ö"))


def test_a_changed_media_type_is_the_documents_media_type():
    document = Document(b'{"mediaType":"a"}', "a").edit(lambda tree: tree.update(mediaType="b"))

    assert (b'{"mediaType":"b"}', "b") == (document.raw, document.media_type)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a":1,"a":2}', "duplicate key 'a'"),
        (b'{"a":{"b":1,"\\u0062":1}}', "duplicate key 'b'"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"{} {}", "byte 3"),
        (b"", "byte 0"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b"[" * 65 + b"]" * 65, "64 levels"),
        (b"[" * 1_000_000, "64 levels"),
        (b"[" + b"1" * 101 + b"]", "100 digits"),
        (b"{'a':1}", "byte 1"),
        (b'["\n"]', "byte 2"),
    ],
)
def test_parsing_is_strict(raw, said):
    with pytest.raises(MalformedDocument) as caught:
        parse(raw)

    assert said in str(caught.value)


def test_the_offset_counts_bytes_not_letters():
    with pytest.raises(MalformedDocument) as caught:
        parse('{"ä":x}'.encode())

    assert 6 == caught.value.offset


@pytest.mark.parametrize("item", [b"1", b"[]", b'{"a":1}'])
def test_more_values_than_memory_should_hold_are_refused(item):
    with pytest.raises(MalformedDocument, match="more than 2000000 values"):
        parse(b"[" + (item + b",") * 2_000_000 + b"0]")


def test_64_levels_and_brackets_in_strings_are_fine():
    assert parse(b"[" * 64 + b"]" * 64)
    assert ["[" * 100] == parse(b'["' + b"[" * 100 + b'"]')


@pytest.mark.parametrize(
    "raw", [b'"' + b'\\"' * 500_000, b'"' + b'\\"' * 500_000 + b"\\", b'"' + b"a" * 2_000_000 + b'"']
)
def test_long_strings_take_linear_time(raw):
    # Quadratic scanning took minutes for these; the suite's own patience is the bound.
    with pytest.raises(MalformedDocument):
        parse(raw + b"\x00")


def test_our_own_documents_have_one_layout():
    tree = {"b": [1, {"ä": True}], "a": {}}

    assert '{\n  "b": [\n    1,\n    {\n      "ä": true\n    }\n  ],\n  "a": {}\n}'.encode() == write(tree, "x").raw
    assert '{"b":[1,{"ä":true}],"a":{}}'.encode() == write(tree, "x", COMPACT).raw
    assert "  " == PRETTY.indent


def test_text_that_is_no_unicode_is_refused():
    """Arguments that are not UTF-8 reach us as lone surrogates."""
    with pytest.raises(UsageError, match="not Unicode"):
        write({"a": "\udcff"}, "x")
    with pytest.raises(UsageError, match="not Unicode"):
        edited('{"ä":1}'.encode(), lambda tree: tree.update(b="\udcff"))
