"""Referrers that do not come along: with a copy to another place, or to the bytes that an edit puts in place.

A signature or an SBOM is of the old bytes and is never pointed at new ones; who asks for one before a pull gets
none until the new digest is signed. Spec: distribution-spec, "Listing Referrers"; cosign, "Tag discovery".
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from ocitool.change.plan import Plan
from ocitool.errors import Cancelled, OcitoolError
from ocitool.graph.referrers import cosign_tags
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.store.base import Reader
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, replace

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Followers:
    """What refers to a manifest: how many of each artifact type, and cosign's tags; or why that was not seen."""

    digest: Digest
    kinds: tuple[tuple[str, int], ...] = ()
    tags: tuple[str, ...] = ()
    unseen: str = ""

    @property
    def count(self) -> int:
        """How many there are, a list of cosign's being one."""
        return sum(number for _, number in self.kinds) + len(self.tags)

    @property
    def named(self) -> str:
        """All of them in words."""
        kinds = (f"{kind} ({number})" if number > 1 else kind for kind, number in self.kinds)
        return ", ".join((*kinds, *self.tags))


def followers_of(store: Reader, digests: Iterable[Digest], *, scope: Scope) -> tuple[Followers, ...]:
    """What refers to each manifest, by four questions side by side: its referrers, cosign's three tags.

    Tags that are mostly not there are asked for by GET: a HEAD that finds nothing may lie, and costs a GET too.
    """
    wanted = tuple(digests)
    with TaskGroup(scope, store.traits.concurrency) as group:
        asked = [
            (
                digest,
                group.spawn(_seen, lambda digest=digest: _kinds(store, digest), ()),
                [
                    (tag, group.spawn(_seen, lambda tag=tag: find_manifest(store, tag), None))
                    for tag in cosign_tags(digest)
                ],
            )
            for digest in wanted
        ]
    return tuple(
        Followers(
            digest,
            kinds.result[0],
            tuple(tag for tag, task in tags if task.result[0] is not None),
            next(filter(None, (kinds.result[1], *(task.result[1] for _, task in tags))), ""),
        )
        for digest, kinds, tags in asked
    )


def with_followers(plan: Plan, store: Reader, *, scope: Scope) -> Plan:
    """The plan with a note for each manifest that it replaces and others refer to; asks only where it does."""
    bases = [tag.base for tag in plan.tags if tag.base is not None and not tag.is_kept]
    replaced = {document.digest: document for document in (*bases, *(plan.replaced if bases else ()))}
    notes = tuple(filter(None, map(_note, followers_of(store, replaced, scope=scope))))
    return replace(plan, notes=(*plan.notes, *notes)) if notes else plan


def left_behind(store: Reader, document: Document, *, scope: Scope) -> str:
    """What a copy of a manifest alone leaves behind, as a note; empty for nothing, also where it was not seen."""
    [found] = followers_of(store, (document.digest,), scope=scope)
    if not found.count:
        return ""
    what = f"{found.count} that refer{'s' if found.count == 1 else ''} to {document.digest.short}"
    return f"{what} stay{'s' if found.count == 1 else ''} behind: {found.named}; --referrers brings all of them"


def _note(found: Followers) -> str:
    if found.unseen:
        return f"whether anything refers to {found.digest.short} could not be seen: {found.unseen}"
    if not found.count:
        return ""
    place = f"what takes the place of {found.digest.short}"
    return f"{found.named} will not be of {place}: sign and attest that anew"


def _kinds(store: Reader, digest: Digest) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(one.artifact_type or one.media_type for one in store.referrers(digest)).items()))


def _seen(ask: Callable[[], T], nothing: T) -> tuple[T, str]:
    """An answer, or `nothing` and why; nothing depends on it."""
    try:
        return ask(), ""
    except Cancelled:
        raise
    except OcitoolError as error:
        return nothing, str(error)
