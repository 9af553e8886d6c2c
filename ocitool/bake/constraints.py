"""Types of variables: what `type = list(string)` asks of a default, and how the environment gives such a value."""

import itertools
import json
from typing import Any, Final

from ocitool.bake.numbers import environment_number
from ocitool.bake.syntax import Expression, read_expression
from ocitool.bake.target import fields_of, go_bool
from ocitool.bake.values import (
    Budget,
    Value,
    alike,
    as_set,
    bool_of,
    kind_of,
    list_of,
    normal,
    number_of,
    object_of,
    text_of,
)
from ocitool.errors import Unsupported, UsageError
from ocitool.values import dataclass

_PRIMITIVE: Final = ("string", "bool", "number")
_OF_ONE: Final = ("list", "set", "map")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A type: its kind, the types in it, and for an object the names of what it has."""

    kind: str
    inner: tuple["Constraint", ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [f"{name}={one}" for name, one in zip(self.names, self.inner, strict=False)]
        return f"{self.kind}({', '.join(words or map(str, self.inner))})" if self.inner else self.kind


ANY: Final = Constraint("any")


def read_constraint(node: Expression, where: str) -> Constraint | None:
    """The type that an expression is, in JSON a text of one; None for null. Raises UsageError for what is none."""
    if node.kind == "string" and not node.line:
        text = "".join(part.parts[0] for part in node.parts if part.kind == "text")
        return read_constraint(read_expression(text, where), where)
    match node.kind, [part for part in node.parts if isinstance(part, Expression)]:
        case "literal_value", _ if node.parts[0] == "null":
            return None
        case "identifier", _ if node.parts[0] in {*_PRIMITIVE, "any"}:
            return Constraint(node.parts[0])
        case "function_call", [name, arguments] if len(arguments.parts) == 1:
            kind, inner = name.parts[0], arguments.parts[0]
            if kind in _OF_ONE:
                return Constraint(kind, (_inner(inner, where),))
            if kind == "tuple" and inner.kind == "tuple":
                return Constraint(kind, tuple(_inner(one, where) for one in inner.parts))
            if kind == "object" and inner.kind == "object":
                names = tuple(str(one.parts[0].parts[0].parts[0]) for one in inner.parts)
                return Constraint(kind, tuple(_inner(one.parts[1], where) for one in inner.parts), names)
    raise UsageError(
        f"{where}: no type of a variable",
        hint="there are string, number, bool, any, list(…), set(…), map(…), tuple([…]) and object({…})",
    )


def _inner(node: Expression, where: str) -> Constraint:
    return read_constraint(node, where) or ANY


def converted(value: Value, constraint: Constraint, what: str, budget: Budget) -> Value:
    """The value as one of that type; null is of every type. Raises UsageError."""
    budget.charge(1)
    match constraint.kind if value is not None else "any":
        case "string":
            return text_of(value, what)
        case "bool":
            return bool_of(value, what)
        case "number":
            return number_of(value, what)
        case "list" | "set":
            elements = alike(converted(one, constraint.inner[0], what, budget) for one in list_of(value, what))
            return elements if constraint.kind == "list" else as_set(elements, budget)
        case "map":
            tree = object_of(value, what)
            values = alike(converted(one, constraint.inner[0], what, budget) for one in tree.values())
            return dict(zip(tree, values, strict=True))
        case "tuple":
            parts = list_of(value, what)
            if len(parts) != len(constraint.inner):
                raise UsageError(f"{what} has {len(parts)} elements, and not {len(constraint.inner)}")
            return tuple(converted(*pair, what, budget) for pair in zip(parts, constraint.inner, strict=True))
        case "object":
            tree = object_of(value, what)
            if lacking := [name for name in constraint.names if name not in tree]:
                raise UsageError(f"{what} has no {lacking[0]!r}")
            pairs = zip(constraint.names, constraint.inner, strict=True)
            return {name: converted(tree[name], one, f"{what}.{name}", budget) for name, one in pairs}
    return value


def from_environment(text: str, constraint: Constraint, what: str, budget: Budget) -> Value:
    """A value of a type from the text of a variable; collections are comma-separated. Raises UsageError."""
    if constraint.kind in _PRIMITIVE:
        return _primitive(text, constraint.kind, what)
    if constraint.kind not in {*_OF_ONE, "tuple"} or not all(one.kind in _PRIMITIVE for one in constraint.inner):
        name = what.rpartition(" ")[2]
        raise Unsupported(
            f"{what} of type {constraint} is no text", ability="type", hint=f"{name}_JSON may give it as JSON"
        )
    fields = fields_of(text, what)
    if constraint.kind == "map":
        pairs = [field.split(":") for field in fields]
        if wrong := next((":".join(pair) for pair in pairs if len(pair) != 2), ""):
            raise UsageError(f"{what}: {wrong!r} is not KEY:VALUE")
        return {key: _primitive(value, constraint.inner[0].kind, what) for key, value in pairs}
    inner = constraint.inner if constraint.kind == "tuple" else constraint.inner * len(fields)
    if len(inner) != len(fields):
        raise UsageError(f"{what} has {len(fields)} elements, and not {len(inner)}")
    values = tuple(_primitive(field, one.kind, what) for field, one in zip(fields, inner, strict=True))
    return as_set(values, budget) if constraint.kind == "set" else values


def inferred(text: str, default: Value, what: str) -> Value:
    """A value from the text of a variable without a type: one as its default is. Raises UsageError."""
    match default:
        case tuple() | dict():
            raise UsageError(
                f"{what} is {kind_of(default)}, and the environment gives a text",
                hint="say its type, as in type = list(string)",
            )
        case None | str():
            return normal(text)
        case bool():
            return _primitive(text, "bool", what)
    return _primitive(text, "number", what)


def from_json(text: str, constraint: Constraint, what: str, budget: Budget) -> Value:
    """A value of a type from JSON. Raises UsageError."""
    try:
        tree = json.loads(text, parse_int=_Digits, parse_float=_Digits, parse_constant=_Digits)
        return converted(_of_json(tree, constraint, what), constraint, what, budget)
    except (ValueError, RecursionError):
        raise UsageError(f"{what} is not JSON") from None


class _Digits(str):
    """A number of JSON as it was written, which is what it is where a text is asked for."""

    __slots__ = ()


def _of_json(tree: Any, constraint: Constraint, what: str) -> Value:  # noqa: ANN401 - JSON
    inner = constraint.inner or (ANY,)
    match tree:
        case _Digits():
            return str(tree) if constraint.kind == "string" else number_of(str(tree), what)
        case str():
            return normal(tree)
        case list():
            kinds = itertools.chain(inner if constraint.kind == "tuple" else (), itertools.repeat(inner[0]))
            return tuple(_of_json(one, kind, what) for one, kind in zip(tree, kinds, strict=False))
        case dict():
            named = dict(zip(constraint.names, inner, strict=False))
            return {normal(key): _of_json(one, named.get(key, inner[0]), what) for key, one in tree.items()}
    return tree  # type: ignore[no-any-return]


def _primitive(text: str, kind: str, what: str) -> Value:
    if kind == "string":
        return normal(text)
    if kind == "bool":
        found = go_bool(text)
        if isinstance(found, str):
            raise UsageError(f"{what} is neither true nor false: {text!r}")
        return found
    number = environment_number(text)
    if number is None:
        raise UsageError(f"{what} is no number: {text!r}")
    return number
