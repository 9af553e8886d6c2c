"""Source policies in BuildKit's words: rules by which an image is allowed, denied, or another one is taken for it.

Rules for images are understood. Anything else is refused and never skipped: a rule that is passed over is a base
that is not the pinned one. Spec: BuildKit's `sourcepolicy/pb`, and docs/build-repro.md there.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from ocitool.arguments import read_small
from ocitool.errors import MalformedDocument, NotVerified, Unsupported, UsageError
from ocitool.model.document import parse
from ocitool.model.numbers import MIB
from ocitool.model.reference import Reference
from ocitool.model.tag_filter import fits_stars
from ocitool.values import dataclass

SCHEME: Final = "docker-image://"
_LIMIT: Final = MIB
_MAX_RULES: Final = 2_000
"""A guess at what nobody writes; all of them are held against each image, a few times where they convert."""
_MAX_LENGTH: Final = 1_024
"""Characters of an identifier; a reference has fewer."""
_MAX_CONVERSIONS: Final = 20
"""As many as BuildKit lets happen to one source."""
_VERSIONS: Final = (0, 1)
_ACTIONS: Final = ("ALLOW", "DENY", "CONVERT")
_MATCHES: Final = ("WILDCARD", "EXACT")


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What happens to images whose identifier is like the rule's; `target` is what they are taken for by CONVERT.

    In a pattern `*` stands for any characters.
    """

    action: str
    identifier: str
    target: Reference | None = None
    is_pattern: bool = False

    def fits(self, identifier: str) -> bool:
        """Whether it is about the image of an identifier, `docker-image://` and the reference in full."""
        return identifier == self.identifier or (self.is_pattern and fits_stars(identifier, self.identifier))


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Rules in their order; `name` is the file they are from."""

    rules: tuple[SourceRule, ...]
    name: str = ""

    @classmethod
    def pinning(cls, references: Iterable[Reference]) -> "SourcePolicy":
        """The policy by which each tag is taken for the digest beside it; sorted, and each of them once."""
        pins = {f"{SCHEME}{one.with_tag(one.tag)}": one for one in references}
        return cls(tuple(SourceRule("CONVERT", key, pins[key]) for key in sorted(pins)))

    def image(self, reference: Reference) -> Reference:
        """The image to use for one that is named.

        A conversion is judged by all rules again; of several ALLOW and DENY the last one counts. Raises NotVerified
        for an image that is denied, UsageError for rules that convert in a circle.
        """
        for _ in range(_MAX_CONVERSIONS + 1):
            found = self._step(reference)
            if found == reference:
                return reference
            reference = found
        raise UsageError(
            f"{self.name}: {reference} is converted more than {_MAX_CONVERSIONS} times",
            hint="let no selector fit what another rule converts to",
        )

    def _step(self, reference: Reference) -> Reference:
        identifier, denied = f"{SCHEME}{reference}", -1
        for number, rule in enumerate(self.rules):
            if not rule.fits(identifier):
                continue
            if rule.target is None:
                denied = number if rule.action == "DENY" else -1
            elif rule.target != reference:
                return rule.target
        if denied >= 0:
            raise NotVerified(
                f"{reference} is denied by rules[{denied}] of {self.name}",
                hint="build upon another image, or let a later rule ALLOW this one",
            )
        return reference

    def to_tree(self) -> dict[str, Any]:
        """The policy in BuildKit's fields. Without a match type a name without `*` fits itself alone."""
        return {
            "rules": [
                {
                    "action": rule.action,
                    "selector": {"identifier": rule.identifier},
                    **({"updates": {"identifier": f"{SCHEME}{rule.target}"}} if rule.target is not None else {}),
                }
                for rule in self.rules
            ]
        }

    @property
    def raw(self) -> bytes:
        """The file of it."""
        return f"{json.dumps(self.to_tree(), indent=2)}\n".encode()


