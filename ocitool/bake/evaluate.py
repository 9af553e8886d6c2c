"""Expressions of HCL to values: names, templates, conditions, calls and `for`, within a budget."""

from collections.abc import Callable, Mapping
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Final

from ocitool.bake.functions import call
from ocitool.bake.syntax import Expression
from ocitool.bake.values import (
    NUMBERS,
    Budget,
    Value,
    bool_of,
    kind_of,
    list_of,
    number_of,
    object_of,
    same,
    text_of,
)
from ocitool.errors import UsageError
from ocitool.values import dataclass, field, replace

_LITERALS: Final = {"true": True, "false": False, "null": None}
_ARITHMETIC: Final = {"+": NUMBERS.add, "-": NUMBERS.subtract, "*": NUMBERS.multiply, "/": NUMBERS.divide}
_LEVELS: Final = 40
"""Most calls of a file's own functions within each other."""


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """A `function` block: its parameters, the one that takes the rest, and its result."""

    params: tuple[str, ...]
    rest: str
    result: Expression


@dataclass(frozen=True, slots=True)
class EvaluationScope:
    """What an expression sees: `local` names first, then what `look_up` gives, which raises UsageError for none.

    `file` is named in errors. `level` counts calls of own functions.
    """

    file: str
    look_up: Callable[[str, tuple[str, ...]], Value]
    functions: Mapping[str, OwnFunction] = field(hash=False)
    budget: Budget = field(hash=False)
    local: Mapping[str, Value] = field(hash=False)
    level: int = 0


def evaluate(node: Expression, scope: EvaluationScope) -> Value:
    """The value of an expression. Raises UsageError, and Unsupported for a function that is not here."""
    scope.budget.charge(1)
    where = f"{scope.file}:{node.line}" if node.line else scope.file
    match node.kind:
        case "text":
            return str(node.parts[0])
        case "string":
            return _string(node, scope, where)
        case "int_lit" | "float_lit":
            return number_of(node.parts[0], where)
        case "literal_value":
            return _LITERALS[node.parts[0]]
        case "identifier":
            return _name(node.parts[0], (), scope)
        case "tuple":
            return tuple(evaluate(part, scope) for part in node.parts)
        case "object":
            return {_key(one.parts[0].parts[0], scope): evaluate(one.parts[1], scope) for one in node.parts}
        case "conditional":
            chosen = 1 if bool_of(evaluate(node.parts[0], scope), f"{where}: the condition") else 2
            return evaluate(node.parts[chosen], scope)
        case "unary_op":
            value = evaluate(node.parts[1], scope)
            return not bool_of(value, where) if node.parts[0] == "!" else NUMBERS.minus(number_of(value, where))
        case "binary_op":
            return _binary(node, scope, where)
        case "function_call":
            return _call(node, scope, where)
        case "get_attr_expr_term" | "index_expr_term":
            return _part_of(node, scope, where)
        case "for_tuple_expr":
            return tuple(evaluate(node.parts[1], one) for one in _each(node, scope, where))
        case "for_object_expr":
            return {
                text_of(evaluate(node.parts[1], one), where): evaluate(node.parts[2], one)
                for one in _each(node, scope, where)
            }
    raise UsageError(f"{where}: no expression of a bake file: {node.kind}")


def _string(node: Expression, scope: EvaluationScope, where: str) -> Value:
    """A template; one that is nothing but `${…}` is what that is."""
    parts = [part for part in node.parts if part.kind != "text" or part.parts[0]]
    if len(parts) == 1:
        return evaluate(parts[0], scope)
    text = "".join(text_of(evaluate(part, scope), f"{where}: ${{…}}") for part in parts)
    scope.budget.charge(len(text))
    return text


def _key(node: Expression | str, scope: EvaluationScope) -> str:
    """The key of an object: a bare word is itself."""
    if isinstance(node, str) or node.kind in {"identifier", "literal_value"}:
        return node if isinstance(node, str) else str(node.parts[0])
    return text_of(evaluate(node, scope), f"{scope.file}:{node.line}: a key")


def _name(name: str, path: tuple[str, ...], scope: EvaluationScope) -> Value:
    return scope.local[name] if name in scope.local else scope.look_up(name, path)


