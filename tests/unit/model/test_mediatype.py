"""Media types: families, twins, compression."""

import pytest

from ocitool.model import mediatype
from ocitool.model.mediatype import Family


@pytest.mark.parametrize(
    ("docker", "oci"),
    [
        ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"),
        ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"),
        ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    ],
)
def test_twins_lead_to_each_other(docker, oci):
    assert (oci, docker) == (mediatype.twin(docker, Family.OCI), mediatype.twin(oci, Family.DOCKER))
    assert (docker, oci) == (mediatype.twin(docker, Family.DOCKER), mediatype.twin(oci, Family.OCI))
    assert (Family.DOCKER, Family.OCI) == (mediatype.family_of(docker), mediatype.family_of(oci))


def test_what_has_no_twin_has_none():
    assert mediatype.twin(mediatype.OCI_EMPTY, Family.DOCKER) is None
    assert mediatype.twin("application/x", Family.OCI) is None
    assert mediatype.family_of("application/x") is None


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        (mediatype.OCI_LAYER_GZIP, "gzip"),
        (mediatype.OCI_LAYER_ZSTD, "zstd"),
        (mediatype.OCI_LAYER, "none"),
        (mediatype.OCI_FOREIGN, "none"),
        (mediatype.DOCKER_LAYER_GZIP, "gzip"),
        (mediatype.DOCKER_FOREIGN_GZIP, "gzip"),
        (mediatype.DOCKER_LAYER, None),
        ("application/octet-stream", None),
    ],
)
def test_compression_is_read_where_the_type_tells_it(media_type, expected):
    assert expected == mediatype.compression(media_type)


def test_layer_types_by_codec():
    assert mediatype.OCI_LAYER_ZSTD == mediatype.layer_type(Family.OCI, "zstd")
    assert mediatype.DOCKER_LAYER_GZIP == mediatype.layer_type(Family.DOCKER, "gzip")
    assert mediatype.layer_type(Family.DOCKER, "zstd") is None


def test_kinds():
    assert mediatype.is_index(mediatype.DOCKER_LIST)
    assert mediatype.is_manifest(mediatype.OCI_MANIFEST)
    assert not mediatype.is_manifest(mediatype.OCI_INDEX)
    assert mediatype.is_layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
    assert mediatype.is_foreign(mediatype.DOCKER_FOREIGN_GZIP)
    assert not mediatype.is_foreign(mediatype.DOCKER_LAYER_GZIP)


def test_content_type_without_parameters():
    assert mediatype.OCI_INDEX == mediatype.bare(" Application/vnd.oci.image.index.v1+json ; charset=utf-8")
