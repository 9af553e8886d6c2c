"""Build attributes: numbers and texts by their tags, in sections of several vendors, cut off anywhere."""

import pytest

from ocitool.binaries.attributes import arm_attributes, riscv_isa
from tests.fakes.programs import attributes, uleb

LEVELS = {
    "v5": (0, 1, 2, 3, 4, 5),
    "v6": (6, 7, 8, 9, 11, 12),
    "v7": (10, 13),
    "v8": (14, 15, 16, 17, 21, 22),
}


def number(tag, value):
    return uleb(tag) + uleb(value)


def text(tag, value):
    return uleb(tag) + value + b"\0"


@pytest.mark.parametrize(
    ("variant", "architecture"), [(variant, one) for variant, found in LEVELS.items() for one in found]
)
def test_every_architecture_of_arm_has_a_variant(variant, architecture):
    """Addenda to the ABI, Tag_CPU_arch: pre-v4 is 0, v8.1-M.mainline 21, v9-A 22."""
    assert (variant, "") == arm_attributes(attributes("aeabi", number(6, architecture)), "<")


@pytest.mark.parametrize(
    "before",
    [
        number(34, 1),  # above 32 even tags are numbers
        number(9, 2),  # below it odd ones too
        number(8, 128),  # a number of two bytes, the first of which is 0x80 alone
        text(67, b"2.09"),
        text(4, b"name"),
        text(5, b"7-A"),
        uleb(32) + number(1, 0),
    ],
    ids=["even", "odd", "long", "text", "raw name", "name", "compatibility"],
)
def test_what_stands_before_a_number_is_passed_over_by_its_kind(before):
    found = attributes("aeabi", before + number(6, 10) + number(28, 1))

    assert ("v7", "hard") == arm_attributes(found, "<")


def test_only_the_value_1_is_hard_float():
    assert ["", "hard", "", ""] == [arm_attributes(attributes("aeabi", number(28, n)), "<")[1] for n in range(4)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_sections_of_other_vendors_are_passed_over(order):
    other, own = attributes("gnu", number(6, 14), order), attributes("aeabi", number(6, 10), order)

    assert ("v7", "") == arm_attributes(other + own[1:], order)
    assert ("", "") == arm_attributes(other, order)


def test_the_isa_of_riscv_is_the_text_of_its_own_tag():
    """psABI: odd tags are texts, even ones numbers; 5 is the architecture."""
    pairs = number(4, 16) + text(7, b"other") + text(5, b"rv64i2p1") + text(9, b"x")

    assert "rv64i2p1" == riscv_isa(attributes("riscv", pairs), "<")
    assert "" == riscv_isa(attributes("riscv", number(4, 16) + text(7, b"other")), "<")


def test_what_is_cut_off_tells_what_came_before():
    whole = attributes("aeabi", number(6, 10) + text(5, b"7-A"))

    for end in range(len(whole)):
        assert arm_attributes(whole[:end], "<") in {("", ""), ("v7", "")}
    assert ("", "") == arm_attributes(b"B" + whole[1:], "<")
    assert ("", "") == arm_attributes(b"A" + bytes(40), "<")
