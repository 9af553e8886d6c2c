"""Docker ↔ OCI, with children: the same blobs under the other family's names.

A converted manifest has another digest, so every index above it, and whatever named the old digest
(signatures, attestations, subjects), no longer fits. Nothing is retyped by half: an index is converted
with all its children or not at all (K025, K026). Spec: image-spec media-types.md, "Compatibility Matrix".
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ocitool.errors import MalformedDocument, UsageError
from ocitool.graph.walk import settle_entries
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor, Index, Manifest, Opaque, view
from ocitool.store.base import Reader
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, field

MAX_DEPTH: Final = 4
"""Levels of indexes inside indexes; a hostile chain has to end (K020)."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What may be left behind when the new family cannot carry it; without consent it is an error."""

    annotations: bool = False
    attestations: bool = False


KEEP_ALL: Final = Losses()
"""Nothing may be left behind."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A document in the new family.

    `children` maps the digest of every child that changed, at any depth, to its new document, inner ones
    first; `originals` are the old documents of those, for a backup. `notes` tell what was left behind.
    """

    document: Document
    children: Mapping[Digest, Document] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    originals: tuple[Document, ...] = ()
    notes: tuple[str, ...] = ()


def convert_manifest(document: Document, family: Family, *, drop_annotations: bool = False) -> Document:
    """An image manifest in `family`; the same document if it is there already.

    The config and the layers keep their bytes, only what they are called changes. Raises UsageError for
    what Docker's family cannot hold: artifacts, zstd layers (K055), annotations and subjects unless dropped.
    """
    seen = view(document)
    if not isinstance(seen, Manifest):
        raise MalformedDocument(f"{document.digest} is not an image manifest")
    if family is Family.DOCKER:
        _check_docker(seen, drop_annotations=drop_annotations)

    def change(tree: JsonTree) -> None:
        _retype(tree, family.manifest)
        for descriptor in (tree["config"], *(tree["layers"] or ())):
            descriptor["mediaType"] = _twin(descriptor["mediaType"], family)
            if family is Family.DOCKER:
                for key in ("annotations", "artifactType", "data"):
                    descriptor.pop(key, None)
        if family is Family.DOCKER:
            for key in ("annotations", "artifactType", "subject"):
                tree.pop(key, None)

    return document.edit(change)


def convert(
    store: Reader,
    document: Document,
    family: Family,
    *,
    losses: Losses = KEEP_ALL,
    scope: Scope,
    width: int = 16,
) -> Converted:
    """The document in `family`, with every child that has to follow read from `store` and converted.

    Attestations name the digest of their image, so one whose image changes is dropped, with consent in
    `losses`; it is never pointed at the new digest (K022). Raises UsageError for what cannot be carried and
    may not be dropped, NotFound for a child that is gone.
    """
    return _Converter(store, family, losses, scope, width).convert(document, 0)


