"""Statements found beside an image: in its index, and among the manifests that refer to it."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from ocitool.attest.attachment import PREDICATE_TYPE
from ocitool.attest.statement import Place, Statement, is_of, read_statement
from ocitool.errors import MalformedDocument, NotFound
from ocitool.graph.select import select
from ocitool.model.digest import Digest
from ocitool.model.document import parse
from ocitool.model.mediatype import IN_TOTO
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Index, Manifest, view
from ocitool.store.base import Reader, called
from ocitool.store.verify import find_manifest, read_blob

STATEMENT_LIMIT: Final = 64 * MIB
"""Most bytes of a statement that are read: the SBOM of a large image has some 10 MiB."""
_ALL_LIMIT: Final = 256 * MIB
"""Most bytes of all statements beside one image; a guess at many times what there is."""
_MOST: Final = 100
"""Manifests beside one image, and statements in one of them, that are looked at."""
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_BUNDLE_PREDICATE: Final = "dev.sigstore.bundle.predicateType"


def find_statements(store: Reader, name: str, kind: str, platform: Platform | None) -> tuple[Statement, ...]:
    """Every statement of a kind (`sbom`, `provenance`) about the image of a platform, those of the index first.

    Signatures are not looked at. Raises NotFound where there is none, what `select` raises, and MalformedDocument
    for a statement that is about something else, and for more than is read.
    """
    image = select(store, name, platform).manifest.document.digest
    root, label = store.get_manifest(name), called(store, name)
    seen, beside = view(root), Statements(store)
    found = list(beside.in_index(seen, image, kind)) if isinstance(seen, Index) else []
    for subject in dict.fromkeys((image, root.digest)):
        found += beside.referring(subject, kind)
    if not found:
        raise NotFound(
            f"no {kind} beside {label}" + (f" for {platform}" if platform else ""),
            name=kind,
            where=label,
            hint=f"ocitool build --{kind} attaches one"
            + (f"; ocitool sbom {label} reads the image" if kind == "sbom" else ""),
        )
    return tuple(found)


class Statements:
    """Reads the statements beside an image, within a bound of bytes that is for all of them together.

    `wanted` is a kind or a predicate type. All raise MalformedDocument for a statement that is about something else
    and for more bytes than are read, and what reading raises.
    """

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._left = _ALL_LIMIT

    def in_index(self, index: Index, image: Digest, wanted: str) -> Iterator[Statement]:
        """Those that BuildKit's manifests in the index hold."""
        entries = (entry for entry in index.entries if entry.attested == image)
        for entry in islice(entries, _MOST):
            child = find_manifest(self._store, str(entry.digest))
            seen = view(child) if child is not None else None
            if isinstance(seen, Manifest):
                yield from self._statements(seen.layers, image, wanted, "index")

    def referring(self, subject: Digest, wanted: str) -> Iterator[Statement]:
        """Those in manifests that refer to the image, as they are or in bundles."""
        for entry in self._store.referrers(subject)[:_MOST]:
            if entry.artifact_type != IN_TOTO and not entry.artifact_type.startswith(_BUNDLE):
                continue
            said = entry.annotations.get(_BUNDLE_PREDICATE) or entry.annotations.get(PREDICATE_TYPE, "")
            if said and not is_of(said, wanted):
                continue
            child = find_manifest(self._store, str(entry.digest))
            seen = view(child) if child is not None else None
            if isinstance(seen, Manifest) and seen.subject is not None and seen.subject.digest == subject:
                yield from self._statements(seen.layers, subject, wanted, "referrer")

    def _statements(
        self, layers: Iterable[Descriptor], about: Digest, wanted: str, place: Place
    ) -> Iterator[Statement]:
        for layer in {layer.digest: layer for layer in islice(layers, _MOST)}.values():
            is_bundle = layer.media_type.startswith(_BUNDLE)
            if not is_bundle and layer.media_type != IN_TOTO:
                continue
            said = layer.annotations.get(PREDICATE_TYPE, "")
            if said and not is_of(said, wanted):
                continue
            where = f"{layer.digest.short} in {self._store.label}"
            data = read_blob(self._store, layer, min(STATEMENT_LIMIT, self._left))
            self._left -= len(data)
            payload = _payload(data, where) if is_bundle else data
            statement = read_statement(payload, about, where, "bundle" if is_bundle else place)
            if is_of(statement.predicate_type, wanted):
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
