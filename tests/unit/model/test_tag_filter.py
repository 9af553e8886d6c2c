"""Filters of tags: patterns, what is left out, versions."""

import pytest

from ocitool.model.tag_filter import TagFilter
from ocitool.model.versions import VersionRange

TAGS = ("latest", "1.2", "1.3", "1.3-arm64", "2.0", "V1")


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (TagFilter(), TAGS),
        (TagFilter(("1.*", "2*")), ("1.2", "1.3", "1.3-arm64", "2.0")),
        (TagFilter(("v?",)), ()),
        (TagFilter(("[12].?",)), ("1.2", "1.3", "2.0")),
        (TagFilter(excludes=("*-*", "latest")), ("1.2", "1.3", "2.0", "V1")),
        (TagFilter(versions=VersionRange.parse("^1.3")), ("1.3", "1.3-arm64")),
        (TagFilter(("1*",), ("*-arm64",), VersionRange.parse("^1.3")), ("1.3",)),
    ],
)
def test_which_tags_are_meant(wanted, left):
    assert left == tuple(filter(wanted.holds, TAGS))
