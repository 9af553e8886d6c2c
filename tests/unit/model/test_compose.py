"""New documents: exact bytes, and what a family cannot carry is refused."""

import pytest

from ocitool.errors import UsageError
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, History, ImageConfig, view

D = Digest("sha256:" + "a" * 64)
ENTRY = Descriptor(mediatype.DOCKER_MANIFEST, D, 7, Platform("linux", "arm", "v7"))


def test_index_bytes_are_fixed():
    expected = f"""{{
  "schemaVersion": 2,
  "mediaType": "{mediatype.DOCKER_LIST}",
  "manifests": [
    {{
      "mediaType": "{mediatype.DOCKER_MANIFEST}",
      "digest": "{D}",
      "size": 7,
      "platform": {{
        "architecture": "arm",
        "os": "linux",
        "variant": "v7"
      }}
    }}
  ]
}}"""

    assert expected.encode() == compose.index(Family.DOCKER, [ENTRY]).raw


def test_every_document_says_its_type():
    """K044: what we write always carries its mediaType."""
    config = Descriptor(mediatype.OCI_CONFIG, D, 2)
    for document in (compose.index(Family.OCI, []), compose.manifest(Family.OCI, config, [])):
        assert document.media_type == document.tree()["mediaType"]


def test_annotations_are_sorted_and_only_oci():
    """K032: refused for a Docker list, with the way out."""
    document = compose.index(Family.OCI, [], {"b": "2", "a": "1"})

    assert ["a", "b"] == list(document.tree()["annotations"])
    for family_refuses in (
        lambda: compose.index(Family.DOCKER, [], {"a": "b"}),
        lambda: compose.index(Family.DOCKER, [Descriptor(mediatype.DOCKER_MANIFEST, D, 1, annotations={"a": "b"})]),
        lambda: compose.manifest(Family.DOCKER, Descriptor(mediatype.DOCKER_CONFIG, D, 1), [], {"a": "b"}),
    ):
        with pytest.raises(UsageError) as caught:
            family_refuses()
        assert "--format oci" in caught.value.hint


def test_families_do_not_mix_in_a_manifest():
    """K025: an OCI config in a Docker manifest is refused by registries and engines."""
    with pytest.raises(UsageError, match="docker family"):
        compose.manifest(Family.DOCKER, Descriptor(mediatype.OCI_CONFIG, D, 1), [])
    with pytest.raises(UsageError, match="oci family"):
        compose.manifest(
            Family.OCI,
            Descriptor(mediatype.OCI_CONFIG, D, 1),
            [Descriptor(mediatype.DOCKER_LAYER_GZIP, D, 1)],
        )


def test_layers_keep_their_order_and_repeats():
    """K052: the same layer twice is legal."""
    layer = Descriptor(mediatype.OCI_LAYER_GZIP, D, 1)
    manifest = view(compose.manifest(Family.OCI, Descriptor(mediatype.OCI_CONFIG, D, 2), [layer, layer]))

    assert (layer, layer) == manifest.layers


def config(**changes):
    values = {
        "settings": {"Env": ["A=b"], "Cmd": [], "User": "", "Labels": None},
        "diff_ids": [D],
        "history": [History(created_by="x"), History(comment="y", empty_layer=True)],
        "created": "1970-01-01T00:00:00Z",
    } | changes
    return compose.image_config(Family.OCI, Platform("linux", "arm", "v6", os_features=("f",)), **values)


def test_config_is_one_line_without_empty_settings():
    expected = (
        '{"created":"1970-01-01T00:00:00Z","author":"me","architecture":"arm","os":"linux","os.features":["f"],'
        f'"variant":"v6","config":{{"Env":["A=b"]}},"rootfs":{{"type":"layers","diff_ids":["{D}"]}},'
        '"history":[{"created_by":"x"},{"comment":"y","empty_layer":true}]}'
    )

    assert expected.encode() == config(author="me").raw
    assert Platform("linux", "arm", "v6", os_features=("f",)) == ImageConfig.of(config()).platform


def test_history_fits_the_layers_or_is_absent():
    """K050: one entry without empty_layer a layer; never a part of it."""
    assert () == ImageConfig.of(config(history=[])).history
    with pytest.raises(UsageError, match="history tells of 1 layers, the image has 2"):
        config(diff_ids=[D, D])


def test_a_config_for_windows_says_its_version_and_features():
    platform = Platform("windows", "amd64", "", "10.0.1", ("win32k",))

    tree = compose.image_config(Family.OCI, platform, settings={}, diff_ids=[], history=[], created="x").tree()

    assert ("10.0.1", ["win32k"]) == (tree["os.version"], tree["os.features"])
    assert "variant" not in tree
