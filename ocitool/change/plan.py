"""Plan: a change to what tags hold, as a value that can be printed, compared and carried out later.

Content first, tags last: blobs, children from elsewhere, manifests, then tags, then what is to be deleted.
A plan knows what every tag held when it was made; `change.apply` writes only while that is still so.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ocitool.change.difference import Change, difference
from ocitool.change.reason import ChangeReason, explained
from ocitool.errors import Unsupported, UsageError
from ocitool.graph.walk import Snapshot
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.printable import shown
from ocitool.model.views import Descriptor
from ocitool.store.base import FullNames, Put, Reader, Source, no_names
from ocitool.values import dataclass, field

if TYPE_CHECKING:
    from ocitool.change.journal import Record


@dataclass(frozen=True, slots=True)
class PutBlob:
    """Store a blob; `label` says what it is, such as "config of linux/arm64"."""

    descriptor: Descriptor
    source: Source
    label: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The step for JSON output."""
        return {"step": "put-blob", "digest": str(self.descriptor.digest), "size": self.descriptor.size} | _tag(
            self.label
        )


@dataclass(frozen=True, slots=True)
class CopyFrom:
    """Copy a manifest with everything it reaches from another store, by its digest.

    With `trust` a target that has the manifest is believed to have everything below it; with `anew` it is not even
    believed to have the manifest, since what it serves are other bytes. `document` is the manifest and `snapshot`
    that with everything below it, where it was read already. `subject` is what the manifest is known to refer to:
    what refers to one manifest may share a fallback tag. Blobs that one of `spares` has are left out.
    """

    origin: Reader
    descriptor: Descriptor
    label: str = ""
    trust: bool = False
    subject: Digest | None = None
    anew: bool = False
    document: Document | None = field(default=None, compare=False, repr=False)
    snapshot: Snapshot | None = field(default=None, compare=False, repr=False)
    spares: tuple[Reader, ...] = field(default=(), hash=False)

    def to_tree(self) -> dict[str, Any]:
        """The step for JSON output."""
        tree = {"step": "bring", "digest": str(self.descriptor.digest), "from": self.origin.label}
        return tree | _tag(self.label)


@dataclass(frozen=True, slots=True)
class PutSnapshot:
    """Store a manifest with everything it reaches, all of it known; `source_of` says where each blob comes from.

    `done` are blobs that were put there already, and how.
    """

    snapshot: Snapshot
    source_of: Callable[[Descriptor], Source]
    label: str = ""
    done: Mapping[Digest, Put] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def descriptor(self) -> Descriptor:
        """The manifest."""
        return self.snapshot.root

    def to_tree(self) -> dict[str, Any]:
        """The step for JSON output."""
        root = self.snapshot.root
        tree = {"step": "put-image", "digest": str(root.digest), "mediaType": root.media_type}
        return tree | {"manifests": len(self.snapshot.documents)} | _tag(self.label)


