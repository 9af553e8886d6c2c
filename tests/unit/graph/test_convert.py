"""Docker ↔ OCI with children: names change, blobs do not, nothing is retyped by half."""

import json

import pytest

from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.graph.convert import Losses, convert, convert_manifest
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor, Index, Manifest, view
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope


def blob(text, media_type):
    return Descriptor(media_type, Digest.of(text.encode()), len(text))


def image(family, text="a", **annotations):
    config, layer = blob(text, family.config), blob(f"{text} layer", mediatype.layer_type(family, "gzip"))
    return compose.manifest(family, config, [layer], annotations or None)


def entry(document, platform="linux/amd64", **annotations):
    return Descriptor(
        document.media_type, document.digest, document.size, Platform.parse(platform), annotations=annotations
    )


@pytest.fixture
def store():
    return MemoryStore("reg.test/app")


def stored(store, *documents):
    for document in documents:
        store.put_manifest(document)
    return documents


@pytest.mark.parametrize("family", list(Family))
def test_image_of_the_family_is_the_same_document(family):
    document = image(family)

    assert document is convert_manifest(document, family)


def test_there_and_back_gives_the_first_bytes():
    """K028: only names change, so the way back restores every byte."""
    document = image(Family.DOCKER)

    oci = convert_manifest(document, Family.OCI)

    assert mediatype.OCI_MANIFEST == oci.media_type
    assert [mediatype.OCI_LAYER_GZIP] == [layer.media_type for layer in view(oci).layers]
    assert document == convert_manifest(oci, Family.DOCKER)


@pytest.mark.parametrize("family", list(Family))
def test_half_converted_manifest_becomes_whole(family):
    """K025: Docker's type with OCI config and layers becomes all one or all the other."""
    tree = image(Family.OCI).tree() | {"mediaType": mediatype.DOCKER_MANIFEST}
    document = Document(json.dumps(tree).encode(), mediatype.DOCKER_MANIFEST)

    after = view(convert_manifest(document, family))

    named = {after.document.media_type, after.config.media_type, *(layer.media_type for layer in after.layers)}
    assert {family} == {mediatype.family_of(name) for name in named}


def test_null_layers_stay_null():
    """K014: an image of settings alone, as BuildKit writes it."""
    tree = image(Family.OCI).tree() | {"layers": None}
    document = Document(json.dumps(tree).encode(), mediatype.OCI_MANIFEST)

    after = convert_manifest(document, Family.DOCKER)

    assert after.tree()["layers"] is None
    assert mediatype.DOCKER_CONFIG == view(after).config.media_type


def test_missing_media_type_is_written_behind_the_version():
    """K044: what we write always carries its media type."""
    tree = image(Family.OCI).tree()
    del tree["mediaType"]
    document = Document(json.dumps(tree).encode(), mediatype.OCI_MANIFEST)

    assert ["schemaVersion", "mediaType"] == list(convert_manifest(document, Family.DOCKER).tree())[:2]


def test_zstd_layer_is_refused_in_docker():
    """K055: Docker schema 2 has no agreed zstd type."""
    document = compose.manifest(Family.OCI, blob("c", mediatype.OCI_CONFIG), [blob("l", mediatype.OCI_LAYER_ZSTD)])

    with pytest.raises(UsageError, match="zstd") as caught:
        convert_manifest(document, Family.DOCKER)

    assert "--format oci" in caught.value.hint


def test_zstd_layer_met_in_docker_becomes_oci():
    """K055: reading works."""
    document = compose.manifest(
        Family.DOCKER, blob("c", mediatype.DOCKER_CONFIG), [blob("l", mediatype.DOCKER_LAYER_ZSTD)]
    )

    assert [mediatype.OCI_LAYER_ZSTD] == [x.media_type for x in view(convert_manifest(document, Family.OCI)).layers]


def test_annotations_are_refused_in_docker_unless_dropped():
    """K032: never dropped silently."""
    document = image(Family.OCI, note="x")

    with pytest.raises(UsageError, match="annotations"):
        convert_manifest(document, Family.DOCKER)
    assert image(Family.DOCKER).tree() == convert_manifest(document, Family.DOCKER, drop_annotations=True).tree()


