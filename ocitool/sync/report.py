"""Reports of a sync: which tags were written, which were as they should be, and what failed."""

from typing import Any

from ocitool.change.lacking import Lacking
from ocitool.errors import OcitoolError, SeveralErrors
from ocitool.model.digest import Digest
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class SyncedTag:
    """A tag of a target that was written, or below which something was put back; with `lacked`, that would be.

    `sent` is the bytes of blobs.
    """

    target: str
    tag: str
    before: Digest | None
    digest: Digest
    sent: int = 0
    lacked: Lacking | None = None

    def to_tree(self) -> dict[str, Any]:
        """It as JSON output has it."""
        tree = {"target": self.target, "tag": self.tag, "before": self.before, "digest": self.digest}
        return tree | ({"sent": self.sent} if self.lacked is None else {"toMove": self.lacked.to_tree()})


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did: `tags` of sources were looked at, and `unchanged` tags of targets were as they should be."""

    tags: int
    unchanged: int
    written: tuple[SyncedTag, ...]
    errors: tuple[OcitoolError, ...] = ()

    def required(self) -> "SyncReport":
        """Itself, where nothing failed; raises what did."""
        if self.errors:
            raise self.errors[0] if len(self.errors) == 1 else SeveralErrors(self.errors)
        return self

    def to_tree(self) -> dict[str, Any]:
        """The report for JSON output."""
        written = [one.to_tree() for one in self.written]
        return {"tags": self.tags, "unchanged": self.unchanged, "written": written, "failed": len(self.errors)}
