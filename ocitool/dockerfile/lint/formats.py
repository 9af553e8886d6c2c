"""Findings where code is reviewed: SARIF 2.1.0 for code scanning, and GitHub's workflow commands."""

from typing import Any
from urllib.parse import quote

from ocitool.dockerfile.lint.engine import RULES, Report
from ocitool.dockerfile.lint.rule import LintRule, LintWarning
from ocitool.findings import Severity, sarif, sarif_rule, workflow_command
from ocitool.model.printable import shown


def as_github(report: Report) -> str:
    """Workflow commands that show each finding at its lines, and what would end the build."""
    file = shown(report.file.file)
    lines = [
        workflow_command(
            one.rule.severity,
            shown(one.message),
            file=file,
            line=str(one.place.first),
            endLine=str(one.place.last),
            title=one.rule.name,
        )
        for one in report.findings
    ]
    if report.problem is not None:
        lines.append(
            workflow_command(Severity.ERROR, shown(report.problem.what), file=file, title="the build would end")
        )
    return "\n".join(lines)


def as_sarif(report: Report, version: str) -> str:
    """A SARIF 2.1.0 log of one run; what would end the build is a notification of it."""
    uri = quote(report.file.file)
    return sarif(
        version,
        rules=[_rule(rule) for rule in RULES],
        results=[_result(one, uri) for one in report.findings],
        unseen=[] if report.problem is None else [shown(report.problem.what)],
    )


def _rule(rule: LintRule) -> dict[str, Any]:
    more = f"Instead of\n{rule.example}\nwrite\n{rule.better}"
    title, link = rule.title.replace("`", ""), rule.url or rule.reference
    return sarif_rule(rule.name, title, rule.reason, more, rule.severity, link=link)


def _result(one: LintWarning, uri: str) -> dict[str, Any]:
    region = {"startLine": one.place.first, "endLine": one.place.last}
    return {
        "ruleId": one.rule.name,
        "level": one.rule.severity.value,
        "message": {"text": shown(one.message)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
    }
