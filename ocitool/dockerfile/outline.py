"""A Dockerfile's offer to whoever builds it: its targets, and the arguments and secrets that a target takes.

The fields and tables are those of `docker buildx build --call=targets` and `--call=outline`.
Spec: BuildKit's `frontend/subrequests`, "targets" and "outline".
"""

import base64
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ocitool.dockerfile.run.run_lines import mounts, target_of_mount
from ocitool.dockerfile.stages import StageGraph, find_stage
from ocitool.dockerfile.syntax.expand import expand
from ocitool.dockerfile.syntax.instructions import Arg, Dockerfile, From, Instruction, Run
from ocitool.dockerfile.trace import Trace
from ocitool.dockerfile.variables import AUTOMATIC
from ocitool.values import dataclass

_GAP: Final = 3


@dataclass(frozen=True, slots=True)
class OutlineTarget:
    """A stage that `--target` can name; image and platform as they are written."""

    base: From
    description: str
    is_default: bool

    def to_tree(self) -> dict[str, Any]:
        """The target in buildx's fields."""
        said = {
            "name": self.base.name,
            "default": self.is_default,
            "description": self.description,
            "base": self.base.image,
            "platform": self.base.platform or "",
        }
        return {**{key: value for key, value in said.items() if value}, **_location(self.base)}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a build is given by name: a build argument, a secret or an SSH agent, and where it is said."""

    name: str
    at: Instruction
    value: str = ""
    description: str = ""
    is_required: bool = False

    def to_tree(self) -> dict[str, Any]:
        """The parameter in buildx's fields."""
        said = {
            "name": self.name,
            "description": self.description,
            "value": self.value,
            "required": self.is_required,
        }
        return {**{key: value for key, value in said.items() if value}, **_location(self.at)}


