"""The fallback index of referrers: extended without losing anything, and only where it is needed."""

import json

import pytest

from ocitool.errors import Conflict, MalformedDocument
from ocitool.graph import referrers
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.reference import referrers_tag
from ocitool.model.views import Descriptor
from ocitool.store.base import Stored, Traits
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope

SUBJECT = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"subject"), 7)
TAG = f"sha256-{SUBJECT.digest.hex}"


def artifact(text, **annotations):
    """A manifest about the subject."""
    config = Descriptor("application/vnd.example.sbom+json", Digest.of(b"{}"), 2)
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "config": config.to_tree(), "layers": []}
    tree |= {"subject": SUBJECT.to_tree(), "annotations": {"text": text, **annotations}}
    return Document(json.dumps(tree).encode(), mediatype.OCI_MANIFEST)


class Old(MemoryStore):
    """A registry without the referrers API, where somebody else may write between our calls."""

    traits = Traits(referrers="tag")

    def __init__(self):
        super().__init__("reg.test/app")
        self.after_put = []

    def put_manifest(self, document, *tags, expect=None):
        stored = super().put_manifest(document, *tags)
        if TAG in tags and self.after_put:
            self.after_put.pop(0)()
        return Stored(stored.descriptor, subject_indexed=False)


class Quick(Scope):
    """A scope that does not wait."""

    def sleep(self, seconds):
        pass


@pytest.fixture
def store():
    return Old()


def listed(store):
    return [entry.digest for entry in referrers.read_fallback(store, SUBJECT.digest)]


def test_store_that_lists_by_itself_gets_no_tag():
    """K131: with OCI-Subject in the answer nothing more is done."""
    store = MemoryStore()

    referrers.put_referrer(store, artifact("a"), scope=Quick())

    assert [] == list(store.tags())
    assert [artifact("a").digest] == [d.digest for d in store.referrers(SUBJECT.digest)]


def test_fallback_is_made_with_type_and_annotations(store):
    """K131: the tag sha256-<hex> holds an index with the entry."""
    referrers.put_referrer(store, artifact("a", k="v"), scope=Quick())

    [entry] = referrers.read_fallback(store, SUBJECT.digest)
    assert ("application/vnd.example.sbom+json", {"text": "a", "k": "v"}) == (
        entry.artifact_type,
        dict(entry.annotations),
    )
    assert [TAG] == list(store.tags())


def test_fallback_is_extended_without_losing_entries(store):
    """K131: an existing index keeps its entry."""
    referrers.put_referrer(store, artifact("a"), scope=Quick())
    referrers.put_referrer(store, artifact("b"), scope=Quick())

    assert [artifact("a").digest, artifact("b").digest] == listed(store)


def test_same_referrer_twice_is_listed_once(store):
    referrers.put_referrer(store, artifact("a"), scope=Quick())
    referrers.put_referrer(store, artifact("a"), scope=Quick())

    assert [artifact("a").digest] == listed(store)


def test_entry_lost_to_another_writer_is_written_again(store):
    """K037: a lost update is seen and made up for, and theirs stays."""
    other = compose.index(Family.OCI, [referrers.referrer_entry(artifact("theirs"))])
    store.after_put.append(lambda: MemoryStore.put_manifest(store, other, TAG))

    referrers.put_referrer(store, artifact("ours"), scope=Quick())

    assert [artifact("theirs").digest, artifact("ours").digest] == listed(store)


def test_endless_fight_ends_in_conflict(store):
    other = compose.index(Family.OCI, [])
    store.after_put += [lambda: MemoryStore.put_manifest(store, other, TAG)] * referrers.ATTEMPTS

    with pytest.raises(Conflict):
        referrers.put_referrer(store, artifact("ours"), scope=Quick())


def test_fallback_tag_that_holds_an_image_is_not_overwritten(store):
    store.put_manifest(artifact("x"), TAG)

    with pytest.raises(MalformedDocument, match="no index of referrers"):
        referrers.put_referrer(store, artifact("a"), scope=Quick())


def test_dropped_referrer_leaves_the_rest(store):
    referrers.put_referrer(store, artifact("a"), scope=Quick())
    referrers.put_referrer(store, artifact("b"), scope=Quick())

    referrers.drop_referrer(store, SUBJECT.digest, artifact("a").digest, scope=Quick())

    assert [artifact("b").digest] == listed(store)


def test_dropping_where_there_is_no_fallback_writes_nothing(store):
    referrers.drop_referrer(store, SUBJECT.digest, artifact("a").digest, scope=Quick())

    assert [] == list(store.tags())


def test_tags_of_long_digests_are_cut():
    """The schema allows 32 characters of algorithm and 64 of the rest."""
    digest = Digest.of(b"x", "sha512")

    assert f"sha512-{digest.hex[:64]}" == referrers_tag(digest)
    assert "sha256-b64u-LCa0" == referrers_tag(Digest("sha256+b64u:LCa0"))


def test_index_can_refer_too(store):
    """An index with a subject is listed by its own artifact type."""
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "artifactType": "application/x", "manifests": []}
    document = Document(json.dumps(tree | {"subject": SUBJECT.to_tree()}).encode(), mediatype.OCI_INDEX)

    referrers.put_referrer(store, document, scope=Quick())

    assert ["application/x"] == [e.artifact_type for e in referrers.read_fallback(store, SUBJECT.digest)]


def test_what_cannot_be_read_is_no_referrer():
    with pytest.raises(MalformedDocument, match="no manifest that can refer"):
        referrers.referrer_entry(Document(b"{}", "application/x"))


def test_store_that_compares_is_asked_again_after_a_conflict():
    """The fallback of a store with its own comparison: no settling, one more round."""

    class Comparing(MemoryStore):
        others = 1

        def put_manifest(self, document, *tags, expect=None):
            if tags and self.others:
                self.others -= 1
                theirs = compose.index(Family.OCI, [referrers.referrer_entry(artifact("theirs"))])
                super().put_manifest(theirs, TAG)
            return Stored(super().put_manifest(document, *tags, expect=expect).descriptor, subject_indexed=False)

    store = Comparing("reg.test/app")
    referrers.put_referrer(store, artifact("ours"), scope=Quick())

    assert [artifact("theirs").digest, artifact("ours").digest] == listed(store)
