"""Media type names, the two families (Docker, OCI), their twins, and what compression a layer type says.

Spec: image-spec media-types.md; Docker manifest-v2-2.
"""

from enum import Enum
from typing import Final

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_FOREIGN: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
OCI_FOREIGN_GZIP: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
OCI_FOREIGN_ZSTD: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
OCI_DESCRIPTOR: Final = "application/vnd.oci.descriptor.v1+json"

DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_ZSTD: Final = "application/vnd.docker.image.rootfs.diff.tar.zstd"
DOCKER_FOREIGN: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar"
DOCKER_FOREIGN_GZIP: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"

IN_TOTO: Final = "application/vnd.in-toto+json"
OCTETS: Final = "application/octet-stream"

INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
SCHEMA1_TYPES: Final = frozenset({SCHEMA1, SCHEMA1_SIGNED})

ACCEPT: Final = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
"""Everything we understand; always sent in full, or registries convert or refuse (K119)."""


class Family(Enum):
    """Which of the two vocabularies a document is written in."""

    DOCKER = "docker"
    OCI = "oci"

    @property
    def index(self) -> str:
        """Media type of this family's index."""
        return DOCKER_LIST if self is Family.DOCKER else OCI_INDEX

    @property
    def manifest(self) -> str:
        """Media type of this family's image manifest."""
        return DOCKER_MANIFEST if self is Family.DOCKER else OCI_MANIFEST

    @property
    def config(self) -> str:
        """Media type of this family's image config."""
        return DOCKER_CONFIG if self is Family.DOCKER else OCI_CONFIG


_TWINS: Final = (
    (DOCKER_LIST, OCI_INDEX),
    (DOCKER_MANIFEST, OCI_MANIFEST),
    (DOCKER_CONFIG, OCI_CONFIG),
    (DOCKER_LAYER, OCI_LAYER),
    (DOCKER_LAYER_GZIP, OCI_LAYER_GZIP),
    (DOCKER_LAYER_ZSTD, OCI_LAYER_ZSTD),
    (DOCKER_FOREIGN, OCI_FOREIGN),
    (DOCKER_FOREIGN_GZIP, OCI_FOREIGN_GZIP),
)
_TO_OCI: Final = dict(_TWINS)
_TO_DOCKER: Final = {oci: docker for docker, oci in _TWINS}


def family_of(media_type: str) -> Family | None:
    """The family a media type belongs to, or None for a type of neither."""
    if media_type.startswith("application/vnd.docker."):
        return Family.DOCKER
    if media_type.startswith("application/vnd.oci."):
        return Family.OCI
    return None


def twin(media_type: str, family: Family) -> str | None:
    """The same thing's type in `family`; itself if it is there already; None where there is no twin."""
    if family_of(media_type) is family:
        return media_type
    return (_TO_OCI if family is Family.OCI else _TO_DOCKER).get(media_type)


def is_index(media_type: str) -> bool:
    """An OCI index or a Docker manifest list."""
    return media_type in INDEXES


def is_manifest(media_type: str) -> bool:
    """An image manifest of either family (artifacts use the OCI one)."""
    return media_type in MANIFESTS


def is_layer(media_type: str) -> bool:
    """A filesystem layer of either family, also encrypted or in a newer compression."""
    return media_type.startswith(("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."))


def is_foreign(media_type: str) -> bool:
    """A layer that by its type is not uploaded to registries."""
    return media_type.startswith(
        ("application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign.")
    )


def compression(media_type: str) -> str | None:
    """What a layer type says of its compression: gzip, zstd, none; None where it says nothing reliable.

    Docker's plain type says nothing: compressed bytes are met under it in the wild.
    """
    if media_type in {DOCKER_LAYER, DOCKER_FOREIGN}:
        return None
    if media_type.endswith((".gzip", "+gzip")):
        return "gzip"
    if media_type.endswith((".zstd", "+zstd")):
        return "zstd"
    return "none" if media_type.endswith(".tar") and is_layer(media_type) else None


def layer_type(family: Family, codec: str) -> str | None:
    """The layer type for a codec's output in a family; None for zstd in Docker's, where readers differ.

    And for eStargz, which needs annotations.
    """
    table = {
        (Family.DOCKER, "gzip"): DOCKER_LAYER_GZIP,
        (Family.DOCKER, "none"): DOCKER_LAYER,
        (Family.OCI, "gzip"): OCI_LAYER_GZIP,
        (Family.OCI, "estargz"): OCI_LAYER_GZIP,
        (Family.OCI, "gzip-toc"): OCI_LAYER_GZIP,
        (Family.OCI, "zstd"): OCI_LAYER_ZSTD,
        (Family.OCI, "none"): OCI_LAYER,
    }
    return table.get((family, codec))


def bare(content_type: str) -> str:
    """A Content-Type header without its parameters, lower case."""
    return content_type.partition(";")[0].strip().lower()
