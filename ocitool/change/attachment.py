"""Changes beside a tag, as signatures are: what they consist of, their end, and what is taken away.

A list beside the tag may have been written by others since: then only our entries leave it.
"""

from collections.abc import Iterable
from typing import Any

from ocitool.change.journal import Journal, Record, Sibling
from ocitool.change.plan import Delete, Plan, PlanStep, PutBlob, PutManifest, Tag, in_order
from ocitool.errors import NotFound, UsageError
from ocitool.graph.signature_list import entries, gained, without
from ocitool.graph.walk import walk
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, view
from ocitool.store.base import BytesSource, Store, called
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope


def siblings_of(tags: Iterable[Tag]) -> tuple[Sibling, ...]:
    """What is noted of lists that are written beside a tag."""
    return tuple(
        Sibling(
            tag.name,
            tag.base.digest if tag.base else None,
            tag.document.digest,
            gained(tag.base, tag.document, tag.name),
        )
        for tag in tags
    )


def beside(plan: Plan, others: Iterable[Tag]) -> dict[str, Any]:
    """What the record of a change has about what a plan changes beside its tag: tags, and manifests that refer."""
    puts = [step.document for step in plan.steps if isinstance(step, PutManifest)]
    deletes = [step for step in plan.steps if isinstance(step, Delete)]
    return {
        "siblings": siblings_of(others),
        "attached": tuple(one.digest for one in puts if view(one).subject is not None),
        "detached": tuple(step.base.digest for step in deletes if step.name == step.base.digest),
    }


def plan_detach(store: Store, name: str, digests: Iterable[Digest], *, scope: Scope) -> Plan:
    """The plan that deletes manifests that refer to what `name` holds, or to a manifest below it.

    The bytes of the manifests are kept for `undo`, not those of their blobs. Raises NotFound for a digest that
    refers to none of them, UsageError for what is no referrer.
    """
    document = store.get_manifest(name)
    below = {one.digest for one in walk(store, name, scope=scope, tolerant=True).documents.values()}
    deletes = []
    for digest in dict.fromkeys(digests):
        held = find_manifest(store, str(digest))
        if held is None:
            raise NotFound(
                f"no manifest {digest} in {store.label}",
                name=str(digest),
                where=store.label,
                hint=f"ocitool referrers {called(store, name)} lists what there is",
            )
        subject = view(held).subject
        if subject is None or subject.digest not in below:
            about = f"refers to {subject.digest}" if subject is not None else "refers to nothing"
            raise UsageError(
                f"{digest} {about}, and not to what {called(store, name)} holds",
                hint="a list of cosign's is a tag: ocitool undo takes back what was signed from here",
            )
        deletes.append(Delete(str(digest), held))
    if not deletes:
        raise UsageError("what should be detached?", hint="name the digest of a referrer")
    kept = Tag(name or str(document.digest), document, document)
    return Plan(store.label, (kept, *deletes), names=(kept.name,), attaches=True)


def taken_back(record: Record, store: Store, journal: Journal) -> tuple[PlanStep, ...]:
    """Steps that take an attachment back, in the order of a plan; none where nothing of it is left."""
    content: list[PlanStep] = []
    tags: list[PlanStep] = []
    deletes: list[PlanStep] = []
    for sibling in record.siblings:
        held = find_manifest(store, sibling.tag)
        if held is None or not gained_still(held, sibling):
            continue
        old = _before(held, sibling, store, journal)
        if old is None:
            deletes.append(Delete(str(held.digest), held))  # registries delete no tags by name
            continue
        if isinstance(old, tuple):
            document, config = old
            content.append(PutBlob(Descriptor.of(config), BytesSource(config.raw), f"config of {sibling.tag}"))
            old = document
        tags.append(Tag(sibling.tag, old, held))
    for digest in record.detached:
        gone = journal.document(digest) if store.head(str(digest)) is None else None
        content += [PutManifest(gone, "what was detached")] if gone is not None else []
    for digest in record.attached:
        document_there = find_manifest(store, str(digest))
        if document_there is not None:
            deletes.append(Delete(str(digest), document_there))
    return tuple(in_order((*content, *tags, *deletes)))


def gained_still(held: Document, sibling: Sibling) -> bool:
    """Whether a list still has an entry that the change put there."""
    return any(_same(layer, sibling.gained) for layer in entries(held, sibling.tag))


def _before(
    held: Document, sibling: Sibling, store: Store, journal: Journal
) -> Document | tuple[Document, Document] | None:
    """What a list is to hold again: its old bytes, a new list and its config where others wrote, or nothing."""
    if held.digest == sibling.after:
        if sibling.before is None:
            return None
        old = journal.document(sibling.before) or find_manifest(store, str(sibling.before))
        if old is not None:
            return old
    return without(held, sibling.gained, sibling.tag)


def _same(layer: Descriptor, others: Iterable[Descriptor]) -> bool:
    return any(layer.to_tree() == one.to_tree() for one in others)
