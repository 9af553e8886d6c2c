"""Which stages an image needs and what each is built upon, decided before anything is read.

A stage that nothing leads to is not looked at (K172). Spec: BuildKit's Dockerfile reference, "FROM".
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from ocitool.dockerfile.syntax.expand import expand
from ocitool.dockerfile.syntax.instructions import Copy, Dockerfile, Instruction, OnBuild, Run, Stage
from ocitool.dockerfile.syntax.lines import problem
from ocitool.dockerfile.syntax.parse import parse_trigger
from ocitool.dockerfile.variables import automatic, declared
from ocitool.errors import NotFound, UsageError
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")


class OriginKind(Enum):
    """Where files come from."""

    SCRATCH = "scratch"
    STAGE = "stage"
    CONTEXT = "context"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class StageBase:
    """What a stage stands on, or what --from names: a stage by number, a named context, an image for a platform."""

    origin: OriginKind
    name: str = ""
    stage: int = -1
    platform: Platform | None = None
    is_explicit: bool = False
    """The platform was written, not taken from the target."""


@dataclass(frozen=True, slots=True)
class ResolvedStage:
    """A stage that the target needs: its ground, and that of each COPY --from by the name it says.

    `left` are the instructions that the ONBUILD lines of the stage below leave to it.
    """

    stage: Stage
    ground: StageBase
    sources: Mapping[str, StageBase] = field(hash=False)
    left: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class StageRequest:
    """What is asked of a Dockerfile for one platform."""

    platform: Platform
    host: Platform
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict, hash=False)
    contexts: Mapping[str, str] = field(default_factory=dict, hash=False)

    def replaces(self, stage: Stage) -> bool:
        """Whether a named context stands in for the stage, none of whose lines is carried out then."""
        return bool(stage.base.name) and stage.base.name in self.contexts


def context_name(text: str) -> str:
    """The name that a context goes by: `docker.io/library/x:latest` and `x` are one. Raises UsageError."""
    return Reference.parse(text).familiar.removesuffix(":latest")


def global_scope(file: Dockerfile, wanted: StageRequest) -> dict[str, str]:
    """The values that FROM lines see. Raises UsageError."""
    values = automatic(wanted.platform, wanted.host, wanted.target)
    values |= {name: value for name, value in wanted.arguments.items() if name in values}
    for arg in file.arguments:
        at = _at(file, arg.line.number)
        for name, value in declared(arg, wanted.arguments, values, lambda word: at(word, values)):  # noqa: B023
            if value is not None:
                values[name] = value
    return values


def needed_stages(file: Dockerfile, wanted: StageRequest) -> tuple[ResolvedStage, ...]:
    """The stages that the target needs, each after those it needs, the target last.

    Raises UsageError with the line for a FROM or --from that leads nowhere, NotFound for an unknown target.
    """
    scope = global_scope(file, wanted)
    target = target_of(file, wanted.target)
    found: dict[int, ResolvedStage] = {}
    todo = [target.number]
    while todo:
        number = todo.pop()
        if number in found:
            continue
        needed = resolve_stage(file, file.stages[number], scope, wanted)
        found[number] = needed
        grounds = (needed.ground, *needed.sources.values())
        todo += [ground.stage for ground in grounds if ground.origin is OriginKind.STAGE]
    return tuple(found[number] for number in sorted(found))


def target_of(file: Dockerfile, name: str) -> Stage:
    """The stage of that name or number; the last one for an empty name. Raises NotFound."""
    if not name:
        return file.stages[-1]
    stage = find_stage(file, name)
    if stage is None:
        hint = f"it has {named(file.stages)}"
        raise NotFound(f"no stage {name!r} in {file.file}", name=name, where=file.file, hint=hint)
    return stage


def named(stages: Iterable[Stage]) -> str:
    """The stages for a message: their names, numbers where they have none."""
    return ", ".join(one.name if one.base.name else f"{one.number} (without a name)" for one in stages)


def find_stage(file: Dockerfile, name: str) -> Stage | None:
    """The last stage of that name, else that with the number; None if there is none."""
    return _named(file, name, len(file.stages)) or _numbered(file, name, len(file.stages))


def _named(file: Dockerfile, name: str, end: int) -> Stage | None:
    """The last stage of that name whose number is below `end`."""
    numbers = file.by_name.get(name.lower(), ()) if name else ()
    at = bisect_left(numbers, end)
    return file.stages[numbers[at - 1]] if at else None


def _numbered(file: Dockerfile, name: str, end: int) -> Stage | None:
    """The stage with that number, if it is below `end`."""
    number = int(name) if _NUMBER.fullmatch(name) else -1
    return file.stages[number] if 0 <= number < end else None


def runs(needed: Iterable[ResolvedStage]) -> Iterator[tuple[Stage, Run]]:
    """Every RUN that the image would need, with the stage it would happen in."""
    for one in needed:
        for instruction in (*one.left, *one.stage.body):
            if isinstance(instruction, Run):
                yield one.stage, instruction


def triggers(stage: Stage, file: Dockerfile) -> tuple[Instruction, ...]:
    """The instructions that a stage's ONBUILD lines leave to whatever is built upon it, on the lines of those."""
    found = []
    for one in stage.body:
        if isinstance(one, OnBuild):
            left = parse_trigger(one.text, f"{file.file}:{one.line.number}", file.escape)
            found.append(replace(left, line=replace(left.line, number=one.line.number, end=one.line.end)))
    return tuple(found)


