"""A definition: what bake files say together, with variables, matrices, groups and inheritance resolved."""

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from ocitool.bake.evaluate import EvaluationScope, OwnFunction, evaluate
from ocitool.bake.syntax import BLOCKS, BakeBody, Block, Expression
from ocitool.bake.target import (
    AttributeEntry,
    Override,
    Target,
    clean_path,
    fields_of,
    finished,
    merged,
    overridden,
    printed,
    read_attribute,
)
from ocitool.bake.values import Budget, Value, bool_of, kind_of, list_of, number_of, object_of, text_of
from ocitool.errors import NotFound, Unsupported, UsageError, closest
from ocitool.values import dataclass, field

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
_COLLECTION: Final = re.compile(r"(list|set)\((string|bool|number|any)\)")
_TARGETS: Final = 1000
_CACHE_ONLY: Final = AttributeEntry("cacheonly")


@dataclass(frozen=True, slots=True)
class ChosenTargets:
    """What is to be built: targets by name, the groups that led to them, and which are only linked to."""

    groups: Mapping[str, tuple[str, ...]] = field(hash=False)
    targets: Mapping[str, Target] = field(hash=False)
    linked: frozenset[str] = frozenset()
    descriptions: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class _Made:
    """A target block for one combination of its matrix."""

    block: Block
    local: Mapping[str, Value] = field(hash=False)


