"""Rules about what stands under the entries of an index, and about the documents themselves.

Spec: image-spec image-index.md, descriptor.md; the ids are those of the index family.
"""

from collections.abc import Iterator
from typing import Final

from ocitool.check.finding import Location
from ocitool.check.inspection import Inspection
from ocitool.check.rules.index import entries, place
from ocitool.check.rules.registry import mistyped_documents
from ocitool.check.rules.rule import Hit, Rule
from ocitool.errors import Ambiguous, DigestMismatch, HeaderMismatch, MalformedDocument
from ocitool.findings import Severity
from ocitool.model import mediatype
from ocitool.model.document import MANIFEST_LIMIT
from ocitool.model.mediatype import Family
from ocitool.model.views import Opaque, View, effective_type, is_schema_1


def nested(inspection: Inspection) -> Iterator[Hit]:
    """An index inside an index: many clients look one level down only (K020)."""
    for index, number, entry in entries(inspection):
        inner = inspection.snapshot.documents.get(entry.digest)
        if mediatype.is_index(entry.media_type) or (inner and mediatype.is_index(inner.media_type)):
            yield place(index, number, "", entry), "an index inside an index"


def mixed_families(inspection: Inspection) -> Iterator[Hit]:
    """Docker and OCI manifests in one list (K023, K225).

    A manifest is what it says it is itself; an entry that says otherwise is child_type's.
    """
    read = {digest: _type(seen) for digest, seen in inspection.views.items()}
    for index in inspection.indexes:
        own = mediatype.family_of(index.effective_type)
        for number, entry in enumerate(index.entries):
            has = mediatype.family_of(read.get(entry.digest, entry.media_type))
            if own is not None and has not in (None, own):
                yield (
                    place(index, number, "/mediaType", entry),
                    f"{_article(has)} manifest in {_article(own)} index",
                )


def child_size(inspection: Inspection) -> Iterator[Hit]:
    """An entry whose size is not that of the manifest: strict clients refuse it."""
    for index, number, entry in entries(inspection):
        child = inspection.snapshot.documents.get(entry.digest)
        if child is not None and child.size != entry.size:
            yield (
                place(index, number, "/size", entry),
                f"entry says {entry.size} bytes, the manifest has {child.size}",
            )


def child_type(inspection: Inspection) -> Iterator[Hit]:
    """An entry whose mediaType is not the manifest's own."""
    for index, number, entry in entries(inspection):
        child = inspection.views.get(entry.digest)
        if child is None:
            continue
        is_type = _type(child)
        if is_type and is_type != entry.media_type:
            yield (
                place(index, number, "/mediaType", entry),
                f"entry says {entry.media_type}, the manifest says {is_type}",
            )


def dangling(inspection: Inspection) -> Iterator[Hit]:
    """An entry whose manifest is not there: every pull of that platform fails (K034)."""
    gone = {edge.descriptor.digest for edge in inspection.snapshot.missing}
    for index, number, entry in entries(inspection):
        if entry.digest in gone:
            yield place(index, number, "/digest", entry), f"{entry.digest} is not there"


def child_digest(inspection: Inspection) -> Iterator[Hit]:
    """An entry whose digest names other bytes than those that are served under it."""
    for edge, error in inspection.snapshot.unanswered:
        if isinstance(error, DigestMismatch) and not isinstance(error, HeaderMismatch):
            got = error.got[:19] or "something else"
            yield (
                Location(edge.parent, f"{edge.pointer}/digest", label=edge.descriptor.label),
                f"what is served under {edge.descriptor.digest.short} hashes to {got}",
            )


def broken_child(inspection: Inspection) -> Iterator[Hit]:
    """An entry whose manifest is none, or cannot be read in one way only (K043)."""
    unread = (
        (edge, error) for edge, error in inspection.snapshot.unanswered if isinstance(error, MalformedDocument)
    )
    mistyped = {digest for digest, *_ in mistyped_documents(inspection)}
    for edge, error in (*inspection.snapshot.refused, *unread):
        if edge.descriptor.digest not in mistyped:
            yield Location(edge.parent, edge.pointer, label=edge.descriptor.label), str(error)


def ambiguous(inspection: Inspection) -> Iterator[Hit]:
    """A name that holds what is an index to one reader and an image to the next (K043)."""
    if isinstance(inspection.refused, Ambiguous) and not any(mistyped_documents(inspection)):
        yield Location(inspection.snapshot.root.digest), str(inspection.refused)


def schema_1(inspection: Inspection) -> Iterator[Hit]:
    """A manifest of the first form, which engines no longer pull (K125)."""
    for digest, seen in inspection.views.items():
        if isinstance(seen, Opaque) and is_schema_1(seen.document):
            at = Location(digest, label=inspection.label(digest))
            yield at, "a schema 1 manifest, which registries and engines have dropped"