def _part_of(node: Expression, scope: EvaluationScope, where: str) -> Value:
    """`a.b`, `a["b"]` and `a[0]`. The words behind a name go along, so that no more of it is evaluated."""
    steps: list[Expression] = []
    while node.kind in {"get_attr_expr_term", "index_expr_term"}:
        steps.insert(0, node.parts[1])
        node = node.parts[0]
    words: list[Value] = [
        _key(step.parts[0], scope)
        if step.kind == "get_attr"
        else evaluate(step.parts[0], scope)
        if isinstance(step.parts[0], Expression)
        else number_of(step.parts[0], where)
        for step in steps
    ]
    if node.kind == "identifier":
        value = _name(node.parts[0], tuple(word for word in words if isinstance(word, str)), scope)
    else:
        value = evaluate(node, scope)
    for word in words:
        if isinstance(value, tuple):
            number = number_of(word, f"{where}: a place in a list")
            if number != int(number) or not 0 <= number < len(value):
                raise UsageError(f"{where}: a list of {len(value)} has nothing at {text_of(number, where)}")
            value = value[int(number)]
            continue
        key = text_of(word, f"{where}: a key")
        tree = object_of(value, f"{where}: what .{key} is asked of")
        if key not in tree:
            raise UsageError(f"{where}: nothing is called {key!r} there")
        value = tree[key]
    return value


def _binary(node: Expression, scope: EvaluationScope, where: str) -> Value:
    left = evaluate(node.parts[0], scope)
    sign, other = node.parts[1].parts[0].parts[0], node.parts[1].parts[1]
    if sign in {"&&", "||"}:
        first, second = bool_of(left, where), bool_of(evaluate(other, scope), where)
        return (first and second) if sign == "&&" else (first or second)
    right = evaluate(other, scope)
    if sign in {"==", "!="}:
        return same(left, right) is (sign == "==")
    one, two = number_of(left, where), number_of(right, where)
    if sign in {"<", ">", "<=", ">="}:
        return {"<": one < two, ">": one > two, "<=": one <= two, ">=": one >= two}[sign]
    try:
        return _ARITHMETIC[sign](one, two) if sign in _ARITHMETIC else NUMBERS.remainder(one, two)
    except (DivisionByZero, InvalidOperation, Overflow):
        raise UsageError(f"{where}: {text_of(one, where)} {sign} {text_of(two, where)} is no number") from None


def _call(node: Expression, scope: EvaluationScope, where: str) -> Value:
    name = str(node.parts[0].parts[0])
    given = node.parts[1].parts if len(node.parts) > 1 else ()
    args = tuple(evaluate(one, scope) for one in given if isinstance(one, Expression))
    if given and given[-1] == "...":
        args = (*args[:-1], *list_of(args[-1], f"{where}: what ... stands behind"))
    own = scope.functions.get(name)
    if own is None:
        return call(name, args, scope.budget, where)
    if len(args) < len(own.params) or (len(args) > len(own.params) and not own.rest):
        raise UsageError(f"{where}: {name} takes {len(own.params)} arguments, and is given {len(args)}")
    if scope.level >= _LEVELS:
        raise UsageError(f"{where}: {name} calls itself")
    names = dict(zip(own.params, args, strict=False))
    if own.rest:
        names[own.rest] = args[len(own.params) :]
    return evaluate(own.result, replace(scope, local=names, level=scope.level + 1))


def _each(node: Expression, scope: EvaluationScope, where: str) -> list[EvaluationScope]:
    """The scope of each turn of a `for`; those that its `if` leaves out are not among them."""
    intro = [part for part in node.parts[0].parts if isinstance(part, Expression)]
    names, over = [str(one.parts[0]) for one in intro[:-1]], evaluate(intro[-1], scope)
    match over:
        case tuple():
            pairs: list[tuple[Value, Value]] = [(Decimal(number), one) for number, one in enumerate(over)]
        case dict():
            pairs = sorted(over.items())
        case _:
            raise UsageError(f"{where}: for goes over a list or an object, and not over {kind_of(over)}")
    turns = [
        replace(scope, local={**scope.local, **dict(zip(names[::-1], pair[::-1], strict=False))}) for pair in pairs
    ]
    last = node.parts[-1]
    if isinstance(last, Expression) and last.kind == "for_cond":
        turns = [one for one in turns if bool_of(evaluate(last.parts[1], one), f"{where}: if")]
    return turns