class Definition:
    """What files say together. Values are found when they are asked for, and remembered."""

    def __init__(self, files: Sequence[BakeBody], environ: Mapping[str, str], builtin: Mapping[str, str]) -> None:
        """Raises UsageError for blocks that none may have, and Unsupported; `builtin` are variables of the tool."""
        self._environ, self._builtin = environ, builtin
        self._attributes: dict[str, Expression] = {}
        self._variables: dict[str, Block] = {}
        self._functions: dict[str, OwnFunction] = {}
        self._groups: dict[str, list[Block]] = {}
        self._blocks: list[Block] = []
        self._values: dict[str, Value] = {}
        self._open: list[str] = []
        self._budget = Budget()
        for body in files:
            self._attributes.update(body.attributes)
            for block in body.blocks:
                self._add(block)
        self._made: dict[str, list[_Made]] = {}
        self._renamed: dict[str, list[str]] = {}
        for name, block in self._variables.items():
            self._validate(name, block)
        for block in self._blocks:
            self._expand(block)

    def _add(self, block: Block) -> None:
        if block.kind not in BLOCKS:
            near = closest(block.kind, BLOCKS)
            raise UsageError(
                f"{block.where}: no block of a bake file: {block.kind!r}",
                hint=f"did you mean {near}?" if near else "",
            )
        if not block.name or (block.kind != "variable" and not _NAME.fullmatch(block.name)):
            raise UsageError(
                f"{block.where}: {block.name!r} is no name of a {block.kind}", hint="letters, digits, _ and -"
            )
        match block.kind:
            case "variable":
                self._variables[block.name] = block
            case "function":
                self._functions[block.name] = _function(block)
            case "group":
                self._groups.setdefault(block.name, []).append(block)
            case _:
                self._blocks.append(block)

    def _scope(self, where: str, local: Mapping[str, Value] | None = None) -> EvaluationScope:
        return EvaluationScope(where.partition(":")[0], self._look_up, self._functions, self._budget, local or {})

    def _evaluate(self, node: Expression, where: str, local: Mapping[str, Value] | None = None) -> Value:
        try:
            return evaluate(node, self._scope(where, local))
        except RecursionError:
            raise UsageError(f"{where}: values stand within each other too deeply") from None

    def _look_up(self, name: str, path: tuple[str, ...]) -> Value:
        """A variable, or of targets and groups no more than what is asked for. Raises UsageError."""
        if name in {"target", "group"} and path:
            return self._of_block(name, path)
        if name in self._values:
            return self._values[name]
        if name in self._open:
            raise UsageError(f"the variable {name} leads back to itself: {' → '.join([*self._open, name])}")
        self._open.append(name)
        self._values[name] = self._variable(name)
        self._open.pop()
        return self._values[name]

    def _of_block(self, kind: str, path: tuple[str, ...]) -> Value:
        name = path[0]
        if kind == "group":
            return {name: {"targets": self._members(name)}}
        if len(path) < 2 or name not in self._made:
            raise UsageError(
                f"target.{'.'.join(path)} is nothing that could be looked up", hint="as in target.app.tags"
            )
        mark = f"target.{name}.{path[1]}"
        if mark in self._open:
            raise UsageError(f"{mark} leads back to itself")
        self._open.append(mark)
        found: Value = None
        for made in self._made[name]:
            if path[1] in made.block.attributes:
                found = self._evaluate(made.block.attributes[path[1]], made.block.where, made.local)
        self._open.pop()
        return {name: {path[1]: found}}

    def _variable(self, name: str) -> Value:
        if name in self._builtin:
            return self._builtin[name]
        if name in self._attributes:
            return self._evaluate(self._attributes[name], name)
        block = self._variables.get(name)
        if block is None:
            near = closest(name, [*self._variables, *self._attributes])
            hint = f"did you mean {near}?" if near else f'variable "{name}" {{}} takes it from the environment'
            raise UsageError(f"there is no variable {name}", hint=hint)
        given, default = self._environ.get(name), block.attributes.get("default")
        kind = block.attributes.get("type")
        value = None if default is None else self._evaluate(default, block.where)
        if given is None and f"{name}_JSON" in self._environ and f"{name}_JSON" not in self._variables:
            return self._from_json(block, self._environ[f"{name}_JSON"])
        if given is None:
            return value if default is not None or kind is not None else ""
        return _given(given, kind, value, f"{block.where}: the variable {name}")

    def _from_json(self, block: Block, text: str) -> Value:
        try:
            return _of_json(json.loads(text))
        except (ValueError, RecursionError):
            raise UsageError(f"{block.where}: {block.name}_JSON of the environment is not JSON") from None

    def _validate(self, name: str, block: Block) -> None:
        for rule in block.blocks:
            if rule.kind != "validation" or "condition" not in rule.attributes:
                raise UsageError(f"{rule.where}: a variable has no {rule.kind!r}")
            if not bool_of(
                self._evaluate(rule.attributes["condition"], rule.where), f"{rule.where}: the condition"
            ):
                message = rule.attributes.get("error_message")
                said = self._evaluate(message, rule.where) if message else f"the variable {name} is not valid"
                raise UsageError(f"{rule.where}: {text_of(said, 'the message')}")

    def _expand(self, block: Block) -> None:
        """A target for each combination of a matrix."""
        matrix, named = block.attributes.get("matrix"), block.attributes.get("name")
        if named is not None and matrix is None:
            raise UsageError(
                f"{block.where}: a target has a name where it has a matrix", hint="it has one: its label"
            )
        turns: list[dict[str, Value]] = [{}]
        if matrix is not None:
            axes = object_of(self._evaluate(matrix, block.where), f"{block.where}: matrix")
            values = [list_of(axes[key], f"{block.where}: matrix.{key}") for key in axes]
            self._budget.charge(sum(map(len, values)))
            count = 1
            for one in values:
                count *= len(one)
            if count > _TARGETS:
                raise UsageError(
                    f"{block.where}: a matrix of {count} targets", hint=f"at most {_TARGETS} are built"
                )
            turns = [dict(zip(axes, one, strict=True)) for one in itertools.product(*values)]
        names = []
        for local in turns:
            name = block.name
            if named is not None:
                name = text_of(self._evaluate(named, block.where, local), f"{block.where}: name")
            if not _NAME.fullmatch(name):
                raise UsageError(f"{block.where}: {name!r} is no name of a target", hint="sanitize() makes it one")
            if name in names:
                raise UsageError(
                    f"{block.where}: two targets are called {name}", hint="let name hold ${…} of the matrix"
                )
            names.append(name)
            self._made.setdefault(name, []).append(_Made(block, local))
        if names != [block.name]:
            self._renamed.setdefault(block.name, []).extend(names)

    @property
    def names(self) -> tuple[str, ...]:
        """Groups and targets, in their order."""
        return tuple(dict.fromkeys((*self._groups, *self._renamed, *self._made)))

    def _members(self, name: str) -> tuple[str, ...]:
        """The targets and groups that a group names, each once."""
        found: list[str] = []
        for block in self._groups.get(name, ()):
            node = block.attributes.get("targets")
            if node is not None:
                what = f"{block.where}: targets"
                found += [text_of(one, what) for one in list_of(self._evaluate(node, block.where), what)]
        return tuple(dict.fromkeys([*found, *self._renamed.get(name, ())]))

    def _is_group(self, name: str) -> bool:
        return name in self._groups or name in self._renamed

    def _reached(self, name: str, seen: dict[str, None], groups: dict[str, None]) -> None:
        """The targets below a name into `seen`, the groups on the way into `groups`."""
        if not self._is_group(name):
            seen[name] = None
        elif name not in groups:
            groups[name] = None
            for one in self._members(name):
                self._reached(one, seen, groups)

    def choose(self, names: Iterable[str], overrides: Sequence[Override]) -> ChosenTargets:
        """The targets under names or patterns, with what they inherit, what `--set` says, and what they link to.

        Raises NotFound for a name that is none, UsageError.
        """
        wanted: dict[str, None] = {}
        for name in names:
            wanted.update(dict.fromkeys(self._matching(name.replace(".", "_"), self.names)))
        for override in overrides:
            self._matching(override.pattern, tuple(self._made))
        targets: dict[str, Target] = {}
        groups: dict[str, None] = {}
        for name in wanted:
            reached: dict[str, None] = {}
            self._reached(name, reached, groups)
            for one in reached:
                targets[one] = self._resolved(one, overrides)
        members = {name: self._members(name) for name in groups}
        others = [name for name in wanted if not (name == "default" and "default" in groups)]
        members["default"] = tuple(sorted({*members.get("default", ()), *others}))
        linked = self._link(targets, overrides)
        return ChosenTargets(members, targets, linked, {name: self._description(name) for name in members})

    def _description(self, name: str) -> str:
        for block in self._groups.get(name, ()):
            if "description" in block.attributes:
                return text_of(
                    self._evaluate(block.attributes["description"], block.where), f"{block.where}: description"
                )
        return ""

    def _matching(self, pattern: str, names: Sequence[str]) -> tuple[str, ...]:
        if not set(pattern) & set("*?["):
            if pattern not in names:
                near = closest(pattern, names)
                hint = f"did you mean {near}?" if near else f"there are {', '.join(names[:20])}" if names else ""
                raise NotFound(f"no target {pattern}", name=pattern, hint=hint)
            return (pattern,)
        found = tuple(name for name in names if fnmatchcase(name, pattern))
        if not found:
            raise NotFound(f"no target matches {pattern}", name=pattern)
        return found

    def _link(self, targets: dict[str, Target], overrides: Sequence[Override]) -> frozenset[str]:
        """Adds targets that others name as `target:NAME` contexts, and says which are built for that alone."""
        linked: set[str] = set()
        followed: set[str] = set()

        def follow(name: str, path: tuple[str, ...]) -> None:
            if name in followed:
                return
            for place in targets[name].get("contexts", {}).values():
                other = place.removeprefix("target:")
                if other == place:
                    continue
                if other in (*path, name):
                    raise UsageError(f"targets lead back to themselves: {' → '.join((*path, name, other))}")
                if other not in targets:
                    targets[other] = {**self._resolved(other, overrides)}
                    targets[other]["output"] = (_CACHE_ONLY,)
                    linked.add(other)
                follow(other, (*path, name))
            followed.add(name)

        for name in tuple(targets):
            follow(name, ())
        for name in linked:
            targets[name] = finished(targets[name])
        return frozenset(linked)

    def _resolved(self, name: str, overrides: Sequence[Override]) -> Target:
        found = dict(self._target(name, {}, overrides))
        found["context"] = clean_path(found.get("context", "."))
        found["dockerfile"] = found.get("dockerfile") or "Dockerfile"
        return finished(found)

    def _target(self, name: str, seen: dict[str, Target], overrides: Sequence[Override]) -> Target:
        if name in seen:
            return seen[name]
        seen[name] = {}
        if name not in self._made:
            self._matching(name, tuple(self._made))
        own: Target = {}
        parents: list[str] = []
        for made in self._made[name]:
            attributes, where = made.block.attributes, made.block.where
            if made.block.blocks:
                inner = made.block.blocks[0]
                raise UsageError(
                    f"{inner.where}: a target has no block {inner.kind!r}", hint=f"write {inner.kind} = …"
                )
            for key, node in attributes.items():
                value = None if key in {"name", "matrix"} else self._evaluate(node, where, made.local)
                if key == "inherits":
                    what = f"{where}: inherits"
                    parents += [text_of(one, what) for one in list_of(value, what)] if value is not None else []
                elif key not in {"name", "matrix"}:
                    read = read_attribute(key, value, where)
                    own = own if read is None else merged(own, {key: read})
        found: Target = {}
        for parent in parents:
            found = merged(found, self._target(parent, seen, overrides))
        found = merged(found, own)
        meant = [one for one in overrides if name in self._matching(one.pattern, tuple(self._made))]
        seen[name] = finished(overridden(found, meant))
        return seen[name]


