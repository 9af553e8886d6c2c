"""What is switched off, what several platforms share, and errors beside findings."""

import pytest

from ocitool.dockerfile.lint.engine import refuse_warnings
from ocitool.errors import NotFound, UsageError
from tests.unit.dockerfile.lint.conftest import AMD64, ARM64, report

TWO = "FROM scratch\nENV a b\nCMD x\n"


@pytest.mark.parametrize(
    ("directive", "names"),
    [
        ("", ["LegacyKeyValueFormat", "JSONArgsRecommended"]),
        ("skip=all", []),
        ("skip=JSONArgsRecommended", ["LegacyKeyValueFormat"]),
        ("skip=JSONArgsRecommended, LegacyKeyValueFormat", []),
        ("error=true ; skip=LegacyKeyValueFormat", ["JSONArgsRecommended"]),
        ("skip=jsonargsrecommended", ["LegacyKeyValueFormat", "JSONArgsRecommended"]),
        ("skip=NewerThanThis", ["LegacyKeyValueFormat", "JSONArgsRecommended"]),
    ],
)
def test_the_check_directive_leaves_out_what_it_names(directive, names, found):
    head = f"# check={directive}\n" if directive else ""

    assert names == [name for name, _ in found(head + TWO)]


def test_a_comment_above_an_instruction_leaves_out_for_it_alone(found):
    text = "FROM scratch\n# check=skip=LegacyKeyValueFormat\nENV a b\nENV c d\n"

    assert [("LegacyKeyValueFormat", 4)] == found(text)


def test_the_build_argument_takes_the_place_of_the_directive(found):
    text = f"# check=skip=all;error=true\n{TWO}"
    asked = {"BUILDKIT_DOCKERFILE_CHECK": "skip=LegacyKeyValueFormat"}

    assert [("JSONArgsRecommended", 4)] == found(text, arguments=asked)
    assert report(text, arguments=asked).is_error is False


@pytest.mark.parametrize("directive", ["what=1", "error", "error=perhaps", "skip"])
def test_a_directive_that_says_nothing_is_refused(directive):
    with pytest.raises(UsageError, match=r"D: check=.* is not possible"):
        report(f"# check={directive}\n{TWO}")


def test_what_platforms_have_in_common_is_told_once(found):
    assert [("JSONArgsRecommended", 2)] == found("FROM scratch\nCMD x", platforms=[AMD64, ARM64])


def test_findings_come_by_line(found):
    text = "FROM scratch AS A\nCMD x\nENV a b\nWORKDIR c\n"

    assert [1, 2, 3, 4] == [line for _, line in found(text)]


def test_stages_that_are_not_needed_are_left_out_on_demand(found):
    text = "FROM scratch AS a\nENV a b\nFROM scratch AS b\nENV a b\n"

    assert [2, 4] == [line for _, line in found(text, only="LegacyKeyValueFormat")]
    assert [4] == [line for _, line in found(text, only="LegacyKeyValueFormat", for_build=True)]
    assert [2] == [line for _, line in found(text, only="LegacyKeyValueFormat", target="a")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('ENV a b\nCMD ${x?}\nENV C="${X?no X}"', "D:4: X: no X"),
        ("ENV a b\nCOPY --from=9 x y", "D:3: --from=9 is no stage"),
        ("ENV a b\nFROM $none", "D:3: FROM $none names no image"),
        ("ENV a b\nEXPOSE 80/what", "D:3: not a port"),
        ("ENV a b\nEXPOSE ${P", "D:3: '${P'"),
        ("ENV a b\nSTOPSIGNAL SIGNO", "D:3: no signal"),
        ("ENV a b\nVOLUME ${x", "D:3: '${x'"),
    ],
)
def test_what_would_end_a_build_stands_beside_the_findings(text, said):
    made = report(f"FROM scratch\n{text}")

    assert made.problem is not None
    assert str(made.problem).startswith(said)
    assert "LegacyKeyValueFormat" in {one.rule.name for one in made.findings}


def test_what_is_wrong_in_a_stage_nobody_needs_ends_no_build():
    assert report("FROM $none AS a\nFROM scratch AS b\nENV C=${X?}\nFROM scratch").problem is None


def test_an_unknown_target_is_not_found():
    with pytest.raises(NotFound, match="no stage 'z' in D"):
        report(TWO, target="z")


def test_warnings_end_a_build_only_where_the_file_wants_it():
    assert refuse_warnings(report(TWO)) is None
    assert refuse_warnings(report("# check=error=true\nFROM scratch AS a\nFROM scratch")) is None  # a note
    with pytest.raises(UsageError) as raised:
        refuse_warnings(report(f"# check=error=true\n{TWO}"))

    assert "D: 2 warnings, which check=error=true makes errors" == raised.value.what
    assert raised.value.__notes__[0].startswith("D:3: LegacyKeyValueFormat: a blank parts ENV a")


@pytest.mark.slow
def test_thousands_of_lines_take_no_square_of_time():
    text = "FROM scratch\n" + "".join(f"ENV V{n}=$V{n - 1}\nWORKDIR /d\n" for n in range(1, 4000))

    assert [("UndefinedVar", 2)] == [(one.rule.name, one.place.first) for one in report(text).findings]
