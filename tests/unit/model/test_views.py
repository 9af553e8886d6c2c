"""Views: what a document is, and the fields we know of it."""

import json

import pytest

from ocitool.errors import MalformedDocument
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, ImageConfig, Index, Manifest, Opaque, effective_type, settle, view

D = "sha256:" + "a" * 64
LAYER = {"mediaType": mediatype.OCI_LAYER_GZIP, "digest": D, "size": 3}
CONFIG = {"mediaType": mediatype.OCI_CONFIG, "digest": D, "size": 2}
ENTRY = {"mediaType": mediatype.OCI_MANIFEST, "digest": D, "size": 5}
INDEX = {"schemaVersion": 2, "manifests": [ENTRY]}
IMAGE = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}


def doc(tree: object, served: str = "") -> Document:
    return Document(json.dumps(tree).encode(), served)


@pytest.mark.parametrize("served", [mediatype.OCI_INDEX, "application/json", ""])
def test_index_without_media_type_is_seen_by_header_or_shape(served):
    """K044: the header, then the shape."""
    document = doc(INDEX, served)

    assert isinstance(view(document), Index)
    assert mediatype.OCI_INDEX == effective_type(document)


def test_manifest_without_media_type_is_seen_by_shape():
    """K044."""
    assert isinstance(view(doc(IMAGE, "application/json")), Manifest)
    assert mediatype.OCI_MANIFEST == effective_type(doc(IMAGE))
    assert mediatype.DOCKER_MANIFEST == effective_type(doc(IMAGE, mediatype.DOCKER_MANIFEST))
    assert mediatype.DOCKER_LIST == effective_type(doc(INDEX, mediatype.DOCKER_LIST))


def test_own_media_type_wins_over_a_header_that_says_nothing():
    document = doc({**INDEX, "mediaType": mediatype.DOCKER_LIST}, "text/plain")

    assert isinstance(view(document), Index)
    assert mediatype.DOCKER_LIST == effective_type(document)


@pytest.mark.parametrize("own", [{}, {"mediaType": mediatype.OCI_INDEX}, {"mediaType": mediatype.OCI_MANIFEST}])
def test_both_index_and_image_is_refused(own):
    """K043: one digest, two meanings."""
    with pytest.raises(MalformedDocument, match="both an index and an image"):
        view(doc({**INDEX, **IMAGE, **own}))


def test_header_against_body_is_refused():
    """K043."""
    with pytest.raises(MalformedDocument) as caught:
        view(doc({**INDEX, "mediaType": mediatype.OCI_INDEX}, mediatype.DOCKER_LIST))

    assert "/mediaType" == caught.value.pointer
    assert mediatype.DOCKER_LIST in str(caught.value)


def test_a_claim_that_the_shape_does_not_keep_is_refused():
    with pytest.raises(MalformedDocument, match="list of manifests"):
        view(doc({**IMAGE, "mediaType": mediatype.OCI_INDEX}))
    with pytest.raises(MalformedDocument, match="list of layers"):
        view(doc({**INDEX, "mediaType": mediatype.OCI_MANIFEST}))


def test_schema_1_and_strange_types_can_be_kept_but_not_read():
    assert isinstance(view(doc({"schemaVersion": 1, "fsLayers": []})), Opaque)
    assert isinstance(view(doc({}, mediatype.SCHEMA1_SIGNED)), Opaque)
    strange = view(doc({"mediaType": "application/x", "subject": ENTRY}))
    assert isinstance(strange, Opaque)
    assert D == strange.subject.digest
    assert "application/x" in strange.why


def test_index_entries_in_order_attestations_apart():
    attestation = {
        **ENTRY,
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": D},
    }
    amd64 = {**ENTRY, "platform": {"os": "linux", "architecture": "amd64"}}
    seen = view(doc({**INDEX, "manifests": [attestation, amd64, ENTRY], "annotations": {"a": "b"}}))

    assert [None, Platform("linux", "amd64")][::-1] == [entry.platform for entry in seen.platforms]
    assert 3 == len(seen.entries)
    assert (True, D) == (seen.entries[0].is_attestation, seen.entries[0].attested)
    assert {"a": "b"} == dict(seen.annotations)


