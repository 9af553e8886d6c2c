"""The part that edits of one name share: how it is opened, where the result goes, what is meant, what is told."""

from collections.abc import Iterable
from typing import TypeAlias

from ocitool.arguments import digests_of, words_of
from ocitool.change.followers import with_followers
from ocitool.change.plan import Plan
from ocitool.errors import UsageError
from ocitool.index.entries import Selector
from ocitool.model.digest import as_digest
from ocitool.store.base import Store
from ocitool.values import dataclass, replace
from ocitool.workspace import PlatformWords, Workspace

Texts: TypeAlias = Iterable[str] | str


@dataclass(frozen=True, slots=True)
class NameEditor:
    """A name whose content is edited."""

    work: Workspace
    reference: str

    def _told(self, store: Store, plan: Plan, name: str, written: tuple[str, ...]) -> Plan:
        """The plan with the tags that were asked for, and notes of what refers to bytes that are replaced."""
        plan = replace(plan, names=written or (name,))
        return plan if written else with_followers(plan, store, scope=self.work.scope)

    def _open(self, tags: Texts) -> tuple[Store, str, tuple[str, ...]]:
        """The store that holds what is edited, the name in it, and the tags to write instead of it."""
        store, name = self.work.opener.open_edited(self.reference)
        return store, name, self._tags(store, tags)

    def _tags(self, store: Store, references: Texts) -> tuple[str, ...]:
        """The tags that full references name in `store`. Raises UsageError for another place, or a digest."""
        tags: list[str] = []
        for reference in words_of(references, "a tag"):
            other, name = self.work.opener.open(reference, write=True)
            if other.label != store.label:
                raise UsageError(
                    f"{reference} is not in {store.label}", hint="ocitool copy takes images to another repository"
                )
            if as_digest(name):
                raise UsageError(f"{reference} is a digest, not a tag to write to")
            tags.append(name)
        return tuple(tags)

    def _chosen(self, platforms: PlatformWords, digests: Texts) -> Selector:
        """The entries that are meant."""
        return Selector(self.work.platform_choices(platforms), digests_of(digests))
