"""What a walk finds, and what it does with what is not there."""

import pytest

from ocitool.errors import Cancelled, MalformedDocument, NetworkError, NotFound
from ocitool.graph.walk import MAX_DEPTH, Role, children, walk
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor, Index
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope


def image(text):
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(text.encode()), len(text))
    layer = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"shared"), 6)
    return compose.manifest(Family.OCI, config, [layer])


class Flaky(MemoryStore):
    """A store that answers chosen digests with an error, and counts its answers."""

    def __init__(self):
        super().__init__("reg.test/app")
        self.errors: dict[str, Exception] = {}
        self.asked: list[str] = []

    def get_manifest(self, name, *, limit=0):
        self.asked.append(name)
        if name in self.errors:
            raise self.errors[name]
        return super().get_manifest(name)


@pytest.fixture
def store():
    return Flaky()


@pytest.fixture
def published(store):
    """An index `v1` of two images."""
    images = [image("a"), image("b")]
    for document in images:
        store.put_manifest(document)
    index = compose.index(Family.OCI, map(Descriptor.of, images))
    store.put_manifest(index, "v1")
    return index, images


def found(store, **options):
    return walk(store, "v1", scope=Scope(), **options)


def test_each_manifest_once_and_blobs_listed(store, published):
    index, images = published

    snapshot = found(store)

    assert {index.digest, *(i.digest for i in images)} == set(snapshot.documents)
    assert 3 == len(snapshot.blobs)  # two configs and the layer that both share
    assert 3 == len(store.asked)


def test_edges_say_where_a_descriptor_stands(published):
    index, images = published

    assert [("/manifests/0", Role.MANIFEST), ("/manifests/1", Role.MANIFEST)] == [
        (e.pointer, e.role) for e in children(index)
    ]
    assert [("/config", Role.BLOB), ("/layers/0", Role.BLOB)] == [(e.pointer, e.role) for e in children(images[0])]


def test_subject_is_an_edge_and_is_not_followed(store, published):
    _, images = published
    document = images[0].edit(lambda t: t.update(subject=Descriptor.of(image("elsewhere")).to_tree()))
    store.put_manifest(document, "v1")

    snapshot = found(store)

    assert [Role.BLOB, Role.BLOB, Role.SUBJECT] == [e.role for e in snapshot.edges]
    assert [document.digest] == list(snapshot.documents)


def test_what_is_unknown_has_no_children(store):
    store.put_manifest(Document(b'{"x":1}', "application/x"), "v1")

    assert ((), ()) == (found(store).edges, found(store).blobs)


def test_entry_of_a_strange_type_is_fetched_as_a_manifest(store, published):
    """The place decides, not the media type."""
    _, images = published
    strange = Descriptor("application/vnd.strange", images[0].digest, images[0].size)
    store.put_manifest(compose.index(Family.OCI, [strange]), "v1")

    assert images[0].digest in found(store).documents


def test_waves_put_children_first(store, published):
    """K020: grandchildren before children, the root last."""
    index, images = published
    outer = compose.index(Family.OCI, [Descriptor.of(index), Descriptor.of(images[0])])
    store.put_manifest(outer, "v1")

    waves = found(store).children_first

    assert [{i.digest for i in images}, {index.digest}, {outer.digest}] == [
        {d.digest for d in wave} for wave in waves
    ]


def test_entries_can_be_left_out(store, published):
    _, images = published

    snapshot = found(store, wanted=lambda edge: edge.descriptor.digest == images[0].digest)

    assert images[1].digest not in snapshot.documents
    assert isinstance(snapshot.views[snapshot.root.digest], Index)
    assert 2 == len(list(snapshot.below(snapshot.root.digest)))


class TestMissing:
    """K034: what is gone is missing, what cannot be asked is unknown."""

    def test_child_raises_with_its_place(self, store, published):
        index, images = published
        store.delete(str(images[1].digest))

        with pytest.raises(NotFound) as caught:
            found(store)

        assert [f"it is /manifests/1 of {index.digest} in reg.test/app"] == caught.value.__notes__

    def test_tolerant_walk_records_it(self, store, published):
        _, images = published
        store.delete(str(images[1].digest))

        snapshot = found(store, tolerant=True)

        assert [images[1].digest] == [e.descriptor.digest for e in snapshot.missing]
        assert images[0].digest in snapshot.documents

    def test_no_answer_is_not_missing(self, store, published):
        _, images = published
        store.errors[str(images[1].digest)] = NetworkError("no answer")

        snapshot = found(store, tolerant=True)

        assert ((), [images[1].digest]) == (
            snapshot.missing,
            [edge.descriptor.digest for edge, _ in snapshot.unanswered],
        )

    def test_cancelled_is_never_recorded(self, store, published):
        _, images = published
        store.errors[str(images[1].digest)] = Cancelled()

        with pytest.raises(Cancelled):
            found(store, tolerant=True)

    def test_root_always_raises(self, store):
        with pytest.raises(NotFound):
            found(store, tolerant=True)