def test_manifest_fields():
    seen = view(doc({**IMAGE, "artifactType": "application/x", "subject": ENTRY, "annotations": {"k": "v"}}))

    assert (D, 2) == (seen.config.digest, seen.config.size)
    assert [mediatype.OCI_LAYER_GZIP] == [layer.media_type for layer in seen.layers]
    assert seen.is_image
    assert "application/x" == seen.effective_artifact_type
    assert mediatype.OCI_CONFIG == view(doc(IMAGE)).effective_artifact_type


def test_descriptor_round_trip_keeps_every_field():
    tree = {
        **ENTRY,
        "urls": ["https://a.test/x"],
        "annotations": {"b": "1", "a": "2"},
        "data": "aGk=",
        "artifactType": "application/x",
        "platform": {"architecture": "arm", "os": "linux", "variant": "v6"},
    }
    descriptor = Descriptor.from_tree(tree)

    assert tree == descriptor.to_tree()
    assert list(tree) == list(descriptor.to_tree())
    assert b"hi" == descriptor.data


def test_sha512_descriptors_are_read():
    """K046."""
    digest = Digest.of(b"x", "sha512")

    assert digest == Descriptor.from_tree({**LAYER, "digest": str(digest)}).digest


def test_null_stands_for_absent():
    """K014: encoders of other languages write null for what is not set."""
    seen = view(
        doc({**INDEX, "manifests": [{**ENTRY, "platform": None, "annotations": None}], "annotations": None})
    )

    assert seen.entries[0].platform is None
    assert {} == dict(seen.annotations)


def test_an_image_without_layers_may_say_null():
    """K014: BuildKit's manifest of `FROM scratch` with nothing but settings."""
    assert () == view(doc({**IMAGE, "layers": None})).layers


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        ({**INDEX, "manifests": [ENTRY, 1]}, "/manifests/1"),
        ({**INDEX, "manifests": [{**ENTRY, "digest": "sha256:zz"}]}, "/manifests/0/digest"),
        ({**INDEX, "manifests": [{"digest": D, "size": 1}]}, "/manifests/0"),
        ({**INDEX, "manifests": [{**ENTRY, "platform": []}]}, "/manifests/0/platform"),
        ({**INDEX, "manifests": {}}, "/manifests"),
        ({**INDEX, "schemaVersion": 3}, "/schemaVersion"),
        ({**INDEX, "annotations": {"a": 1}}, "/annotations"),
        ({**INDEX, "mediaType": 5}, "/mediaType"),
        ({**IMAGE, "layers": [{**LAYER, "size": -1}]}, "/layers/0/size"),
        ({**IMAGE, "layers": [{**LAYER, "size": True}]}, "/layers/0/size"),
        ({**IMAGE, "layers": [{**LAYER, "size": 1.0}]}, "/layers/0/size"),
        ({**IMAGE, "layers": [{**LAYER, "size": 2**63}]}, "/layers/0/size"),
        ({**IMAGE, "layers": [{**LAYER, "urls": "x"}]}, "/layers/0/urls"),
        ({**IMAGE, "layers": [{**LAYER, "data": "%"}]}, "/layers/0/data"),
        ({**IMAGE, "layers": {}}, "/layers"),
        ({"schemaVersion": 2, "layers": []}, "/config"),
        ({**IMAGE, "subject": {}}, "/subject"),
    ],
)
def test_malformed_documents_name_the_place(tree, pointer):
    with pytest.raises(MalformedDocument) as caught:
        view(doc(tree))

    assert pointer == caught.value.pointer


def test_what_is_no_object_is_no_manifest():
    with pytest.raises(MalformedDocument, match="JSON object"):
        view(doc([1]))


