"""A published image built once more: whether its digest comes out, and where not, what differs.

What decides the bytes and is not said is taken from the image itself: its platforms, its family, the time that it
says it was made at, and the digests of its bases. Attestations are set aside: they tell of one run.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ocitool.attest.options import AttestOptions
from ocitool.builder.outputs import BuildOutputs
from ocitool.builder.pipeline import Built, build, plan
from ocitool.builder.project import spec_of
from ocitool.builder.publish import keep
from ocitool.builder.request import BuildPlan, BuildRequest
from ocitool.builder.trust import TrustOptions
from ocitool.errors import UsageError
from ocitool.image.base_note import BaseNote
from ocitool.index.edit import keep as keep_entries
from ocitool.index.entries import Selector
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.mediatype import family_of
from ocitool.model.moments import moment_of, rfc3339
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import Index, view
from ocitool.project.source_policy import SourcePolicy
from ocitool.report.compare import Comparison, compare
from ocitool.report.filediff import compare_all
from ocitool.report.survey import Survey, survey
from ocitool.store.base import Reader
from ocitool.store.forwarding import ForwardingReader
from ocitool.values import dataclass, field, replace
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class UsedBase:
    """A base that was built upon again; `said_by` is what named its digest: annotations, a policy, or its tag."""

    name: str
    digest: Digest
    said_by: str


@dataclass(frozen=True, slots=True)
class VerifiedBuild:
    """A published image beside what its sources give now; `attestations` of it were set aside.

    `expected` is the digest of the root without them, and of the platforms that were built; `left_out` are those
    that were not. `created` is the time that was built for, and `said_by` what named it.
    """

    published: Digest
    expected: Digest
    built: Digest
    comparison: Comparison
    platforms: tuple[Platform, ...]
    created: str
    said_by: str
    codec: Mapping[str, Any] = field(hash=False)
    bases: tuple[UsedBase, ...] = ()
    attestations: int = 0
    left_out: tuple[Platform, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether the bytes came out."""
        return self.expected == self.built

    def to_tree(self) -> dict[str, Any]:
        """The result for JSON output."""
        return {
            "equal": self.is_equal,
            "published": self.published,
            "expected": self.expected,
            "built": self.built,
            "used": {
                "platforms": [str(platform) for platform in self.platforms],
                "created": {"time": self.created, "from": self.said_by},
                "bases": [{"name": one.name, "digest": one.digest, "from": one.said_by} for one in self.bases],
                "compression": dict(self.codec),
            },
            "attestations": self.attestations,
            "left_out": [str(platform) for platform in self.left_out],
            "difference": self.comparison.to_tree(),
        }

    def notes(self) -> Iterator[str]:
        """What was built for, by whose word; a line each."""
        yield f"built for {', '.join(map(str, self.platforms))}, with {self.codec['name']}"
        yield f"the time is {self.created}, from {self.said_by}"
        yield from (f"base {one.name} is {one.digest}, from {one.said_by}" for one in self.bases)
        if self.left_out:
            yield f"not built, and not compared: {', '.join(map(str, self.left_out))}"
        if self.attestations:
            yield f"attestations that were set aside: {self.attestations}"


def verify_build(reference: str, request: BuildRequest, workspace: Workspace) -> VerifiedBuild:
    """Build what a request says as what a name holds was built, and compare the two. Nothing is published.

    The result stays in this machine's store where it differs. Raises NotFound for a platform that is not there,
    UsageError for what is no image, and what `plan` and `build` raise.
    """
    store, name = workspace.opener.open(reference)
    root = store.get_manifest(name)
    whole = survey(store, str(root.digest), scope=workspace.scope, label=reference)
    listed = tuple(dict.fromkeys(image.platform for image in whole.images if image.platform is not None))
    platforms = request.platforms or listed
    if not platforms:
        raise UsageError(f"{reference} is no image that was built for a platform", hint="name an image or index")
    seen = view(root)
    chosen = Selector(platforms)
    expected = keep_entries(seen, chosen, attestations=False) if isinstance(seen, Index) else root
    beside = _Beside(store, expected)
    published = survey(beside, str(expected.digest), scope=workspace.scope, label=reference)
    noted = {} if request.trust.source_policy else _noted(published)
    if noted:
        workspace = replace(workspace, convert=SourcePolicy.pinning(noted.values()).image)
    asked, said_by = _as_published(request, platforms, published)
    planned = plan(asked, workspace)
    built = build(planned, workspace)
    return VerifiedBuild(
        published=root.digest,
        expected=expected.digest,
        built=built.root.digest,
        comparison=_compared(built, (beside, published), workspace),
        platforms=planned.platforms,
        created=rfc3339(asked.epoch),
        said_by=said_by,
        codec=planned.codec.id.to_tree(),
        bases=tuple(_bases(planned, noted)),
        attestations=len(seen.entries) - len(seen.platforms) if isinstance(seen, Index) else 0,
        left_out=tuple(one for one in listed if not any(one.same(built_for) for built_for in planned.platforms)),
    )


