"""Values of HCL: texts, numbers, booleans, lists, objects and null, and how much they may be."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ocitool.bake.numbers import Number, number_from, shown
from ocitool.errors import UsageError
from ocitool.values import dataclass

Value = str | bool | Number | None | tuple[Any, ...] | dict[str, Any]
"""A value; lists are tuples, and objects are maps in their order."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STEPS: Final = 2_000_000
_KINDS: Final = {bool: "true or false", str: "a text", Number: "a number", tuple: "a list", dict: "an object"}


class ValueSet(tuple[Any, ...]):
    """A set: a list whose elements stand in an order of their own, each once. See `as_set`."""

    __slots__ = ()


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
        case Number():
            return shown(value)
    raise UsageError(f"{what} is no text, but {kind_of(value)}")


def number_of(value: Value, what: str) -> Number:
    """A number, or the text of one. Raises UsageError."""
    if isinstance(value, Number):
        return value
    found = number_from(value) if isinstance(value, str) else None
    if found is None:
        raise UsageError(
            f"{what} is no number: {value[:60]!r}" if isinstance(value, str) else f"{what} is no number"
        )
    return found


def bool_of(value: Value, what: str) -> bool:
    """A boolean, or its text. Raises UsageError."""
    if value is True or value in ("true", "1"):
        return True
    if value is False or value in ("false", "0"):
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
    return _KINDS.get(tuple if isinstance(value, tuple) else type(value), "null")


def same(left: Value, right: Value, budget: Budget) -> bool:
    """Whether two values are equal; those of two kinds never are. Raises UsageError where the budget is spent."""
    budget.charge(1)
    match left, right:
        case tuple(), tuple():
            return len(left) == len(right) and all(
                same(one, other, budget) for one, other in zip(left, right, strict=True)
            )
        case dict(), dict():
            return left.keys() == right.keys() and all(same(left[key], right[key], budget) for key in left)
    return type(left) is type(right) and left == right


def once(values: Iterable[Value], budget: Budget) -> tuple[Value, ...]:
    """The values without those that were there before. Raises UsageError where the budget is spent."""
    found: list[Value] = []
    for one in values:
        if not any(same(one, other, budget) for other in found):
            found.append(one)
    return tuple(found)


def normal(text: str) -> str:
    """The text as every text of HCL is: letters with their accents in one, and U+FFFD for what is no character."""
    return text if text.isascii() else unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", text))


def alike(values: Iterable[Value]) -> tuple[Value, ...]:
    """The values as elements of one list, which are of one type: beside a text numbers and booleans are texts."""
    found = tuple(values)
    kinds = {type(one) for one in found} - {type(None)}
    if str in kinds and len(kinds) > 1 and kinds <= {str, bool, Number}:
        return tuple(None if one is None else text_of(one, "an element") for one in found)
    return found


def as_set(elements: Iterable[Value], budget: Budget) -> ValueSet:
    """Elements in the order of a set: texts, numbers and booleans by what they are; others stay as they are."""
    found = once(alike(elements), budget)
    kinds = {type(one) for one in found}
    return ValueSet(sorted(found, key=_rank) if len(kinds) == 1 and kinds < {str, bool, Number} else found)


def _rank(value: Any) -> Any:  # noqa: ANN401 - texts, booleans, or what numbers are made of
    return value if isinstance(value, (str, bool)) else value.value
