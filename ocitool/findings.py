"""Severity, SARIF 2.1.0 and GitHub's workflow commands: what `check` and the lints of Dockerfiles share."""

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


class Severity(Enum):
    """How bad a finding is. Errors break somebody's build, pull or run, warnings may, notes are worth knowing.

    The values are SARIF's levels.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def sarif(
    version: str, *, rules: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]], unseen: Sequence[str]
) -> str:
    """A SARIF log of one run of ocitool; `unseen` tells what kept it from seeing everything. Spec: SARIF 2.1.0."""
    run = {
        "tool": {"driver": {"name": "ocitool", "version": version, "rules": list(rules)}},
        "results": list(results),
        "invocations": [
            {
                "executionSuccessful": not unseen,
                "toolExecutionNotifications": [{"level": "error", "message": {"text": text}} for text in unseen],
            }
        ],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def sarif_rule(
    name: str, title: str, reason: str, more: str, severity: Severity, *, link: str = ""
) -> dict[str, Any]:
    """A rule for the head of a SARIF log; `more` follows the reason in its help, and `link` is its page.

    A link that is not absolute stands in the help alone. Spec: SARIF 2.1.0, 3.49.12.
    """
    see = f"\n\nSee {link}" if link else ""
    return {
        "id": name,
        "shortDescription": {"text": title},
        "fullDescription": {"text": reason},
        "help": {"text": f"{reason}\n\n{more}{see}"},
        "defaultConfiguration": {"level": severity.value},
        **({"helpUri": link} if "://" in link else {}),
    }


def workflow_command(severity: Severity, message: str, **properties: str) -> str:
    """One line that GitHub shows beside a run; `properties` say where, such as file, line and title.

    Spec: GitHub's "Workflow commands for GitHub Actions", setting an error message.
    """
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[severity]} {said}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
