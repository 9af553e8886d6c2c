"""Numbers of HCL: binary fractions of 512 bits, rounded after each operation, shown by the fewest digits."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from ocitool.values import dataclass, field

_BITS: Final = 512
_EXPONENT: Final = 2_000
"""Most that a power of two may be; what is beyond has no place in a bake file, and takes memory without bound."""
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_LONGEST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Number:
    """A number and its bits, of which those that were counted here or come from the environment have fewer.

    Numbers are equal by their value.
    """

    value: Fraction
    bits: int = field(default=_BITS, compare=False)


@lru_cache(256)
def number_from(text: str) -> Number | None:
    """The number that a text of decimal digits is; None where it is none, or beyond bounds."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    exponent = re.split("[eE]", text)[-1] if "e" in text.lower() else "0"
    return rounded(Fraction(text), _BITS) if abs(int(exponent)) <= _EXPONENT else None


def counted(count: int) -> Number:
    """A count, as lengths and places in lists are."""
    return Number(Fraction(count), 64)


def environment_number(text: str) -> Number | None:
    """A number of the environment: a double, as Go parses it."""
    try:
        value = Fraction(float(text)) if text.isascii() and text == text.strip() else None
    except (ValueError, OverflowError):
        return None
    return None if value is None else Number(value, 53)


def rounded(value: Fraction, bits: int) -> Number | None:
    """The nearest number of so many bits, of two the even one; None beyond bounds."""
    if not value:
        return Number(value, bits)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if abs(exponent) > _EXPONENT:
        return None
    shift = bits - exponent
    if abs(value) >= Fraction(2) ** (bits - shift):
        shift -= 1
    return Number(Fraction(round(value * Fraction(2) ** shift)) / Fraction(2) ** shift, bits)


def calculate(sign: str, one: Number, two: Number) -> Number | None:
    """The result of `+`, `-`, `*`, `/` or `%` (which has the sign of the first); None where there is none."""
    bits, left, right = max(one.bits, two.bits), one.value, two.value
    match sign:
        case "+":
            return rounded(left + right, bits)
        case "-":
            return rounded(left - right, bits)
        case "*":
            return rounded(left * right, bits)
    if not right:
        return None
    if sign == "/":
        return rounded(left / right, bits)
    return rounded(left - right * int(left / right), bits)


def shown(number: Number) -> str:
    """The number by the fewest decimal digits that no other number of its bits has, without an exponent."""
    return str(number.value.numerator) if is_whole(number) else _digits(number.value, number.bits)


def is_whole(number: Number) -> bool:
    """Whether it is an integer of which every digit tells."""
    return number.value.denominator == 1 and number.value.numerator.bit_length() <= number.bits


@lru_cache(256)
def _digits(value: Fraction, bits: int) -> str:
    fewest, most = 1, int(bits * 0.302) + 2
    while fewest < most:  # what more digits say is nearer, so that the fewest that do can be halved for
        middle = (fewest + most) // 2
        again = rounded(Fraction(_decimal(value, middle)), bits)
        if again is not None and again.value == value:
            most = middle
        else:
            fewest = middle + 1
    text = format(_decimal(value, fewest), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: Fraction, digits: int) -> Decimal:
    context = Context(prec=digits, rounding=ROUND_HALF_EVEN, Emax=_EXPONENT, Emin=-_EXPONENT)
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))
