"""Sizes as docker's flags write them."""

import pytest

from ocitool.dockerfile.syntax.sizes import parse_size
from ocitool.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("7", 7), ("64m", 64 << 20), ("1.5GiB", 3 << 29), ("2 kb", 2048), ("1T", 1 << 40)],
)
def test_sizes(text, expected):
    assert expected == parse_size(text, "x")


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1.2.3", "9999999999999p"])
def test_no_sizes(text):
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text, "x")
