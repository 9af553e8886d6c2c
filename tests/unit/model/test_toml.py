"""TOML that hostile hands wrote."""

import pytest

from ocitool.model.toml import TomlError, parse_toml


def test_a_table():
    assert {"a": {"b": [1, "x", True]}} == parse_toml('a.b = [1, "x", true]')


def test_a_byte_order_mark_is_no_part_of_it():
    assert {"a": 1} == parse_toml("\ufeffa = 1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = ", "invalid value"),
        ("a = 1\na = 2", "cannot overwrite a value"),
        ("a = " + "[" * 3000, "nested too deeply"),
        ("a = " + "9" * 5000, "a number has more than 64 bits"),
        ("a = 0x" + "f" * 9000, "a number has more than 64 bits"),
        ("a = [{b = 9223372036854775808}]", "a number has more than 64 bits"),
        ("a = -9223372036854775809", "a number has more than 64 bits"),
        ("a" + ".a" * 1_000_000 + " = 1", "a line has more than 200 dots"),  # a key costs the square of its parts
    ],
)
def test_k232_what_is_wrong_is_one_kind_of_error(text, why):
    with pytest.raises(TomlError, match=why):
        parse_toml(text)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0])
def test_the_largest_numbers_are_read(number):
    assert number == parse_toml(f"a = {number}")["a"]
