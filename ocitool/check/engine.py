"""From a Look to findings: every rule that is selected, allowances applied, in a stable order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from typing import Final

from ocitool.check.finding import Finding, Severity
from ocitool.check.look import Look
from ocitool.check.rules import binary, child, config, index, layer, registry
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import RULES as TAG_RULES
from ocitool.check.rules.tag import TagRule
from ocitool.errors import AuthError, OcitoolError, UsageError

RULES: Final[tuple[Rule, ...]] = (
    *index.RULES,
    *child.RULES,
    *config.RULES,
    *layer.RULES,
    *binary.RULES,
    *registry.RULES,
)
"""Our own rules over one name."""
DOCUMENTED: Final[tuple[Rule | TagRule, ...]] = (*RULES, *TAG_RULES)
"""Every rule there is a page entry for."""
GROUP: Final = "ocitool.rules"
"""The entry point group by which a package adds rules: each names a Rule or a sequence of them."""
_RANK: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True)
class Allowance:
    """A rule that the project lets be: `rule` is an id or pattern, `at` a platform or file it is limited to."""

    rule: str
    reason: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rules count. Patterns are ids or globs such as `index/*`; no `select` means all."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow: tuple[Allowance, ...] = ()

    def check(self, known: Iterable[str]) -> None:
        """Raise UsageError for a pattern that no rule matches, and for an allowance without a reason."""
        ids = tuple(known)
        for pattern in (*self.select, *self.ignore, *(one.rule for one in self.allow)):
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
        """The finding, marked if the project allows it."""
        places = (finding.at.label, finding.at.path, f"/{finding.at.path}")
        for one in self.allow:
            if fnmatchcase(finding.rule, one.rule) and (not one.at or any(fnmatchcase(p, one.at) for p in places)):
                return replace(finding, allowed=one.reason)
        return finding


ALL: Final = Selection()


def installed_rules() -> tuple[Rule, ...]:
    """Our rules and those of installed packages. Raises UsageError for an entry point that is no rule."""
    more: list[Rule] = []
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        try:
            loaded = point.load()
        except Exception as error:
            raise UsageError(f"rules {point.name} of {point.value} do not load: {error}") from error
        for rule in loaded if isinstance(loaded, Sequence) else (loaded,):
            if not isinstance(rule, Rule):
                raise UsageError(f"entry point {point.name} of {point.value} holds no Rule")
            more.append(rule)
    return (*RULES, *more)


def findings(look: Look, selection: Selection = ALL, rules: Sequence[Rule] = RULES) -> tuple[Finding, ...]:
    """Everything the selected rules find, errors first, then in the rules' order."""
    found = [
        selection.apply(Finding(rule.id, rule.severity, message, at, rule.fixable, look.where))
        for rule in rules
        if selection.takes(rule.id)
        for at, message in rule.find(look)
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: _RANK[one.severity]))


def exit_code(found: Iterable[Finding], unanswered: Iterable[OcitoolError]) -> int:
    """0 if all was seen and nothing counts, 1 for findings; what could not be seen goes first: 4 or 5.

    Notes and allowed findings do not count.
    """
    errors = tuple(unanswered)
    if errors:
        return 4 if any(isinstance(error, AuthError) for error in errors) else 5
    return int(any(not one.allowed and one.severity is not Severity.NOTE for one in found))
