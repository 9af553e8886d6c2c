"""Checks of how a file is written."""

import pytest


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM scratch\nENV A=1\nenv B=2", [3]),
        ("from scratch\nenv A=1\nENV B=2", [3]),
        ("FROM scratch\nenv A=1", [2]),  # as many of each: capitals
        ("From scratch\nEnv A=1\nENV B=2", [1, 2]),
        ("from scratch as a\nenv A=1\nfrom a\nenv B=2", []),
        ("arg A\narg B\nFROM scratch", []),  # as BuildKit: what stands before the first FROM does not count
        ("FROM scratch\nONBUILD run x", []),
    ],
)
def test_instructions_in_one_letter_case(text, lines, found):
    assert lines == [line for _, line in found(text, only="ConsistentInstructionCasing")]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("FROM scratch as a", True),
        ("from scratch AS a", True),
        ("FROM scratch As a", True),
        ("FROM scratch AS a", False),
        ("from scratch as a", False),
        ("From scratch as a", False),  # that FROM is told already
        ("FROM --platform=$BUILDPLATFORM scratch as a", True),
        ("FROM as AS as", False),
        ("FROM scratch", False),
    ],
)
def test_as_in_the_case_of_from(text, is_found, found):
    assert ([("FromAsCasing", 1)] if is_found else []) == found(text, only="FromAsCasing")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM scratch\nENV A=1 \\\n\n  B=2\nENV C=3", [4]),
        ("FROM scratch\nENV A=1 \\\n \t\n # why\n\n  B=2", [6]),
        ("FROM scratch\nENV A=1 \\\n# why\n  B=2\n\nENV C=3", []),
        ("FROM scratch\nCOPY <<E \\\n\n /x\n\n\nE\n", [4]),
        ("FROM scratch\nCOPY <<E /x\n\n\nE\n", []),
    ],
)
def test_empty_lines_inside_an_instruction(text, lines, found):
    assert lines == [line for _, line in found(text, only="NoEmptyContinuation")]


def test_pairs_with_a_blank(found):
    text = 'FROM scratch\nENV A 1\nENV B=1 C="x y"\nLABEL d e f\nLABEL g=h'

    assert [2, 4] == [line for _, line in found(text, only="LegacyKeyValueFormat")]


def test_pairs_that_an_onbuild_leaves_are_told_at_the_from(found):
    text = "FROM scratch AS a\nONBUILD ENV A 1\nFROM a"

    assert [("LegacyKeyValueFormat", 3)] == found(text)


def test_maintainer_is_told_in_every_stage(found):
    text = "FROM scratch AS a\nMAINTAINER me\nFROM a\nmaintainer you"

    assert [2, 4] == [line for _, line in found(text, only="MaintainerDeprecated")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM scratch\nCMD a\n", [2]),
        ("FROM scratch\nENTRYPOINT a", [2]),
        ("FROM scratch\nENTRYPOINT ['a']", [2]),  # single quotes are no JSON
        ("FROM scratch\nCMD", [2]),
        ("FROM scratch\nCMD []", []),
        ('FROM scratch\nCMD ["a"]', []),
        ("FROM scratch\nHEALTHCHECK CMD a", []),
        ('FROM scratch\nSHELL ["b"]\nCMD a', []),
        ('FROM scratch\nCMD a\nSHELL ["b"]', [2]),
        ('FROM scratch AS a\nSHELL ["b"]\nFROM a AS c\nFROM c\nCMD a', []),
        ('FROM scratch AS a\nSHELL ["b"]\nFROM scratch\nCOPY --from=a / /\nCMD a', [5]),
    ],
)
def test_lines_for_the_shell(text, lines, found):
    assert lines == [line for _, line in found(text, only="JSONArgsRecommended")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# the version\nARG V=1\nFROM scratch", [2]),
        ("# V is the version\nARG V=1\nFROM scratch", []),
        ("# first\n# V last\nARG V=1\nFROM scratch", []),
        ("# V first\n# last\nARG V=1\nFROM scratch", [3]),
        ("# the version\n#\nARG V=1\nFROM scratch", []),
        ("# B is known\nARG A B\nFROM scratch", []),
        ("FROM scratch\n# some\nFROM scratch AS b\n # b builds\nFROM scratch AS b", [3]),
        ("# no name, nothing to describe\nFROM scratch\n# no definition\nENV A=1", []),
        ("# check=skip=StageNameCasing\nFROM scratch AS b", []),
    ],
)
def test_descriptions_begin_with_the_name(text, lines, found):
    asked = {"arguments": {"BUILDKIT_DOCKERFILE_CHECK": "experimental=InvalidDefinitionDescription"}}

    assert lines == [line for _, line in found(text, only="InvalidDefinitionDescription", **asked)]
    assert [] == found(text, only="InvalidDefinitionDescription")


@pytest.mark.parametrize(
    ("port", "names"),
    [
        ("80", []),
        ("80/tcp 53/udp 9000-9002", []),
        ("80/TCP", ["ExposeProtoCasing"]),
        ("8080:80", ["ExposeInvalidFormat"]),
        ("127.0.0.1:8080:80/udp", ["ExposeInvalidFormat"]),
        ("8080:80/Udp", ["ExposeProtoCasing", "ExposeInvalidFormat"]),
        ("$P", ["ExposeProtoCasing"]),
        ("$none", []),
    ],
)
def test_ports(port, names, found):
    assert names == [name for name, _ in found(f"FROM scratch\nENV P=80/TCP\nEXPOSE {port}")]
