"""Copying between stores: order, what is skipped, what an error says, and what a dead copy leaves."""

import gzip
import json

import pytest

from ocitool.errors import Cancelled, NotFound, RegistryError
from ocitool.events import Advanced, Done, Started
from ocitool.graph.referrers import read_fallback
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Put, Stored, Traits
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.copies import copy


def image(store, text, *extra):
    """An image of a config and two layers, one of them the same in every image; in `store` if given."""
    descriptors = []
    for content, kind in (
        (text, mediatype.OCI_CONFIG),
        ("shared", mediatype.OCI_LAYER),
        (f"{text} layer", mediatype.OCI_LAYER),
    ):
        raw = content.encode()
        descriptors.append(Descriptor(kind, Digest.of(raw), len(raw)))
        store.put_blob(descriptors[-1], BytesSource(raw))
    document = compose.manifest(Family.OCI, descriptors[0], [*descriptors[1:], *extra])
    store.put_manifest(document)
    return document


class Watched(MemoryStore):
    """A target that remembers what it was given, in order."""

    def __init__(self):
        super().__init__("reg.test/target")
        self.log: list[str] = []
        self.refuses: Digest | None = None
        self.diagnostics: tuple[tuple[str, str, str], ...] = ()

    def put_blob(self, descriptor, source):
        put = super().put_blob(descriptor, source)
        self.log.append("blob" if put is Put.STORED else "blob there")
        return put

    def put_manifest(self, document, *tags, expect=None):
        if document.digest == self.refuses:
            raise RegistryError("refused", status=400, diagnostics=self.diagnostics)
        self.log.append("index" if mediatype.is_index(document.media_type) else "manifest")
        return super().put_manifest(document, *tags, expect=expect)


@pytest.fixture
def source():
    return MemoryStore("reg.test/source")


@pytest.fixture
def target():
    return Watched()


@pytest.fixture
def published(source):
    """An index `v1` of two images that share a layer."""
    images = [image(source, "a"), image(source, "b")]
    index = compose.index(Family.OCI, map(Descriptor.of, images))
    source.put_manifest(index, "v1")
    return index, images


def test_children_go_before_parents_and_shared_blobs_once(source, target, published):
    """K035, K052: five blobs, two manifests, the index, nothing else."""
    report = copy(source, "v1", target, "v2", scope=Scope())

    assert ["blob"] * 5 + ["manifest"] * 2 + ["index"] == target.log
    assert published[0] == target.get_manifest("v2")
    assert (5, 0, 3, 3) == (report.puts[Put.STORED], report.saved, report.manifests_sent, report.manifests)


def test_again_asks_and_sends_nothing(source, target, published):
    copy(source, "v1", target, "v2", scope=Scope())
    target.log.clear()

    report = copy(source, "v1", target, "v2", scope=Scope())

    assert ["blob there"] * 5 == target.log
    assert (0, 0, report.saved) == (
        report.sent,
        report.manifests_sent,
        sum(map(len, ("a", "shared", "a layer", "b", "b layer"))),
    )


def test_root_there_and_child_gone_is_refilled(source, target, published):
    """K034: that a manifest is there does not prove that its children are."""
    copy(source, "v1", target, "v2", scope=Scope())
    target.delete(str(published[1][0].digest))

    copy(source, "v1", target, "v2", scope=Scope())

    assert target.head(str(published[1][0].digest)) is not None


def test_trusted_root_is_believed(source, target, published):
    """K251: the report is of the one manifest that was looked at."""
    copy(source, "v1", target, "v2", scope=Scope())
    target.delete(str(published[1][0].digest))
    target.log.clear()

    report = copy(source, "v1", target, "v3", trust=True, scope=Scope())

    assert ["index"] == target.log
    assert (Descriptor.of(published[0]), 1, 0) == (report.root, report.manifests, report.manifests_sent)


def test_trust_without_the_root_copies_everything(source, target, published):
    copy(source, "v1", target, "v2", trust=True, scope=Scope())

    assert 5 == target.log.count("blob")


def test_foreign_layer_is_skipped_and_its_descriptor_kept(source, target):
    """K058: not fetched, not sent, urls kept."""
    foreign = Descriptor(mediatype.OCI_FOREIGN_GZIP, Digest.of(b"far"), 3, urls=("https://files.test/l.tgz",))
    document = image(source, "a", foreign)
    source.put_manifest(document, "v1")

    report = copy(source, "v1", target, "v1", scope=Scope())

    assert (foreign,) == report.skipped
    assert document == target.get_manifest("v1")


def test_foreign_layer_that_a_registry_wants_is_named(source, target):
    """K058: with where it is kept, and what to do."""
    foreign = Descriptor(mediatype.OCI_FOREIGN_GZIP, Digest.of(b"far"), 3, urls=("https://files.test/l.tgz",))
    document = image(source, "a", foreign)
    source.put_manifest(document, "v1")
    target.refuses, target.diagnostics = document.digest, (("MANIFEST_BLOB_UNKNOWN", "unknown", ""),)

    with pytest.raises(RegistryError, match="refused") as caught:
        copy(source, "v1", target, "v1", scope=Scope())

    kept = f"layer {foreign.digest} is foreign: it is kept at https://files.test/l.tgz and was not copied"
    assert kept in caught.value.__notes__
    assert "as blobs" in caught.value.hint


