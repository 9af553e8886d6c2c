"""Rules about the registry: what it says beside the bytes, and which clients that breaks.

Judged by the answers that a look got anyway; stores that are no registries say nothing.
Spec: distribution-spec, "Pulling manifests".
"""

from collections.abc import Iterator
from typing import Final

from ocitool.check.finding import Location
from ocitool.check.inspection import Inspection
from ocitool.check.rules.rule import Hit, Rule
from ocitool.errors import HeaderMismatch, MalformedDocument
from ocitool.findings import Severity
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, Served
from ocitool.model.views import Index, Manifest, view


def mistyped_documents(inspection: Inspection) -> Iterator[tuple[Digest, str, str]]:
    """The digest of each manifest whose Content-Type is not its own type, with the header and that type."""
    for digest, document in inspection.snapshot.documents.items():
        if document.served is None:
            continue
        header = mediatype.bare(document.served.content_type)
        seen = inspection.views.get(digest)
        own = seen.effective_type if isinstance(seen, Index | Manifest) else "" if seen else _own_type(document)
        if own and header != own:
            yield digest, header, own


def content_type(inspection: Inspection) -> Iterator[Hit]:
    """A manifest that is served as something else: engines choose their reader by the header (K043)."""
    for digest, header, own in mistyped_documents(inspection):
        served = f"served as {header}" if header else "served without a Content-Type"
        yield _at(inspection, digest), f"{served}, and it is {own}"


def wrong_digest(inspection: Inspection) -> Iterator[Hit]:
    """A manifest that is served under the digest of another (K122)."""
    for edge, error in inspection.snapshot.unanswered:
        if isinstance(error, HeaderMismatch):
            yield _at(inspection, edge.descriptor.digest), _misnamed(error)
    if isinstance(inspection.refused, HeaderMismatch):
        yield Location(inspection.snapshot.root.digest), _misnamed(inspection.refused)


def no_digest(inspection: Inspection) -> Iterator[Hit]:
    """Manifests without Docker-Content-Digest, which the specification leaves open (K122)."""
    if any(not served.digest for served in _answers(inspection)):
        yield Location(inspection.snapshot.root.digest), "manifests are served without Docker-Content-Digest"


def no_length(inspection: Inspection) -> Iterator[Hit]:
    """Manifests without Content-Length."""
    if any(not served.length for served in _answers(inspection)):
        yield Location(inspection.snapshot.root.digest), "manifests are served without Content-Length"


def head(inspection: Inspection) -> Iterator[Hit]:
    """A HEAD that is refused, or answered otherwise than a GET (K123)."""
    if inspection.head is None or inspection.head.served is None:
        return
    told, root = inspection.head.served, inspection.snapshot.documents.get(inspection.snapshot.root.digest)
    at = Location(inspection.snapshot.root.digest)
    if told.status != 200:
        yield at, f"HEAD of a manifest is answered {told.status}"
    elif root is not None and root.served is not None:
        got = root.served
        pairs = (
            ("Content-Type", mediatype.bare(told.content_type), mediatype.bare(got.content_type)),
            ("Docker-Content-Digest", told.digest, got.digest),
            ("Content-Length", told.length, got.length),
        )
        for name, by_head, by_get in pairs:
            if by_get and by_head != by_get:
                yield at, f"HEAD gives {'another' if by_head else 'no'} {name}{' than GET' if by_head else ''}"


def _answers(inspection: Inspection) -> Iterator[Served]:
    return (d.served for d in inspection.snapshot.documents.values() if d.served is not None)


def _own_type(document: Document) -> str:
    """What a document that could not be read in one way says it is, if only its Content-Type is in the way."""
    try:
        seen = view(Document(document.raw, ""))
    except MalformedDocument:
        return ""
    return seen.own_type if isinstance(seen, Index | Manifest) else ""


def _misnamed(error: HeaderMismatch) -> str:
    return f"served with Docker-Content-Digest {error.expected[:19]}, and its bytes are {error.got[:19]}"


def _at(inspection: Inspection, digest: Digest) -> Location:
    return Location(digest, label=inspection.label(digest))


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

RULES: Final = (
    Rule(
        "registry/content-type", "A manifest is served as something else",
        "Engines choose how to read a manifest by the header alone, and refuse what does not fit.",
        "an OCI index with `Content-Type: application/json`", _ERROR, content_type,
        advice="Push the manifest again with its own type; if it stays, it is for the registry or a proxy to mend.",
    ),
    Rule(
        "registry/wrong-digest", "A manifest is served under another digest",
        "Clients that resolve a tag by the header pull something else next, or nothing.",
        "`Docker-Content-Digest: sha256:1f…` for bytes of sha256:2e…", _ERROR, wrong_digest,
        advice="It is for the registry or a proxy before it to mend; pull by digest until then.",
    ),
    Rule(
        "registry/head", "HEAD and GET disagree",
        "Update tools and mirrors ask by HEAD; they see another size, type or digest than a pull, or nothing.",
        "`Content-Length: 0` by HEAD, 428 by GET", _WARNING, head,
        advice="It is for the registry or a proxy before it to mend: HEAD has to answer as GET does.",
    ),
    Rule(
        "registry/no-digest", "Manifests without Docker-Content-Digest",
        "The specification leaves it open; tools that resolve a tag by HEAD need it.",
        "an answer with Content-Type and Content-Length only", _NOTE, no_digest,
        advice="Nothing, where your tools manage; else a proxy may drop the header.",
    ),
    Rule(
        "registry/no-length", "Manifests without Content-Length",
        "Clients that fill a descriptor from the header have no size for it.",
        "`Transfer-Encoding: chunked` for a manifest", _NOTE, no_length,
        advice="Nothing, where your tools manage; else a proxy may drop the header.",
    ),
)  # fmt: skip
