"""Amounts that a copy would move: what a plan brings and a store lacks."""

from collections.abc import Iterator
from typing import Any

from ocitool.change.plan import CopyFrom, Plan
from ocitool.graph.copy import found_in
from ocitool.graph.walk import walk_below
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.store.base import Store
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Lacking:
    """Blobs and manifests that a store lacks, and their bytes."""

    size: int = 0
    blobs: int = 0
    manifests: int = 0

    def to_tree(self) -> dict[str, Any]:
        """It as JSON output has it."""
        return {"bytes": self.size, "blobs": self.blobs, "manifests": self.manifests}


def lacking(plan: Plan, store: Store, *, scope: Scope, width: int) -> Lacking:
    """What of all that the plan copies is not in the store; reads manifests, and asks for every distinct blob.

    Foreign layers, which are not copied, do not count; blobs that the registry would mount do.
    """
    blobs, manifests = dict[Digest, Descriptor](), dict[Digest, int]()
    for step in _copies(plan):
        if step.trust and store.head(str(step.descriptor.digest)) is not None:
            continue
        snapshot = step.snapshot
        if snapshot is None:
            root = step.document or step.origin.get_manifest(str(step.descriptor.digest))
            snapshot = walk_below(step.origin, root, scope=scope, width=width)
        manifests |= {digest: document.size for digest, document in snapshot.documents.items()}
        spared = found_in(step.spares, snapshot.blobs, scope=scope, width=width)
        blobs |= {
            one.digest: one
            for one in snapshot.blobs
            if one not in spared and not (mediatype.is_foreign(one.media_type) and one.urls)
        }
    manifests |= {tag.document.digest: tag.document.size for tag in plan.tags}
    abreast = min(width, store.traits.concurrency)
    there = collect(scope, store.has_blob, blobs.values(), abreast)
    held = collect(scope, lambda digest: store.head(str(digest)) is not None, manifests, abreast)
    gone = [blob.size for blob, is_there in zip(blobs.values(), there, strict=True) if not is_there]
    unheld = [size for size, is_held in zip(manifests.values(), held, strict=True) if not is_held]
    return Lacking(sum(gone) + sum(unheld), len(gone), len(unheld))


def _copies(plan: Plan) -> Iterator[CopyFrom]:
    return (step for step in plan.steps if isinstance(step, CopyFrom))
