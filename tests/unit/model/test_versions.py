"""Versions of tags: what is one, their order, and ranges."""

import random

import pytest

from ocitool.errors import UsageError
from ocitool.model.versions import Version, VersionRange, version_key


@pytest.mark.parametrize(
    "tag",
    [
        "latest",
        "",
        "v",
        "1.",
        ".1",
        "1..2",
        "1.2.3.4.5",
        "1.2rc1",
        "sha256-00",
        "a1",
        "1" * 19,
        "20240601",
        "1234567-x",
    ],
)
def test_what_is_no_version(tag):
    assert Version.of(tag) is None
    assert not VersionRange.parse("*").holds(tag)


@pytest.mark.parametrize(
    ("tag", "numbers", "suffix"),
    [("1", (1,), ""), ("v1.2", (1, 2), ""), ("2024.06.01", (2024, 6, 1), ""), ("1.2.3.4-a.b", (1, 2, 3, 4), "a.b")],
)
def test_what_a_version_says(tag, numbers, suffix):
    assert Version(numbers, suffix) == Version.of(tag)


def test_the_order_is_that_of_semver():
    ordered = [
        *("edge", "latest"),
        *("0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1"),
        *("1.0.0", "v1.0.1", "1.2", "1.10", "2-alpine", "2"),
    ]
    mixed = random.Random(3).sample(ordered, len(ordered))

    assert ordered == sorted(mixed, key=version_key)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("*", ["0", "1.2.3-x"], ["latest"]),
        (">=1.2 <2", ["1.2", "1.2.0", "v1.9.9", "1.3-alpine", "1.2-rc1", "1"], ["1.1.9", "2", "2.0.0-rc1", "0"]),
        (">=1.2, <2", ["1.2"], ["2"]),
        (">1.2", ["1.3", "2"], ["1.2", "1.2.9"]),
        ("<=1.2", ["1.2.9", "1.1"], ["1.3"]),
        ("1.2", ["1.2", "1.2.7"], ["1.20", "1.3"]),
        ("1.2.x", ["1.2.7"], ["1.3"]),
        ("1.2.3", ["1.2.3", "1.2.3-alpine"], ["1.2.4"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        ("^1.2.3", ["1.2.3", "1.9"], ["1.2.2", "2.0"]),
        ("^0.2.3", ["0.2.9"], ["0.3.0", "0.2.2"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0", ["0.9"], ["1.0"]),
        ("~1.2.3", ["1.2.9"], ["1.3.0", "1.2.2"]),
        ("~1", ["1.9"], ["2.0"]),
        ("1.X", ["1.5"], ["2"]),
        ("x, <2", ["1.5"], ["2"]),
        ("1.x || >=3", ["1.5", "3", "4.1"], ["2.9"]),
        (">=1.2.0-rc.2", ["1.2.0-rc.2", "1.2.0-rc.10", "1.2.0"], ["1.2.0-rc.1", "1.2.0-beta"]),
    ],
)
def test_what_is_in_a_range(text, inside, outside):
    found = VersionRange.parse(text)

    assert inside == [tag for tag in (*inside, *outside) if found.holds(tag)]


@pytest.mark.parametrize(
    "text",
    ["", " ", "latest", ">=", "1.2 ||", ">=1 foo", "1.2.3.4.5", "^", "!1", ">=1.2 < ", "x.1", "xx", "x1", "*x"],
)
def test_what_is_no_range(text):
    with pytest.raises(UsageError):
        VersionRange.parse(text)