@dataclass(frozen=True, slots=True)
class PutManifest:
    """Store a manifest by its digest."""

    document: Document
    label: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The step for JSON output."""
        document = self.document
        tree = {"step": "put-manifest", "digest": str(document.digest), "mediaType": document.media_type}
        return tree | {"size": document.size} | _tag(self.label)


@dataclass(frozen=True, slots=True)
class Tag:
    """Let a tag hold `document`; `base` is what it held when the plan was made, None for nothing.

    Where both are the same the tag is not written: what it names is put back below it. With `replaces` whatever it
    holds gives way, and is looked at when the plan is carried out; `base` is None then. What `is_derived` is made
    from what the tag held: two who add to it at once have to learn of each other, even where it held nothing. The
    name "" is no tag but an entry of a layout without a name.
    """

    name: str
    document: Document
    base: Document | None = None
    replaces: bool = False
    is_derived: bool = True

    @property
    def takes_over(self) -> bool:
        """Whether nobody's addition is lost with it where it is written and held nothing."""
        return self.replaces or not self.is_derived

    @property
    def is_kept(self) -> bool:
        """Whether the tag holds what it is to hold."""
        return self.base is not None and self.base.digest == self.document.digest

    def to_tree(self) -> dict[str, Any]:
        """The step for JSON output."""
        before = str(self.base.digest) if self.base else None
        tree = {"step": "tag", "tag": self.name, "before": before, "after": str(self.document.digest)}
        more = {"mediaType": self.document.media_type, "size": self.document.size}
        return tree | more | ({"replaces": True} if self.replaces else {})


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes along with a name, in steps of their own, and comes back with it: manifests, and tags."""

    manifests: tuple[Digest, ...] = ()
    tags: tuple[tuple[str, Digest], ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a tag and nothing else, or a manifest by its digest with the `tags` on it; `base` is what is removed.

    `along` is what `undo` of one of these names brings back too.
    """

    name: str
    base: Document
    tags: tuple[str, ...] = ()
    along: Removal = Removal()

    @property
    def is_tag(self) -> bool:
        """Whether a tag is removed, and what it holds stays."""
        return self.name != str(self.base.digest)

    def to_tree(self) -> dict[str, Any]:
        """The step for JSON output."""
        tree = {"step": "delete", "name": self.name, "before": str(self.base.digest)}
        return tree | ({"tags": list(self.tags)} if self.tags else {})


ContentStep: TypeAlias = PutBlob | CopyFrom | PutSnapshot | PutManifest
PlanStep: TypeAlias = ContentStep | Tag | Delete
_ORDER: dict[type, int] = {PutBlob: 0, CopyFrom: 1, PutSnapshot: 1, PutManifest: 2, Tag: 3, Delete: 4}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do to one repository or layout; no steps means that all is as wanted already.

    `target` is the store's name for people, and what undo finds the change by. `replaced` are further documents
    that the backup should hold (children that the new documents leave behind). `notes` are lines the user must
    see before agreeing, `reasons` explain the differences. A plan that `returns` lets a tag hold again what it
    held; `undoes` is the change that is taken back, if that is known. `names` are the tags that were asked for,
    also those that hold it already. A plan that `attaches` is made for its first tag, which stays as it is; it
    writes tags beside that one and manifests that refer to it. A plan that `must_keep` old bytes is refused where
    that cannot be done; another warns and goes on. `unmoved` are all tags of the repository, and what each has to
    hold still (None for nothing) when the first thing is deleted; `removal` is all that a plan takes away which can
    be taken back as a whole. Raises UsageError if a tag would be written before its content.
    """

    target: str
    steps: tuple[PlanStep, ...] = ()
    replaced: tuple[Document, ...] = ()
    notes: tuple[str, ...] = ()
    undoes: "Record | None" = None
    reasons: tuple[ChangeReason, ...] = ()
    names: tuple[str, ...] = ()
    must_keep: bool = True
    returns: bool = False
    attaches: bool = False
    unmoved: Mapping[str, Digest | None] | None = field(default=None, hash=False, repr=False)
    removal: Removal | None = None
    full_names: FullNames = field(default=no_names, compare=False, repr=False)

    def __str__(self) -> str:
        return self.text()

    def __post_init__(self) -> None:
        ranks = [_ORDER[type(step)] for step in self.steps]
        if ranks != sorted(ranks):
            raise UsageError("a plan puts content before manifests, manifests before tags, and deletes last")

    def agreed(self) -> "Plan":
        """The plan to carry out: itself."""
        return self

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags to write, in order."""
        return tuple(step for step in self.steps if isinstance(step, Tag))

    @property
    def base(self) -> Digest | None:
        """What the first tag held, None for nothing."""
        return self.tags[0].base.digest if self.tags and self.tags[0].base else None

    @property
    def result(self) -> Document | None:
        """What the first tag will hold."""
        return self.tags[0].document if self.tags else None

    def check_sizes(self) -> None:
        """Raise Unsupported for a manifest that no registry takes, before what is below it is sent (K237)."""
        written = [step.document for step in self.steps if isinstance(step, PutManifest)]
        for document in (*written, *(tag.document for tag in self.tags)):
            if document.size > MANIFEST_LIMIT:
                raise Unsupported(
                    f"a manifest of {document.size} bytes is more than registries take ({MANIFEST_LIMIT})",
                    ability="large manifests",
                    hint="leave entries or annotations out, or make several of it",
                )

    def changes(self) -> tuple[Change, ...]:
        """How the first tag's document differs from what it held, and why."""
        if not self.tags:
            return ()
        before, after = self.tags[0].base, self.tags[0].document
        return explained(difference(before, after), before, after, self.reasons)

    def told(self) -> tuple[str, ...]:
        """The differences as lines; of a new tag only its entries, since all of it is new."""
        return tuple(change.text() for change in self.changes() if self.base or change.label)

    def to_tree(self) -> dict[str, Any]:
        """The plan for JSON output: target, base, result, steps, differences, notes, reasons."""
        return {
            "target": self.target,
            "base": str(self.base) if self.base else None,
            "result": str(self.result.digest) if self.result else None,
            "steps": [step.to_tree() for step in self.steps],
            "changes": [change.to_tree() for change in self.changes()],
            "notes": list(self.notes),
            "reasons": [reason.to_tree() for reason in self.reasons],
        }

    def text(self) -> str:
        """The plan for people: what is done and why, the differences, then the steps, one line each."""
        if self.is_empty:
            lines = [f"{self.target}: nothing to change", *(f"  {shown(one.line())}" for one in self.reasons)]
            return "\n".join(lines)
        lines = [*self.notes, *(reason.line() for reason in self.reasons), *self.told(), *map(_line, self.steps)]
        return "\n".join([self.target, *(f"  {shown(line)}" for line in lines)])


