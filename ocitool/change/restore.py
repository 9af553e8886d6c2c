"""Steps that bring back what was deleted: manifests from the backup, while the store has their blobs, and tags."""

from collections.abc import Iterable, Mapping, Sequence

from ocitool.change.journal import Journal, Record
from ocitool.change.plan import CopyFrom, PlanStep, PutManifest, Tag, in_order
from ocitool.errors import NotFound, Unsupported
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Manifest, listed, view
from ocitool.store.base import Reader, Store
from ocitool.store.placeholder import stands_for
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope, collect


def restored(
    record: Record,
    store: Store,
    journal: Journal,
    sources: Sequence[Reader] = (),
    current: Document | None = None,
    *,
    scope: Scope,
) -> tuple[PlanStep, ...]:
    """Steps that bring back what a record says was deleted, in the order of a plan, the record's own name last.

    What is there again is left alone; `current` is what its own tag holds instead, if that gives way. Raises
    NotFound for bytes that are nowhere, Unsupported, which names them, where blobs are gone from the store and are
    in none of the `sources`.
    """
    tags = dict(record.untagged) | ({record.tag: record.before} if record.before is not None else {})
    wanted = dict.fromkeys((*record.removed, *(digest for digest in tags.values() if digest is not None)))
    width = store.traits.concurrency
    heads = collect(scope, store.head, wanted, width)
    documents = _kept([one for one, held in zip(wanted, heads, strict=True) if held is None], journal, sources)
    if lost := [one for one, held in zip(wanted, heads, strict=True) if held is None and one not in documents]:
        raise NotFound(f"{lost[0]} is neither in {store.label} nor in {journal.root}", name=str(lost[0]))
    content = _content(documents, store, sources, scope)
    steps: list[PlanStep] = []
    for name, digest in tags.items():
        if digest is None or as_digest(name) is not None:
            continue
        document = documents.get(digest) or store.get_manifest(str(digest))
        base = current if name == record.tag else _left_over(store, name)
        if name == record.tag or base is not None or store.head(name) is None:
            steps.append(Tag(name, document, base))
    return tuple(in_order((*content, *steps)))


def _kept(digests: Iterable[Digest], journal: Journal, sources: Sequence[Reader]) -> dict[Digest, Document]:
    """Documents from the backup or the sources, of those that are there."""
    found = journal.documents(digests)
    for digest in digests:
        for source in sources if digest not in found else ():
            if (document := find_manifest(source, str(digest))) is not None:
                found[digest] = document
                break
    return found


def _content(
    documents: Mapping[Digest, Document], store: Store, sources: Sequence[Reader], scope: Scope
) -> list[PlanStep]:
    """Manifests to put back, each after what it lists. Raises Unsupported for blobs that are nowhere."""
    blobs: dict[Digest, tuple[Descriptor, Digest]] = {}
    for digest, document in documents.items():
        seen = view(document)
        if isinstance(seen, Manifest):
            blobs |= {blob.digest: (blob, digest) for blob in (seen.config, *seen.layers) if not blob.urls}
    there = collect(scope, lambda one: _has(store, one[0]), blobs.values(), store.traits.concurrency)
    gone = [one for one, is_there in zip(blobs.values(), there, strict=True) if not is_there]
    origins: dict[Digest, Reader] = {}
    lost = []
    for blob, digest in gone:
        origin = next((one for one in sources if one.has_blob(blob) and one.head(str(digest)) is not None), None)
        if origin is None:
            lost.append(blob.digest)
        else:
            origins[digest] = origin
    if lost:
        names = ", ".join(lost[:10]) + (f" and {len(lost) - 10} more" if len(lost) > 10 else "")
        raise Unsupported(
            f"{store.label} no longer has the blobs of what was deleted: {names}",
            ability="undo",
            hint="the registry has collected its garbage; --source PLACE brings them from where they still are",
        )
    return [
        CopyFrom(origins[digest], Descriptor.of(documents[digest]))
        if digest in origins
        else PutManifest(documents[digest])
        for digest in children_first(documents)
    ]


def _has(store: Store, blob: Descriptor) -> bool:
    """Whether a blob is there; asked twice, since a registry may lie to a HEAD (K217)."""
    return store.has_blob(blob) or store.blob_size(blob.digest) == blob.size


def children_first(documents: Mapping[Digest, Document]) -> list[Digest]:
    """The digests in an order in which each comes after what it lists."""
    ordered: dict[Digest, None] = {}
    waiting = [(digest, False) for digest in reversed(list(documents))]
    while waiting:
        digest, is_seen = waiting.pop()
        if digest in ordered or digest not in documents:
            continue
        if is_seen:
            ordered[digest] = None
            continue
        waiting.append((digest, True))
        waiting += ((child, False) for child in listed(view(documents[digest])))
    return list(ordered)


def _left_over(store: Store, name: str) -> Document | None:
    """The placeholder under a tag whose deletion died."""
    held = find_manifest(store, name)
    return held if held is not None and stands_for(held) is not None else None
