"""Repositories of every shape, from sketches: shared and nested children, referrers, signatures, dates of every kind.

And what of them has to stay, worked out the slow way: by rules over all documents, until nothing is added.
"""

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ocitool.graph.referrers import cosign_tags, put_referrer
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.reference import referrers_tag
from ocitool.model.views import Descriptor, Index, Manifest, view
from ocitool.store.base import BytesSource, Put, Store, Stored, Traits
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope

NOW = 1_700_000_000
"""2023-11-14, when everything is judged."""
DATES = (
    *("2023-11-14T00:00:00Z", "2023-11-01T12:00:00.25Z", "2023-06-01T00:00:00+02:00", "2021-01-01T00:00:00Z"),
    *("1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z", "2999-01-01T00:00:00Z", "", "yesterday", None),
)
TAGS = ("1.0", "1.1", "1.2.0", "2.0-rc1", "2.0", "v3", "latest", "edge", "dev-1", "dev-2")


@dataclass(frozen=True)
class Part:
    """A manifest: an image or artifact with a date, or an index of earlier parts; perhaps about an earlier part."""

    kind: str
    below: tuple[int, ...] = ()
    subject: int | None = None
    created: str | None = None


@dataclass(frozen=True)
class Sketch:
    """Parts, each made of earlier ones; tags on them; and lists of cosign's, by part, kind and the part they hold."""

    parts: tuple[Part, ...]
    tags: Mapping[str, int]
    signed: tuple[tuple[int, int, int], ...] = ()


def sketch(chance: random.Random, most: int = 12) -> Sketch:
    """A sketch by chance."""
    parts: list[Part] = []
    for number in range(chance.randint(1, most)):
        kind = chance.choice(["image", "image", "index", "index", "artifact"]) if number else "image"
        below = tuple(chance.randrange(number) for _ in range(chance.randint(0, 4))) if kind == "index" else ()
        subject = chance.randrange(number) if number and chance.random() < 0.3 else None
        parts.append(Part(kind, below, subject, chance.choice(DATES)))
    names = chance.sample(TAGS, chance.randint(0, len(TAGS)))
    signed = [
        (chance.randrange(len(parts)), chance.randrange(3), chance.randrange(len(parts)))
        for _ in range(chance.randint(0, 4))
    ]
    return Sketch(tuple(parts), {name: chance.randrange(len(parts)) for name in names}, tuple(signed))


def build(store: Store, drawn: Sketch, *, salt: str = "") -> list[Document]:
    """Put a sketch into a store; the manifests of its parts."""
    made: list[Document] = []
    for number, part in enumerate(drawn.parts):
        document = _document(store, part, made, f"{salt}{number}")
        put_referrer(store, document, scope=Scope())
        made.append(document)
    for name, number in drawn.tags.items():
        store.put_manifest(made[number], name)
    for about, kind, held in drawn.signed:
        store.put_manifest(made[held], cosign_tags(made[about].digest)[kind])
    return made


def _document(store: Store, part: Part, made: list[Document], author: str) -> Document:
    tree: dict[str, Any] = {"schemaVersion": 2, "annotations": {"author": author}}
    if part.kind == "index":
        entries = [Descriptor.of(made[one]).to_tree() for one in part.below]
        tree |= {"mediaType": mediatype.OCI_INDEX, "manifests": entries}
    else:
        is_image = part.kind == "image"
        config = {"author": author} | ({"created": part.created} if part.created is not None else {})
        media_type = mediatype.OCI_CONFIG if is_image else "application/vnd.example.thing"
        tree |= {
            "mediaType": mediatype.OCI_MANIFEST,
            "config": _blob(store, json.dumps(config).encode(), media_type),
            "layers": [_blob(store, f"layer of {author}".encode(), mediatype.OCTETS)],
        }
    if part.subject is not None:
        tree["subject"] = Descriptor.of(made[part.subject]).to_tree()
    return Document(json.dumps(tree).encode(), tree["mediaType"])


def _blob(store: Store, data: bytes, media_type: str) -> dict[str, Any]:
    descriptor = Descriptor(media_type, Digest.of(data), len(data))
    assert store.put_blob(descriptor, BytesSource(data)) in Put
    return descriptor.to_tree()


class Listing(MemoryStore):
    """A store that lists referrers by itself, and is asked one thing after the other: threads take longer."""

    traits = Traits(compares_tags=True, concurrency=1)


class ListedByTag(Listing):
    """A store that leaves it to clients to list referrers under a fallback tag, as docker-registry does."""

    def put_manifest(self, document: Document, *tags: str, **more: Any) -> Stored:
        stored = super().put_manifest(document, *tags, **more)
        return Stored(stored.descriptor, subject_indexed=False)

    def referrers(self, digest: Digest) -> list[Descriptor]:
        held = self.head(referrers_tag(digest))
        seen = view(self.get_manifest(str(held.digest))) if held is not None else None
        return list(seen.entries) if isinstance(seen, Index) else []


def documents_of(store: MemoryStore) -> dict[Digest, Document]:
    """Every manifest, tagged or not."""
    return dict(store._manifests)


def tags_of(store: Store) -> dict[str, Digest]:
    """Every tag and what it holds."""
    return {tag: found.digest for tag in store.tags() if (found := store.head(tag)) is not None}


def beside(digest: Digest) -> tuple[str, ...]:
    """The tags that belong to a manifest."""
    return (referrers_tag(digest), *cosign_tags(digest))


def has_to_stay(
    documents: Mapping[Digest, Document], tags: Mapping[str, Digest], kept: Iterable[str]
) -> set[Digest]:
    """All that kept tags reach: what indexes list, subjects, referrers, what the tags hold that belong to any."""
    return _reached(documents, tags, kept, subjects=True)


def may_go(documents: Mapping[Digest, Document], tags: Mapping[str, Digest], going: Iterable[str]) -> set[Digest]:
    """All that tags reach which go: as above, but for subjects."""
    return _reached(documents, tags, going, subjects=False)


def _reached(
    documents: Mapping[Digest, Document], tags: Mapping[str, Digest], start: Iterable[str], *, subjects: bool
) -> set[Digest]:
    found = {tags[tag] for tag in start}
    while True:
        more = set(found)
        for digest, document in documents.items():
            subject = view(document).subject
            if digest in found:
                more |= set(_listed(document)) | ({subject.digest} if subject and subjects else set())
                more |= {tags[tag] for tag in beside(digest) if tag in tags}
            if subject is not None and subject.digest in found:
                more.add(digest)
        if more == found:
            return found
        found = more


def is_whole(documents: Mapping[Digest, Document], digest: Digest) -> bool:
    """Whether a manifest is there, and all that it lists."""
    return digest in documents and all(is_whole(documents, one) for one in _listed(documents[digest]))


def _listed(document: Document) -> list[Digest]:
    seen = view(document)
    return [entry.digest for entry in seen.entries] if isinstance(seen, Index) else []


def blobs_of(document: Document) -> list[Descriptor]:
    """The blobs of an image or artifact."""
    seen = view(document)
    return [seen.config, *seen.layers] if isinstance(seen, Manifest) else []
