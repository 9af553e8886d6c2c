"""Findings as text and JSON."""

from ocitool.dockerfile.lint.text import as_text
from tests.unit.dockerfile.lint.conftest import report


def test_each_finding_quotes_its_lines():
    text = "FROM scratch\nCMD a \\\n  b\n\n\nENV C=1"

    assert (
        "WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/\n"
        "CMD is run by a shell, which keeps signals to itself; write a JSON array\n"
        "D:2\n"
        "--------------------\n"
        "   1 |     FROM scratch\n"
        "   2 | >>> CMD a \\\n"
        "   3 | >>>   b\n"
        "   4 |\n"
        "   5 |\n"
        "--------------------\n"
        "\n"
        "D: 1 warning"
    ) == as_text(report(text), text.split("\n"))


def test_a_long_heredoc_is_not_quoted_whole():
    body = "".join(f"line {n}\n" for n in range(1000))
    text = f"FROM scratch\nCOPY <<E $x\n{body}E"

    lines = as_text(report(text), text.split("\n")).split("\n")

    assert "     |     … 982 more lines" in lines
    assert 40 > len(lines)


def test_counts_of_each_severity():
    text = "FROM scratch AS a\nFROM scratch\nRUN x\nENV a b\nENV c d\n"

    assert "D: 1 error, 2 warnings, 1 note" == as_text(report(text), text.split("\n")).split("\n")[-1]
    assert "D: nothing wrong" == as_text(report("FROM scratch"), ["FROM scratch"])


def test_a_finding_as_a_tree():
    made = report("FROM scratch\nRUN a \\\n b\n")

    assert {
        "file": "D",
        "findings": [
            {
                "rule": "RunNeedsProcess",
                "severity": "error",
                "title": "No RUN in a stage that the target needs",
                "message": "RUN a b: runs a program; run it before the build and COPY what it makes, or choose a "
                "base image that has it",
                "file": "D",
                "line": 2,
                "end_line": 3,
            }
        ],
    } == made.to_tree()