def test_a_root_that_is_malformed_is_named(store):
    """K014: what, at which place in it, and which document of which store."""
    bad = Document(b'{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":7}]}', mediatype.OCI_INDEX)
    store._manifests[bad.digest] = bad
    store._tags["v1"] = bad.digest

    with pytest.raises(MalformedDocument) as caught:
        found(store, tolerant=True)

    assert "digest is not a string at /manifests/0/digest" == str(caught.value)
    assert [f"it is {bad.digest} in {store.label}"] == caught.value.__notes__


class TestMalformed:
    @pytest.fixture
    def broken(self, store, published):
        """The index gets a child that is both an index and an image (K043)."""
        bad = Document(b'{"schemaVersion":2,"manifests":[],"layers":[]}', mediatype.OCI_INDEX)
        store._manifests[bad.digest] = bad
        store.put_manifest(compose.index(Family.OCI, [Descriptor.of(bad)]), "v1")
        return bad

    def test_child_raises_with_its_place(self, store, broken):
        """K043: refused, naming where it stands."""
        with pytest.raises(MalformedDocument) as caught:
            found(store)

        assert f"in {broken.digest} at /manifests/0 of" in caught.value.__notes__[0]

    def test_tolerant_walk_records_it(self, store, broken):
        snapshot = found(store, tolerant=True)

        assert [broken.digest] == [edge.descriptor.digest for edge, _ in snapshot.refused]
        assert broken.digest in snapshot.documents


def test_hostile_depth_ends(store):
    """K020: a chain of indexes is not followed for ever."""
    level = image("a")
    store.put_manifest(level)
    for _ in range(MAX_DEPTH + 1):
        level = compose.index(Family.OCI, [Descriptor.of(level)])
        store.put_manifest(level, "v1")

    with pytest.raises(MalformedDocument, match="deeper than 4"):
        found(store)


def test_width_is_bounded(store, monkeypatch):
    monkeypatch.setattr("ocitool.graph.walk.MAX_MANIFESTS", 2)
    for text in "abc":
        store.put_manifest(image(text))
    store.put_manifest(compose.index(Family.OCI, [Descriptor.of(image(t)) for t in "abc"]), "v1")

    with pytest.raises(MalformedDocument, match="more than 2"):
        found(store)


@pytest.mark.parametrize("tolerant", [False, True])
def test_what_is_held_in_memory_is_bounded(store, monkeypatch, tolerant):
    """However many threads are over the bound at once: it is one error, and no finding."""
    images = [image(text) for text in "abcdefgh"]
    for one in images:
        store.put_manifest(one)
    store.put_manifest(compose.index(Family.OCI, [Descriptor.of(one) for one in images]), "v1")
    monkeypatch.setattr("ocitool.graph.walk.MAX_SIZE", sum(one.size for one in images[:3]))

    with pytest.raises(MalformedDocument, match="bytes of manifests"):
        found(store, tolerant=tolerant)


def test_a_manifest_that_is_named_often_counts_as_often(store, monkeypatch):
    """Who goes through the entries reads it for each: a few kilobytes would be work without an end."""
    store.put_manifest(image("a"))
    entries = [Descriptor.of(image("a"))] * 5
    store.put_manifest(compose.index(Family.OCI, entries), "v1")
    monkeypatch.setattr("ocitool.graph.walk.MAX_SIZE", 5 * image("a").size)

    assert 5 == len([edge for edge in found(store).edges if edge.role is Role.MANIFEST])
    monkeypatch.setattr("ocitool.graph.walk.MAX_SIZE", 5 * image("a").size - 1)
    with pytest.raises(MalformedDocument, match="counted for each entry that names one"):
        found(store)


def test_child_without_a_type_of_its_own_is_read_as_the_parent_says(store):
    """K044: mediaType is optional; the parent's descriptor decides."""
    bare = image("a").edit(lambda t: t.pop("mediaType"))
    store._manifests[bare.digest] = Document(bare.raw, "")
    store.put_manifest(
        compose.index(Family.OCI, [Descriptor(mediatype.OCI_MANIFEST, bare.digest, bare.size)]), "v1"
    )

    assert mediatype.OCI_MANIFEST == found(store).documents[bare.digest].media_type
