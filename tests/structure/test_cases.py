"""docs/cases.md: every public report has a row, and the row tells the truth about its tests."""

import re

from tests.structure.source import REPOSITORY

ROW = re.compile(r"^\| (K\d{3}) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall((REPOSITORY / "docs" / "cases.md").read_text())
TESTS = {str(path.relative_to(REPOSITORY)): path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py")}
CITED = {case for text in TESTS.values() for case in re.findall(r"\bK\d{3}\b", text)}


def test_each_case_has_one_row():
    ids = [case for case, *_ in ROWS]

    assert sorted(set(ids)) == ids


def test_each_case_names_its_public_issues_or_was_tried_by_hand():
    issue = r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+#\d+"

    told = rf"{issue}(?:, {issue})*|tried by hand"

    assert [] == [case for case, _, source, _ in ROWS if not re.fullmatch(told, source)]


def test_cases_cited_by_tests_are_in_the_table():
    assert set() == CITED - {case for case, *_ in ROWS}


def test_each_place_of_the_table_holds_its_case():
    wrong = [
        f"{case}: {place}"
        for case, _, _, where in ROWS
        for place in re.findall(r"`([^`]+)`", where)
        if case not in TESTS.get(place, "")
    ]

    assert [] == wrong, "run make docs"


def test_cases_without_a_test_say_why():
    without = {case: where for case, _, _, where in ROWS if case not in CITED}

    assert {} == {case: where for case, where in without.items() if not where.strip() or "`" in where}
