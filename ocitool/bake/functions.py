"""Functions of HCL that bake files call most; each is pure, and no result is larger than its budget."""

import re
from collections.abc import Callable
from typing import Any, Final

from ocitool.bake.date_functions import DATE_FUNCTIONS
from ocitool.bake.list_functions import LIST_FUNCTIONS
from ocitool.bake.number_functions import NUMBER_FUNCTIONS
from ocitool.bake.numbers import Number, counted, is_whole
from ocitool.bake.text_functions import TEXT_FUNCTIONS, Function, of_texts, texts_of
from ocitool.bake.values import (
    Budget,
    Value,
    alike,
    bool_of,
    kind_of,
    list_of,
    normal,
    number_of,
    object_of,
    once,
    same,
    text_of,
)
from ocitool.errors import Unsupported, UsageError, closest

_OUTSIDE: Final = re.compile(r"[^a-zA-Z0-9_-]")
_VERB: Final = re.compile(r"%(.?)", re.DOTALL)
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _join(args: tuple[Any, ...], budget: Budget) -> str:
    words = texts_of(tuple(one for part in args[1:] for one in list_of(part, "what join takes")))
    budget.charge(sum(map(len, words)) + len(words) * len(text_of(args[0], "a separator")))
    return text_of(args[0], "a separator").join(words)


def _split(args: tuple[Any, ...], budget: Budget) -> tuple[str, ...]:
    separator, text = texts_of(args)
    budget.charge(len(text))
    return tuple(text.split(separator)) if separator else tuple(text)


def _replace(args: tuple[Any, ...], budget: Budget) -> str:
    text, old, new = texts_of(args)
    budget.charge(len(text) + (text.count(old) * len(new)))
    return text.replace(old, new)


def _concat(args: tuple[Any, ...], _: Budget) -> tuple[Any, ...]:
    return tuple(one for part in args for one in list_of(part, "what concat takes"))


def _flatten(args: tuple[Any, ...], budget: Budget) -> tuple[Any, ...]:
    values = list_of(args[0], "a list")
    budget.charge(len(values))
    parts = (_flatten((one,), budget) if isinstance(one, tuple) else (one,) for one in values)
    return tuple(one for part in parts for one in part)


def _distinct(args: tuple[Any, ...], budget: Budget) -> tuple[Any, ...]:
    return once(alike(list_of(args[0], "what distinct takes")), budget)


def _cased(change: Callable[[str], str], **exceptions: str) -> Callable[[str], str]:
    """Letters changed one by one; one that would become several stays, as with Go."""

    def work(text: str) -> str:
        if text.isascii():
            return change(text)
        changed = ((exceptions.get(one) or change(one), one) for one in text)
        return "".join(new if len(new) == 1 else one for new, one in changed)

    return work


def _length(args: tuple[Any, ...], _: Budget) -> Number:
    return counted(len(list_of(args[0], "what length takes")))


def _merge(args: tuple[Any, ...], _: Budget) -> dict[str, Any]:
    return {
        key: one for part in args if part is not None for key, one in object_of(part, "what merge takes").items()
    }


def _format(args: tuple[Any, ...], budget: Budget) -> str:
    """Texts put where %s, %d and %v stand; %% is a sign. Raises Unsupported for other verbs."""
    text = text_of(args[0], "a format")
    values = iter(args[1:])
    count = len(args) - 1
    verbs = [match[1] for match in _VERB.finditer(text)]
    if unknown := next((verb for verb in verbs if verb not in {"s", "d", "v", "%"}), None):
        raise Unsupported(f"format with %{unknown} is not evaluated", ability="format", hint="%s, %d and %v are")
    if "" in verbs or len(verbs) - verbs.count("%") != count:
        raise UsageError(f"format of {len(verbs) - verbs.count('%')} values is given {count}")
    made = _VERB.sub(lambda match: "%" if match[1] == "%" else _formatted(match[1], next(values)), text)
    budget.charge(len(made))
    return made


def _formatted(verb: str, value: Value) -> str:
    """A value where a verb stands. Raises UsageError, and Unsupported for lists and objects."""
    if verb == "d" and (isinstance(value, bool) or not is_whole(number_of(value, "what stands for %d"))):
        raise UsageError("what stands for %d is no integer")
    if verb == "v" and value is None:
        return "null"
    if verb == "v" and isinstance(value, (tuple, dict)):
        raise Unsupported(f"%v of {kind_of(value)} is not evaluated", ability="format", hint="join makes a text")
    return text_of(number_of(value, "a number") if verb == "d" else value, "an argument")


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
    tree, key = object_of(args[0], "what lookup takes"), text_of(args[1], "a key")
    if args[2] is None:
        raise UsageError("what lookup takes where nothing is found is null")
    return tree.get(key, args[2])  # type: ignore[no-any-return]


