"""Checks of FROM lines and stages."""

import pytest


def test_names_of_stages(found):
    text = "FROM scratch AS Build\nFROM scratch AS build\nFROM scratch AS scratch\nFROM scratch AS context\nFROM scratch"

    assert [
        ("StageNameCasing", 1),
        ("DuplicateStageName", 2),
        ("ReservedStageName", 3),
        ("ReservedStageName", 4),
    ] == [hit for hit in found(text) if hit[0] != "UnusedStage"]


def test_variables_of_from_are_declared_before_the_first_one(found):
    text = (
        "ARG A\nARG B=1\nFROM x:1$A$B\nARG C\nFROM y:1${C}\nFROM --platform=$D z\nFROM z:$TARGETARCH\n"
        "FROM ${E:-scratch}\n"
    )

    assert [5, 6, 8] == [line for _, line in found(text, only="UndefinedArgInFrom")]


def test_a_slip_of_the_pen_is_shown(messages):
    assert any(
        "no ARG before the first FROM declares VERSOIN; did you mean VERSION?" in m
        for m in messages("ARG VERSION=1\nFROM scratch:$VERSOIN")
    )


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("ARG T\nFROM x:$T", True),
        ("ARG T\nFROM $T", True),
        ("ARG T=1\nFROM x:$T", False),
        ("ARG T\nFROM x:${T:-1}", False),
        ("ARG T\nFROM x${T}", False),
        ("FROM scratch AS Base\nFROM ${X}Base", False),  # a stage, whose name is compared in lower case
        ("FROM X", False),  # wrong, but by no default
    ],
)
def test_from_without_build_arguments(text, is_found, found):
    names = {name for name, _ in found(text, arguments={"T": "2"})}

    assert is_found is ("InvalidDefaultArgInFrom" in names)


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("$TARGETPLATFORM", "RedundantTargetPlatform"),
        ("${TARGETPLATFORM}", "RedundantTargetPlatform"),
        ("${TARGETPLATFORM:-linux/386}", "RedundantTargetPlatform"),
        ("linux/amd64", "FromPlatformFlagConstDisallowed"),
        ("arm64", "FromPlatformFlagConstDisallowed"),
        ("$BUILDPLATFORM", None),
        ("linux/$TARGETARCH", None),
        ("$P", None),
        ("${none:-linux/amd64}", None),
        ("nonsense/", None),
    ],
)
def test_platforms_of_from(flag, name, found):
    hits = found(f"ARG P=linux/amd64\nFROM --platform={flag} scratch")

    assert ([(name, 2)] if name else []) == [hit for hit in hits if "Platform" in hit[0]]


@pytest.mark.parametrize("stage", ["tools-amd64", "linux"])
def test_a_constant_platform_is_meant_where_the_stage_is_called_after_it(stage, found):
    assert [] == found(f"FROM --platform=linux/amd64 scratch AS {stage}")


def test_what_counts_once_is_told_where_it_does_not_count(found):
    text = (
        'FROM scratch AS a\nCMD ["a"]\nENTRYPOINT ["b"]\nHEALTHCHECK NONE\nCMD ["c"]\nHEALTHCHECK NONE\nCMD ["d"]\n'
        'FROM a\nCMD ["e"]\n'
    )

    assert [2, 4, 5] == [line for _, line in found(text, only="MultipleInstructionsDisallowed")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM scratch AS a\nFROM scratch", [1]),
        ("FROM scratch\nFROM scratch", [1]),
        ("FROM scratch AS a\nFROM a AS b\nFROM scratch\nCOPY --from=b / /", []),
        ("FROM scratch AS a\nFROM scratch\nCOPY --from=0 / /", []),
        ("FROM scratch AS amd64\nFROM scratch AS arm64\nFROM ${TARGETARCH}", []),
        ("FROM scratch AS d\nFROM scratch AS p\nONBUILD COPY --from=d / /\nFROM p", []),
    ],
)
def test_stages_that_nothing_needs(text, lines, found):
    assert lines == [line for _, line in found(text, only="UnusedStage")]


def test_with_a_target_no_stage_is_told_to_be_unused(found):
    assert [] == found("FROM scratch AS a\nFROM scratch", target="a")
