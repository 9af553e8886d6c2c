"""Changes beside a tag that keeps what it holds, as signatures are: what they consist of, and their end.

A list beside the tag may have been written by others since: then only our entries leave it.
"""

from collections.abc import Iterable

from ocitool.change.journal import Journal, Record, Sibling
from ocitool.change.plan import ContentStep, Delete, PlanStep, PutBlob, PutManifest, Tag
from ocitool.graph.signature_list import entries, gained, without
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Store
from ocitool.store.verify import find_manifest


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


def attached_by(steps: Iterable[ContentStep]) -> tuple[Digest, ...]:
    """The manifests that a plan puts there, which refer to others."""
    return tuple(step.document.digest for step in steps if isinstance(step, PutManifest))


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
    for digest in record.attached:
        document_there = find_manifest(store, str(digest))
        if document_there is not None:
            deletes.append(Delete(str(digest), document_there))
    return (*content, *tags, *deletes)


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
