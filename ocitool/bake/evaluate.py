"""Expressions of HCL to values: names, templates, conditions, calls and `for`, within a budget."""

from collections.abc import Callable, Mapping
from typing import Final

from ocitool.bake.constraints import converted, read_constraint
from ocitool.bake.functions import ABSENT, FUNCTIONS, LAZY, call
from ocitool.bake.numbers import Number, calculate, counted, is_whole
from ocitool.bake.syntax import Expression
from ocitool.bake.values import (
    Budget,
    Value,
    ValueSet,
    alike,
    as_set,
    bool_of,
    kind_of,
    list_of,
    normal,
    number_of,
    object_of,
    same,
    text_of,
)
from ocitool.errors import Unsupported, UsageError
from ocitool.values import dataclass, field, replace

_LITERALS: Final = {"true": True, "false": False, "null": None}
_ZERO: Final = counted(0)
_TURN: Final = 5
"""Steps of a turn of a `for`, which has a scope of its own."""
_FRACTION: Final = 100
"""Steps of a calculation with fractions: they have hundreds of digits."""
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
            return _conditional(node, scope, where)
        case "unary_op":
            value = evaluate(node.parts[1], scope)
            return (
                not bool_of(value, where)
                if node.parts[0] == "!"
                else calculate("-", _ZERO, number_of(value, where))
            )
        case "binary_op":
            return _binary(node, scope, where)
        case "function_call":
            return _call(node, scope, where)
        case "get_attr_expr_term" | "index_expr_term":
            return _part_of(node, scope, where)
        case "for_tuple_expr":
            return tuple(evaluate(node.parts[1], one) for one in _each(node, scope, where))
        case "for_object_expr":
            return _object_of_each(node, scope, where)
    raise UsageError(f"{where}: no expression of a bake file: {node.kind}")


def _string(node: Expression, scope: EvaluationScope, where: str) -> Value:
    """A template; one that is nothing but `${…}` is what that is."""
    parts = [part for part in node.parts if part.kind != "text" or part.parts[0]]
    if len(parts) == 1:
        return evaluate(parts[0], scope)
    text = "".join(text_of(evaluate(part, scope), f"{where}: ${{…}}") for part in parts)
    scope.budget.charge(len(text))
    return normal(text)


def _conditional(node: Expression, scope: EvaluationScope, where: str) -> Value:
    """The side that the condition chooses, of the type that both have. Raises UsageError where there is none."""
    is_first = bool_of(evaluate(node.parts[0], scope), f"{where}: the condition")
    chosen = evaluate(node.parts[1 if is_first else 2], scope)
    try:
        other = evaluate(node.parts[2 if is_first else 1], scope)
    except (UsageError, Unsupported):  # of what is not chosen nothing is asked
        return chosen
    if isinstance(chosen, tuple) and isinstance(other, tuple) and ValueSet in {type(chosen), type(other)}:
        return as_set(chosen, scope.budget)
    if chosen is None or other is None or type(chosen) is type(other):
        return chosen
    if {type(chosen), type(other)} not in ({str, bool}, {str, Number}):
        raise UsageError(
            f"{where}: one side of the condition is {kind_of(chosen)}, the other {kind_of(other)}",
            hint="let both be of one type, as in a ? b : null",
        )
    return alike((chosen, other))[0]


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
            if not is_whole(number) or not 0 <= number.value < len(value):
                raise UsageError(f"{where}: a list of {len(value)} has nothing at {text_of(number, where)}")
            value = value[int(number.value)]
            continue
        key = text_of(word, f"{where}: a key")
        tree = object_of(value, f"{where}: what .{key} is asked of")
        if key not in tree:
            raise UsageError(f"{where}: nothing is called {key!r} there")
        value = tree[key]
    return value


def _binary(node: Expression, scope: EvaluationScope, where: str) -> Value:
    sign, other = node.parts[1].parts[0].parts[0], node.parts[1].parts[1]
    if sign in {"&&", "||"}:
        return _logical((node.parts[0], other), scope, where, ends=sign == "||")
    left, right = evaluate(node.parts[0], scope), evaluate(other, scope)
    if sign in {"==", "!="}:
        return same(left, right, scope.budget) is (sign == "==")
    one, two = number_of(left, where), number_of(right, where)
    match sign:
        case "<":
            return one.value < two.value
        case ">":
            return one.value > two.value
        case "<=":
            return one.value <= two.value
        case ">=":
            return one.value >= two.value
    result = calculate(sign, one, two)
    if result is None:
        raise UsageError(f"{where}: {text_of(one, where)} {sign} {text_of(two, where)} is no number")
    scope.budget.charge(1 if is_whole(result) else _FRACTION)
    return result


