"""What a Dockerfile offers: as buildx 0.30 with BuildKit 0.26 tells it, which a test in interop repeats."""

import pytest

from ocitool.dockerfile.outline import outline, targets, targets_text
from ocitool.dockerfile.stages import StageGraph, StageRequest
from ocitool.dockerfile.syntax.parse import parse
from ocitool.errors import NotFound
from ocitool.model.platform import Platform
from tests.fakes.dockerfiles import OFFERS

HOST = Platform("linux", "amd64")
FILE = parse(OFFERS.encode(), "D")


def told(target="", **arguments):
    return outline(StageGraph.of(FILE, StageRequest(HOST, HOST, target, arguments)))


def args(*words, **arguments):
    return [(one.name, one.value, one.description, one.at.line.number) for one in told(*words, **arguments).args]


def test_targets():
    assert (
        "TARGET    DESCRIPTION\nunused    \na         first\nb         \nc         \nd         \n(default) \n"
        == targets_text(targets(FILE))
    )
    assert [None] * 5 + [True] == [one.to_tree().get("default") for one in targets(FILE)]
    assert ("scratch", "$BUILDPLATFORM") == (targets(FILE)[1].base.image, targets(FILE)[1].to_tree()["platform"])


def test_arguments_of_the_target_and_of_what_it_needs_in_the_order_of_the_file():
    assert [
        ("V", "1", "is the version", 2),
        ("W", "1-x", "", 3),
        ("F", "1-1-x", "", 13),
        ("X", "", "", 13),
        ("TARGETOS", "linux", "", 15),
        ("N", "1-1-x", "", 20),
        ("Q1", "", "", 23),
    ] == args()


def test_what_is_given_is_the_stages_own():
    assert ("W", "cli", "", 10) == args("a", W="cli")[0]
    assert [("Q1", "given", "", 23)] == args("c", Q1="given")


def test_a_default_that_is_not_used_uses_nothing():
    assert ("W", "cli", "", 3) == args(W="cli")[0]


def test_secrets_and_agents():
    found = told()

    assert [("z", False), ("token", True)] == [(one.name, one.is_required) for one in found.secrets]
    assert [("default", True)] == [(one.name, one.is_required) for one in found.ssh]
    assert [{"start": {"line": n}, "end": {"line": n}} for n in (16, 17, 18)] == found.secrets[0].to_tree()[
        "location"
    ]["ranges"]


def test_text_and_fields():
    text = "TARGET: c\n\nBUILD ARG   VALUE   DESCRIPTION\nQ1                  \n\n"

    assert text == told("c").text
    assert {"name": "c", "args": [{"name": "Q1", **told("c").args[0].to_tree()}]} == told("c").to_tree()
    assert ["name", "description", "args", "secrets"] == list(told("a").to_tree())


def test_nothing_is_told_of_a_file_that_takes_nothing():
    assert "" == outline(StageGraph.of(parse(b"FROM scratch\n", "D"), StageRequest(HOST, HOST))).text


def test_an_unknown_target():
    with pytest.raises(NotFound, match="no stage 'x' in D"):
        told("x")


def test_a_long_row_of_arguments_is_followed_to_its_start():
    row = "".join(f"ARG A{n}=$A{n - 1}\n" for n in range(1, 2000))
    file = parse(f"ARG A0=scratch\n{row}FROM $A1999\n".encode(), "D")

    assert ["A0", "A1", "A2"] == [
        one.name for one in outline(StageGraph.of(file, StageRequest(HOST, HOST))).args[:3]
    ]
