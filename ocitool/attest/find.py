"""Statements found beside an image: in its index, and among the manifests that refer to it."""

import base64
from collections.abc import Iterable, Iterator, Mapping

from ocitool.attest.attachment import PREDICATE_TYPE
from ocitool.attest.statement import Statement, kind_of, read_statement
from ocitool.errors import MalformedDocument, NotFound
from ocitool.graph.select import select
from ocitool.model.digest import Digest
from ocitool.model.document import parse
from ocitool.model.mediatype import IN_TOTO
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Index, Manifest, view
from ocitool.store.base import Reader, called
from ocitool.store.verify import find_manifest, read_blob

STATEMENT_LIMIT = 64 * 1024 * 1024
"""Most bytes of a statement that are read: the SBOM of a large image has some 10 MiB."""
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType"
_MOST = 100
"""Manifests beside one image that are looked at."""


def find_statements(store: Reader, name: str, kind: str, platform: Platform | None) -> tuple[Statement, ...]:
    """Every statement of a kind (`sbom`, `provenance`) about the image of a platform, those of the index first.

    Signatures are not looked at. Raises NotFound where there is none, what `select` raises, and MalformedDocument
    for a statement that is about something else.
    """
    image = select(store, name, platform).manifest.document.digest
    root, label = store.get_manifest(name), called(store, name)
    seen = view(root)
    found = list(_in_index(store, seen, image, kind)) if isinstance(seen, Index) else []
    for subject in dict.fromkeys((image, root.digest)):
        found += _referring(store, store.referrers(subject), subject, kind)
    if not found:
        raise NotFound(
            f"no {kind} beside {label}" + (f" for {platform}" if platform else ""),
            name=kind,
            where=label,
            hint=f"ocitool build --{kind} attaches one"
            + (f"; ocitool sbom {label} reads the image" if kind == "sbom" else ""),
        )
    return tuple(found)


def _in_index(store: Reader, index: Index, image: Digest, kind: str) -> Iterator[Statement]:
    for entry in index.entries:
        if entry.attested == image:
            child = find_manifest(store, str(entry.digest))
            seen = view(child) if child is not None else None
            if isinstance(seen, Manifest):
                yield from _statements(store, seen.layers, image, kind)


def _referring(store: Reader, listed: Iterable[Descriptor], subject: Digest, kind: str) -> Iterator[Statement]:
    for entry in list(listed)[:_MOST]:
        if entry.artifact_type != IN_TOTO and not entry.artifact_type.startswith(_BUNDLE):
            continue
        said = entry.annotations.get(_BUNDLE_PREDICATE) or entry.annotations.get(PREDICATE_TYPE, "")
        if said and kind_of(said) != kind:
            continue
        child = find_manifest(store, str(entry.digest))
        seen = view(child) if child is not None else None
        if isinstance(seen, Manifest) and seen.subject is not None and seen.subject.digest == subject:
            yield from _statements(store, seen.layers, subject, kind)


def _statements(store: Reader, layers: Iterable[Descriptor], about: Digest, kind: str) -> Iterator[Statement]:
    for layer in layers:
        is_bundle = layer.media_type.startswith(_BUNDLE)
        if not is_bundle and layer.media_type != IN_TOTO:
            continue
        said = layer.annotations.get(PREDICATE_TYPE, "")
        if said and kind_of(said) != kind:
            continue
        where = f"{layer.digest.short} in {store.label}"
        data = read_blob(store, layer, STATEMENT_LIMIT)
        statement = read_statement(_payload(data, where) if is_bundle else data, about, where, is_signed=is_bundle)
        if statement.kind == kind:
            yield statement


def _payload(data: bytes, where: str) -> bytes:
    """What the envelope in a bundle holds. Raises MalformedDocument."""
    tree = parse(data)
    envelope = tree.get("dsseEnvelope") if isinstance(tree, Mapping) else None
    payload = envelope.get("payload") if isinstance(envelope, Mapping) else None
    try:
        return base64.b64decode(payload if isinstance(payload, str) else "?", validate=True)
    except ValueError:
        raise MalformedDocument(f"{where} is a bundle without a payload", where=where) from None
