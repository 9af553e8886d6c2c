"""Findings: what a rule has to say about one place in what a name holds."""

from typing import Any

from ocitool.findings import Severity
from ocitool.model.digest import Digest
from ocitool.model.printable import shown, unicode
from ocitool.values import dataclass


def escaped(key: str) -> str:
    """A key as a part of a JSON pointer. Spec: RFC 6901."""
    return key.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, slots=True)
class Location:
    """A place: the document or blob, the JSON pointer in it, or the path of a file in a layer.

    `label` names the platform or entry for people; empty for the root itself. `layer` says for people in which
    layer of its image it is: "layer 2 of 5, sha256:0123…"; the engine fills it in. `digest` is None where nothing
    is known to be there.
    """

    digest: Digest | None
    pointer: str = ""
    path: str = ""
    label: str = ""
    layer: str = ""

    @property
    def inside(self) -> str:
        """Where below its label: a file's path, a layer; empty for the whole."""
        path = f"/{self.path}" if self.path else ""
        layer = f"{'in ' if path else ''}{self.layer}" if self.layer else ""
        return " ".join(filter(None, (path, layer)))

    def to_tree(self) -> dict[str, Any]:
        """The place for JSON output; what does not apply is left out."""
        tree = {"digest": str(self.digest or ""), "pointer": self.pointer, "path": self.path, "label": self.label}
        return {key: unicode(value) for key, value in tree.items() if value}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `message` is one clause, `rule` a stable id such as index/wrong-platform.

    `fixable` says that `repair` knows a way, if need be with a flag. `allowed` is why the project lets it be,
    empty for one that counts.
    """

    rule: str
    severity: Severity
    message: str
    at: Location
    fixable: bool = False
    where: str = ""
    allowed: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The finding for JSON output."""
        tree: dict[str, Any] = {"rule": self.rule, "severity": self.severity.value}
        tree |= {
            "message": unicode(self.message),
            "where": self.where,
            "at": self.at.to_tree(),
            "fixable": self.fixable,
        }
        return tree | ({"allowed": self.allowed} if self.allowed else {})

    def text(self) -> str:
        """One line: severity, place, message, rule."""
        mark = " (fixable)" if self.fixable else ""
        return f"{self.severity.value:7} {self.sentence}  [{self.rule}]{mark}"

    @property
    def sentence(self) -> str:
        """Place and message on one line that is safe to print."""
        place = " ".join(filter(None, (self.at.label, self.at.inside)))
        return shown(f"{place}: {self.message}" if place else self.message)
