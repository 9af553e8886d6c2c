"""Functions of HCL about numbers."""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from ocitool.bake.numbers import Number, calculate, counted, is_whole, rounded
from ocitool.bake.values import Budget, Value, number_of, text_of
from ocitool.errors import UsageError

_ARGUMENT: Final = "an argument"


def whole_of(value: Value, what: str) -> int:
    """An integer. Raises UsageError."""
    number = number_of(value, what)
    if not is_whole(number):
        raise UsageError(f"{what} is no integer")
    return int(number.value)


def _numbers(args: tuple[Any, ...]) -> list[Number]:
    return [number_of(one, _ARGUMENT) for one in args]


def _calculated(sign: str) -> Callable[[tuple[Any, ...], Budget], Value]:
    def work(args: tuple[Any, ...], _: Budget) -> Value:
        result = calculate(sign, *_numbers(args))
        if result is None:
            raise UsageError("there is no such number")
        return result

    return work


def _changed(change: Callable[[Fraction], int | Fraction]) -> Callable[[tuple[Any, ...], Budget], Value]:
    def work(args: tuple[Any, ...], _: Budget) -> Value:
        (number,) = _numbers(args)
        return Number(Fraction(change(number.value)), number.bits)

    return work


def _compared(work: Callable[[Fraction, Fraction], bool]) -> Callable[[tuple[Any, ...], Budget], bool]:
    return lambda args, _: work(*(one.value for one in _numbers(args)))


def _parse_int(args: tuple[Any, ...], _: Budget) -> Number:
    text, base = text_of(args[0], _ARGUMENT), whole_of(args[1], "a base")
    if not 2 <= base <= 36 or not re.fullmatch(r"[+-]?[0-9a-zA-Z]{1,300}", text):
        raise UsageError(f"{text[:60]!r} is no integer of base {base}", hint="bases are 2 to 36")
    try:
        found = rounded(Fraction(int(text, base)), 512)
    except ValueError:
        found = None
    if found is None:
        raise UsageError(f"{text[:60]!r} is no integer of base {base}")
    return found


NUMBER_FUNCTIONS: Final = {
    "absolute": (1, 1, _changed(abs)),
    "add": (2, 2, _calculated("+")),
    "ceil": (1, 1, _changed(math.ceil)),
    "divide": (2, 2, _calculated("/")),
    "floor": (1, 1, _changed(math.floor)),
    "greaterthan": (2, 2, _compared(lambda one, other: one > other)),
    "greaterthanorequalto": (2, 2, _compared(lambda one, other: one >= other)),
    "int": (1, 1, _changed(int)),
    "lessthan": (2, 2, _compared(lambda one, other: one < other)),
    "lessthanorequalto": (2, 2, _compared(lambda one, other: one <= other)),
    "max": (1, 99, lambda args, _: max(_numbers(args), key=lambda one: one.value)),
    "min": (1, 99, lambda args, _: min(_numbers(args), key=lambda one: one.value)),
    "modulo": (2, 2, _calculated("%")),
    "multiply": (2, 2, _calculated("*")),
    "negate": (1, 1, _changed(lambda value: -value)),
    "parseint": (2, 2, _parse_int),
    "signum": (1, 1, lambda args, _: counted((whole := whole_of(args[0], _ARGUMENT)) and (1 if whole > 0 else -1))),
    "subtract": (2, 2, _calculated("-")),
}
