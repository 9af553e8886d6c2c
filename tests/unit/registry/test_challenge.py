import pytest

from ocitool.registry.challenge import parse_challenges, preferred
from tests.fakes.effort import effort

BEARER = 'Bearer realm="https://auth.test/t",service="r",scope="repository:app:pull,push"'


def read(*headers: str) -> list[tuple[str, dict[str, str]]]:
    return [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(headers)]


FULL = ("bearer", {"realm": "https://auth.test/t", "service": "r", "scope": "repository:app:pull,push"})


@pytest.mark.parametrize(
    ("headers", "challenges"),
    [
        ([BEARER], [FULL]),
        (['BASIC realm="Nexus"'], [("basic", {"realm": "Nexus"})]),
        (["Basic"], [("basic", {})]),
        (["Basic, Bearer realm=x"], [("basic", {}), ("bearer", {"realm": "x"})]),
        ([f'Basic realm="a, b", {BEARER}'], [("basic", {"realm": "a, b"}), FULL]),
        (['Basic realm="x"', BEARER], [("basic", {"realm": "x"}), FULL]),
        (
            ['bearer REALM = "https://a.test/" , Service=r'],
            [("bearer", {"realm": "https://a.test/", "service": "r"})],
        ),
        ([r'Basic realm="say \"hi\""'], [("basic", {"realm": 'say "hi"'})]),
        (["Bearer realm=https://a.test/token"], [("bearer", {"realm": "https://a.test/token"})]),
        (["Negotiate", 'Basic realm=""'], [("negotiate", {}), ("basic", {"realm": ""})]),
        ([""], []),
        (["=,=;"], []),
    ],
)
def test_challenges_of_every_shape(headers, challenges):
    """K077 capitals, K079 several in one header and commas in quotes, K085 a realm kept as it is."""
    assert challenges == read(*headers)


def test_bearer_goes_before_basic_wherever_it_stands():
    """K079"""
    assert "bearer" == preferred(parse_challenges(['Basic realm="x"', BEARER])).scheme
    assert "basic" == preferred(parse_challenges(['Bearer error="x"', 'Basic realm="x"'])).scheme
    assert preferred(parse_challenges(["Negotiate abc"])) is None


@pytest.mark.parametrize(
    "header", ["Bearer " + "a=" * 50_000, "x " * 50_000, '"' * 10_000, 'Bearer realm="' + "\\" * 9_000]
)
def test_hostile_headers_end(header):
    assert isinstance(parse_challenges([header]), tuple)


@pytest.mark.parametrize(
    ("before", "unit", "after"),
    [
        ("Bearer service", "9", '"x"'),
        ('"', "9", '"'),
        ("Bearer a", "=", ""),
        ("Bearer ", "\x0b", '"'),
        ("Bearer a", " ", "b"),
        ("Bearer a=b", ":", "!"),
    ],
)
def test_a_long_run_is_read_at_one_go(before, unit, after):
    """From each place of it anew, a header of 8 KiB took a second, and a refusal may bear many."""
    short, long = (before + unit * number + after for number in (10, 8000))

    assert effort(parse_challenges, [long]) == effort(parse_challenges, [short])
