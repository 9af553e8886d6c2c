"""Each line of a difference with what asked for it."""

import json

import pytest

from ocitool.change.difference import difference
from ocitool.change.reason import ChangeReason, explained
from ocitool.model.document import Document

INDEX = "application/vnd.oci.image.index.v1+json"
A, B, NEW = (f"sha256:{letter * 64}" for letter in "abc")


def index(*entries, **more):
    return Document(json.dumps({"schemaVersion": 2, "manifests": list(entries)} | more).encode(), INDEX)


def entry(digest, architecture="amd64", **more):
    platform = {"os": "linux", "architecture": architecture}
    return {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "platform": platform,
    } | more


@pytest.fixture
def whys():
    """`whys(before, after, reasons)`: for each line of the difference, the words in brackets."""

    def call(before, after, *reasons):
        return {
            change.text().split("  [")[0]: change.why
            for change in explained(difference(before, after), before, after, reasons)
        }

    return call


def test_a_field_is_explained_by_the_reason_for_that_field(whys):
    size = ChangeReason("size", ("child-size",), frozenset({A}), frozenset({"size"}))
    other = ChangeReason("type", ("child-type",), frozenset({A}), frozenset({"mediaType"}))

    told = whys(index(entry(A, size=1)), index(entry(A, size=2)), size, other)

    assert {"~ linux/amd64 size  1 → 2": ("child-size",)} == told


def test_a_replaced_entry_is_known_by_its_old_and_its_new_digest(whys):
    because = ChangeReason("x", ("config/no-platform",), frozenset({A, NEW}), frozenset({"digest"}))

    told = whys(index(entry(A)), index(entry(NEW)), because)

    assert [("config/no-platform",)] == list(told.values())


def test_a_removed_entry_is_explained_and_its_neighbour_is_not(whys):
    told = whys(
        index(entry(A), entry(B, "arm64")),
        index(entry(B, "arm64", size=1)),
        ChangeReason("x", ("gone",), frozenset({A})),
    )

    assert [("gone",), ()] == list(told.values())


def test_an_entry_that_came_as_a_whole_has_the_reasons_of_its_fields(whys):
    because = ChangeReason("x", ("wrong",), frozenset({A, NEW}), frozenset({"platform"}))

    told = whys(index(entry(A)), index(entry(NEW, "arm64")), because)

    assert [("wrong",), ("wrong",)] == list(told.values())


def test_an_entry_that_moves_alone_does_so_since_others_come_and_go(whys):
    came = ChangeReason("x", ("index add",), frozenset({NEW}))
    others = (
        ChangeReason("x", ("sizes",), frozenset({NEW}), frozenset({"size"})),
        ChangeReason("x", ("of all",), keys=frozenset({"annotations"})),
    )

    told = whys(
        index(entry(A), entry(B, "arm64")), index(entry(B, "arm64"), entry(NEW, "s390x"), entry(A)), came, *others
    )

    assert ["↕", "+", "↕"] == [line[0] for line in told]
    assert [("index add",)] * 3 == list(told.values())


def test_the_document_itself(whys):
    told = whys(index(), index(mediaType=INDEX), ChangeReason("x", ("no-type",), keys=frozenset({"mediaType"})))

    assert {f"+ mediaType  {INDEX}": ("no-type",)} == told


def test_lines_without_a_reason_have_none(whys):
    assert {'+ annotations  {"a": "b"}': ()} == whys(index(), index(annotations={"a": "b"}))


def test_as_text_and_json():
    because = ChangeReason("one thing becomes another", ("a/b", "--flag"))

    assert "one thing becomes another  [a/b, --flag]" == because.line()
    assert {"text": "one thing becomes another", "why": ["a/b", "--flag"]} == because.to_tree()
    assert "bare" == ChangeReason("bare").line()
