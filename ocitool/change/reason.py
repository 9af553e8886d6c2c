"""Why a plan changes what it changes: each line of a difference with what asked for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ocitool.change.difference import Change
from ocitool.model.document import Document, JsonTree
from ocitool.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class ChangeReason:
    """What is done, in one clause, and `why`: the ids of rules, or the flags that asked for it.

    It explains changes of the index entries whose digests, old or new, are in `entries`; without any those of
    the document itself. `keys` are the fields that it changes there, none for the entry as a whole.
    """

    text: str
    why: tuple[str, ...] = ()
    entries: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()

    def to_tree(self) -> dict[str, Any]:
        """The reason for JSON output."""
        return {"text": self.text, "why": list(self.why)}

    def line(self) -> str:
        """The reason for people, as `check` writes a finding."""
        return f"{self.text}  [{', '.join(self.why)}]" if self.why else self.text

    def explains(self, digests: set[str], key: str) -> bool:
        """Whether it explains a change of the field `key` in an entry with these digests, or in the document."""
        if bool(digests) != bool(self.entries) or (digests and not digests & self.entries):
            return False
        return key in self.keys if key else not self.keys


def explained(
    changes: Iterable[Change], before: Document | None, after: Document, reasons: Sequence[ChangeReason]
) -> tuple[Change, ...]:
    """The differences of two documents, each with the `why` of the reasons that explain it."""
    if not reasons:
        return tuple(changes)
    old = _entries(before) if before is not None else []
    new = _entries(after)
    return tuple(replace(change, why=_why(change, old, new, reasons)) for change in changes)


def _why(
    change: Change, old: list[JsonTree], new: list[JsonTree], reasons: Sequence[ChangeReason]
) -> tuple[str, ...]:
    _, first, *rest = change.pointer.split("/")
    if first != "manifests" or not rest:
        found = [reason for reason in reasons if reason.explains(set(), first)]
    else:
        digests = {_digest((old if change.kind == "removed" and len(rest) == 1 else new), int(rest[0]))}
        key = "order" if change.kind == "moved" else (rest[1] if len(rest) > 1 else "")
        found = [reason for reason in reasons if reason.explains(digests, key)]
        # An entry leaves as a whole, or is paired with another, since something else of it changes.
        found = found or [reason for reason in reasons if digests & reason.entries]
        if not found and key == "order":  # it moves since others come or go
            found = [reason for reason in reasons if reason.entries and not reason.keys]
    return tuple(dict.fromkeys(word for reason in found for word in reason.why))


def _entries(document: Document) -> list[JsonTree]:
    tree = document.tree()
    listed = tree.get("manifests") if isinstance(tree, Mapping) else None
    return listed if isinstance(listed, list) else []


def _digest(entries: list[JsonTree], number: int) -> str:
    entry = entries[number]
    return str(entry.get("digest", "")) if isinstance(entry, Mapping) else ""