def _notes(published: Survey) -> list[BaseNote]:
    """What the annotations of the images say of their bases."""
    return [BaseNote.of(one.manifest.annotations) for one in published.images if one.manifest is not None]


def _noted(published: Survey) -> dict[str, Reference]:
    """The bases that annotations name, with the digests that they had, by name."""
    found: dict[str, Reference] = {}
    for note in _notes(published):
        if note.name and note.digest is not None:
            found.setdefault(note.name, Reference.parse(note.name).with_digest(note.digest))
    return found


def _as_published(
    request: BuildRequest, platforms: tuple[Platform, ...], published: Survey
) -> tuple[BuildRequest, str]:
    """The request with what it and the spec leave open as the image has it, and what says the time."""
    _, spec = spec_of(request)
    family = family_of(published.root.media_type)
    asked_base = any("platforms" in (note.reads or ()) for note in _notes(published))
    changes: dict[str, Any] = {
        "platforms": request.platforms if asked_base else platforms,
        "tags": (),
        "outputs": BuildOutputs(),
        "attest": AttestOptions(),
        "trust": replace(request.trust, sign_keys=TrustOptions().sign_keys),
        "format": request.format or spec.format or (family.value if family is not None else ""),
    }
    if request.index is None and published.kind == "index":
        changes["index"] = True
    if request.has_epoch:
        return replace(request, **changes), "SOURCE_DATE_EPOCH"
    created = [moment_of(image.config.created) for image in published.images if image.config is not None]
    epoch = int(max((moment for moment in created if moment is not None), default=0))
    if epoch > 0:
        environ = {**request.environ, "SOURCE_DATE_EPOCH": str(epoch)}
        changes |= {"epoch": epoch, "has_epoch": True, "environ": environ}
    return replace(request, **changes), "the image"


def _compared(built: Built, published: tuple[Reader, Survey], workspace: Workspace) -> Comparison:
    """What differs, files included; nothing is stored or read where nothing does."""
    if built.root.digest == published[1].root.digest:
        return Comparison(published[1], published[1])
    keep(built, workspace)
    content, label = workspace.machine.content, f"what {built.plan.request.source} gives"
    made = survey(content, str(built.root.digest), scope=workspace.scope, label=label)
    files = compare_all(published, (content, made), workspace.machine.memo, scope=workspace.scope)
    return compare(published[1], made, files)


def _bases(planned: BuildPlan, noted: Mapping[str, Reference]) -> Iterator[UsedBase]:
    """Each base once, by name, with what says its digest."""
    by_policy = planned.request.trust.source_policy is not None
    found = {base.name or base.label: base.root for base in planned.bases.values()}
    for name, digest in found.items():
        said_by = "the source policy" if by_policy else "annotations" if name in noted else "its tag as it is now"
        if digest is not None:
            yield UsedBase(name, digest, said_by)


class _Beside(ForwardingReader):
    """A store that also has a document: an index without what is set aside."""

    def __init__(self, store: Reader, document: Document) -> None:
        super().__init__(store)
        self._document = document

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The document by its digest, else what the store has."""
        if name == str(self._document.digest):
            return self._document
        return super().get_manifest(name, limit=limit)
