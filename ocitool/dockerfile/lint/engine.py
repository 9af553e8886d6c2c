"""From a Dockerfile to findings: every check over every platform, what the file switches off left out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from ocitool.dockerfile.lint import source_rules, stage_rules, style_rules, value_rules
from ocitool.dockerfile.lint.context import look
from ocitool.dockerfile.lint.directive import ARGUMENT, Switches
from ocitool.dockerfile.lint.rule import LineRange, LintRule, LintWarning
from ocitool.dockerfile.stages import StageGraph
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.instructions import Dockerfile
from ocitool.errors import OcitoolError, UsageError
from ocitool.findings import Severity
from ocitool.rootfs.files import Files
from ocitool.values import dataclass, field, replace

RULES: Final[tuple[LintRule, ...]] = (
    *style_rules.RULES,
    *stage_rules.RULES,
    *value_rules.RULES,
    *source_rules.RULES,
)
"""Every check there is."""
_ABOVE: Final = "check="


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a file, by line. `problem` is what would end the build even if nothing were found."""

    file: Dockerfile
    findings: tuple[LintWarning, ...]
    is_error: bool = False
    problem: OcitoolError | None = field(default=None, compare=False)

    def of(self, *severities: Severity) -> tuple[LintWarning, ...]:
        """The findings of these severities."""
        return tuple(one for one in self.findings if one.rule.severity in severities)

    @property
    def counting(self) -> tuple[LintWarning, ...]:
        """The findings that are more than notes."""
        return self.of(Severity.ERROR, Severity.WARNING)

    def without(self, name: str, *, keep: Collection[int]) -> "Report":
        """The report without the findings of a rule, but for those on the lines to keep."""
        kept = tuple(one for one in self.findings if one.rule.name != name or one.place.first in keep)
        return replace(self, findings=kept)

    def to_tree(self) -> dict[str, Any]:
        """The report for JSON output."""
        return {"file": self.file.file, "findings": [one.to_tree(self.file.file) for one in self.findings]}


def lint(
    graphs: Sequence[StageGraph],
    ignore: IgnoreRules,
    context: Files | None = None,
    *,
    for_build: bool = False,
    tracked: frozenset[str] = frozenset(),
) -> Report:
    """Every check for every platform; what several platforms have in common is told once.

    With `context` the files of the build are looked at, `tracked` are those that git has. `for_build`
    leaves only warnings, and those of stages that the target needs; where there is a target, no other stage is
    looked at either. Raises UsageError for switches that are none.
    """
    file = graphs[0].file
    switches = switches_of(file, graphs[0].wanted.arguments)
    rules = [
        rule for rule in RULES if switches.takes(rule) and (not for_build or rule.severity is Severity.WARNING)
    ]
    found: dict[tuple[int, int, str], LintWarning] = {}
    problem = None
    for one in graphs:
        only = for_build or bool(one.wanted.target)
        scene = look(one, ignore, context, needed_only=only, tracked=tracked)
        problem = problem or scene.problem
        for order, rule in enumerate(rules):
            for place, message in rule.find(scene):
                found.setdefault((place.first, order, message), LintWarning(rule, place, message))
    above = _switched_above(file)
    kept = (found[key] for key in sorted(found))
    findings = tuple(one for one in kept if one.place not in above or above[one.place].takes(one.rule))
    return Report(file, findings, switches.is_error, problem)


def switches_of(file: Dockerfile, arguments: Mapping[str, str]) -> Switches:
    """What the build argument says, else the directive. Raises UsageError."""
    if ARGUMENT in arguments:
        return Switches.parse(arguments[ARGUMENT], f"--build-arg {ARGUMENT}")
    return Switches.parse(file.checks, file.file)


def refuse_warnings(report: Report) -> None:
    """Raise UsageError if the file wants its warnings to be errors and there are any; notes name them."""
    found = report.of(Severity.WARNING)
    if not report.is_error or not found:
        return
    count = f"{len(found)} warning{'s' if len(found) > 1 else ''}"
    error = UsageError(
        f"{report.file.file}: {count}, which check=error=true makes errors",
        hint="ocitool build --check shows the lines",
    )
    for one in found:
        error.add_note(f"{report.file.file}:{one.place.first}: {one.rule.name}: {one.message}")
    raise error


def _switched_above(file: Dockerfile) -> dict[LineRange, Switches]:
    """The places of instructions with a comment `# check=…` right above them, and what it says."""
    found: dict[LineRange, Switches] = {}
    for line in file.lines:
        for comment in line.comments:
            if comment.startswith(_ABOVE):
                try:
                    found[LineRange.of(line)] = Switches.parse(comment.removeprefix(_ABOVE), file.file)
                except UsageError:
                    continue  # a comment like any other
    return found