class _Converter:
    def __init__(self, store: Reader, family: Family, losses: Losses, scope: Scope, width: int) -> None:
        self._store = store
        self._family = family
        self._losses = losses
        self._scope = scope
        self._width = width

    def convert(self, document: Document, depth: int) -> Converted:
        if depth > MAX_DEPTH:
            raise MalformedDocument(f"indexes nested deeper than {MAX_DEPTH} levels in {self._store.label}")
        seen = view(document)
        match seen:
            case Manifest():
                after = convert_manifest(document, self._family, drop_annotations=self._losses.annotations)
                return Converted(after)
            case Index():
                return self._index(seen, depth)
            case Opaque(why=why):
                raise UsageError(f"{document.digest} cannot be converted: {why}")

    def _index(self, index: Index, depth: int) -> Converted:
        docker = self._family is Family.DOCKER
        index = settle_entries(self._store, index)
        images = [e for e in index.entries if not e.is_attestation]
        with TaskGroup(self._scope, self._width) as group:
            tasks = {e.digest: group.spawn(self._child, e, depth) for e in images}
        done = {digest: task.result for digest, task in tasks.items()}
        changed = {digest for digest, result in done.items() if result.document.digest != digest}
        stale = [e for e in index.entries if e.is_attestation and (docker or e.attested in changed)]
        notes = self._consent(index, stale)
        dropped = {e.digest for e in stale}

        def change(tree: JsonTree) -> None:
            _retype(tree, self._family.index)
            tree["manifests"] = [e for e in tree["manifests"] if e["digest"] not in dropped]
            for entry in tree["manifests"]:
                result = done.get(entry["digest"])
                if result is not None:
                    entry["mediaType"] = result.document.media_type
                    entry["digest"] = str(result.document.digest)
                    entry["size"] = result.document.size
                if docker:
                    for key in ("annotations", "artifactType", "data"):
                        entry.pop(key, None)
            if docker:
                for key in ("annotations", "artifactType", "subject"):
                    tree.pop(key, None)

        after = index.document.edit(change)
        children: dict[Digest, Document] = {}
        originals: list[Document] = []
        for digest, result in done.items():
            children |= result.children
            originals += result.originals
            notes += result.notes
            if result.document.digest != digest:
                children[digest] = result.document
        return Converted(after, MappingProxyType(children), tuple(originals), tuple(dict.fromkeys(notes)))

    def _child(self, entry: Descriptor, depth: int) -> Converted:
        child = self._store.get_manifest(str(entry.digest))
        try:
            result = self.convert(child, depth + 1)
        except (UsageError, MalformedDocument) as error:
            error.add_note(f"it is {entry.platform or entry.digest} of the index")
            raise
        if result.document is child:
            return result
        return Converted(result.document, result.children, (*result.originals, child), result.notes)

    def _consent(self, index: Index, stale: list[Descriptor]) -> list[str]:
        if self._family is Family.DOCKER and not self._losses.annotations:
            dropped = {e.digest for e in stale}
            kept = [e for e in index.entries if e.digest not in dropped]
            if index.annotations or index.subject or any(e.annotations or e.artifact_type for e in kept):
                raise UsageError(
                    "a Docker manifest list cannot carry the annotations of this index",
                    hint="keep it with --format oci, or leave them behind with --drop-annotations",
                )
        if stale and not self._losses.attestations:
            raise UsageError(
                f"{len(stale)} attestations describe images whose digests change",
                hint="they cannot be made to fit; leave them behind with --drop-attestations",
            )
        return [f"{len(stale)} attestations are left behind: they describe the old digests"] if stale else []


def name_type(tree: JsonTree, media_type: str) -> None:
    """Let the document say its schemaVersion and its type, in front as everybody writes them."""
    wanted = {"schemaVersion": 2, "mediaType": media_type}
    missing = {key: value for key, value in wanted.items() if value and not tree.get(key)}
    if missing:
        version = {"schemaVersion": tree.get("schemaVersion", 2)}
        rest = {key: value for key, value in tree.items() if key not in {"schemaVersion", *missing}}
        tree.clear()
        tree.update(version | missing | rest)


def _check_docker(manifest: Manifest, *, drop_annotations: bool) -> None:
    digest = manifest.document.digest
    if not manifest.is_image or manifest.artifact_type:
        raise UsageError(
            f"{digest} is an artifact ({manifest.effective_artifact_type}); Docker's family holds images only",
            hint="keep it with --format oci",
        )
    for number, layer in enumerate(manifest.layers):
        if (
            mediatype.family_of(layer.media_type) is Family.OCI
            and mediatype.compression(layer.media_type) == "zstd"
        ):
            raise UsageError(
                f"layer {number + 1} of {digest} is zstd, which Docker's family has no agreed name for",
                hint="keep it with --format oci, or build it again with --compression gzip",
            )
    carried = (manifest.config, *manifest.layers)
    if not drop_annotations and (manifest.annotations or manifest.subject or any(d.annotations for d in carried)):
        raise UsageError(
            f"a Docker manifest cannot carry the annotations of {digest}",
            hint="keep it with --format oci, or leave them behind with --drop-annotations",
        )


def _twin(media_type: str, family: Family) -> str:
    twin = mediatype.twin(media_type, family)
    if twin is None:
        raise UsageError(f"{media_type} has no counterpart in the {family.value} family")
    return twin


def _retype(tree: JsonTree, media_type: str) -> None:
    """Set mediaType; where it was missing it comes right behind schemaVersion (K044)."""
    if "mediaType" in tree:
        tree["mediaType"] = media_type
        return
    rest = {key: tree.pop(key) for key in list(tree)}
    tree["schemaVersion"] = rest.pop("schemaVersion", 2)
    tree["mediaType"] = media_type
    tree.update(rest)
