"""What the store in memory adds to the contract that every store keeps."""

import pytest

from ocitool.errors import NotFound
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import referrers_among
from ocitool.store.memory import MemoryStore

DOCUMENT = compose.index(Family.OCI, (), {"a": "b"})


def test_a_document_gets_the_type_it_says_it_has():
    store = MemoryStore()
    store.put_manifest(Document(DOCUMENT.raw, "application/json"), "v1")

    assert mediatype.OCI_INDEX == store.head("v1").media_type


def test_tags_are_sorted_and_an_empty_one_is_none():
    store = MemoryStore()
    store.put_manifest(DOCUMENT, "b", "a", "")

    assert ["a", "b"] == list(store.tags())


def test_deleting_a_tag_or_a_manifest():
    store = MemoryStore("reg.test/app")
    store.put_manifest(DOCUMENT, "a", "b")
    store.delete("a")
    assert ["b"] == list(store.tags())
    store.delete(str(DOCUMENT.digest))
    assert [] == list(store.tags())
    with pytest.raises(NotFound, match=r"reg\.test/app"):
        store.delete("b")


def test_an_aborted_write_is_forgotten():
    store = MemoryStore()
    ingest = store.ingest()
    ingest.write(b"x")
    ingest.abort()

    assert not store.has_blob(Descriptor("x", Digest.of(b"x"), 1))


def test_referrers_are_described_as_the_api_lists_them():
    subject = Descriptor.of(DOCUMENT)
    config = Descriptor("application/vnd.test.config", Digest.of(b"{}"), 2)
    referrer = compose.manifest(
        Family.OCI, Descriptor(mediatype.OCI_CONFIG, Digest.of(b"{}"), 2), [], {"k": "v"}
    ).edit(lambda tree: tree.update(subject=subject.to_tree(), config=config.to_tree()))

    (found,) = referrers_among([DOCUMENT, referrer], DOCUMENT.digest)

    assert (referrer.digest, "application/vnd.test.config", {"k": "v"}) == (
        found.digest,
        found.artifact_type,
        dict(found.annotations),
    )
    assert [] == referrers_among([referrer], Digest.of(b"other"))