def read_source_policy(path: Path) -> SourcePolicy:
    """The policy in a file.

    Raises UsageError for what is no JSON, Unsupported with the place for what is not understood, LocalIOError.
    """
    try:
        tree = parse(read_small(path, _LIMIT))
    except MalformedDocument as error:
        raise UsageError(f"{path}: {error.what}", hint="a source policy is JSON, as BuildKit reads it") from None
    where = f"{path}:"
    top = _object(where, tree, ("version", "rules"))
    if top.get("version", 1) not in _VERSIONS:
        raise _refused(f"{where} version", f"is {top['version']!r}", "version 1 is understood")
    rows = top.get("rules") or []
    if not isinstance(rows, list) or len(rows) > _MAX_RULES:
        raise _refused(f"{where} rules", f"is no list of at most {_MAX_RULES} rules")
    return SourcePolicy(tuple(_rule(f"{where} rules[{n}]", row) for n, row in enumerate(rows)), str(path))


def _rule(where: str, row: object) -> SourceRule:
    rule = _object(where, row, ("action", "selector", "updates"))
    action = rule.get("action")
    if action not in _ACTIONS:
        raise _refused(f"{where}.action", f"is {action!r}", f"one of {', '.join(_ACTIONS)} is obeyed")
    identifier, is_pattern = _selected(f"{where}.selector", rule.get("selector"))
    if action == "CONVERT":
        return SourceRule(action, identifier, _updated(f"{where}.updates", rule.get("updates")), is_pattern)
    if rule.get("updates"):
        raise _refused(f"{where}.updates", f"is for CONVERT alone, and the action is {action}")
    return SourceRule(action, identifier, is_pattern=is_pattern)


def _selected(where: str, value: object) -> tuple[str, bool]:
    """The identifier of a selector, and whether it is a pattern."""
    selector = _object(where, value, ("identifier", "matchType", "match_type", "constraints"))
    identifier, place = _identifier(where, selector), f"{where}.identifier"
    kinds = [selector[key] for key in ("matchType", "match_type") if key in selector]
    if any(kind != kinds[0] or kind not in _MATCHES for kind in kinds):
        hint = "write a rule for each image, or * for any characters of its name"
        raise _refused(f"{where}.matchType", f"is {kinds[-1]!r}, and not {' or '.join(_MATCHES)}", hint)
    if selector.get("constraints"):
        raise _refused(f"{where}.constraints", "is about attributes of a source, which images have none of here")
    if "*" in identifier and "EXACT" not in kinds:
        if "**" in identifier:
            raise _refused(place, f"{identifier!r} holds **, which BuildKit refuses too", "write one *")
        return identifier, True
    full = f"{SCHEME}{_reference(place, identifier)}"
    if full != identifier:
        raise _refused(place, f"{identifier!r} fits no image", f"write it in full: {full}")
    return identifier, False


def _updated(where: str, value: object) -> Reference:
    """The image that a rule converts to."""
    updates = _object(where, value, ("identifier", "attrs"))
    if updates.get("attrs"):
        raise _refused(f"{where}.attrs", "sets attributes of a source, which images have none of here")
    identifier, place = _identifier(where, updates), f"{where}.identifier"
    if "$" in identifier:
        hint = "write a rule for each image"
        raise _refused(place, f"{identifier!r} takes over parts of the name that was found", hint)
    return _reference(place, identifier)


def _object(where: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refused(where, "is no JSON object")
    for key in value:
        if key not in known:
            raise _refused(where, f"has {key[:80]!r}, which is not understood", f"one of {', '.join(known)} is")
    return value


def _identifier(where: str, tree: dict[str, Any]) -> str:
    """The identifier of an image. Raises Unsupported for one of anything else."""
    value = tree.get("identifier")
    if not isinstance(value, str) or not value.startswith(SCHEME) or len(value) > _MAX_LENGTH:
        hint = f"keep rules for {SCHEME} in a file of their own; what is downloaded is pinned by ADD --checksum"
        raise _refused(f"{where}.identifier", f"is {str(value)[:80]!r}, which is no {SCHEME}REFERENCE", hint)
    return value


def _reference(where: str, identifier: str) -> Reference:
    try:
        return Reference.parse(identifier.removeprefix(SCHEME))
    except UsageError as error:
        raise _refused(where, f"{identifier!r} is no image: {error.what}", error.hint) from None


def _refused(where: str, why: str, hint: str = "") -> Unsupported:
    return Unsupported(f"{where} {why}", ability="source policy", hint=hint)
