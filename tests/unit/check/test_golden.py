"""Golden images of every rule: real bytes, the findings as JSON, and the bytes that repair leaves."""

import json
from pathlib import Path

import pytest

from ocitool.check.engine import RULES
from tests.fakes import bundle
from tests.unit.check.golden import findings_of, repaired

GOLDEN = Path(__file__).parents[3] / "testdata" / "golden" / "check"
NEEDS_A_HUMAN = {"index/duplicate-platform", "index/windows-version", "binary/wrong-platform"}
"""Fixable in some images, and not in the golden one."""


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_findings(rule):
    expected = json.loads((GOLDEN / rule / "findings.json").read_text())

    assert expected == findings_of(bundle.load((GOLDEN / rule / "broken.json").read_text()))
    assert rule in {finding["rule"] for finding in expected}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES if rule.fixable and rule.id not in NEEDS_A_HUMAN])
def test_repair(rule):
    expected = (GOLDEN / rule / "repaired.json").read_bytes()

    assert expected == repaired(bundle.load((GOLDEN / rule / "broken.json").read_text()))


def test_the_healthy_one():
    assert [] == findings_of(bundle.load((GOLDEN / "healthy.json").read_text()))
