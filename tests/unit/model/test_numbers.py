"""Numbers in texts of others: ASCII digits and nothing else."""

import pytest

from ocitool.model.numbers import is_digits, whole
from ocitool.model.platform import version_numbers


@pytest.mark.parametrize("text", ["\uff11", "\u0661", "\u00b2", "1_0", "+1", "-1", "1.0", "", "0x1", "1 0"])
def test_what_is_no_ascii_digit_is_no_number(text):
    assert (None, False) == (whole(text), is_digits(text))


def test_a_number_is_at_most_its_limit():
    assert [7, 10, None] == [whole(text, 10) for text in ("007", "10", "11")]


def test_thousands_of_digits_are_no_number_and_no_error():
    assert whole("9" * 10_000) is None


@pytest.mark.parametrize(("text", "number"), [(f"{'0' * 100}7", 7), (f"{'0' * 100}x", None), (f" {'0' * 100} ", 0)])
def test_zeros_in_front_are_no_end(text, number):
    assert number == whole(text)


@pytest.mark.parametrize("part", ["\u00b2", "9" * 10_000, "\uff11"])
def test_a_version_with_a_part_that_is_no_number_is_read(part):
    assert (10, 0, 1) == version_numbers(f"10.{part}.1")