def _function(block: Block) -> OwnFunction:
    """A `function` block. Raises UsageError."""
    params, result = block.attributes.get("params"), block.attributes.get("result")
    names = params.parts if params is not None and params.kind == "tuple" else None
    if names is None or result is None or not all(one.kind in {"identifier", "string"} for one in names):
        raise UsageError(f"{block.where}: a function has params = [names] and a result")
    rest = block.attributes.get("variadic_params")
    return OwnFunction(tuple(map(_bare, names)), _bare(rest) if rest is not None else "", result)


def _bare(node: Expression) -> str:
    """A name or type that stands where an expression does; in JSON it is a text."""
    words = [_bare(part) if isinstance(part, Expression) else str(part) for part in node.parts]
    return f"{words[0]}({words[1]})" if node.kind == "function_call" and len(words) == 2 else "".join(words)


def _given(text: str, kind: Expression | None, default: Value, what: str) -> Value:
    """A value of the environment, as the type of the variable or of its default asks for."""
    name = "" if kind is None else _bare(kind)
    collection = _COLLECTION.fullmatch(name)
    if collection is not None:
        inner = Expression("identifier", (collection[2],))
        return tuple(_given(one, inner, None, what) for one in fields_of(text))
    if name not in {"", "any", "string", "bool", "number"}:
        raise Unsupported(f"{what} of type {name} is not read from the environment", ability=name)
    by_default = {bool: "bool", Decimal: "number"}.get(type(default), "string")
    if not name and isinstance(default, (tuple, dict)):
        raise UsageError(
            f"{what} is {kind_of(default)}, and the environment gives a text",
            hint="say its type, as in type = list(string)",
        )
    match name or by_default:
        case "bool":
            return bool_of({"1": True, "t": True, "0": False, "f": False}.get(text.lower(), text.lower()), what)
        case "number":
            return number_of(text, what)
    return text


def _of_json(tree: Any) -> Value:  # noqa: ANN401 - JSON
    match tree:
        case bool() | str() | None:
            return tree
        case int() | float():
            return number_of(repr(tree), "a number")
        case list():
            return tuple(map(_of_json, tree))
    return {key: _of_json(one) for key, one in tree.items()}


def tree_of(chosen: ChosenTargets, environ: Mapping[str, str]) -> dict[str, Any]:
    """What is chosen as `bake --print` shows it."""
    epoch = environ.get("SOURCE_DATE_EPOCH")
    targets = {}
    for name, target in sorted(chosen.targets.items()):
        shown = dict(target)
        if epoch and "SOURCE_DATE_EPOCH" not in target.get("args", {}):
            shown["args"] = {**target.get("args", {}), "SOURCE_DATE_EPOCH": epoch}
        targets[name] = printed(finished(shown))
    groups = {}
    for name, members in sorted(chosen.groups.items()):
        said = chosen.descriptions.get(name)
        groups[name] = {**({"description": said} if said else {}), "targets": list(members)}
    return {"group": groups, "target": targets}