def test_config_fields():
    tree = {
        "architecture": "arm", "os": "linux", "variant": "v6", "os.features": ["x"], "created": "2020-01-01T00:00:00Z",
        "author": "me", "config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": [D]},
        "history": [{"created_by": "a"}, {"empty_layer": True, "comment": "c"}],
    }  # fmt: skip
    config = ImageConfig.of(doc(tree))

    assert Platform("linux", "arm", "v6", os_features=("x",)) == config.platform
    assert ((Digest(D),), ["A=b"], None) == (config.diff_ids, config.setting("Env"), config.setting("Cmd"))
    assert [False, True] == [step.empty_layer for step in config.history]
    assert ("2020-01-01T00:00:00Z", "me", "c") == (config.created, config.author, config.history[1].comment)


def test_empty_layer_is_what_the_flag_says():
    """K049: true and nothing else; sizes are not asked."""
    tree = {
        "rootfs": {"type": "layers", "diff_ids": [D, D]},
        "history": [{}, {"empty_layer": True}, {"empty_layer": 1}],
    }

    assert [False, True, False] == [step.empty_layer for step in ImageConfig.of(doc(tree)).history]


def test_config_that_says_little_is_read():
    config = ImageConfig.of(doc({"rootfs": {"type": "layers", "diff_ids": None}, "config": None, "history": None}))

    assert ((), (), {}, Platform("", "")) == (
        config.diff_ids,
        config.history,
        dict(config.settings),
        config.platform,
    )


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        ({}, "/rootfs/type"),
        ({"rootfs": {"type": "layers", "diff_ids": {}}}, "/rootfs/diff_ids"),
        ({"rootfs": {"type": "layers", "diff_ids": [1]}}, "/rootfs/diff_ids/0"),
        ({"rootfs": {"type": "layers"}, "config": []}, "/config"),
        ({"rootfs": {"type": "layers"}, "history": {}}, "/history"),
        ({"rootfs": {"type": "layers"}, "history": [1]}, "/history/0"),
    ],
)
def test_malformed_configs_name_the_place(tree, pointer):
    with pytest.raises(MalformedDocument) as caught:
        ImageConfig.of(doc(tree))

    assert pointer == caught.value.pointer


NAMELESS = {**ENTRY, "platform": {"os": "unknown", "architecture": "unknown"}}


def entry(tree):
    (found,) = view(doc({"schemaVersion": 2, "manifests": [tree]})).entries
    return found


def image_config(**fields):
    return ImageConfig.of(doc({"rootfs": {"type": "layers", "diff_ids": []}, **fields}))


def test_a_nameless_image_runs_on_what_its_config_says():
    """K218."""
    own = image_config(os="linux", architecture="arm64")

    found = settle(entry(NAMELESS), view(doc(IMAGE)), own)

    assert (False, Platform("linux", "arm64")) == (found.is_attestation, found.own_platform)
    assert not settle(entry(NAMELESS), view(doc(IMAGE))).is_attestation


@pytest.mark.parametrize("fields", [{}, {"os": "linux"}, {"os": "unknown", "architecture": "unknown"}])
def test_a_config_that_names_no_platform_either_leaves_an_attestation(fields):
    """K218."""
    found = settle(entry(NAMELESS), view(doc(IMAGE)), image_config(**fields))

    assert entry(NAMELESS) == found
    assert found.is_attestation


def test_an_entry_with_a_platform_or_without_a_manifest_stays_as_it_is():
    named = entry({**ENTRY, "platform": {"os": "linux", "architecture": "amd64"}})
    own = image_config(os="linux", architecture="arm64")

    assert named == settle(named, view(doc(IMAGE)), own)
    assert entry(NAMELESS) == settle(entry(NAMELESS), None, own)
    assert entry(NAMELESS) == settle(entry(NAMELESS), view(doc(INDEX)), own)


@pytest.mark.parametrize(
    ("raw", "served", "expected"),
    [
        (b'{"mediaType": "x/own"}', "x/served", "x/own"),
        (b'{"mediaType": null}', "x/served", "x/served"),
        (b'{"mediaType": ""}', "x/served", "x/served"),
        (b"{}", "", ""),
    ],
)
def test_what_nobody_knows_is_sent_as_it_calls_itself_or_as_it_came(raw, served, expected):
    assert expected == effective_type(Document(raw, served))
