"""Attestations beside an image: BuildKit's manifest inside the index, and manifests that refer to the image.

Spec: BuildKit attestation-storage; image-spec manifest.md, "Guidelines for Artifact Usage".
"""

from collections.abc import Sequence
from typing import Any, Final

from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import COMPACT, Document, write
from ocitool.model.mediatype import IN_TOTO, Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor
from ocitool.values import dataclass

PREDICATE_TYPE: Final = "in-toto.io/predicate-type"
"""The annotation of a layer or manifest with the type of what it states."""
_EMPTY: Final = b"{}"


@dataclass(frozen=True, slots=True)
class Attached:
    """A manifest that attests, and the small blobs that it lists.

    `entry` is how an index lists it, None for a referrer.
    """

    manifest: Document
    blobs: tuple[tuple[Descriptor, bytes], ...]
    entry: Descriptor | None = None


def in_index(image: Descriptor, statements: Sequence[tuple[str, bytes]]) -> Attached:
    """The attestation manifest of an image as BuildKit writes it, for the end of the index.

    `statements` are pairs of predicate type and statement.
    """
    layers = [(_layer(kind, data), data) for kind, data in statements]
    config: dict[str, Any] = {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer, _ in layers]},
    }
    held = write(config, Family.OCI.config, COMPACT)
    tree = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": Descriptor.of(held).to_tree(),
        "layers": [layer.to_tree() for layer, _ in layers],
    }
    manifest = write(tree, mediatype.OCI_MANIFEST)
    entry = Descriptor(
        mediatype.OCI_MANIFEST,
        manifest.digest,
        manifest.size,
        Platform("unknown", "unknown"),
        {ATTESTED: str(image.digest), ATTESTATION: "attestation-manifest"},
    )
    return Attached(manifest, ((Descriptor.of(held), held.raw), *layers), entry)


def as_referrer(image: Descriptor, kind: str, statement: bytes) -> Attached:
    """The manifest that refers to an image and carries one statement about it."""
    layer = _layer(kind, statement)
    empty = Descriptor(mediatype.OCI_EMPTY, Digest.of(_EMPTY), len(_EMPTY))
    tree = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": IN_TOTO,
        "config": empty.to_tree(),
        "layers": [layer.to_tree()],
        "subject": Descriptor(image.media_type, image.digest, image.size).to_tree(),
        "annotations": {PREDICATE_TYPE: kind},
    }
    return Attached(write(tree, mediatype.OCI_MANIFEST), ((empty, _EMPTY), (layer, statement)))


def _layer(kind: str, statement: bytes) -> Descriptor:
    return Descriptor(IN_TOTO, Digest.of(statement), len(statement), annotations={PREDICATE_TYPE: kind})
