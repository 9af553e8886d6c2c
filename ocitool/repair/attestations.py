"""BuildKit's attestations leave the index, and refer to their images from beside it."""

from typing import Final

from ocitool.change.plan import PutBlob, PutManifest
from ocitool.check.inspection import Inspection
from ocitool.graph.attestations import EMPTY_CONFIG, referrer_of
from ocitool.model.digest import as_digest
from ocitool.model.views import Descriptor, Index, view
from ocitool.repair.work import Mending
from ocitool.store.base import BytesSource

FLAG: Final = "--attestations-to-referrers"
_PUT_EMPTY: Final = PutBlob(EMPTY_CONFIG, BytesSource(b"{}"), "empty config")


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
        after = referrer_of(view(child), image)
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