def test_artifact_is_refused_in_docker():
    document = compose.manifest(Family.OCI, blob("c", "application/vnd.oci.empty.v1+json"), [])

    with pytest.raises(UsageError, match="artifact"):
        convert_manifest(document, Family.DOCKER, drop_annotations=True)


class TestIndex:
    def test_children_are_converted_with_it(self, store):
        """K026: the list is never retyped alone."""
        one, two = stored(store, image(Family.DOCKER, "1"), image(Family.DOCKER, "2"))
        index = compose.index(Family.DOCKER, [entry(one), entry(two, "linux/arm/v7")])

        done = convert(store, index, Family.OCI, scope=Scope())

        after = view(done.document)
        assert isinstance(after, Index)
        assert mediatype.OCI_INDEX == done.document.media_type
        assert [d.digest for d in done.children.values()] == [e.digest for e in after.entries]
        assert [(e.media_type, e.size, e.platform) for e in after.entries] == [
            (d.media_type, d.size, p)
            for d, p in zip(
                done.children.values(), [Platform("linux", "amd64"), Platform("linux", "arm", "v7")], strict=True
            )
        ]
        assert {one, two} == set(done.originals)

    def test_index_of_the_family_is_the_same_document(self, store):
        [one] = stored(store, image(Family.OCI))
        index = compose.index(Family.OCI, [entry(one)], {"a": "b"})

        done = convert(store, index, Family.OCI, scope=Scope())

        assert (index, {}, ()) == (done.document, dict(done.children), done.originals)

    def test_mixed_index_changes_only_the_children_of_the_other_family(self, store):
        """K023: all of one family afterwards."""
        one, two = stored(store, image(Family.OCI, "1"), image(Family.DOCKER, "2"))
        index = compose.index(Family.OCI, [entry(one), entry(two, "linux/arm64")])

        done = convert(store, index, Family.OCI, scope=Scope())

        assert [two.digest] == list(done.children)
        assert one.digest == view(done.document).entries[0].digest

    def test_inner_indexes_are_converted_first(self, store):
        """K020: grandchildren move with their parents."""
        [one] = stored(store, image(Family.DOCKER))
        [inner] = stored(store, compose.index(Family.DOCKER, [entry(one)]))
        index = compose.index(Family.DOCKER, [entry(inner)])

        done = convert(store, index, Family.OCI, scope=Scope())

        assert [one.digest, inner.digest] == list(done.children)
        assert done.children[inner.digest].digest == view(done.document).entries[0].digest

    def test_attestation_of_a_changed_image_needs_consent(self, store):
        """K022: dropped only with consent, and never pointed at the new digest."""
        one, note = stored(store, image(Family.DOCKER), image(Family.OCI, "attestation"))
        marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(one.digest)}
        index = compose.index(
            Family.OCI, [entry(one), Descriptor(note.media_type, note.digest, 1, annotations=marks)]
        )

        with pytest.raises(UsageError, match="1 attestations"):
            convert(store, index, Family.OCI, scope=Scope())
        done = convert(store, index, Family.OCI, losses=Losses(attestations=True), scope=Scope())

        assert 1 == len(view(done.document).entries)
        assert ("1 attestations are left behind: they describe the old digests",) == done.notes

    def test_attestation_of_an_unchanged_image_stays(self, store):
        [one, note] = stored(store, image(Family.OCI), image(Family.OCI, "attestation"))
        marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(one.digest)}
        index = compose.index(
            Family.OCI, [entry(one), Descriptor(note.media_type, note.digest, 1, annotations=marks)]
        )

        assert index is convert(store, index, Family.OCI, scope=Scope()).document

    def test_annotations_need_consent(self, store):
        """K032: for the index and for its entries."""
        [one] = stored(store, image(Family.OCI))
        for index in (
            compose.index(Family.OCI, [entry(one)], {"a": "b"}),
            compose.index(Family.OCI, [entry(one, a="b")]),
        ):
            with pytest.raises(UsageError, match="annotations"):
                convert(store, index, Family.DOCKER, scope=Scope())
            done = convert(store, index, Family.DOCKER, losses=Losses(annotations=True), scope=Scope())
            assert b"annotations" not in done.document.raw

    def test_child_that_is_gone_stops_it(self, store):
        index = compose.index(Family.DOCKER, [entry(image(Family.DOCKER))])

        with pytest.raises(NotFound):
            convert(store, index, Family.OCI, scope=Scope())


