"""Findings where code is reviewed: SARIF 2.1.0 for code scanning, and GitHub's workflow commands."""

import json
from typing import Any, Final
from urllib.parse import quote

from ocitool.dockerfile.lint.engine import RULES, Report
from ocitool.dockerfile.lint.rule import LintRule, LintWarning, Severity
from ocitool.model.printable import shown, workflow_command

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def as_github(report: Report) -> str:
    """Workflow commands that show each finding at its lines, and what would end the build."""
    file = shown(report.file.file)
    lines = [
        workflow_command(
            _COMMANDS[one.rule.severity],
            shown(one.message),
            file=file,
            line=str(one.place.first),
            endLine=str(one.place.last),
            title=one.rule.name,
        )
        for one in report.findings
    ]
    if report.problem is not None:
        lines.append(workflow_command("error", shown(report.problem.what), file=file, title="the build would end"))
    return "\n".join(lines)


def as_sarif(report: Report, version: str) -> str:
    """A SARIF 2.1.0 log of one run; what would end the build is a notification of it."""
    uri = quote(report.file.file)
    problem = (
        [] if report.problem is None else [{"level": "error", "message": {"text": shown(report.problem.what)}}]
    )
    run: dict[str, Any] = {
        "tool": {"driver": {"name": "ocitool", "version": version, "rules": [_rule(rule) for rule in RULES]}},
        "results": [_result(one, uri) for one in report.findings],
        "invocations": [{"executionSuccessful": not problem, "toolExecutionNotifications": problem}],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(rule: LintRule) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": rule.name,
        "shortDescription": {"text": rule.title.replace("`", "")},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"{rule.reason}\n\nInstead of\n{rule.example}\nwrite\n{rule.better}"},
        "defaultConfiguration": {"level": rule.severity.value},
    }
    return told | ({"helpUri": rule.url} if rule.url else {})


def _result(one: LintWarning, uri: str) -> dict[str, Any]:
    region = {"startLine": one.place.first, "endLine": one.place.last}
    return {
        "ruleId": one.rule.name,
        "level": one.rule.severity.value,
        "message": {"text": shown(one.message)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
    }
