"""Referrers that stay with a manifest when a repair puts another in its place.

A signature or an SBOM is of the old bytes and is never pointed at the new ones; who asks for one before a pull
gets none until the new digest is signed. Spec: distribution-spec, "Listing Referrers"; cosign, "Tag discovery".
"""

from collections import Counter
from dataclasses import replace

from ocitool.change.plan import Plan
from ocitool.errors import Cancelled, OcitoolError
from ocitool.graph.referrers import cosign_tags
from ocitool.model.document import Document
from ocitool.store.base import Reader
from ocitool.tasks import Scope, TaskGroup


def with_followers(plan: Plan, store: Reader, *, scope: Scope) -> Plan:
    """The plan with a note for each manifest that it replaces and others refer to; asks only where it does."""
    bases = [tag.base for tag in plan.tags if tag.base is not None and not tag.is_kept]
    replaced = {document.digest: document for document in (*bases, *(plan.replaced if bases else ()))}
    with TaskGroup(scope, store.traits.concurrency) as group:
        tasks = [group.spawn(_followers, document, store) for document in replaced.values()]
    return replace(plan, notes=(*plan.notes, *(note for task in tasks if (note := task.result))))


def _followers(document: Document, store: Reader) -> str:
    digest = document.digest
    try:
        kinds = Counter(one.artifact_type or one.media_type for one in store.referrers(digest))
        tags = [tag for tag in cosign_tags(digest) if store.head(tag) is not None]
    except Cancelled:
        raise
    except OcitoolError as error:  # nothing depends on it
        return f"whether anything refers to {digest.short} could not be seen: {error}"
    named = [*(f"{kind} ({number})" if number > 1 else kind for kind, number in sorted(kinds.items())), *tags]
    if not named:
        return ""
    return f"{', '.join(named)} will not be of what takes the place of {digest.short}: sign and attest that anew"
