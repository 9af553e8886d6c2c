"""Deletes of a plan carried out: tags first, then manifests, each index before what it lists.

So that whoever dies over it leaves nothing that is named and lacks a part: what is left over has no name. Every tag
is looked at right before it goes, and what it held is noted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from ocitool.change.plan import Delete, Plan
from ocitool.errors import Conflict, NotFound, RegistryError, Unsupported
from ocitool.graph.referrers import drop_referrer
from ocitool.model.digest import Digest
from ocitool.model.views import listed, view
from ocitool.store.base import Expect, Store
from ocitool.store.placeholder import stands_for
from ocitool.store.verify import check_expected
from ocitool.tasks import Scope, collect


class Noting(Protocol):
    """What notes that a name is about to be deleted, and gives what notes that it was."""

    def __call__(self, name: str, before: Digest, step: Delete) -> Callable[[], object]:
        """`step` deletes `name`, which holds `before`."""


class Remover:
    """What one plan takes away from a store; `removed` are the tags that went, with what they held."""

    def __init__(self, plan: Plan, store: Store, scope: Scope, *, width: int, note: Noting) -> None:
        self.removed: list[tuple[str, Digest]] = []
        self._plan, self._store, self._scope, self._note = plan, store, scope, note
        self._width = max(1, min(width, store.traits.concurrency))
        self._going = {step.base.digest for step in _deletes(plan) if not step.is_tag}

    def check_unmoved(self) -> None:
        """Raise Conflict unless every tag of the repository holds what it held when the plan was made."""
        expected = self._plan.unmoved
        if expected is None:
            return
        held = self._held(name for name, digest in expected.items() if digest is not None)
        now = dict.fromkeys(self._store.tags())  # read last: what is new by then is seen
        held |= self._held(name for name in now if name in expected and name not in held)
        moved = sorted({name for name in now if name not in expected} | {n for n in held if held[n] != expected[n]})
        if moved:
            more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
            raise Conflict(
                f"{self._store.label} has moved: {', '.join(moved[:5])}{more} changed since the plan was made",
                tag=moved[0],
                expected=str(expected.get(moved[0]) or ""),
                found=str(held.get(moved[0]) or ""),
                hint="nothing was deleted; make the plan anew",
            )

    def _held(self, names: Iterable[str]) -> dict[str, Digest | None]:
        """What tags hold, looked at side by side."""
        wanted = list(names)
        found = collect(self._scope, self._store.head, wanted, self._width)
        return {name: one.digest if one is not None else None for name, one in zip(wanted, found, strict=True)}

    def remove(self) -> None:
        """Delete everything, side by side where nothing depends on the order. Raises Conflict, Unsupported."""
        steps = _deletes(self._plan)
        collect(self._scope, self._tag, [step for step in steps if step.is_tag], self._width)
        for wave in in_waves([step for step in steps if not step.is_tag]):
            collect(self._scope, self._manifest, [s for s in wave if not self._is_listed_on(s)], self._width)
            for step in filter(self._is_listed_on, wave):  # they may share the tag that lists them
                self._manifest(step)

    def _tag(self, step: Delete) -> None:
        found = self._store.head(step.name)
        if found is None:
            return
        check_expected(step.name, Expect(step.base.digest), found.digest, self._store.label)
        settle = self._note(step.name, step.base.digest, step)
        self._untag(step.name, step.base.digest)
        settle()
        self.removed.append((step.name, step.base.digest))

    def _manifest(self, step: Delete) -> None:
        digest = step.base.digest
        if self._store.head(str(digest)) is None:
            return
        tags = [tag for tag in step.tags if self._holds(tag, digest)]
        before = stands_for(step.base) or digest
        settled = [self._note(tag, before, step) for tag in tags]
        if step.name in self._plan.names:
            settled.append(self._note(step.name, digest, step))
        self._delete(str(digest), tags)
        subject = view(step.base).subject
        if subject is not None and self._is_listed_on(step):
            drop_referrer(self._store, subject.digest, digest, scope=self._scope)
        for settle in settled:
            settle()
        self.removed += [(tag, before) for tag in tags] or [(step.name, digest)]

    def _holds(self, tag: str, digest: Digest) -> bool:
        found = self._store.head(tag)
        if found is not None:
            check_expected(tag, Expect(digest), found.digest, self._store.label)
        return found is not None

    def _delete(self, digest: str, tags: Sequence[str]) -> None:
        """Delete a manifest, and see that its tags are gone; some registries want these deleted before it."""
        try:
            with suppress(NotFound):
                self._store.delete(digest)
        except (RegistryError, Unsupported) as error:
            if not tags or (isinstance(error, RegistryError) and error.status != 409):
                raise
            for tag in tags:
                self._store.delete(tag)
            with suppress(NotFound):
                self._store.delete(digest)
        for tag in tags:
            found = self._store.head(tag)
            if found is not None and found.digest == digest:
                self._untag(tag, found.digest)

    def _untag(self, tag: str, digest: Digest) -> None:
        """Delete a tag, and see that it is gone. Raises RegistryError where it is not."""
        with suppress(NotFound):
            self._store.delete(tag)
        found = self._store.head(tag)
        if found is not None and found.digest == digest:
            raise RegistryError(
                f"{self._store.label} says that {tag} is deleted, and still has it",
                hint="the registry, or a proxy before it, may show it for a while; look again",
            )

    def _is_listed_on(self, step: Delete) -> bool:
        """Whether a manifest refers to one that stays, which may have a list of what refers to it."""
        subject = view(step.base).subject
        return subject is not None and subject.digest not in self._going


def in_waves(steps: Iterable[Delete]) -> Iterator[list[Delete]]:
    """Deletes of manifests in groups: an index comes before what it lists."""
    left = {step.base.digest: step for step in steps}
    below = {digest: listed(view(step.base)) for digest, step in left.items()}
    while left:
        above = {child for digest in left for child in below[digest]}
        wave = [step for digest, step in left.items() if digest not in above]
        yield wave or list(left.values())  # no manifest lists itself, whatever a registry says
        left = {digest: step for digest, step in left.items() if wave and digest in above}


def _deletes(plan: Plan) -> list[Delete]:
    return [step for step in plan.steps if isinstance(step, Delete)]
