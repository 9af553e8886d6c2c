"""Referrers of a manifest, on registries with the referrers API and on those without it.

Without the API a tag derived from the subject's digest holds an index of what refers to it, kept up to date
by whoever pushes (K131). This module is that index's only home.
Spec: distribution-spec, "Listing Referrers", "Referrers Tag Schema", "Pushing Manifests with Subject".
"""

from collections.abc import Callable
from typing import Final

from ocitool.errors import Conflict, MalformedDocument, Unsupported
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree
from ocitool.model.mediatype import Family
from ocitool.model.reference import referrers_tag
from ocitool.model.views import Descriptor, Index, Manifest, effective_type, view
from ocitool.store.base import Expect, Reader, Store
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope
from ocitool.values import dataclass

ATTEMPTS: Final = 5
"""How often a fallback index is written again after another writer came between; a guess."""
_SETTLE_S: Final = 0.05
_COSIGN: Final = (".sig", ".att", ".sbom")
"""What cosign appends to the tag of a digest; these belong to the image like its referrers."""


def read_fallback(store: Reader, subject: Digest) -> tuple[Descriptor, ...]:
    """The referrers listed under the fallback tag; none if there is no such tag or it holds no index."""
    held = find_manifest(store, referrers_tag(subject))
    seen = view(held) if held else None
    return seen.entries if isinstance(seen, Index) else ()


def cosign_tags(digest: Digest) -> tuple[str, ...]:
    """The tags under which cosign keeps what it makes about a manifest."""
    return tuple(f"{digest.algorithm}-{digest.hex}{end}" for end in _COSIGN)


def check_stands_beside(store: Store, what: str) -> None:
    """Raise Unsupported for a store in which nothing can stand beside an image."""
    if store.traits.referrers == "none":
        raise Unsupported(
            f"{store.label} has no place for {what} beside an image",
            ability="referrers",
            hint="oci-archive:FILE and oci:DIR have",
        )


def referrer_entry(document: Document) -> Descriptor:
    """How a manifest is listed as a referrer: with its artifact type and its own annotations."""
    seen = view(document)
    match seen:
        case Manifest():
            kind = seen.effective_artifact_type
        case Index():
            kind = seen.artifact_type
        case _:
            raise MalformedDocument(f"{document.digest} is no manifest that can refer to another")
    return Descriptor(
        effective_type(document), document.digest, document.size, annotations=seen.annotations, artifact_type=kind
    )


@dataclass(frozen=True, slots=True)
class ListedReferrer:
    """A referrer as a list names it, and as its own manifest does.

    `own` is None where the manifest is gone or refers to something else; then `problem` says so. `problem` is also
    set where the list gives another artifact type.
    """

    listed: Descriptor
    own: Descriptor | None
    problem: str = ""


def examine_referrer(store: Reader, subject: Digest, listed: Descriptor) -> ListedReferrer:
    """What the manifest itself says of being a referrer of `subject` (K223). Raises what reading it raises."""
    document = find_manifest(store, str(listed.digest))
    if document is None:
        return ListedReferrer(listed, None, f"{listed.digest} is not there")
    seen = view(document)
    if seen.subject is None or seen.subject.digest != subject:
        about = f"is about {seen.subject.digest.short}" if seen.subject is not None else "names no subject"
        return ListedReferrer(listed, None, f"{listed.digest.short} is listed and {about}")
    own = referrer_entry(document)
    if listed.artifact_type and listed.artifact_type != own.artifact_type:
        text = f"{listed.digest.short} is listed as {listed.artifact_type}, and is {own.artifact_type}"
        return ListedReferrer(listed, own, text)
    return ListedReferrer(listed, own)


def is_found(store: Reader, document: Document) -> bool:
    """Whether a stored manifest is found from its subject; one without a subject need not be."""
    subject = view(document).subject
    return subject is None or any(one.digest == document.digest for one in store.referrers(subject.digest))


def put_referrer(
    store: Store, document: Document, *tags: str, scope: Scope, expect: Expect | None = None
) -> Descriptor:
    """Store a manifest so that it is found from its subject, if it has one; `expect` is what the tags must hold.

    A store that lists referrers by itself is left to it; else the fallback index gets the entry, and keeps
    what others put there meanwhile. Raises Conflict if that does not succeed in several attempts.
    """
    stored = store.put_manifest(document, *tags, expect=expect)
    subject = view(document).subject
    if subject is not None and not stored.subject_indexed:
        entry = referrer_entry(document).to_tree()

        def add(entries: list[JsonTree]) -> None:
            if all(e.get("digest") != entry["digest"] for e in entries):
                entries.append(entry)

        _edit_fallback(store, subject.digest, add, scope, lambda listed: document.digest in listed)
    return stored.descriptor


def drop_referrer(store: Store, subject: Digest, digest: Digest, *, scope: Scope) -> None:
    """Take a referrer that was deleted out of the fallback index of its subject, if there is one."""
    if find_manifest(store, referrers_tag(subject)) is None:
        return

    def drop(entries: list[JsonTree]) -> None:
        entries[:] = [e for e in entries if e.get("digest") != digest]

    _edit_fallback(store, subject, drop, scope, lambda listed: digest not in listed)


def _edit_fallback(
    store: Store,
    subject: Digest,
    change: Callable[[list[JsonTree]], None],
    scope: Scope,
    is_done: Callable[[set[Digest]], bool],
) -> None:
    tag = referrers_tag(subject)
    for attempt in range(ATTEMPTS):
        before = find_manifest(store, tag)
        if before is not None and not isinstance(view(before), Index):
            raise MalformedDocument(f"{tag} in {store.label} holds no index of referrers")
        start = before or compose.index(Family.OCI, ())
        after = start.edit(lambda tree: change(tree["manifests"]))
        if after is before:
            return
        try:
            store.put_manifest(after, tag, expect=Expect(before.digest if before else None))
        except Conflict:
            continue
        if store.traits.compares_tags:
            return
        scope.sleep(_SETTLE_S * (attempt + 1))
        if is_done({entry.digest for entry in read_fallback(store, subject)}):
            return
    raise Conflict(
        f"others keep writing {tag} in {store.label}, which lists the referrers of {subject.short}",
        tag=tag,
        hint="try again; a registry with the referrers API does not need that tag",
    )