def _contains(args: tuple[Any, ...], budget: Budget) -> bool:
    if args[1] is None:
        raise UsageError("contains looks for null")
    return any(same(one, args[1], budget) for one in list_of(args[0], "a list"))


def _logic(args: tuple[Any, ...]) -> tuple[bool, ...]:
    return tuple(bool_of(one, "an argument") for one in args)


FUNCTIONS: Final[dict[str, tuple[int, int, Function]]] = {
    **NUMBER_FUNCTIONS,
    **LIST_FUNCTIONS,
    **TEXT_FUNCTIONS,
    **DATE_FUNCTIONS,
    "and": (2, 2, lambda args, _: all(_logic(args))),
    "basename": (1, 1, of_texts(lambda one: one.rstrip("/").rpartition("/")[2] or ("/" if one else "."))),
    "chomp": (1, 1, of_texts(lambda one: one.rstrip("\r\n"))),
    "coalesce": (1, 99, _coalesce),
    "compact": (1, 1, lambda args, _: tuple(one for one in list_of(args[0], "a list") if one not in ("", None))),
    "concat": (1, 99, _concat),
    "contains": (2, 2, _contains),
    "distinct": (1, 1, _distinct),
    "equal": (2, 2, lambda args, budget: same(args[0], args[1], budget)),
    "flatten": (1, 1, _flatten),
    "format": (1, 99, _format),
    "formatlist": (1, 99, _formatlist),
    "join": (2, 99, _join),
    "length": (1, 1, _length),
    "lookup": (3, 3, _lookup),
    "lower": (1, 1, of_texts(_cased(str.lower, İ="i"))),
    "merge": (1, 99, _merge),
    "not": (1, 1, lambda args, _: not _logic(args)[0]),
    "notequal": (2, 2, lambda args, budget: not same(args[0], args[1], budget)),
    "or": (2, 2, lambda args, _: any(_logic(args))),
    "replace": (3, 3, _replace),
    "sanitize": (
        1,
        1,
        of_texts(lambda one: _OUTSIDE.sub("_", one)),
    ),
    "split": (2, 2, _split),
    "trim": (2, 2, of_texts(lambda one, signs: one.strip(signs))),
    "trimprefix": (2, 2, of_texts(str.removeprefix)),
    "trimspace": (1, 1, of_texts(lambda one: one.strip(_SPACE))),
    "trimsuffix": (2, 2, of_texts(str.removesuffix)),
    "upper": (1, 1, of_texts(_cased(str.upper))),
    "values": (
        1,
        1,
        lambda args, _: tuple(one for _, one in sorted(object_of(args[0], "what values takes").items())),
    ),
}
"""By its name: how many arguments it takes, at least and at most, and what it does."""

LAZY: Final = ("can", "convert", "try")
"""Functions whose arguments are not simply evaluated."""

ABSENT: Final = frozenset({
    "bcrypt", "byteslen", "bytesslice", "cidrhost", "cidrnetmask", "cidrsubnet", "cidrsubnets", "csvdecode",
    "homedir", "log", "pow", "rsadecrypt", "uuidv4", "uuidv5",
})  # fmt: skip
"""Functions of buildx that are not here. A function of a file does not take the place of any of buildx."""


def call(name: str, args: tuple[Any, ...], budget: Budget, where: str) -> Value:
    """The result of a function. Raises Unsupported for one that is not here, UsageError for wrong arguments."""
    found = FUNCTIONS.get(name)
    if found is None and name not in ABSENT:
        near = closest(name, FUNCTIONS)
        raise UsageError(
            f"{where}: there is no function {name}",
            hint=f"did you mean {near}?" if near else f'function "{name}" {{ … }} makes one',
        )
    if found is None:
        raise Unsupported(
            f"{where}: the function {name} of HCL is not evaluated here",
            ability=name,
            hint="let a variable hold its result",
        )
    least, most, work = found
    if not least <= len(args) <= most:
        raise UsageError(f"{where}: {name} takes {least if least == most else f'{least} or more'} arguments")
    budget.charge(sum(len(one) for one in args if isinstance(one, (str, tuple, dict))))
    try:
        result = work(args, budget)
    except Unsupported as error:
        raise Unsupported(f"{where}: {name}: {error.what}", ability=error.ability, hint=error.hint) from None
    except UsageError as error:
        raise type(error)(f"{where}: {name}: {error.what}", hint=error.hint) from None
    budget.charge(len(result) if isinstance(result, (str, tuple, dict)) else 1)
    return normal(result) if isinstance(result, str) else result