@dataclass(frozen=True, slots=True)
class Outline:
    """What a target is called and takes, each list in the order of the file."""

    name: str = ""
    description: str = ""
    args: tuple[Parameter, ...] = ()
    secrets: tuple[Parameter, ...] = ()
    ssh: tuple[Parameter, ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """The outline in buildx's fields."""
        lists = {"args": self.args, "secrets": self.secrets, "ssh": self.ssh}
        said = {"name": self.name, "description": self.description}
        return {
            **{key: value for key, value in said.items() if value},
            **{key: [one.to_tree() for one in found] for key, found in lists.items() if found},
        }

    @property
    def text(self) -> str:
        """The outline as buildx prints it."""
        head = [row for row in (("TARGET:", self.name), ("DESCRIPTION:", self.description)) if row[1]]
        blocks = [_table(head, gap=1)] if head else []
        if self.args:
            rows = [(one.name, one.value, one.description) for one in self.args]
            blocks.append(_table([("BUILD ARG", "VALUE", "DESCRIPTION"), *rows], gap=_GAP))
        for title, found in (("SECRET", self.secrets), ("SSH", self.ssh)):
            if found:
                rows_of = [(one.name, "true" if one.is_required else "") for one in found]
                blocks.append(_table([(title, "REQUIRED"), *rows_of], gap=_GAP))
        return "".join(f"{block}\n" for block in blocks)


def targets(file: Dockerfile) -> tuple[OutlineTarget, ...]:
    """Every stage, the last one as the default."""
    last = file.stages[-1].number
    return tuple(
        OutlineTarget(stage.base, _description(stage.base, stage.base.name), stage.number == last)
        for stage in file.stages
    )


def targets_tree(found: Iterable[OutlineTarget], data: bytes) -> dict[str, Any]:
    """The targets in buildx's fields, with the file itself."""
    return {"targets": [one.to_tree() for one in found], **sources(data)}


def targets_text(found: Iterable[OutlineTarget]) -> str:
    """The targets as buildx prints them."""
    rows = [
        (" ".join(filter(None, (one.base.name, "(default)" if one.is_default else ""))), one.description)
        for one in found
    ]
    return _table([("TARGET", "DESCRIPTION"), *rows], gap=1)


def sources(data: bytes) -> dict[str, list[str]]:
    """The file that locations are in."""
    return {"sources": [base64.b64encode(data).decode()]}


def outline(graph: StageGraph) -> Outline:
    """What the target takes, itself and by the stages it needs.

    Of two stages that say the same name the nearer one counts. Raises the graph's problem.
    """
    base = graph.checked().target.base
    reader = _Reader(graph)
    reader.read()
    said = (_in_order(one) for one in (reader.args, reader.secrets, reader.ssh))
    return Outline(base.name, _description(base, base.name), *said)


class _Reader:
    """The stages that a target needs, from the target on; what is found first stays."""

    def __init__(self, graph: StageGraph) -> None:
        self._graph = graph
        self._globals: dict[str, Parameter] = {}
        self.args: dict[str, Parameter] = {}
        self.secrets: dict[str, Parameter] = {}
        self.ssh: dict[str, Parameter] = {}
        values = dict(graph.scope)
        for arg in graph.file.arguments:
            found = ((name, values.get(name)) for name, _ in arg.items)
            self._declare(arg, found, self._globals, is_global=True)

    def read(self) -> None:
        """Read the target, then what it is built upon, copies from and mounts."""
        graph, found = self._graph, dict[int, dict[str, Parameter]]()
        todo = deque([graph.target.number])
        while todo:
            number = todo.popleft()
            if number in found:
                continue
            found[number] = {}
            one = graph.stages[number]
            todo += one.uses
            for step in one.steps:
                if isinstance(step.instruction, Run):
                    todo += self._mounts(step.instruction, number)
        trace = Trace(graph)
        for number in sorted(found):
            one, args = graph.stages[number], found[number]
            for word in (one.stage.base.image, one.stage.base.platform or ""):
                self._use(word, args)
            for traced, _ in trace.follow(one):
                if isinstance(traced.instruction, Arg):
                    self._declare(traced.instruction, traced.declared, args)
        for args in found.values():
            for name, parameter in args.items():
                self.args.setdefault(name, parameter)

    def _use(self, word: str, args: dict[str, Parameter]) -> None:
        """Note the global arguments that a word names, and those that their defaults name."""
        words = [word]
        while words:
            for name in expand(words.pop(), self._graph.scope, escape=self._graph.file.escape).names:
                one = self._globals.get(name)
                if one is not None and name not in args and isinstance(one.at, Arg):
                    args[name] = one
                    if name not in self._graph.wanted.arguments:
                        words.append(dict(one.at.items).get(name) or "")

    def _declare(
        self,
        arg: Arg,
        values: Iterable[tuple[str, str | None]],
        found: dict[str, Parameter],
        *,
        is_global: bool = False,
    ) -> None:
        """Note the values of an ARG line; a name without a value is the global argument's."""
        defaults = dict(arg.items)
        for name, value in values:
            is_given = name in self._graph.wanted.arguments or defaults.get(name) is not None
            if not is_global and name in self._globals and not is_given:
                self._use(f"${name}", found)
            elif name not in AUTOMATIC or is_given:
                found[name] = Parameter(name, arg, value or "", _description(arg, name))

    def _mounts(self, run: Run, number: int) -> Iterator[int]:
        """Note the secrets and agents of a RUN; the stages that it mounts."""
        for options in mounts(run):
            stage = find_stage(self._graph.file, options.get("from", ""))
            if stage is not None and stage.number < number:
                yield stage.number
            kind, target = options.get("type", ""), target_of_mount(options)
            name = options.get("id") or (target.rpartition("/")[2] if kind == "secret" else "default")
            if kind in {"secret", "ssh"}:
                is_required = options.get("required", "").lower() in {"true", "1"}
                found = self.secrets if kind == "secret" else self.ssh
                found.setdefault(name, Parameter(name, run, is_required=is_required))


def _in_order(found: Mapping[str, Parameter]) -> tuple[Parameter, ...]:
    return tuple(sorted(found.values(), key=lambda one: one.at.line.number))


def _description(one: Instruction, name: str) -> str:
    """What the comment right above says of a name that it begins with."""
    for comment in one.line.comments:
        word, _, rest = comment.partition(" ")
        if name and word == name:
            return rest
    return ""


def _location(one: Instruction) -> dict[str, Any]:
    lines = range(one.line.number, one.line.end + 1)
    return {"location": {"ranges": [{"start": {"line": number}, "end": {"line": number}} for number in lines]}}


def _table(rows: Sequence[tuple[str, ...]], *, gap: int) -> str:
    """Rows with all columns but the last padded to the longest cell."""
    widths = [max(len(row[n]) for row in rows) + gap for n in range(len(rows[0]) - 1)]
    lines: Iterator[str] = (
        "".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
    return "".join(f"{line}\n" for line in lines)
