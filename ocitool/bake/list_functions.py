"""Functions of HCL about lists, sets and objects."""

import itertools
from typing import Any, Final

from ocitool.bake.number_functions import whole_of
from ocitool.bake.numbers import Number, calculate, counted, is_whole
from ocitool.bake.values import Budget, Value, ValueSet, alike, as_set, list_of, number_of, object_of, same, text_of
from ocitool.errors import UsageError

_RANGE: Final = 1024


def _range(args: tuple[Any, ...], _: Budget) -> tuple[Number, ...]:
    """Numbers from the first (or 0) up or down to before the second, at most 1024."""
    numbers = [number_of(one, "an argument") for one in args]
    start, end = (counted(0), numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) > 2 else counted(-1 if end.value < start.value else 1)
    if not step.value or (end.value - start.value) * step.value < 0:
        raise UsageError("range does not come to its end")
    found: list[Number] = []
    at: Number | None = start
    while at is not None and (at.value < end.value if step.value > 0 else at.value > end.value):
        if len(found) == _RANGE:
            raise UsageError(f"range of more than {_RANGE} numbers")
        found.append(at)
        at = calculate("+", at, step)
    return tuple(found)


def _slice(args: tuple[Any, ...], _: Budget) -> tuple[Any, ...]:
    values = list_of(args[0], "what slice takes")
    start, end = whole_of(args[1], "a start"), whole_of(args[2], "an end")
    if not 0 <= start <= end <= len(values):
        raise UsageError(f"a list of {len(values)} has no slice {start} to {end}")
    return values[start:end]


def _element(args: tuple[Any, ...], _: Budget) -> Value:
    values = list_of(args[0], "what element takes")
    if not values:
        raise UsageError("an empty list has no element")
    return values[whole_of(args[1], "a place") % len(values)]  # type: ignore[no-any-return]


def _has_index(args: tuple[Any, ...], _: Budget) -> bool:
    if isinstance(args[0], dict):
        return args[1] in args[0] if isinstance(args[1], str) else False
    values = list_of(args[0], "what hasindex takes")
    return isinstance(args[1], Number) and is_whole(args[1]) and 0 <= args[1].value < len(values)


def _index(args: tuple[Any, ...], budget: Budget) -> Value:
    if not _has_index(args, budget):
        raise UsageError("there is nothing at that place")
    return args[0][args[1] if isinstance(args[0], dict) else int(args[1].value)]  # type: ignore[no-any-return]


def _index_of(args: tuple[Any, ...], budget: Budget) -> Number:
    for number, one in enumerate(list_of(args[0], "what indexof takes")):
        if same(one, args[1], budget):
            return counted(number)
    raise UsageError("the list does not hold it")


def _product(args: tuple[Any, ...], budget: Budget) -> tuple[Any, ...]:
    lists = [list_of(one, "what setproduct takes") for one in args]
    count = 1
    for one in lists:
        count *= len(one)
    budget.charge(count * len(lists))
    return tuple(itertools.product(*map(alike, lists)))


def _chunks(args: tuple[Any, ...], _: Budget) -> tuple[Any, ...]:
    values, size = alike(list_of(args[0], "what chunklist takes")), whole_of(args[1], "a size")
    if size < 0:
        raise UsageError("a size is below zero")
    size = size or len(values)
    return tuple(values[at : at + size] for at in range(0, len(values), size)) if values else ()


def _first_list(args: tuple[Any, ...], _: Budget) -> Value:
    for one in args:
        if one is not None and list_of(one, "what coalescelist takes"):
            return one  # type: ignore[no-any-return]
    raise UsageError("coalescelist is given empty lists alone")


def _zip(args: tuple[Any, ...], _: Budget) -> dict[str, Any]:
    keys = [text_of(one, "a key") for one in list_of(args[0], "keys")]
    values = list_of(args[1], "values")
    if len(keys) != len(values):
        raise UsageError(f"zipmap is given {len(keys)} keys and {len(values)} values")
    return dict(zip(keys, values, strict=True))


def _sets(args: tuple[Any, ...], budget: Budget) -> list[ValueSet]:
    """The lists as sets, of one type."""
    lists = [list_of(one, "what a function of sets takes") for one in args]
    mixed = iter(alike(itertools.chain(*lists)))
    return [as_set(tuple(itertools.islice(mixed, len(one))), budget) for one in lists]


def _union(args: tuple[Any, ...], budget: Budget) -> ValueSet:
    return as_set(itertools.chain(*_sets(args, budget)), budget)


def _intersection(args: tuple[Any, ...], budget: Budget) -> ValueSet:
    first, *others = _sets(args, budget)
    return as_set(
        (one for one in first if all(any(same(one, it, budget) for it in other) for other in others)), budget
    )


def _difference(args: tuple[Any, ...], budget: Budget) -> ValueSet:
    first, second = _sets(args, budget)
    return as_set((one for one in first if not any(same(one, other, budget) for other in second)), budget)


def _symmetric(args: tuple[Any, ...], budget: Budget) -> ValueSet:
    """What an odd number of sets has, as they come one after the other."""
    found, *others = _sets(args, budget)
    for other in others:
        found = as_set((*_difference((found, other), budget), *_difference((other, found), budget)), budget)
    return found


def _has_element(args: tuple[Any, ...], budget: Budget) -> bool:
    return any(same(one, args[1], budget) for one in alike(list_of(args[0], "what sethaselement takes")))


def _sorted(args: tuple[Any, ...], _: Budget) -> tuple[str, ...]:
    return tuple(sorted(text_of(one, "an element") for one in list_of(args[0], "what sort takes")))


LIST_FUNCTIONS: Final = {
    "chunklist": (2, 2, _chunks),
    "coalescelist": (1, 99, _first_list),
    "element": (2, 2, _element),
    "hasindex": (2, 2, _has_index),
    "index": (2, 2, _index),
    "indexof": (2, 2, _index_of),
    "keys": (1, 1, lambda args, _: tuple(sorted(object_of(args[0], "what keys takes")))),
    "range": (1, 3, _range),
    "reverselist": (1, 1, lambda args, _: list_of(args[0], "what reverselist takes")[::-1]),
    "sethaselement": (2, 2, _has_element),
    "setintersection": (1, 99, _intersection),
    "setproduct": (1, 99, _product),
    "setsubtract": (2, 2, _difference),
    "setsymmetricdifference": (1, 99, _symmetric),
    "setunion": (1, 99, _union),
    "slice": (3, 3, _slice),
    "sort": (1, 1, _sorted),
    "zipmap": (2, 2, _zip),
}
