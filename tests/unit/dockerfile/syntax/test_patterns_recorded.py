"""Patterns and .dockerignore against recorded answers of Go's own code; testdata/patterns tells how they were made."""

import json
from pathlib import Path

import pytest

from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.errors import UsageError
from ocitool.model.path_pattern import glob

RECORDED = Path(__file__).parents[4] / "testdata" / "patterns" / "answers.jsonl"
QUESTIONS = [json.loads(line) for line in RECORDED.read_text().splitlines()]


def answers(question):
    try:
        judge = glob(question["glob"]) if "glob" in question else IgnoreRules.parse(question["ignore"]).ignores
    except UsageError:
        return ["bad"] * len(question["paths"])
    return [judge(path) for path in question["paths"]]


@pytest.mark.parametrize("kind", ["glob", "ignore"])
def test_every_recorded_answer_is_ours(kind):
    asked = [question for question in QUESTIONS if kind in question]

    assert len(asked) >= 200
    assert {"true", "false"} <= {json.dumps(answer) for question in asked for answer in question["answers"]}
    for question in asked:
        assert question["answers"] == answers(question), question
