"""BuildKit's attestations as referrers of their images: the same statements, found from the image.

The statement inside names an image by its digest, so an attestation is only ever attached to the image that
it was made of (K022). The form is the one that BuildKit itself publishes with `oci-artifact=true`.
Spec: image-spec manifest.md, "Guidelines for Artifact Usage"; distribution-spec, "Listing Referrers".
"""

from typing import Final

from ocitool.graph.convert import name_type
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree
from ocitool.model.views import ATTESTATION_ARTIFACT, Descriptor, Manifest, View, effective_type

EMPTY_CONFIG: Final = Descriptor(mediatype.OCI_EMPTY, Digest.of(b"{}"), 2, data=b"{}")
"""The config of a referrer, which has to be stored: two bytes."""


def as_referrer(manifest: Manifest, subject: Descriptor) -> Document:
    """The attestation as an artifact about `subject`; the same document if it is one already."""
    if manifest.subject is not None:
        return manifest.document

    def change(tree: JsonTree) -> None:
        name_type(tree, mediatype.OCI_MANIFEST)
        head = {key: tree[key] for key in ("schemaVersion", "mediaType") if key in tree}
        rest = {key: value for key, value in tree.items() if key not in (*head, "artifactType", "config")}
        tree.clear()
        tree.update(head | {"artifactType": ATTESTATION_ARTIFACT, "config": EMPTY_CONFIG.to_tree()} | rest)
        tree["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_tree()

    return manifest.document.edit(change)


def referrer_of(attestation: View, image: Document) -> Document | str:
    """The attestation as a referrer of the image, or why it cannot be one."""
    if not isinstance(attestation, Manifest) or effective_type(attestation.document) != mediatype.OCI_MANIFEST:
        return "only an OCI manifest can name a subject"
    if attestation.subject is not None and attestation.subject.digest != image.digest:
        return f"it names {attestation.subject.digest.short} as its subject"
    return as_referrer(attestation, Descriptor(effective_type(image), image.digest, image.size))
