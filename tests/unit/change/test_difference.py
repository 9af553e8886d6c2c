"""Differences between documents, as values and as lines."""

import pytest

from ocitool.change.difference import Change, difference
from ocitool.errors import MalformedDocument
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor


def entry(text, platform=None, **annotations):
    return Descriptor(
        mediatype.OCI_MANIFEST,
        Digest.of(text.encode()),
        7,
        Platform.parse(platform) if platform else None,
        annotations=annotations,
    )


def index(*entries, **annotations):
    return compose.index(Family.OCI, entries, annotations)


AMD, ARM = entry("amd", "linux/amd64"), entry("arm", "linux/arm64")


def test_equal_documents_do_not_differ():
    assert () == difference(index(AMD), index(AMD))


def test_replaced_image_is_one_line_old_and_new():
    """K017: replacing a platform says old -> new."""
    new = entry("amd 2", "linux/amd64")

    [change] = difference(index(AMD, ARM), index(new, ARM))

    assert Change("changed", "/manifests/0/digest", "linux/amd64", str(AMD.digest), str(new.digest)) == change
    assert f"~ linux/amd64 digest  {AMD.digest.short} → {new.digest.short}" == change.text()


def test_replacement_is_recognised_after_normalising():
    """K001: arm64 and arm64/v8 are one platform."""
    new = entry("arm 2", "linux/arm64/v8")

    kinds = [(change.kind, change.pointer) for change in difference(index(AMD, ARM), index(AMD, new))]

    assert [("changed", "/manifests/1/digest"), ("added", "/manifests/1/platform/variant")] == kinds


def test_added_and_removed_entries_are_named_by_platform():
    lines = [change.text() for change in difference(index(AMD), index(ARM))]

    assert [f"- linux/amd64  {AMD.digest.short}", f"+ linux/arm64  {ARM.digest.short}"] == lines


def test_moved_entry_is_neither_removed_nor_added():
    changes = difference(index(AMD, ARM), index(ARM, AMD))

    assert {"moved"} == {change.kind for change in changes}


def test_removing_an_entry_does_not_move_the_rest():
    kinds = [change.kind for change in difference(index(AMD, ARM), index(ARM))]

    assert ["removed"] == kinds


def test_attestation_is_named_after_its_image():
    annotations = {ATTESTATION: "attestation-manifest", ATTESTED: str(AMD.digest)}
    attestation = entry("att", **annotations)

    [change] = difference(index(AMD), index(AMD, attestation))

    assert f"attestation of {AMD.digest.short}" == change.label


def test_annotations_are_compared_one_by_one():
    lines = [change.text() for change in difference(index(a="1", b="1"), index(b="2", c="3"))]

    assert ["- annotations/a  1", "~ annotations/b  1 → 2", "+ annotations/c  3"] == lines


def test_everything_of_a_new_document_is_added():
    kinds = {change.kind for change in difference(None, index(AMD))}

    assert {"added"} == kinds


def test_pointer_escapes_slashes():
    [change] = difference(index(), index(**{"org.example/a~b": "1"}))

    assert ("/annotations", {"org.example/a~b": "1"}) == (change.pointer, change.after)
    [change] = difference(index(x="1"), index(x="1", **{"a/b~c": "1"}))
    assert "/annotations/a~1b~0c" == change.pointer


@pytest.mark.parametrize(
    "entry",
    [3, None, {}, {"platform": 3, "digest": "x"}, {"annotations": [], "digest": "sha256:1"}, {"platform": {}}],
)
def test_entries_of_any_shape_are_compared(entry):
    """A difference is asked for before anything is judged, so nothing in a list makes it fail."""
    broken = index().edit(lambda tree: tree["manifests"].append(entry))

    [change] = difference(index(), broken)

    assert ("added", entry) == (change.kind, change.after)
    assert change.text().startswith("+ ")


def test_list_that_is_gone_removes_its_entries():
    gone = index(AMD).edit(lambda tree: tree.pop("manifests"))

    assert [f"- linux/amd64  {AMD.digest.short}"] == [change.text() for change in difference(index(AMD), gone)]


def test_long_values_are_shortened():
    changes = difference(index(), index().edit(lambda tree: tree.update(x=["y" * 50] * 9)))

    assert changes[0].text().endswith("…")
    assert len(changes[0].text()) < 140


def test_only_objects_can_be_compared():
    with pytest.raises(MalformedDocument, match="objects"):
        difference(Document(b"[]", ""), None)
