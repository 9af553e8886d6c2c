"""Findings as text for people, SARIF 2.1.0 for code scanning, and GitHub's workflow commands."""

from collections.abc import Iterable
from shlex import quote
from typing import Any, Final

from ocitool.check.engine import reference
from ocitool.check.finding import Finding
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import TagRule
from ocitool.check.runner import Checked
from ocitool.findings import Severity, sarif, sarif_rule, workflow_command
from ocitool.model.printable import shown

_ADVISED: Final = 3
"""Names that are told what to do next; who has more of them knows by then."""


def as_text(checked: Checked) -> str:
    """One line a finding, below the place it is in, and a last line that counts; empty if nothing was looked at.

    Names that gave nothing to look at are errors and are told as such, not here.
    """
    lines: list[str] = []
    for where, here in by_place(checked).items():
        lines += [shown(where), *(f"  {one.text()}" for one in here if not one.allowed)] if here else []
        lines += [f"  allowed {one.sentence}  [{one.rule}]: {one.allowed}" for one in here if one.allowed]
    lines += [f"could not look: {shown(str(error))}" for error in checked.unanswered]
    return "\n".join([*lines, count(checked)]) if checked.names or lines else ""


def by_place(checked: Checked) -> dict[str, list[Finding]]:
    """The findings of each name that was looked at, and of whatever else has some."""
    places: dict[str, list[Finding]] = {name: [] for name in checked.names}
    for one in checked.findings:
        places.setdefault(one.where, []).append(one)
    return places


def count(checked: Checked) -> str:
    """How many of each severity there are, and in how much of what was asked for."""
    counts = [(s, sum(one.severity is s and not one.allowed for one in checked.findings)) for s in Severity]
    told = ", ".join(f"{count} {s.value}{'s' if count != 1 else ''}" for s, count in counts if count)
    told = told or ("nothing wrong" if not checked.unanswered else "nothing else wrong")
    if checked.failed:
        looked = len(checked.names)
        told += f" in {looked} of {looked + len(checked.failed)} places"
    if checked.tags is not None:
        told += f"{',' if checked.failed else ' in'} {checked.tags} tag{'s' if checked.tags != 1 else ''}"
    return told


def advice(checked: Checked, *, deep: bool) -> str:
    """What to do next, a line each: where `repair` has something to mend, and what may open what was closed."""
    broken = dict.fromkeys(one.where for one in checked.findings if one.fixable and not one.allowed)
    flag = " --deep" if deep else ""
    lines = [f"hint: ocitool repair {quote(shown(where))}{flag} shows what would mend it" for where in broken]
    more = [f"hint: so it is for {len(lines) - _ADVISED} more"] if len(lines) > _ADVISED else []
    hints = dict.fromkeys(f"hint: {shown(error.hint)}" for error in checked.unanswered if error.hint)
    counting = [one.rule for one in checked.findings if not one.allowed and one.severity is not Severity.NOTE]
    # What a package of rules finds is told in its own pages.
    why = [f"see: ocitool explain {rule}, or {reference(rule)}" for rule in counting[:1] if reference(rule)]
    return "\n".join([*lines[:_ADVISED], *more, *hints, *why][: 2 * _ADVISED + 1])


def as_github(checked: Checked) -> str:
    """Workflow commands, one a finding or a thing that could not be looked at, that GitHub shows beside a run."""
    lines = [
        workflow_command(one.severity, _sentence(one), title=one.rule)
        for one in checked.findings
        if not one.allowed
    ]
    return "\n".join(
        [*lines, *(workflow_command(Severity.ERROR, text, title="could not look") for text in unseen(checked))]
    )


def as_sarif(checked: Checked, rules: Iterable[Rule | TagRule], version: str) -> str:
    """A SARIF 2.1.0 log of one run. Allowed findings are in it as suppressed results."""
    results: list[dict[str, Any]] = []
    for one in checked.findings:
        name = shown(" ".join(filter(None, (one.where, one.at.label, one.at.path or one.at.pointer))))
        result: dict[str, Any] = {
            "ruleId": one.rule,
            "level": one.severity.value,
            "message": {"text": _sentence(one)},
            "locations": [
                {
                    "physicalLocation": {"artifactLocation": {"uri": _uri(one)}},
                    "logicalLocations": [{"fullyQualifiedName": name}],
                }
            ],
            # Without the digest: the next build's finding of the same kind at the same place is the same one.
            "partialFingerprints": {"finding/v1": f"{one.rule} {name}"},
        }
        if one.allowed:
            result["suppressions"] = [{"kind": "external", "justification": one.allowed}]
        results.append(result)
    return sarif(version, rules=[_rule(rule) for rule in rules], results=results, unseen=unseen(checked))


def _rule(rule: Rule | TagRule) -> dict[str, Any]:
    more, link = f"Example: {rule.example}", reference(rule.id)
    return sarif_rule(rule.id, rule.title, rule.reason, more, rule.severity, link=link)


def unseen(checked: Checked) -> list[str]:
    """What could not be looked at: first the names that gave nothing, then what is below the others."""
    return [
        *(f"{shown(name)}: {shown(str(error))}" for name, error in checked.failed),
        *(shown(str(error)) for error in checked.unanswered),
    ]


def _uri(one: Finding) -> str:
    digest = one.at.digest
    return f"{digest.algorithm}/{digest.hex}" if digest is not None else f"tags/{one.at.label}"


def _sentence(one: Finding) -> str:
    is_placed = one.at.label or one.at.path
    return f"{shown(one.where)}{'' if is_placed else ':'} {one.sentence}" if one.where else one.sentence
