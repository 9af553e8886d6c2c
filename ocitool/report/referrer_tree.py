"""Referrers as a tree: those of an image, of each image of an index, and of referrers; cosign's tags too.

What a list names is looked at: the manifest decides whether it refers to the image, and as what (K223).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from ocitool.errors import Cancelled, DigestMismatch, MalformedDocument, OcitoolError
from ocitool.graph.referrers import cosign_tags, examine_referrer
from ocitool.model.digest import Digest
from ocitool.model.printable import shown
from ocitool.model.views import Descriptor, Index, Manifest, view
from ocitool.store.base import Reader, called
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, field

DEPTH: Final = 4
"""How far what refers to referrers is followed; a signature of an SBOM is the second step."""
MOST: Final = 200
"""Most referrers of one manifest that are looked at; a guess far above what is attached."""
_OF_COSIGN: Final = {".sig": "signatures", ".att": "attestations", ".sbom": "SBOM"}


@dataclass(frozen=True, slots=True)
class ReferrerNode:
    """A referrer, or a list of cosign's under its `tag` with the number of its `entries`; and what refers to it.

    `problem` says what is wrong with it, such as a list that names what refers to something else.
    """

    digest: Digest
    kind: str
    size: int = 0
    tag: str = ""
    entries: int = 0
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    problem: str = ""
    referrers: tuple["ReferrerNode", ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """The node for JSON output."""
        tree: dict[str, Any] = {"digest": self.digest, "artifactType": self.kind, "size": self.size}
        tree |= {"tag": self.tag, "entries": self.entries} if self.tag else {}
        tree |= {"annotations": dict(self.annotations), "problem": self.problem}
        return tree | {"referrers": [one.to_tree() for one in self.referrers]}

    @property
    def line(self) -> str:
        """It in a line."""
        what = f"{self.kind}: {self.entries} under {self.tag}" if self.tag else self.kind or "of no type"
        title = self.annotations.get("dev.sigstore.bundle.predicateType", "")
        more = f" {title}" if title else ""
        wrong = f" ({self.problem})" if self.problem else ""
        return shown(f"{what}{more} {self.digest}{wrong}")


@dataclass(frozen=True, slots=True)
class ReferredImage:
    """A manifest and what refers to it; `problem` says why that could not be seen."""

    digest: Digest
    label: str
    referrers: tuple[ReferrerNode, ...] = ()
    problem: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The image for JSON output."""
        referrers = [one.to_tree() for one in self.referrers]
        return {"digest": self.digest, "label": self.label, "referrers": referrers, "problem": self.problem}


@dataclass(frozen=True, slots=True)
class ReferrerTree:
    """What refers to what a name holds, and to each image below."""

    reference: str
    root: ReferredImage
    images: tuple[ReferredImage, ...]

    def to_tree(self) -> dict[str, Any]:
        """All of it for JSON output."""
        own = self.root.to_tree()
        return {"reference": self.reference} | own | {"images": [one.to_tree() for one in self.images]}

    def text(self) -> str:
        """All of it for people; images that nothing refers to are left out."""
        told = [one for one in self.images if one.referrers or one.problem]
        below: list[tuple[str, tuple[ReferrerNode, ...]]] = [
            (one.line, one.referrers) for one in self.root.referrers
        ]
        below += [(f"{shown(one.label)} {one.digest}{_wrong(one)}", one.referrers) for one in told]
        first = f"{shown(self.reference)} {self.root.digest}{_wrong(self.root)}"
        return "\n".join((first, *_drawn(below, "")))


def _wrong(image: ReferredImage) -> str:
    return f" ({shown(image.problem)})" if image.problem else ""


def _drawn(nodes: list[tuple[str, tuple[ReferrerNode, ...]]], before: str) -> Iterator[str]:
    for number, (line, below) in enumerate(nodes):
        is_last = number == len(nodes) - 1
        yield f"{before}{'└─' if is_last else '├─'} {line}"
        deeper = [(one.line, one.referrers) for one in below]
        yield from _drawn(deeper, f"{before}{'   ' if is_last else '│  '}")


def referrer_tree(store: Reader, name: str, *, scope: Scope) -> ReferrerTree:
    """What refers to what a name holds, and to each image below.

    For each manifest one request, two where the registry has no API for it; three for cosign's tags; and two for
    each referrer. Why those of one manifest cannot be seen is told there. Raises what reading the name raises.
    """
    document = store.get_manifest(name)
    seen = view(document)
    below = seen.platforms if isinstance(seen, Index) else ()
    images = {entry.digest: entry for entry in below if entry.digest != document.digest}
    with TaskGroup(scope, store.traits.concurrency) as group:
        own = group.spawn(_image, store, document.digest, "", group.scope)
        tasks = [group.spawn(_image, store, one.digest, one.label, group.scope) for one in images.values()]
    return ReferrerTree(called(store, name), own.result, tuple(task.result for task in tasks))


def _image(store: Reader, digest: Digest, label: str, scope: Scope) -> ReferredImage:
    try:
        found = (*_referrers(store, digest, {digest}, scope), *_of_cosign(store, digest))
    except Cancelled:
        raise
    except OcitoolError as error:
        return ReferredImage(digest, label, problem=str(error))
    return ReferredImage(digest, label, found)


def _referrers(store: Reader, subject: Digest, above: set[Digest], scope: Scope) -> tuple[ReferrerNode, ...]:
    """What refers to a manifest, each with what refers to it; what is above is not looked at again."""
    found = []
    for number, listed in enumerate(store.referrers(subject)):
        scope.check()
        if number == MOST:
            rest = f"more than {MOST} refer to it; the others were not looked at"
            found.append(ReferrerNode(subject, "", problem=rest))
            break
        found.append(_node(store, subject, listed, above, scope))
    return tuple(found)


def _node(store: Reader, subject: Digest, listed: Descriptor, above: set[Digest], scope: Scope) -> ReferrerNode:
    try:
        examined = examine_referrer(store, subject, listed)
    except (DigestMismatch, MalformedDocument) as error:
        return ReferrerNode(listed.digest, listed.artifact_type, listed.size, problem=str(error))
    if examined.own is None:
        return ReferrerNode(listed.digest, listed.artifact_type, listed.size, problem=examined.problem)
    own = examined.own
    below: tuple[ReferrerNode, ...] = ()
    if own.digest not in above and len(above) < DEPTH:
        below = _referrers(store, own.digest, {*above, own.digest}, scope)
    return ReferrerNode(
        own.digest,
        own.artifact_type,
        own.size,
        annotations=own.annotations,
        problem=examined.problem,
        referrers=below,
    )


def _of_cosign(store: Reader, digest: Digest) -> Iterator[ReferrerNode]:
    for tag in cosign_tags(digest):
        try:
            held = find_manifest(store, tag)
        except (DigestMismatch, MalformedDocument) as error:
            yield ReferrerNode(digest, f"cosign {_kind(tag)}", tag=tag, problem=str(error))
            continue
        if held is not None:
            seen = view(held)
            count = len(seen.layers) if isinstance(seen, Manifest) else 0
            wrong = "" if isinstance(seen, Manifest) else f"{held.media_type} is no list"
            yield ReferrerNode(held.digest, f"cosign {_kind(tag)}", held.size, tag, count, problem=wrong)


def _kind(tag: str) -> str:
    return _OF_COSIGN[tag[tag.rindex(".") :]]
