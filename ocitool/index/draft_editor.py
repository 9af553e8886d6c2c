"""A list in the making under one name, by the words of `docker manifest`: what it holds is kept on this machine."""

from collections.abc import Sequence

from ocitool.change.plan import Plan
from ocitool.errors import NotFound, UsageError, as_one
from ocitool.index.drafts import Draft, DraftMember, Drafts, Drawn, draw, plan_push
from ocitool.index.edit import EntryChanges
from ocitool.index.editor import open_member
from ocitool.index.sources import MemberSource, resolve_each
from ocitool.model.reference import Reference
from ocitool.values import dataclass
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DraftEditor:
    """A draft: made, annotated, drawn as what it would be, and planned to be published.

    Raises UsageError for names that are none, NotFound, and what a registry answers.
    """

    work: Workspace
    name: str

    @as_one()
    def load(self) -> Draft | None:
        """What was said so far; None where there is no draft of that name."""
        return self._drafts.load(full(self.name))

    @as_one()
    def loaded(self) -> Draft:
        """What was said so far. Raises NotFound in docker's words."""
        draft = self.load()
        if draft is None:
            what = f"No such manifest: {self.name}"
            raise NotFound(what, name=self.name, hint="ocitool manifest create starts a list")
        return draft

    @as_one()
    def create(self, *images: str, amend: bool = False) -> Draft:
        """A draft of images, or more of them where `amend` takes one that is there; an index gives its images."""
        draft = self.load()
        if draft is not None and not amend:
            raise UsageError(
                "refusing to amend an existing manifest list with no --amend flag",
                hint=f"add --amend, or forget the list with ocitool manifest rm {self.name}",
            )
        named = [full(image) for image in images]
        found = resolve_each(self._sources(named), scope=self.work.scope)
        members = [
            DraftMember(reference, root)
            for reference, group in zip(named, found, strict=True)
            if group and (root := group[0].root) is not None
        ]
        return self._saved((draft or Draft(full(self.name))).with_members(members))

    @as_one()
    def annotate(self, image: str, changes: EntryChanges) -> Draft:
        """What one of its images is for, over what its config says."""
        return self._saved(self.loaded().annotated(full(image), changes))

    @as_one()
    def remove(self) -> None:
        """Forget the draft; what is published stays."""
        if not self._drafts.remove(full(self.name)):
            raise NotFound(f"No such manifest: {self.name}", name=self.name)

    @as_one()
    def drawn(self) -> Drawn:
        """The document that it makes of what its images are now; they are asked of their registries again."""
        draft = self.loaded()
        return draw(draft, self._sources([one.reference for one in draft.members]), scope=self.work.scope)

    @as_one()
    def plan_push(self, drawn: Drawn) -> Plan:
        """The plan that publishes it under its name."""
        store, tag = self.work.opener.open(self.name, write=True)
        return plan_push(drawn, store, tag)

    @property
    def _drafts(self) -> Drafts:
        return Drafts(self.work.machine.root / "drafts")

    def _saved(self, draft: Draft) -> Draft:
        self._drafts.save(draft)
        return draft

    def _sources(self, references: Sequence[str]) -> tuple[MemberSource, ...]:
        return tuple(open_member(self.work.opener, reference) for reference in references)


def full(name: str) -> str:
    """The one name of a list or image, as drafts know it."""
    return str(Reference.parse(name))
