"""Tags that go, as a plan that takes along what only they reach, and leaves everything whole that stays.

What stays keeps its images at any depth, what it refers to and what refers to it, and the tags that belong to any
of these: lists of referrers, cosign's signatures. A manifest goes only if nothing that stays leads to it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ocitool.change.plan import Delete, Plan, Removal
from ocitool.change.reason import ChangeReason
from ocitool.errors import Unsupported
from ocitool.model.digest import Digest
from ocitool.model.printable import shown
from ocitool.model.reference import referrers_tag
from ocitool.model.views import Manifest, view
from ocitool.repository.graph import RepositoryGraph, is_beside, reached
from ocitool.repository.policy import UNKNOWN_AGE, Decision
from ocitool.values import dataclass

MOST_NOTED: Final = 2_000_000
"""Manifests that are noted beside all tags that go: what a hundred thousand indexes of twenty images have."""
UNDO: Final = (
    "ocitool undo {target}:TAG brings one tag back and ocitool undo {target} --prune all of it, until the registry "
    "itself has collected its garbage"
)


@dataclass(frozen=True, slots=True)
class Prune:
    """What goes from a repository and what stays, why, and the plan for it.

    `beside` are tags that go with the manifests that they belong to; `size` is how many bytes of blobs no manifest
    names then, as far as tags tell.
    """

    target: str
    decisions: tuple[Decision, ...]
    beside: tuple[str, ...]
    manifests: int
    size: int
    plan: Plan

    @property
    def going(self) -> tuple[Decision, ...]:
        """The tags that go."""
        return tuple(one for one in self.decisions if one.goes)

    @property
    def staying(self) -> tuple[Decision, ...]:
        """The tags that stay."""
        return tuple(one for one in self.decisions if not one.goes)

    def to_tree(self) -> dict[str, Any]:
        """All of it for JSON output."""
        return {
            "repository": self.target,
            "delete": [one.to_tree() for one in self.going],
            "keep": [one.to_tree() for one in self.staying],
            "beside": list(self.beside),
            "manifests": self.manifests,
            "size": self.size,
        }

    def text(self, *, every: bool = False) -> str:
        """What goes and why, and how much stays by each rule; with `every` each tag that stays."""
        lines = [f"delete {shown(one.tag)} {one.digest.short}  {shown(one.why)}" for one in self.going]
        lines += [f"delete {tag}  it belongs to what goes" for tag in self.beside]
        if every:
            lines += [f"keep {shown(one.tag)} {one.digest.short}  {shown(one.why)}" for one in self.staying]
        else:
            lines += [f"keep {count}  {shown(why)}" for why, count in _counted(self.staying)]
        return "\n".join([self.target, *(f"  {line}" for line in lines)])


def plan_prune(graph: RepositoryGraph, decisions: Iterable[Decision], leftovers: Iterable[Digest] = ()) -> Prune:
    """The plan that deletes the tags that go, and every manifest that nothing reaches which stays.

    `leftovers` are manifests that an earlier prune meant to delete and did not come to. Pure. Raises Unsupported
    for more than can be noted.
    """
    judged = tuple(decisions)
    tags = {one.tag for one in judged if one.goes}
    start = [*(graph.tags[tag] for tag in tags), *(one for one in leftovers if one in graph.nodes)]
    candidates = frozenset(_taken_along(graph, start))
    loose = {tag for tag, digest in graph.beside.items() if digest in candidates}
    kept = frozenset(_leads_to(graph, (held for tag, held in graph.tags.items() if tag not in tags | loose)))
    going = candidates - kept
    beside = tuple(sorted(tag for tag in loose if graph.beside[tag] in going))
    gone = tags | set(beside)
    lone = [
        Delete(tag, graph.nodes[digest].document)
        for tag in sorted(gone)
        if (digest := graph.tags[tag]) not in going
    ]
    steps = (*lone, *_deletes(graph, going))
    lists = {referrers_tag(digest) for digest in going}  # made anew where what they list comes back
    removal = Removal(tuple(sorted(going)), tuple((tag, graph.tags[tag]) for tag in sorted(gone - lists)))
    unmoved: dict[str, Digest | None] = {**graph.tags, **dict.fromkeys(graph.unheld)}
    plan = Plan(
        graph.label,
        steps,
        reasons=(ChangeReason(UNDO.format(target=graph.label)),) if steps else (),
        unmoved=unmoved,
        removal=removal if steps else None,
    )
    return Prune(graph.label, judged, beside, len(going), _freed(graph, going), plan)


def _deletes(graph: RepositoryGraph, going: frozenset[Digest]) -> Iterator[Delete]:
    noted = 0
    for digest in sorted(going):
        step = _delete(graph, digest, going)
        noted += len(step.along.manifests)
        if noted > MOST_NOTED:
            raise Unsupported(
                f"what goes from {graph.label} shares too much to be noted for each tag",
                ability="a prune of that size",
                hint="take it in several parts, with --only PATTERN",
            )
        yield step


def _delete(graph: RepositoryGraph, digest: Digest, going: frozenset[Digest]) -> Delete:
    tags = tuple(sorted(graph.tags_on.get(digest, ())))
    along = Removal()
    if any(not is_beside(tag) for tag in tags):
        below = [one for one in _taken_along(graph, [digest]) if one in going]
        lists = {referrers_tag(one) for one in below}
        beside = (tag for one in below for tag in graph.beside_of(one) if tag not in lists)
        along = Removal(tuple(below[1:]), tuple((tag, graph.tags[tag]) for tag in beside))
    return Delete(str(digest), graph.nodes[digest].document, tags, along)


def _taken_along(graph: RepositoryGraph, start: Iterable[Digest]) -> Iterator[Digest]:
    """What goes along with manifests: what they list, what refers to them, what their own tags hold; they first.

    A list of referrers takes along what does refer to its subject, and nothing for being listed (K223).
    """

    def onward(digest: Digest) -> Iterator[Digest]:
        node = graph.nodes.get(digest)
        if node is not None and digest not in graph.referrer_lists:
            yield from node.children
        yield from _beside(graph, digest)

    return (one for one in reached(start, onward) if one in graph.nodes)


def _leads_to(graph: RepositoryGraph, start: Iterable[Digest]) -> Iterator[Digest]:
    """What has to stay with manifests: as above, all of every list, and what they refer to."""

    def onward(digest: Digest) -> Iterator[Digest]:
        node = graph.nodes.get(digest)
        if node is not None:
            yield from node.children
            if node.subject is not None:
                yield node.subject
        yield from _beside(graph, digest)

    return reached(start, onward)


def _beside(graph: RepositoryGraph, digest: Digest) -> Iterator[Digest]:
    yield from graph.referring_to.get(digest, ())
    yield from (graph.tags[tag] for tag in graph.beside_of(digest))


def _freed(graph: RepositoryGraph, going: frozenset[Digest]) -> int:
    """The bytes of blobs that only manifests name which go."""
    freed: dict[Digest, int] = {}
    named: set[Digest] = set()
    for digest, node in graph.nodes.items():
        seen = view(node.document)
        if isinstance(seen, Manifest):
            for blob in (seen.config, *seen.layers):
                named |= {blob.digest} if digest not in going else set()
                freed[blob.digest] = blob.size
    return sum(size for digest, size in freed.items() if digest not in named)


def _counted(decisions: Iterable[Decision]) -> list[tuple[str, int]]:
    """How many tags each reason keeps; what follows a colon tells of one tag."""
    counts: dict[str, int] = {}
    for one in decisions:
        why = one.why if one.why.startswith(UNKNOWN_AGE) else one.why.partition(":")[0]
        counts[why] = counts.get(why, 0) + 1
    return list(counts.items())