def test_dead_copy_leaves_the_tag_as_it_was(source, target, published):
    target.put_manifest(image(target, "old"), "v2")
    target.refuses = published[1][1].digest

    with pytest.raises(RegistryError) as caught:
        copy(source, "v1", target, "v2", scope=Scope())

    assert image(target, "old").digest == target.head("v2").digest
    assert ["at the destination"] == caught.value.__notes__


def test_missing_source_says_which_side(source, target):
    with pytest.raises(NotFound) as caught:
        copy(source, "v1", target, "v2", scope=Scope())

    assert (source.label, "no manifest v1 in reg.test/source") == (caught.value.where, str(caught.value))


def test_cancelled_scope_copies_nothing(source, target, published):
    scope = Scope()
    scope.cancel()

    with pytest.raises(Cancelled):
        copy(source, "v1", target, "v2", scope=scope)

    assert [] == target.log


def test_listener_hears_bytes_and_outcomes(source, target):
    source.put_manifest(image(source, "a"), "v1")
    heard = []

    copy(source, "v1", target, "v1", scope=Scope(), width=1, listener=heard.append)

    assert 14 == sum(e.size for e in heard if isinstance(e, Advanced))
    assert {"blob sha256:" + Digest.of(b"a").hex[:12], "blob sha256:" + Digest.of(b"shared").hex[:12]} <= {
        e.label for e in heard if isinstance(e, Started)
    }
    assert ["stored", "stored", "stored"] == [e.outcome for e in heard if isinstance(e, Done)]


def test_same_failure_is_noted_once(source, target, published):
    """A child and its parent fail for one reason: the note stands once."""
    error = RegistryError("refused", status=400)
    error.add_note("at the destination")

    class Refusing(Watched):
        def put_blob(self, descriptor, source):
            raise error

    with pytest.raises((RegistryError, ExceptionGroup)):
        copy(source, "v1", Refusing(), "v2", scope=Scope(), width=1)

    assert ["at the destination"] == error.__notes__


def test_two_blobs_of_one_tar_are_both_copied(source, target):
    """K053: what is the same uncompressed is not the same blob."""
    tar = b"the same tar" * 100
    blobs = [gzip.compress(tar, level, mtime=0) for level in (1, 9)]
    layers = [Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(blob), len(blob)) for blob in blobs]
    for layer, blob in zip(layers, blobs, strict=True):
        source.put_blob(layer, BytesSource(blob))
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"{}"), 2)
    source.put_blob(config, BytesSource(b"{}"))
    source.put_manifest(compose.manifest(Family.OCI, config, layers), "twice")

    copy(source, "twice", target, "twice", scope=Scope())

    assert blobs[0] != blobs[1]
    assert all(target.has_blob(layer) for layer in layers)


class Unlisting(MemoryStore):
    """A registry without the referrers API: what refers to an image is found by a tag only."""

    traits = Traits(referrers="tag")

    def put_manifest(self, document, *tags, expect=None):
        return Stored(super().put_manifest(document, *tags, expect=expect).descriptor, subject_indexed=False)

    def referrers(self, digest):
        return list(read_fallback(self, digest))


def about(subject, *, media_type=mediatype.OCI_MANIFEST):
    """A signature or index about `subject`."""
    below = {"config": Descriptor(mediatype.OCI_EMPTY, Digest.of(b"{}"), 2).to_tree(), "layers": []}
    below = {"manifests": []} if mediatype.is_index(media_type) else below
    tree = {"schemaVersion": 2, "mediaType": media_type, **below, "subject": Descriptor.of(subject).to_tree()}
    return Document(json.dumps(tree).encode(), media_type)


@pytest.mark.parametrize("media_type", [mediatype.OCI_MANIFEST, mediatype.OCI_INDEX])
@pytest.mark.parametrize("is_root", [True, False], ids=["copied itself", "below an index"])
def test_referrer_that_a_killed_copy_stored_and_did_not_list_is_listed(source, published, is_root, media_type):
    """K131: killed between the referrer and the tag by which it is found; the next copy finishes."""
    target = Unlisting()
    referrer = about(published[0], media_type=media_type)
    source.put_blob(Descriptor(mediatype.OCI_EMPTY, Digest.of(b"{}"), 2), BytesSource(b"{}"))
    source.put_manifest(referrer)
    source.put_manifest(compose.index(Family.OCI, [Descriptor.of(referrer)]), "holder")
    MemoryStore.put_manifest(target, referrer)

    copy(source, str(referrer.digest) if is_root else "holder", target, scope=Scope())

    assert [referrer.digest] == [one.digest for one in target.referrers(published[0].digest)]
