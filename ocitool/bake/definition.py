"""A definition: what bake files say together, with variables, matrices, groups and inheritance resolved."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ocitool.bake.constraints import (
    converted,
    from_environment,
    from_json,
    inferred,
    read_constraint,
)
from ocitool.bake.evaluate import EvaluationScope, OwnFunction, evaluate
from ocitool.bake.syntax import BLOCKS, BakeBody, Block, Expression
from ocitool.bake.target import (
    AttributeEntry,
    Override,
    Target,
    as_value,
    clean_path,
    finished,
    merged,
    overridden,
    printed,
    read_attribute,
)
from ocitool.bake.values import Budget, Value, bool_of, list_of, object_of, text_of
from ocitool.errors import NotFound, UsageError, closest
from ocitool.model.path_pattern import glob
from ocitool.values import dataclass, field

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
_NULL: Final = Expression("literal_value", ("null",))
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
        self._groups: dict[str, Block] = {}
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
                self._groups[block.name] = _group(block)
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
        try:
            self._values[name] = self._variable(name)
        finally:
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
        if mark not in self._values:
            self._values[mark] = self._attribute(mark, name, path[1])
        return {name: {path[1]: self._values[mark]}}

    def _attribute(self, mark: str, name: str, key: str) -> Value:
        """An attribute of a target as others see it; `mark` names it while it is evaluated. Raises UsageError."""
        if mark in self._open:
            raise UsageError(f"{mark} leads back to itself")
        if key == "name":
            return name
        made = self._made[name][-1]
        self._open.append(mark)
        try:
            value = self._evaluate(made.block.attributes.get(key, _NULL), made.block.where, made.local)
        finally:
            self._open.pop()
        if key == "inherits":
            return value
        read = read_attribute(key, value, made.block.where)
        found = as_value(key, {} if read is None else {key: read})
        if isinstance(found, dict) and isinstance(value, dict):
            return {word: found.get(word) for word in value}  # what is null was left out
        return found

    def _variable(self, name: str) -> Value:
        """A variable of the tool, an attribute of a file, or a `variable` block; the environment changes blocks."""
        if name in self._builtin:
            return self._builtin[name]
        block, attribute = self._variables.get(name), self._attributes.get(name)
        if block is None:
            if attribute is not None:
                return self._evaluate(attribute, name)
            near = closest(name, [*self._variables, *self._attributes])
            hint = f"did you mean {near}?" if near else f'variable "{name}" {{}} takes it from the environment'
            raise UsageError(f"there is no variable {name}", hint=hint)
        what = f"{block.where}: the variable {name}"
        kind = block.attributes.get("type") if attribute is None else None
        constraint = None if kind is None else read_constraint(kind, block.where)
        default = attribute or block.attributes.get("default")
        value = None if default is None else self._evaluate(default, block.where)
        if constraint is not None:
            value = converted(value, constraint, what, self._budget)
        given, from_it = self._environ.get(name), self._environ.get(f"{name}_JSON")
        if f"{name}_JSON" in self._variables:
            from_it = None
        if constraint is not None and from_it is not None:
            return from_json(from_it, constraint, f"{what}, given as {name}_JSON,", self._budget)
        given = from_it if given is None else given
        if given is None:
            return "" if default is None and constraint is None else value
        if constraint is None:
            return inferred(given, value, what)
        return from_environment(given, constraint, what, self._budget)

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
            values = [_axis(axes[key], f"{block.where}: matrix.{key}") for key in axes]
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
        self._renamed.setdefault(block.name, []).extend(names)

    def _of_matrix(self, name: str) -> tuple[str, ...]:
        """The targets that blocks of one label make, a group by the label; none if there is only itself."""
        made = tuple(dict.fromkeys(self._renamed.get(name, ())))
        return () if made == (name,) else made

    @property
    def names(self) -> tuple[str, ...]:
        """Groups and targets, in their order."""
        return tuple(dict.fromkeys((*self._groups, *filter(self._of_matrix, self._renamed), *self._made)))

    def _members(self, name: str) -> tuple[str, ...]:
        """The targets and groups that a group names, each once; a `group` block goes before what a matrix makes."""
        block = self._groups.get(name)
        if block is None:
            return self._of_matrix(name)
        what = f"{block.where}: targets"
        value = self._evaluate(block.attributes["targets"], block.where)
        return tuple(dict.fromkeys(text_of(one, what) for one in list_of(() if value is None else value, what)))

    def _reached(self, name: str, found: dict[str, tuple[str, ...]], groups: dict[str, None]) -> tuple[str, ...]:
        """The targets below a name, each once, and the groups on the way into `groups`.

        A group that leads back to itself, or to nothing, stands for a target of its name.
        """
        if name in found:
            return found[name]
        if name not in self._groups and not self._of_matrix(name):
            return (name,)
        found[name] = ()
        groups[name] = None
        below: dict[str, None] = {}
        for one in self._members(name):
            below.update(dict.fromkeys(self._reached(one, found, groups) or (one,)))
        found[name] = tuple(below)
        return found[name]

    def choose(self, names: Iterable[str], overrides: Sequence[Override]) -> ChosenTargets:
        """The targets under names or patterns, with what they inherit, what `--set` says, and what they link to.

        Raises NotFound for a name that is none, UsageError.
        """
        try:
            return self._choose(names, overrides)
        except RecursionError:
            raise UsageError("targets lead to others too deeply", hint="shorten the chain of inherits") from None

    def _choose(self, names: Iterable[str], overrides: Sequence[Override]) -> ChosenTargets:
        wanted: dict[str, None] = {}
        for name in names:
            wanted.update(dict.fromkeys(self._matching(name.replace(".", "_"), self.names)))
        for override in overrides:
            self._matching(override.pattern, tuple(self._made))
        targets: dict[str, Target] = {}
        groups: dict[str, None] = {}
        for name in wanted:
            for one in self._reached(name, {}, groups):
                targets[one] = self._resolved(one, overrides)
        members = {name: self._members(name) for name in groups}
        asked = list(wanted)
        if "default" in groups or (asked and asked[0] != "default"):
            asked = [
                name for name in asked if name != "default"
            ]  # there is a group of that name, if of these alone
        members["default"] = tuple(sorted({*members.get("default", ()), *asked}))
        linked = self._link(targets, overrides)
        return ChosenTargets(members, targets, linked, {name: self._description(name) for name in members})

    def _description(self, name: str) -> str:
        block = self._groups.get(name)
        if block is None or "description" not in block.attributes:
            return ""
        return text_of(self._evaluate(block.attributes["description"], block.where), f"{block.where}: description")

    def _matching(self, pattern: str, names: Sequence[str]) -> tuple[str, ...]:
        if not _is_pattern(pattern):
            if pattern not in names:
                near = closest(pattern, names)
                hint = f"did you mean {near}?" if near else f"there are {', '.join(names[:20])}" if names else ""
                raise NotFound(f"no target {pattern}", name=pattern, hint=hint)
            return (pattern,)
        found = tuple(name for name in names if _fits(name, pattern))
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
        meant = [one for one in overrides if _fits(name, one.pattern)]
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


def _axis(value: Value, what: str) -> tuple[Value, ...]:
    """What a matrix takes for one name: a list, or what an object has, by its keys. Raises UsageError."""
    return tuple(value[key] for key in sorted(value)) if isinstance(value, dict) else list_of(value, what)


def _bare(node: Expression) -> str:
    """A name or type that stands where an expression does; in JSON it is a text."""
    words = [_bare(part) if isinstance(part, Expression) else str(part) for part in node.parts]
    return f"{words[0]}({words[1]})" if node.kind == "function_call" and len(words) == 2 else "".join(words)


def _group(block: Block) -> Block:
    """A `group` block. Raises UsageError for one without targets, or with what a target alone has."""
    if wrong := next((key for key in ("name", "matrix") if key in block.attributes), ""):
        raise UsageError(f"{block.where}: a group has no {wrong}", hint="a target has; the group names its targets")
    if "targets" not in block.attributes:
        raise UsageError(f"{block.where}: a group has targets", hint='as in targets = ["app"]')
    return block


def _fits(name: str, pattern: str) -> bool:
    """Whether a name is like a pattern, by the rules of Go; nothing is like what is no pattern."""
    if not _is_pattern(pattern):
        return name == pattern
    try:
        return glob(pattern)(name)
    except UsageError:
        return False


def _is_pattern(text: str) -> bool:
    return bool(set(text) & set("*?[]"))


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