def _logical(sides: tuple[Expression, ...], scope: EvaluationScope, where: str, *, ends: bool) -> bool:
    """Both sides of `&&` and `||`; one that is `ends` decides, whatever is wrong with the other."""
    found: list[bool | None] = []
    error: UsageError | Unsupported | None = None
    for one in sides:
        try:
            value = evaluate(one, scope)
        except (UsageError, Unsupported) as caught:
            error = error or caught
            continue
        found.append(None if value is None else bool_of(value, where))
    if ends in found:
        return ends
    if None in found and not ends:  # as with Go, null is not true
        return False
    if error is not None:
        raise error
    if None in found:
        raise UsageError(f"{where}: a side of || is null")
    return not ends


def _call(node: Expression, scope: EvaluationScope, where: str) -> Value:
    name = str(node.parts[0].parts[0])
    given = node.parts[1].parts if len(node.parts) > 1 else ()
    if name in LAZY:
        return _lazy(name, [one for one in given if isinstance(one, Expression)], scope, where)
    own = None if name in FUNCTIONS or name in ABSENT else scope.functions.get(name)
    if own is None and name not in FUNCTIONS:
        return call(name, (), scope.budget, where)
    args = tuple(evaluate(one, scope) for one in given if isinstance(one, Expression))
    if given and given[-1] == "...":
        args = (*args[:-1], *list_of(args[-1], f"{where}: what ... stands behind"))
    if own is None:
        return call(name, args, scope.budget, where)
    if len(args) < len(own.params) or (len(args) > len(own.params) and not own.rest):
        raise UsageError(f"{where}: {name} takes {len(own.params)} arguments, and is given {len(args)}")
    if None in args:
        raise UsageError(f"{where}: an argument of {name} is null", hint='give it a text, such as ""')
    if scope.level >= _LEVELS:
        raise UsageError(f"{where}: {name} calls itself")
    names = dict(zip(own.params, args, strict=False))
    if own.rest:
        names[own.rest] = args[len(own.params) :]
    return evaluate(own.result, replace(scope, local=names, level=scope.level + 1))


def _object_of_each(node: Expression, scope: EvaluationScope, where: str) -> Value:
    """What `{ for }` makes; with `...` the values of one key are a list. Raises UsageError for a key of two."""
    is_grouped = "..." in node.parts
    found: dict[str, Value] = {}
    grouped: dict[str, list[Value]] = {}
    for one in _each(node, scope, where):
        key, value = text_of(evaluate(node.parts[1], one), where), evaluate(node.parts[2], one)
        if key in found:
            raise UsageError(f"{where}: for makes the key {key!r} twice", hint="... behind the value makes lists")
        if is_grouped:
            grouped.setdefault(key, []).append(value)
        else:
            found[key] = value
    return {key: tuple(values) for key, values in grouped.items()} if is_grouped else found


def _lazy(name: str, args: list[Expression], scope: EvaluationScope, where: str) -> Value:
    """`try`, `can` and `convert`, the second argument of which is a type. Raises UsageError."""
    if name == "convert":
        if len(args) != 2:
            raise UsageError(f"{where}: convert takes a value and a type")
        constraint, value = read_constraint(args[1], where), evaluate(args[0], scope)
        return value if constraint is None else converted(value, constraint, f"{where}: the value", scope.budget)
    if not args or (name == "can" and len(args) != 1):
        raise UsageError(f"{where}: {name} takes {'1 argument' if name == 'can' else 'arguments'}")
    for one in args:
        try:
            value = evaluate(one, scope)
        except UsageError:
            if scope.budget.left < 0:
                raise
            continue
        return True if name == "can" else value
    if name == "can":
        return False
    raise UsageError(f"{where}: try is given nothing that has a value")


def _each(node: Expression, scope: EvaluationScope, where: str) -> list[EvaluationScope]:
    """The scope of each turn of a `for`; those that its `if` leaves out are not among them."""
    intro = [part for part in node.parts[0].parts if isinstance(part, Expression)]
    names, over = [str(one.parts[0]) for one in intro[:-1]], evaluate(intro[-1], scope)
    match over:
        case tuple():
            pairs: list[tuple[Value, Value]] = [(counted(number), one) for number, one in enumerate(over)]
        case dict():
            pairs = sorted(over.items())
        case _:
            raise UsageError(f"{where}: for goes over a list or an object, and not over {kind_of(over)}")
    scope.budget.charge(_TURN * len(pairs))
    turns = [
        replace(scope, local={**scope.local, **dict(zip(names[::-1], pair[::-1], strict=False))}) for pair in pairs
    ]
    last = node.parts[-1]
    if isinstance(last, Expression) and last.kind == "for_cond":
        turns = [one for one in turns if bool_of(evaluate(last.parts[1], one), f"{where}: if")]
    return turns