def unknown_type(inspection: Inspection) -> Iterator[Hit]:
    """A document that is neither index nor manifest: a page of a proxy, an artifact of a form that was given up."""
    for digest, seen in inspection.views.items():
        if isinstance(seen, Opaque) and not is_schema_1(seen.document):
            yield Location(digest, label=inspection.label(digest)), f"{seen.why}, which nobody can pull"


def no_version(inspection: Inspection) -> Iterator[Hit]:
    """A document without schemaVersion, which registries refuse to store."""
    for digest, seen in inspection.views.items():
        if not isinstance(seen, Opaque) and "schemaVersion" not in seen.document.tree():
            yield (
                Location(digest, "/schemaVersion", label=inspection.label(digest)),
                "the document says no schemaVersion",
            )


def too_large(inspection: Inspection) -> Iterator[Hit]:
    """A manifest above 4 MiB, which registries may take and then do not serve."""
    for digest, document in inspection.snapshot.documents.items():
        if document.size > MANIFEST_LIMIT:
            at = Location(digest, label=inspection.label(digest))
            yield at, f"{document.size} bytes, where registries take {MANIFEST_LIMIT}"


def _type(seen: View) -> str:
    return effective_type(seen.document) if isinstance(seen, Opaque) else seen.effective_type


def _article(family: Family | None) -> str:
    return "an OCI" if family is Family.OCI else "a Docker"


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

RULES: Final = (
    Rule(
        "index/nested",
        "An index inside an index",
        "The specification allows it, and many clients look one level down only.",
        "an entry of type application/vnd.oci.image.index.v1+json",
        _WARNING, nested, fixable=True,
    ),
    Rule(
        "index/mixed-families",
        "Docker and OCI manifests in one list",
        "Docker Hub's own images are such, and registries and engines of today take them; tools that know one "
        "family alone read half of it. `ocitool index convert REF --format oci` makes one of it, with new digests.",
        "an OCI index with a Docker schema 2 manifest",
        Severity.NOTE, mixed_families,
        advice="Leave it, or convert with `ocitool index convert REF --format oci`; signatures are of the old "
        "digest.",
    ),
    Rule(
        "index/child-size",
        "An entry's size is not the manifest's",
        "Clients that check sizes refuse the pull; others read past what was promised.",
        "entry 999 bytes, manifest 428",
        _ERROR, child_size, fixable=True,
    ),
    Rule(
        "index/child-type",
        "An entry's mediaType is not the manifest's",
        "The client asks for one type and gets another.",
        "entry says Docker schema 2, the manifest says OCI",
        _ERROR, child_type, fixable=True,
    ),
    Rule(
        "index/dangling",
        "An entry's manifest is not there",
        "Clean-up jobs delete children that carry no tag; the tag looks healthy and every pull fails.",
        "HEAD of the child answers 404",
        _ERROR, dangling, fixable=True,
    ),
    Rule(
        "index/child-digest",
        "Under an entry's digest stands something else",
        "Every client refuses content that does not have the digest it asked for.",
        "a child's bytes were changed in the registry's storage",
        _ERROR, child_digest, fixable=True,
    ),
    Rule(
        "index/broken-child",
        "An entry's manifest is none, or can be understood in two ways",
        "A document that is both index and image means different things to different readers (CVE-2021-41190).",
        "a child with `manifests` and `layers`",
        _ERROR, broken_child,
        advice="Take the entry out with `ocitool index remove REF --digest DIGEST`, and push that image again.",
    ),
    Rule(
        "index/ambiguous",
        "The name holds a document that can be understood in two ways",
        "To one reader it is an index and to the next an image, under one digest (CVE-2021-41190).",
        "a document with `manifests` and `layers`",
        _ERROR, ambiguous,
        advice="Do not pull it: push the image again with a tool that writes one kind of document.",
    ),
    Rule(
        "index/schema-1",
        "A schema 1 manifest",
        "Registries and engines have dropped the form of before 2017; it cannot stand in an index either.",
        '`{"schemaVersion": 1, "fsLayers": […]}`',
        _ERROR, schema_1,
        advice="Pull it with an old engine and push it with one of today, or build it again.",
    ),
    Rule(
        "index/unknown-type",
        "Neither an index nor an image",
        "Engines pull by the type; what a proxy or a failed upload left under the name is of none that they know.",
        '`{"errors": []}` served as application/json',
        _WARNING, unknown_type,
        advice="Push the image again; `ocitool manifest get REF` shows what stands there now.",
    ),
    Rule(
        "index/no-version",
        "A document without schemaVersion",
        "Both families demand it, and registries refuse to store a document that leaves it out.",
        '`{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": […]}`',
        _ERROR, no_version, fixable=True,
    ),
    Rule(
        "index/too-large",
        "A manifest of more than 4 MiB",
        "Registries refuse it, or take it and cannot serve it again.",
        "an index with megabytes of annotations",
        _ERROR, too_large,
        advice="Take annotations or entries out, or push several tags.",
    ),
)  # fmt: skip