def replace(
    target: str,
    names: Iterable[str],
    before: Document | None,
    after: Document,
    *,
    content: Iterable[ContentStep] = (),
    replaced: Iterable[Document] = (),
    notes: Iterable[str] = (),
    reasons: Iterable[ChangeReason] = (),
) -> Plan:
    """The plan that lets each tag hold `after` where it held `before`; empty if the bytes are the same."""
    why = tuple(reasons)
    if before is not None and before.raw == after.raw:
        return Plan(target, notes=tuple(notes), reasons=why)
    steps = in_order(content)
    tags = [Tag(name, after, before) for name in names]
    return Plan(target, (*steps, *tags), tuple(replaced), tuple(notes), reasons=why)


def in_order(steps: Iterable[PlanStep]) -> list[PlanStep]:
    """The steps in the order of a plan, those of one kind as they come."""
    return sorted(steps, key=lambda step: _ORDER[type(step)])


def refill(
    target: str,
    names: Iterable[str],
    held: Document,
    content: Iterable[ContentStep],
    *,
    reasons: Iterable[ChangeReason] = (),
) -> Plan:
    """The plan that puts content back below what each tag holds, and keeps holding."""
    steps = in_order(content)
    return Plan(target, (*steps, *(Tag(name, held, held) for name in names)), reasons=tuple(reasons))


def _tag(label: str) -> dict[str, str]:
    return {"label": label} if label else {}


def _line(step: PlanStep) -> str:
    match step:
        case PutBlob(descriptor, _, label):
            return f"put blob {descriptor.digest.short} ({descriptor.size} bytes) {label}".rstrip()
        case CopyFrom(origin, descriptor, label):
            return f"bring {descriptor.digest.short} from {origin.label} {label}".rstrip()
        case PutSnapshot(snapshot, label=label):
            return f"put {snapshot.root.digest.short} and what it names {label}".rstrip()
        case PutManifest(document, label):
            return f"put manifest {document.digest.short} ({document.size} bytes) {label}".rstrip()
        case Tag(name, document) if step.is_kept:
            return f"tag {name} keeps {document.digest.short}"
        case Tag(name, document, base):
            before = "whatever it holds" if step.replaces else base.digest.short if base else "nothing"
            return f"tag {name}: {before} → {document.digest.short}"
        case Delete(name, base):
            under = f" with {', '.join(step.tags)}" if step.tags else ""
            return f"delete {name} ({base.digest.short})" if step.is_tag else f"delete {name}{under}"
