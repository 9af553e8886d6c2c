"""Which tags of a repository go and which stay, and why: a pure function over what the repository holds.

A tag that no rule keeps goes. Tags that belong to a manifest, as signatures under cosign's names do, are not
judged: they stay and go with it.
"""

from collections.abc import Iterator
from typing import Any, Final

from ocitool.errors import UsageError
from ocitool.model.digest import Digest
from ocitool.model.moments import day, rfc3339, why_unknown
from ocitool.model.tag_filter import TagFilter, fits
from ocitool.model.versions import Version, VersionRange
from ocitool.repository.graph import RepositoryGraph, is_beside
from ocitool.store.placeholder import stands_for
from ocitool.values import dataclass, field

UNKNOWN_AGE: Final = "age unknown"
"""What a decision says first that was taken without a date."""


@dataclass(frozen=True, slots=True)
class PrunePolicy:
    """Rules, each of which keeps tags. Those that `only` does not mean are kept too.

    `keep` are patterns; `versions` is a range; `highest` is a number of versions, every tag of which is kept;
    `newest` a number of manifests, whose tags are kept; `within_s` an age in seconds, told as `within`. A tag whose
    age is not known is kept where the rules ask for its age, unless `deletes_unknown_age`.
    Raises UsageError where nothing says what is kept.
    """

    keep: tuple[str, ...] = ()
    versions: VersionRange | None = None
    highest: int = 0
    newest: int = 0
    within_s: float = 0.0
    within: str = ""
    only: TagFilter = field(default_factory=TagFilter)
    deletes_unknown_age: bool = False

    def __post_init__(self) -> None:
        if not (self.keep or self.versions or self.highest or self.needs_dates or self.only.patterns):
            raise UsageError(
                "nothing says what is kept",
                hint="--keep PATTERN, --keep-last N, --keep-within 30d, --keep-versions N and --keep-semver RANGE "
                "keep tags; with --only PATTERN alone everything that it fits goes",
            )

    @property
    def needs_dates(self) -> bool:
        """Whether a rule asks how old things are."""
        return bool(self.newest or self.within_s)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a tag goes, and why; `created` is the date that its age counts from, if it is known."""

    tag: str
    digest: Digest
    goes: bool
    why: str
    created: float | None = None

    def to_tree(self) -> dict[str, Any]:
        """The decision for JSON output."""
        created = rfc3339(self.created) if self.created is not None else None
        return {"tag": self.tag, "digest": self.digest, "why": self.why, "created": created}


def decide(graph: RepositoryGraph, policy: PrunePolicy, now: float) -> tuple[Decision, ...]:
    """A decision for each tag, in the order of the graph, but for those that belong to a manifest."""
    judge = _Judge(graph, policy, now)
    return tuple(judge.decision(tag) for tag in graph.tags if not is_beside(tag))


class _Judge:
    """The rules with what they have to know of all tags together."""

    def __init__(self, graph: RepositoryGraph, policy: PrunePolicy, now: float) -> None:
        self._graph, self._policy, self._now = graph, policy, now
        meant = [tag for tag in graph.tags if not is_beside(tag) and policy.only.holds(tag)]
        versions = (version for tag in meant if (version := Version.of(tag)) is not None)
        distinct = sorted({version.key[0] for version in versions})
        self._highest = set(distinct[-policy.highest :] if policy.highest else ())
        self._ages = {digest: self._age(digest) for digest in {graph.tags[tag] for tag in meant}}
        known = sorted((age for age, why in self._ages.values() if age is not None and not why), reverse=True)
        self._newest = known[: policy.newest][-1] if known and policy.newest else None

    def decision(self, tag: str) -> Decision:
        digest = self._graph.tags[tag]
        created, _ = self._ages.get(digest, (None, ""))
        node = self._graph.nodes[digest]
        if self._policy.only.holds(tag) and stands_for(node.document) is not None:
            return Decision(tag, digest, goes=True, why="left by a deletion that did not end")
        kept = next(self._reasons_to_keep(tag, digest), "")
        why = kept or "; ".join(self._reasons_to_go(digest))
        return Decision(tag, digest, goes=not kept, why=why, created=created)

    def _reasons_to_keep(self, tag: str, digest: Digest) -> Iterator[str]:
        policy = self._policy
        if not policy.only.holds(tag):
            yield "--only does not mean it"
            return
        yield from (f"--keep {pattern}" for pattern in policy.keep if fits(tag, (pattern,)))
        if policy.versions is not None and policy.versions.holds(tag):
            yield f"--keep-semver {policy.versions.text}"
        version = Version.of(tag)
        if version is not None and version.key[0] in self._highest:
            yield f"--keep-versions {policy.highest}"
        if policy.needs_dates:
            yield from self._young_enough(digest)

    def _young_enough(self, digest: Digest) -> Iterator[str]:
        policy = self._policy
        created, unknown = self._ages[digest]
        if unknown and not policy.deletes_unknown_age:
            yield f"{UNKNOWN_AGE}: {unknown}"
        if unknown or created is None:
            return
        if policy.within_s and created >= self._now - policy.within_s:
            yield f"--keep-within {policy.within}: from {day(created)}"
        if self._newest is not None and created >= self._newest:
            yield f"--keep-last {policy.newest}: from {day(created)}"

    def _reasons_to_go(self, digest: Digest) -> Iterator[str]:
        """What kept it from being kept, by the rules about age; else that no rule keeps it."""
        policy = self._policy
        created, unknown = self._ages[digest]
        if not policy.needs_dates:
            yield "no rule keeps it"
        elif unknown or created is None:
            yield f"{UNKNOWN_AGE}: {unknown}, and --unknown-age delete"
        else:
            old = f", older than {policy.within}" if policy.within_s else ""
            later = f", not among the {policy.newest} newest" if policy.newest else ""
            yield f"from {day(created)}{old}{later}"

    def _age(self, digest: Digest) -> tuple[float | None, str]:
        """The date of the newest image below a manifest, and why that is not known, or is not to be believed."""
        if not self._policy.needs_dates:
            return None, ""
        dates = self._graph.dates(digest)
        if not dates:
            return None, "it has no image"
        known = [date for date in dates if date is not None]
        why = next(filter(None, (why_unknown(date, self._now) for date in dates)), "")
        return max(known, default=None), f"an image {why}" if why else ""
