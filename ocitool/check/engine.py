"""From an Inspection to findings: every rule that is selected, allowances applied, in a stable order."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from typing import Final

from ocitool.check.finding import Finding, Location
from ocitool.check.inspection import Inspection
from ocitool.check.rules import binary, child, config, index, layer, registry
from ocitool.check.rules.expected import RULES as EXPECTED_RULES
from ocitool.check.rules.policy import RULES as POLICY_RULES
from ocitool.check.rules.rule import Hit, Rule
from ocitool.check.rules.tag import RULES as TAG_RULES
from ocitool.check.rules.tag import TagRule
from ocitool.documentation import page
from ocitool.errors import AuthError, NetworkError, OcitoolError, RegistryError, UsageError
from ocitool.findings import Severity
from ocitool.model.digest import Digest
from ocitool.values import dataclass, replace

RULES: Final[tuple[Rule, ...]] = (
    *index.RULES,
    *child.RULES,
    *config.RULES,
    *layer.RULES,
    *binary.RULES,
    *registry.RULES,
)
"""Our own rules over one name."""
ASKED: Final = (*EXPECTED_RULES, *POLICY_RULES)
"""Rules about what a caller asks for: platforms, a policy."""
DOCUMENTED: Final[tuple[Rule | TagRule, ...]] = (*RULES, *TAG_RULES, *ASKED)
"""Every rule there is a page entry for."""
GROUP: Final = "ocitool.rules"
"""The entry point group by which a package adds rules: each names a Rule or a sequence of them."""
_HOW: Final = "docs/guides/check-and-repair.md shows a rule of one's own"
_OURS: Final = frozenset(rule.id for rule in RULES)
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*")
_NO_ANSWER: Final = (NetworkError, RegistryError)
_RANK: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True)
class Allowance:
    """A rule that the project lets be: `rule` is an id or pattern, `at` a platform or file it is limited to."""

    rule: str
    reason: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.rule} at {self.at}" if self.at else self.rule

    def fits(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        if not fnmatchcase(finding.rule, self.rule):
            return False
        places = (finding.at.label, finding.at.path, f"/{finding.at.path}")
        return not self.at or any(fnmatchcase(place, self.at) for place in places)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rules count, and how much. Patterns are ids or globs such as `index/*`; no `select` means all.

    `severity` are (pattern, what findings of such rules are instead); the first that fits holds.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow: tuple[Allowance, ...] = ()
    severity: tuple[tuple[str, Severity], ...] = ()

    def check(self, known: Iterable[str]) -> None:
        """Raise UsageError for a pattern that no rule matches, and for an allowance without a reason."""
        ids = tuple(known)
        named = (*(one.rule for one in self.allow), *(pattern for pattern, _ in self.severity))
        for pattern in (*self.select, *self.ignore, *named):
            if not any(fnmatchcase(rule, pattern) for rule in ids):
                raise UsageError(f"no rule is called {pattern!r}", hint="docs/reference/rules.md lists them")
        for one in self.allow:
            if not one.reason.strip():
                raise UsageError(f"{one.rule} is allowed without a reason", hint="say why in `reason`")

    def takes(self, rule: str) -> bool:
        """Whether findings of the rule are wanted."""
        chosen = not self.select or any(fnmatchcase(rule, pattern) for pattern in self.select)
        return chosen and not any(fnmatchcase(rule, pattern) for pattern in self.ignore)

    def apply(self, finding: Finding) -> Finding:
        """The finding, as grave as the project says and marked if it is allowed."""
        grave = next((s for pattern, s in self.severity if fnmatchcase(finding.rule, pattern)), finding.severity)
        reason = next((one.reason for one in self.allow if one.fits(finding)), "")
        return replace(finding, severity=grave, allowed=reason)

    def idle(self, found: Iterable[Finding], ran: Iterable[str]) -> tuple[Allowance, ...]:
        """The allowances that none of the findings needs, though a rule that they are for was among those `ran`."""
        seen, ids = tuple(found), tuple(rule for rule in ran if self.takes(rule))
        return tuple(
            one
            for one in self.allow
            if any(fnmatchcase(rule, one.rule) for rule in ids) and not any(one.fits(finding) for finding in seen)
        )


ALL: Final = Selection()


def installed_rules() -> tuple[Rule, ...]:
    """Our rules and those of installed packages.

    Raises UsageError for an entry point that does not load or holds no rule, and for an id that is taken, is not of
    the form family/name, or is in a family of ours, where a later rule of ours may stand.
    """
    more: list[Rule] = []
    taken = {rule.id for rule in DOCUMENTED}
    ours = {rule.partition("/")[0] for rule in taken}
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        try:
            loaded = point.load()
        except Exception as error:
            raise UsageError(f"rules {point.name} of {point.value} do not load: {error}") from error
        for rule in loaded if isinstance(loaded, Sequence) else (loaded,):
            if not isinstance(rule, Rule):
                raise UsageError(f"entry point {point.name} of {point.value} holds no Rule", hint=_HOW)
            if not (isinstance(rule.id, str) and _ID.fullmatch(rule.id)):
                raise UsageError(f"the id {rule.id!r} of a rule of {point.value} is not of the form family/name")
            family = rule.id.partition("/")[0]
            if rule.id in taken:
                raise UsageError(f"the id {rule.id!r} of a rule of {point.value} is there already")
            if family in ours:
                hint = "call the family after your company or project"
                raise UsageError(
                    f"the id {rule.id!r} of a rule of {point.value} is in a family of ocitool", hint=hint
                )
            if not (isinstance(rule.severity, Severity) and callable(rule.find)):
                raise UsageError(f"the rule {rule.id} of {point.value} has no Severity or no function", hint=_HOW)
            taken.add(rule.id)
            more.append(rule)
    return (*RULES, *more)


def all_rules() -> tuple[Rule | TagRule, ...]:
    """Every rule that a finding may be of. Raises what `installed_rules` raises."""
    return (*installed_rules(), *TAG_RULES, *ASKED)


def advice(rule: Rule | TagRule) -> str:
    """What to do about a finding of the rule, with commands in backticks."""
    deep = " --deep" if rule.needs_deep else ""
    mended = f"`ocitool repair REF{deep}` shows the plan that mends it, and `--apply` carries it out."
    return rule.advice or (mended if rule.fixable else "The rule is of an installed package, which says no more.")


def reference(rule: str) -> str:
    """The link to what the reference says of a rule; empty for one of an installed package."""
    return page("reference/rules.md", rule) if any(one.id == rule for one in DOCUMENTED) else ""


def findings(
    inspection: Inspection, selection: Selection = ALL, rules: Sequence[Rule] = RULES
) -> tuple[Finding, ...]:
    """Everything the selected rules find, errors first, then in the rules' order.

    Raises UsageError for a rule of a package that does not keep to what a rule is.
    """
    layers = _layers(inspection)
    found = [
        selection.apply(
            Finding(rule.id, rule.severity, message, _numbered(at, layers), rule.fixable, inspection.where)
        )
        for rule in rules
        if selection.takes(rule.id)
        for at, message in (rule.find(inspection) if rule.id in _OURS else _hits(rule, inspection))
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: _RANK[one.severity]))


def _layers(inspection: Inspection) -> dict[tuple[str, str], str]:
    """What people call each layer (K228).

    By its manifest's digest and the pointer in there, and by the label of its image and its own digest.
    """
    names: dict[tuple[str, str], str] = {}
    for manifest, label in inspection.labelled:
        for number, blob in enumerate(manifest.layers):
            name = f"layer {number + 1} of {len(manifest.layers)}, {blob.digest.short}"
            names[manifest.document.digest, f"/layers/{number}"] = name
            names.setdefault((label, blob.digest), name)
    return names


def _numbered(at: Location, layers: Mapping[tuple[str, str], str]) -> Location:
    """The place with the layer that it is in, if it is in one."""
    part = "/".join(at.pointer.split("/")[:3])
    digest = at.digest or ""
    name = layers.get((digest, part)) or (layers.get((at.label, digest)) if at.path else None)
    return replace(at, layer=name) if name is not None else at


def _hits(rule: Rule, inspection: Inspection) -> tuple[Hit, ...]:
    """What a rule of somebody else finds; its bugs are told as its own."""
    try:
        hits = tuple((at, str(message)) for at, message in rule.find(inspection))
    except Exception as error:
        raise UsageError(
            f"the rule {rule.id} failed: {type(error).__name__}: {error}",
            hint=f"it comes from an installed package; --ignore {rule.id} leaves it out",
        ) from error
    if not all(_is_place(at) for at, _ in hits):
        raise UsageError(f"the rule {rule.id} gives places that are no Location with a Digest", hint=_HOW)
    return hits


def _is_place(at: object) -> bool:
    if not isinstance(at, Location) or not isinstance(at.digest, Digest):
        return False
    return all(isinstance(text, str) for text in (at.pointer, at.path, at.label))


def exit_code(
    found: Iterable[Finding], unanswered: Iterable[OcitoolError], failed: Iterable[OcitoolError] = ()
) -> int:
    """0 if all was seen and nothing counts, 1 for findings; what could not be seen goes first: 4, then 5.

    `failed` are names that gave nothing to look at: what is no answer counts as unanswered, another error has its
    own code (3 for a name that is not there) and goes before findings. Notes and allowed findings do not count.
    """
    names = tuple(failed)
    errors = (*unanswered, *(error for error in names if isinstance(error, (AuthError, *_NO_ANSWER))))
    if errors:
        return 4 if any(isinstance(error, AuthError) for error in errors) else 5
    if names:
        return max(error.exit_code for error in names)
    return int(any(not one.allowed and one.severity is not Severity.NOTE for one in found))
