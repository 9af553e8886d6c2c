"""Sources of blobs, what refers to what, and what stands for a deleted tag."""

import pytest

from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_INDEX, OCI_MANIFEST
from ocitool.model.views import Descriptor
from ocitool.store.base import Pieces, StoreSource, referrers_among
from ocitool.store.placeholder import SIZE_LIMIT, placeholder, stands_for
from tests.fakes.sick import Ward

HELD = Digest.of(b"held")


def test_a_source_in_no_store_is_a_mistake():
    with pytest.raises(ValueError, match="needs its store"):
        StoreSource(Descriptor("a/b", HELD, 4), None).open()


def test_a_stream_is_closed_where_it_can_be():
    closed = []

    def pieces():
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(1)

    with Pieces(pieces) as stream:
        assert b"a" == next(stream)
    with Pieces(lambda: [b"c"]) as other:
        assert [b"c"] == list(other)

    assert [1] == closed


def test_whatever_has_a_subject_refers_to_it():
    subject = Descriptor(OCI_MANIFEST, HELD, 4).to_tree()
    index = {"schemaVersion": 2, "artifactType": "b/index", "manifests": [], "subject": subject}
    manifest = {
        "schemaVersion": 2,
        "artifactType": "b/manifest",
        "config": subject,
        "layers": [],
        "subject": subject,
    }
    other = {"artifactType": "b/other", "subject": subject}
    documents = [
        Ward.document(tree, kind)
        for tree, kind in ((index, OCI_INDEX), (manifest, OCI_MANIFEST), (other, "application/vnd.test+json"))
    ]

    found = referrers_among([*documents, Ward.document({**index, "subject": None}, OCI_INDEX)], HELD)

    assert [(one.digest, kind) for one, kind in zip(documents, ("b/index", "b/manifest", ""), strict=True)] == [
        (one.digest, one.artifact_type) for one in found
    ]


def test_only_a_small_manifest_stands_for_a_deleted_tag():
    document, _ = placeholder("v1", HELD)
    large = Document(document.raw + b" " * SIZE_LIMIT, OCI_MANIFEST)

    assert (HELD, None, None) == (stands_for(document), stands_for(large), stands_for(Document(b"{", OCI_MANIFEST)))
