"""Patterns of platforms: what they fit, and what nothing can fit."""

import pytest

from ocitool.errors import UsageError
from ocitool.model.platform import Platform
from ocitool.model.platform_pattern import PlatformPattern, parse_choices

ALL = [
    Platform.parse(text)
    for text in ("linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "windows(10.0.20348.1)/amd64")
]


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("linux/*", ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7"]),
        ("*/amd64", ["linux/amd64", "windows(10.0.20348.1)/amd64"]),
        ("*/x86_64", ["linux/amd64", "windows(10.0.20348.1)/amd64"]),
        ("linux/arm*", ["linux/arm64", "linux/arm/v6", "linux/arm/v7"]),
        ("linux/arm/*", ["linux/arm/v6", "linux/arm/v7"]),
        ("linux/arm/v[6-6]", ["linux/arm/v6"]),
        ("LINUX/*", ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7"]),
        ("*/*", [str(one) for one in ALL]),
    ],
)
def test_a_pattern_fits(text, fitting):
    (pattern,) = parse_choices(text)

    assert fitting == [str(one) for one in ALL if pattern.same(one)]


@pytest.mark.parametrize("text", ["linus/*", "linux/spark*", "*", "linux/*/v7/x", "linux//*"])
def test_what_nothing_can_fit_is_refused(text):
    with pytest.raises(UsageError):
        parse_choices(text)


def test_platforms_and_patterns_stand_beside_each_other():
    assert (
        PlatformPattern("linux", "arm*"),
        Platform("linux", "amd64"),
        Platform("linux", "s390x"),
    ) == parse_choices(["linux/arm*,linux/amd64", "linux/s390x", "linux/x86_64"])