def resolve_stage(file: Dockerfile, stage: Stage, scope: Mapping[str, str], wanted: StageRequest) -> ResolvedStage:
    """What one stage stands on and copies from, given what FROM lines see. Raises UsageError with the line."""
    if wanted.replaces(stage):
        return ResolvedStage(replace(stage, body=()), _replaced(file, stage, scope, wanted), {})
    at = _at(file, stage.base.line.number)
    image = at(stage.base.image, scope)
    if not image:
        raise problem(
            file.file,
            stage.base.line.number,
            f"FROM {stage.base.image} names no image: a variable is empty",
            "give it a default before the first FROM, or a value with --build-arg",
        )
    explicit = _explicit(file, stage, scope, wanted)
    below = _named(file, image, stage.number)
    if below is not None and image != below.base.name:
        raise problem(
            file.file,
            stage.base.line.number,
            f"FROM {image} is no stage: names of stages are kept in small letters",
            f"write FROM {below.base.name}",
        )
    ground = _staged(file, below, scope, wanted) if below is not None else _outside(image, wanted, explicit)
    sources: dict[str, StageBase] = {}
    inherited = triggers(file.stages[ground.stage], file) if ground.origin is OriginKind.STAGE else ()
    for one in (*inherited, *stage.body):
        if isinstance(one, Copy) and one.source_stage:
            sources[one.source_stage] = _copied(file, stage, one, scope, wanted)
    return ResolvedStage(stage, ground, sources, inherited)


def _explicit(file: Dockerfile, stage: Stage, scope: Mapping[str, str], wanted: StageRequest) -> Platform | None:
    """The platform that FROM says. Raises UsageError with the line."""
    if stage.base.platform is None:
        return None
    number = stage.base.line.number
    text = _at(file, number)(stage.base.platform, scope)
    if not text:
        raise problem(file.file, number, "--platform is empty", "give the variable a value")
    try:
        return Platform.parse(text, wanted.host)
    except UsageError as error:
        raise problem(file.file, number, error.what, error.hint) from None


def _replaced(file: Dockerfile, stage: Stage, scope: Mapping[str, str], wanted: StageRequest) -> StageBase:
    """The context that stands in for a stage, on the platform that its FROM says."""
    explicit = _explicit(file, stage, scope, wanted)
    return StageBase(OriginKind.CONTEXT, stage.base.name, -1, explicit or wanted.platform, explicit is not None)


def _staged(file: Dockerfile, stage: Stage, scope: Mapping[str, str], wanted: StageRequest) -> StageBase:
    """A stage, or what stands in for it."""
    if wanted.replaces(stage):
        return _replaced(file, stage, scope, wanted)
    return StageBase(OriginKind.STAGE, stage.name, stage.number)


def _outside(name: str, wanted: StageRequest, explicit: Platform | None = None) -> StageBase:
    """What a name leads to that no stage has."""
    platform, is_explicit = explicit or wanted.platform, explicit is not None
    if name == "scratch":
        return StageBase(OriginKind.SCRATCH, name, platform=platform, is_explicit=is_explicit)
    try:
        context = context_name(name)
    except UsageError:  # told where the image is asked for
        context = ""
    if context in wanted.contexts:
        return StageBase(OriginKind.CONTEXT, context, platform=platform, is_explicit=is_explicit)
    return StageBase(OriginKind.IMAGE, name, platform=platform, is_explicit=is_explicit)


def _copied(
    file: Dockerfile, stage: Stage, copy: Copy, scope: Mapping[str, str], wanted: StageRequest
) -> StageBase:
    """What --from names: the last stage of that name in the file, a stage by number, a context or an image."""
    name, number = copy.source_stage, copy.line.number
    if "$" in name:
        raise problem(
            file.file,
            number,
            f"--from={name} holds a variable",
            "name a stage with FROM … AS, and --from that stage",
        )
    found = find_stage(file, name)
    if found is None and not _NUMBER.fullmatch(name):
        return _outside(name, wanted)
    if found is None or found.number >= stage.number:
        hint = "a stage can only copy from those before it"
        if _named(file, name, stage.number) is not None:
            hint += f"; of those called {name} the last one counts, so give them names of their own"
        raise problem(file.file, number, f"--from={name} is no stage above this one", hint)
    return _staged(file, found, scope, wanted)


def _at(file: Dockerfile, number: int) -> Callable[[str, Mapping[str, str]], str]:
    """Expansion whose errors name the line."""

    def expanded(word: str, variables: Mapping[str, str]) -> str:
        try:
            return expand(word, variables, escape=file.escape).text
        except UsageError as error:
            raise problem(file.file, number, error.what, error.hint) from None

    return expanded
