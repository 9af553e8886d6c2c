"""Values of HCL: texts, numbers, booleans, lists, objects and null, and how much they may be."""

from collections.abc import Mapping
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final

from ocitool.errors import UsageError
from ocitool.values import dataclass

Value = str | bool | Decimal | None | tuple[Any, ...] | dict[str, Any]
"""A value; lists are tuples, and objects are maps in their order."""

NUMBERS: Final = Context(prec=100, Emax=200, Emin=-200, traps=[DivisionByZero, InvalidOperation, Overflow])
_STEPS: Final = 2_000_000
_KINDS: Final = {bool: "true or false", str: "a text", Decimal: "a number", tuple: "a list", dict: "an object"}


@dataclass(slots=True)
class Budget:
    """What an evaluation may still cost, in steps; a character and an element are one each."""

    left: int = _STEPS

    def charge(self, steps: int) -> None:
        """Take steps away. Raises UsageError where none is left."""
        self.left -= steps
        if self.left < 0:
            raise UsageError("the bake file asks for too much: texts, lists or a matrix grow beyond bounds")


def text_of(value: Value, what: str) -> str:
    """A text, number or boolean as a text. Raises UsageError."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            shown = format(value, "f")
            return shown.rstrip("0").rstrip(".") if "." in shown else shown
    raise UsageError(f"{what} is no text, but {kind_of(value)}")


def number_of(value: Value, what: str) -> Decimal:
    """A number, or the text of one. Raises UsageError."""
    if isinstance(value, Decimal):
        return value
    try:
        if isinstance(value, str) and len(value) <= 200:
            found = NUMBERS.create_decimal(value)
            if found.is_finite():
                return found
    except (InvalidOperation, Overflow):
        pass
    raise UsageError(f"{what} is no number: {value!r}" if isinstance(value, str) else f"{what} is no number")


def bool_of(value: Value, what: str) -> bool:
    """A boolean, or its text. Raises UsageError."""
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise UsageError(f"{what} is neither true nor false")


def list_of(value: Value, what: str) -> tuple[Any, ...]:
    """A list. Raises UsageError."""
    if not isinstance(value, tuple):
        raise UsageError(f"{what} is no list, but {kind_of(value)}", hint="write it in [ ]")
    return value


def object_of(value: Value, what: str) -> Mapping[str, Any]:
    """An object. Raises UsageError."""
    if not isinstance(value, dict):
        raise UsageError(f"{what} is no object, but {kind_of(value)}", hint="write it in { }")
    return value


def kind_of(value: Value) -> str:
    """What people call such a value."""
    return _KINDS.get(type(value), "null")


def same(left: Value, right: Value) -> bool:
    """Whether two values are equal; those of two kinds never are."""
    return kind_of(left) == kind_of(right) and left == right
