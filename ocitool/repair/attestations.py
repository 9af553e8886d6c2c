"""BuildKit's attestations as referrers of their images: out of the index, found from the image.

The statement inside names an image by its digest, so an attestation is only ever attached to the image that
it was made of (K022). The form is the one that BuildKit itself publishes with `oci-artifact=true`.
Spec: image-spec manifest.md, "Guidelines for Artifact Usage"; distribution-spec, "Listing Referrers".
"""

from typing import Final

from ocitool.change.plan import PutBlob, PutManifest
from ocitool.check.inspection import Inspection
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document, JsonTree
from ocitool.model.views import ATTESTATION_ARTIFACT, Descriptor, Index, Manifest, View, effective_type, view
from ocitool.repair.work import Mending, name_type
from ocitool.store.base import BytesSource

FLAG: Final = "--attestations-to-referrers"
_EMPTY: Final = Descriptor(mediatype.OCI_EMPTY, Digest.of(b"{}"), 2, data=b"{}")
_PUT_EMPTY: Final = PutBlob(_EMPTY, BytesSource(b"{}"), "empty config")


def as_referrer(manifest: Manifest, subject: Descriptor) -> Document:
    """The attestation as an artifact about `subject`; the same document if it is one already."""
    if manifest.subject is not None:
        return manifest.document

    def change(tree: JsonTree) -> None:
        name_type(tree, mediatype.OCI_MANIFEST)
        head = {key: tree[key] for key in ("schemaVersion", "mediaType") if key in tree}
        rest = {key: value for key, value in tree.items() if key not in (*head, "artifactType", "config")}
        tree.clear()
        tree.update(head | {"artifactType": ATTESTATION_ARTIFACT, "config": _EMPTY.to_tree()} | rest)
        tree["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_tree()

    return manifest.document.edit(change)


def move(work: Mending, inspection: Inspection, index: Index) -> frozenset[Descriptor]:
    """Plan a referrer for every attestation of the index that can be one; returns the entries that leave it."""
    moved: set[Descriptor] = set()
    for entry in index.entries:
        if not work.attests(entry) or not entry.attested:
            continue
        child, of = inspection.snapshot.documents.get(entry.digest), as_digest(entry.attested)
        if child is None or of is None or all(other.digest != of for other in index.entries):
            continue  # gone, or stale: other rules speak
        image = inspection.snapshot.documents.get(of)
        if image is None:
            continue  # gone as well: what becomes of it is told where that is decided
        after = _referrer(view(child), image)
        if isinstance(after, str):
            work.left.append(f"{entry.label} stays in the index: {after}")
            continue
        if after is not child:
            work.put(_PUT_EMPTY)
        work.put(PutManifest(after, f"referrer of {of.short}"))
        work.replaced.append(child)
        moved.add(entry)
        text = f"{entry.label} leaves the index and refers to its image from {after.digest.short}"
        work.because(FLAG, text, entry.digest)
    return frozenset(moved)


def _referrer(attestation: View, image: Document) -> Document | str:
    """The attestation as a referrer of the image, or why it cannot be one."""
    if not isinstance(attestation, Manifest) or effective_type(attestation.document) != mediatype.OCI_MANIFEST:
        return "only an OCI manifest can name a subject"
    if attestation.subject is not None and attestation.subject.digest != image.digest:
        return f"it names {attestation.subject.digest.short} as its subject"
    return as_referrer(attestation, Descriptor(effective_type(image), image.digest, image.size))
