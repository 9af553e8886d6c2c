"""Which downloads are certain before anything is carried out."""

import pytest

from ocitool.dockerfile.downloads import certain
from ocitool.dockerfile.stages import StageGraph, StageRequest
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform

ARM = Platform("linux", "arm64")
SUM = f"sha256:{'a' * 64}"


def wishes(text, **arguments):
    file, wanted = parse(text.encode(), "D"), StageRequest(ARM, ARM, arguments=arguments)
    return certain(StageGraph.of(file, wanted))


def urls(text, **arguments):
    return [url for url, _ in wishes(text, **arguments)]


def test_urls_of_all_stages_that_are_needed():
    text = "FROM a AS no\nADD https://h/no /\nFROM a AS b\nADD https://h/1 https://h/2 f /d/\nFROM a\nADD https://h/3 /\n"

    assert ["https://h/3"] == urls(text)
    assert ["https://h/1", "https://h/2", "https://h/3"] == urls(f"{text}COPY --from=b / /\n")


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        (["https://h/1/arm64"], "ARG V=1\nARG TARGETARCH\nADD https://h/$V/$TARGETARCH /\n"),
        (["https://h/2"], "ARG V=1\nENV V=2\nADD https://h/$V /\n"),
        (["https://h/9"], "ARG W=1\nADD https://h/$W /\n"),
        ([], "ADD https://h/$OF_THE_BASE /\n"),
        ([], "ARG V=$OF_THE_BASE\nADD https://h/$V /\n"),
        ([], "ENV V=1\nENV V=$OF_THE_BASE\nADD https://h/$V /\n"),
        ([], "ENV V=1\nENV $OF_THE_BASE=2\nADD https://h/$V /\n"),
        ([], "ARG V\nADD https://h/$V /\n"),
        ([], "ADD https://h/x.git /\n"),
        ([], "ADD --checksum=nonsense https://h/x /\n"),
        ([], "COPY https://h/x /\n"),
    ],
)
def test_only_what_the_file_itself_says(expected, lines):
    assert expected == urls(f"FROM a\n{lines}", W="9")


def test_checksums_belong_to_it():
    one = (f"https://h/{'x'}", Digest(SUM))

    assert (one, ("https://h/x", None)) == wishes(
        f"FROM a\nADD --checksum={SUM} https://h/x /\nADD https://h/x /y\nADD --checksum={SUM} https://h/x /z\n"
    )


def test_what_stands_on_a_stage_sees_its_variables():
    text = (
        "FROM a AS b\nENV V=1 W=$OF_THE_BASE\nADD https://h/1 /\nFROM b\nADD https://h/2/$V /\nADD https://h/$W /\n"
    )

    assert ["https://h/1", "https://h/2/1"] == urls(text)