def test_manifest_without_index_is_converted_alone(store):
    done = convert(store, image(Family.DOCKER), Family.OCI, scope=Scope())

    assert isinstance(view(done.document), Manifest)
    assert {} == dict(done.children)


class TestRefusals:
    def test_index_is_no_image(self):
        with pytest.raises(MalformedDocument, match="not an image manifest"):
            convert_manifest(compose.index(Family.OCI, []), Family.DOCKER)

    def test_schema_1_is_not_converted(self, store):
        """K125: obsolete, and said so."""
        document = Document(b'{"schemaVersion":1,"fsLayers":[]}', mediatype.SCHEMA1_SIGNED)

        with pytest.raises(UsageError, match="schema 1"):
            convert(store, document, Family.OCI, scope=Scope())

    def test_child_is_named_in_the_error(self, store):
        [one] = stored(store, image(Family.OCI, note="x"))

        with pytest.raises(UsageError) as caught:
            convert(store, compose.index(Family.OCI, [entry(one)]), Family.DOCKER, scope=Scope())

        assert ["it is linux/amd64 of the index"] == caught.value.__notes__

    def test_hostile_depth_ends(self, store):
        """K020: a chain of indexes is not followed for ever."""
        [level] = stored(store, compose.index(Family.DOCKER, []))
        for _ in range(5):
            [level] = stored(store, compose.index(Family.DOCKER, [entry(level)]))

        with pytest.raises(MalformedDocument, match="deeper than 4"):
            convert(store, level, Family.OCI, scope=Scope())

    def test_layer_without_counterpart(self):
        foreign = blob("l", mediatype.OCI_FOREIGN + "+zstd")

        with pytest.raises(UsageError, match="zstd"):
            convert_manifest(
                compose.manifest(Family.OCI, blob("c", mediatype.OCI_CONFIG), [foreign]), Family.DOCKER
            )

    def test_encrypted_layer_has_no_counterpart(self):
        layer = blob("l", f"{mediatype.OCI_LAYER_GZIP}+encrypted")

        with pytest.raises(UsageError, match="no counterpart"):
            convert_manifest(compose.manifest(Family.OCI, blob("c", mediatype.OCI_CONFIG), [layer]), Family.DOCKER)


def test_foreign_layer_keeps_its_urls():
    """K058: the descriptor is kept, urls too."""
    layer = Descriptor(mediatype.DOCKER_FOREIGN_GZIP, Digest.of(b"f"), 1, urls=("https://files.test/l.tgz",))
    document = compose.manifest(Family.DOCKER, blob("c", mediatype.DOCKER_CONFIG), [layer])

    [converted] = view(convert_manifest(document, Family.OCI)).layers

    assert (mediatype.OCI_FOREIGN_GZIP, layer.urls) == (converted.media_type, converted.urls)


def test_subject_and_descriptor_extras_stay_behind_in_docker(store):
    [one] = stored(store, image(Family.OCI, "1"))
    tree = image(Family.OCI).tree() | {"subject": Descriptor.of(one).to_tree()}
    document = Document(json.dumps(tree).encode(), mediatype.OCI_MANIFEST)

    with pytest.raises(UsageError, match="annotations"):
        convert_manifest(document, Family.DOCKER)
    assert "subject" not in convert_manifest(document, Family.DOCKER, drop_annotations=True).tree()


def test_missing_version_is_written_too():
    tree = image(Family.OCI).tree()
    del tree["mediaType"], tree["schemaVersion"]

    after = convert_manifest(Document(json.dumps(tree).encode(), mediatype.OCI_MANIFEST), Family.DOCKER)

    assert (2, mediatype.DOCKER_MANIFEST) == (after.tree()["schemaVersion"], after.tree()["mediaType"])
