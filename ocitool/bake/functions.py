"""Functions of HCL that bake files call most; each is pure, and no result is larger than its budget."""

import re
from collections.abc import Callable
from typing import Any, Final

from ocitool.bake.values import Budget, Value, bool_of, list_of, number_of, object_of, same, text_of
from ocitool.errors import Unsupported, UsageError

_OUTSIDE: Final = re.compile(r"[^a-zA-Z0-9_-]")

Function = Callable[[tuple[Any, ...], Budget], Value]


def _words(args: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(text_of(one, "an argument") for one in args)


def _on_text(work: Callable[..., str | bool]) -> Function:
    """A function of texts alone."""
    return lambda args, _: work(*_words(args))


def _join(args: tuple[Any, ...], budget: Budget) -> str:
    words = _words(tuple(one for part in args[1:] for one in list_of(part, "what join takes")))
    budget.charge(sum(map(len, words)) + len(words) * len(text_of(args[0], "a separator")))
    return text_of(args[0], "a separator").join(words)


def _split(args: tuple[Any, ...], budget: Budget) -> tuple[str, ...]:
    separator, text = _words(args)
    budget.charge(len(text))
    return tuple(text.split(separator)) if separator else tuple(text)


def _replace(args: tuple[Any, ...], budget: Budget) -> str:
    text, old, new = _words(args)
    budget.charge(len(text) + (text.count(old) * len(new)))
    return text.replace(old, new)


def _concat(args: tuple[Any, ...], _: Budget) -> tuple[Any, ...]:
    return tuple(one for part in args for one in list_of(part, "what concat takes"))


def _flatten(args: tuple[Any, ...], budget: Budget) -> tuple[Any, ...]:
    budget.charge(len(args[0]))
    parts = (_flatten((one,), budget) if isinstance(one, tuple) else (one,) for one in list_of(args[0], "a list"))
    return tuple(one for part in parts for one in part)


def _distinct(args: tuple[Any, ...], budget: Budget) -> tuple[Any, ...]:
    found: list[Any] = []
    for one in list_of(args[0], "what distinct takes"):
        budget.charge(len(found))
        if not any(same(one, other) for other in found):
            found.append(one)
    return tuple(found)


def _merge(args: tuple[Any, ...], _: Budget) -> dict[str, Any]:
    return {
        key: one for part in args if part is not None for key, one in object_of(part, "what merge takes").items()
    }


def _format(args: tuple[Any, ...], budget: Budget) -> str:
    """Texts put where %s, %d and %v stand; %% is a sign. Raises Unsupported for other verbs."""
    pieces = text_of(args[0], "a format").replace("%%", "\0").split("%")
    if len(pieces) - 1 != len(args) - 1:
        raise UsageError(f"format of {len(pieces) - 1} values is given {len(args) - 1}")
    made = pieces[0]
    for piece, one in zip(pieces[1:], args[1:], strict=True):
        if piece[:1] not in {"s", "d", "v"}:
            raise Unsupported(
                f"format with %{piece[:1]} is not evaluated", ability="format", hint="%s, %d and %v are"
            )
        made += text_of(one, "an argument") + piece[1:]
    budget.charge(len(made))
    return made.replace("\0", "%")


def _formatlist(args: tuple[Any, ...], budget: Budget) -> tuple[str, ...]:
    counts = {len(one) for one in args[1:] if isinstance(one, tuple)}
    if len(counts) > 1:
        raise UsageError("formatlist is given lists of several lengths")
    rows = range(counts.pop() if counts else 1)
    return tuple(
        _format((args[0], *(one[row] if isinstance(one, tuple) else one for one in args[1:])), budget)
        for row in rows
    )


def _coalesce(args: tuple[Any, ...], _: Budget) -> Value:
    for one in args:
        if one is not None:
            return one  # type: ignore[no-any-return]
    raise UsageError("coalesce is given nothing but null")


def _lookup(args: tuple[Any, ...], _: Budget) -> Value:
    tree = object_of(args[0], "what lookup takes")
    key = text_of(args[1], "a key")
    if key not in tree and len(args) < 3:
        raise UsageError(f"lookup finds no {key!r}", hint="a third argument is taken where it is not there")
    return tree[key] if key in tree else args[2]  # type: ignore[no-any-return]


def _compared(work: Callable[[Any, Any], bool]) -> Function:
    return lambda args, _: work(number_of(args[0], "an argument"), number_of(args[1], "an argument"))


def _logic(args: tuple[Any, ...]) -> tuple[bool, ...]:
    return tuple(bool_of(one, "an argument") for one in args)


FUNCTIONS: Final[dict[str, tuple[int, int, Function]]] = {
    "and": (2, 2, lambda args, _: all(_logic(args))),
    "basename": (1, 1, _on_text(lambda one: one.rstrip("/").rpartition("/")[2] or ("/" if one else "."))),
    "chomp": (1, 1, _on_text(lambda one: one.rstrip("\r\n"))),
    "coalesce": (1, 99, _coalesce),
    "compact": (1, 1, lambda args, _: tuple(one for one in list_of(args[0], "a list") if one not in ("", None))),
    "concat": (1, 99, _concat),
    "contains": (2, 2, lambda args, _: any(same(one, args[1]) for one in list_of(args[0], "a list"))),
    "distinct": (1, 1, _distinct),
    "equal": (2, 2, lambda args, _: same(args[0], args[1])),
    "flatten": (1, 1, _flatten),
    "format": (1, 99, _format),
    "formatlist": (2, 99, _formatlist),
    "greaterthan": (2, 2, _compared(lambda one, other: one > other)),
    "join": (2, 99, _join),
    "keys": (1, 1, lambda args, _: tuple(sorted(object_of(args[0], "what keys takes")))),
    "length": (1, 1, lambda args, _: number_of(str(len(args[0] or ())), "a length")),
    "lessthan": (2, 2, _compared(lambda one, other: one < other)),
    "lookup": (2, 3, _lookup),
    "lower": (1, 1, _on_text(str.lower)),
    "merge": (1, 99, _merge),
    "not": (1, 1, lambda args, _: not _logic(args)[0]),
    "notequal": (2, 2, lambda args, _: not same(args[0], args[1])),
    "or": (2, 2, lambda args, _: any(_logic(args))),
    "replace": (3, 3, _replace),
    "sanitize": (
        1,
        1,
        _on_text(lambda one: _OUTSIDE.sub("_", one)),
    ),
    "split": (2, 2, _split),
    "strlen": (1, 1, lambda args, _: number_of(str(len(_words(args)[0])), "a length")),
    "trim": (2, 2, _on_text(lambda one, signs: one.strip(signs))),
    "trimprefix": (2, 2, _on_text(str.removeprefix)),
    "trimspace": (1, 1, _on_text(str.strip)),
    "trimsuffix": (2, 2, _on_text(str.removesuffix)),
    "upper": (1, 1, _on_text(str.upper)),
    "values": (
        1,
        1,
        lambda args, _: tuple(one for _, one in sorted(object_of(args[0], "what values takes").items())),
    ),
}
"""By its name: how many arguments it takes, at least and at most, and what it does."""


def call(name: str, args: tuple[Any, ...], budget: Budget, where: str) -> Value:
    """The result of a function. Raises Unsupported for one that is not here, UsageError for wrong arguments."""
    found = FUNCTIONS.get(name)
    if found is None:
        raise Unsupported(
            f"{where}: the function {name} of HCL is not evaluated here",
            ability=name,
            hint=f"let a variable hold its result; there are {', '.join(FUNCTIONS)}",
        )
    least, most, work = found
    if not least <= len(args) <= most:
        raise UsageError(f"{where}: {name} takes {least if least == most else f'{least} or more'} arguments")
    try:
        result = work(args, budget)
    except UsageError as error:
        raise type(error)(f"{where}: {name}: {error.what}", hint=error.hint) from None
    budget.charge(len(result) if isinstance(result, (str, tuple, dict)) else 1)
    return result
