"""Checks of variables, secrets and directories."""

import pytest


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM scratch\nENV A=$B", [2]),
        ("FROM scratch\nENV B=1\nENV A=$B", []),
        ("FROM scratch\nARG B\nENV A=$B", []),
        ("FROM scratch\nENV B=1 A=$B", [2]),  # every word sees what was before the line
        ("ARG B=1\nFROM scratch\nENV A=$B", [3]),
        ("FROM scratch AS x\nARG B\nFROM x\nENV A=$B", []),
        ("FROM scratch AS x\nARG B\nFROM scratch\nENV A=$B", [4]),
        ("FROM scratch\nENV A=${B:-1}", [2]),  # never anything else than 1
        ("FROM scratch\nENV PATH=/x:$PATH", []),
        ("FROM scratch\nENV A='$B' C=\\$B", []),
        ("FROM scratch\nCMD $B\nENTRYPOINT $B\nEXPOSE $B\nHEALTHCHECK CMD $B\nONBUILD USER $B", []),
        (
            "FROM scratch\nUSER a$B\nWORKDIR /$B\nVOLUME /$B\nSTOPSIGNAL SIGINT$B\nLABEL $B=$B\nLABEL x $B",
            [2, 3, 4, 5, 6, 7],
        ),
        ("FROM scratch\nCOPY --chown=1$B public.txt /$B", [2]),
        ("FROM scratch\nCOPY <<E <<'F' /x/\n$B\nE\n$C\nF\n", [2]),
        ("FROM scratch\nARG X=$B", [2]),
        ("FROM scratch\nARG B X=$B", []),  # but the words of ARG see those before them
        ("FROM scratch\nARG X=$B B=1", [2]),
    ],
)
def test_variables_that_nothing_sets(text, lines, found):
    assert lines == [line for _, line in found(text, only="UndefinedVar")]


def test_the_default_of_a_build_argument_that_is_given_is_not_looked_at(found):
    assert [] == found("FROM scratch\nARG X=$B", arguments={"X": "1"})


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("JAVA_HOME", False),
        ("PYTHON_VERSION", False),
        ("PATH", False),
        ("LATER", False),  # set by ENV below, perhaps by the image before
        ("TARGETARCH", True),
        ("VERSION", True),
        ("OTHER", True),
        ("PREFX", True),
        ("PREIFX", True),
        ("PRE", False),
    ],
)
def test_over_an_image_only_what_it_cannot_set_is_told(name, is_found, found):
    """K170: TARGETARCH is empty where the stage does not declare it, whatever the base is."""
    text = (
        f"ARG VERSION=1\nFROM alpine\nENV PREFIX=/usr PYTHON3_VERSION=3\nENV A=x${name}\n"
        f"ENV LATER=/x:$LATER\nARG OTHER\nENV PATH=/x:$PATH\n"
    )

    assert ([("UndefinedVar", 4)] if is_found else []) == found(text)


def test_the_way_out_of_an_undeclared_automatic_argument(messages):
    assert ["nothing sets TARGETARCH here; write ARG TARGETARCH in this stage"] == messages(
        "ARG TARGETARCH\nFROM alpine\nENV A=$TARGETARCH"
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM scratch\nARG TARGETARCH=amd64", [2]),
        ("FROM scratch\nARG X TARGETVARIANT=", [2]),
        ("ARG BUILDPLATFORM=linux/amd64\nFROM scratch", [1]),
        ("ARG TARGETARCH=${TARGETARCH:-amd64}\nFROM scratch", []),
        ("FROM scratch\nARG TARGETARCH=${TARGETARCH:-amd64}", [2]),  # a stage does not see it before its ARG
        ("ARG TARGETARCH\nFROM scratch\nARG TARGETARCH TARGETOS", []),
    ],
)
def test_a_default_hides_an_automatic_argument(text, lines, found):
    """K170: that trap is told."""
    assert lines == [line for _, line in found(text, only="AutomaticArgDefault")]


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("ARG API_KEY", True),
        ("ARG api_token=1 X", True),
        ("ENV password 1", True),
        ("ENV A=1 AUTH=2", True),
        ("ENV PUBLIC_KEY=1", False),
        ("ENV MONKEY=1 KEYS=2 AUTHOR=3", False),
        ("LABEL token=1", False),
    ],
)
def test_names_of_secrets(line, is_found, found):
    assert is_found is bool(found(f"FROM scratch\n{line}", only="SecretsUsedInArgOrEnv"))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM scratch\nWORKDIR a", [2]),
        ("FROM alpine\nWORKDIR a\nWORKDIR b", [2]),
        ("FROM scratch\nWORKDIR /a\nWORKDIR b", []),
        ("FROM scratch\nENV D=/a\nWORKDIR $D", []),
        ("FROM scratch AS x\nWORKDIR /a\nFROM x\nWORKDIR b", []),
        ("FROM scratch AS x\nWORKDIR /a\nFROM scratch\nWORKDIR b", [4]),
        ("FROM scratch AS x\nONBUILD WORKDIR a\nFROM x", [3]),
    ],
)
def test_the_first_workdir_is_absolute(text, lines, found):
    assert lines == [line for _, line in found(text, only="WorkdirRelativePath")]
