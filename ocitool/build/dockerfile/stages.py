"""Which stages an image needs and what each is built upon, decided before anything is read.

A stage that nothing leads to is not looked at (K172). Spec: BuildKit's Dockerfile reference, "FROM".
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from ocitool.build.dockerfile.instructions import Copy, Dockerfile, Instruction, OnBuild, Run, Stage
from ocitool.build.dockerfile.lines import problem
from ocitool.build.dockerfile.parse import parse_trigger
from ocitool.build.dockerfile.shell import expand
from ocitool.build.dockerfile.variables import automatic, declared
from ocitool.errors import NotFound, UsageError
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference


class Origin(Enum):
    """Where files come from."""

    SCRATCH = "scratch"
    STAGE = "stage"
    CONTEXT = "context"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a stage stands on, or what --from names: a stage by number, a named context, an image for a platform."""

    origin: Origin
    name: str = ""
    stage: int = -1
    platform: Platform | None = None
    is_explicit: bool = False
    """The platform was written, not taken from the target."""


@dataclass(frozen=True, slots=True)
class Needed:
    """A stage that the target needs: its ground, and that of each COPY --from by the name it says.

    `left` are the instructions that the ONBUILD lines of the stage below leave to it.
    """

    stage: Stage
    ground: Ground
    sources: Mapping[str, Ground] = field(hash=False)
    left: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
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


def global_scope(file: Dockerfile, wanted: Wanted) -> dict[str, str]:
    """The values that FROM lines see. Raises UsageError."""
    values = automatic(wanted.platform, wanted.host, wanted.target)
    values |= {name: value for name, value in wanted.arguments.items() if name in values}
    for arg in file.arguments:
        at = _at(file, arg.line.number)
        for name, value in declared(arg, wanted.arguments, values, lambda word: at(word, values)):  # noqa: B023
            if value is not None:
                values[name] = value
    return values


def needed_stages(file: Dockerfile, wanted: Wanted) -> tuple[Needed, ...]:
    """The stages that the target needs, each after those it needs, the target last.

    Raises UsageError with the line for a FROM or --from that leads nowhere, NotFound for an unknown target.
    """
    scope = global_scope(file, wanted)
    target = target_of(file, wanted.target)
    found: dict[int, Needed] = {}
    todo = [target.number]
    while todo:
        number = todo.pop()
        if number in found:
            continue
        needed = lead(file, file.stages[number], scope, wanted)
        found[number] = needed
        grounds = (needed.ground, *needed.sources.values())
        todo += [ground.stage for ground in grounds if ground.origin is Origin.STAGE]
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
    is_one = name.isascii() and name.isdigit() and int(name[:6]) < end
    return file.stages[int(name[:6])] if is_one else None


def runs(needed: Iterable[Needed]) -> Iterator[tuple[Stage, Run]]:
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


def lead(file: Dockerfile, stage: Stage, scope: Mapping[str, str], wanted: Wanted) -> Needed:
    """What one stage stands on and copies from, given what FROM lines see. Raises UsageError with the line."""
    if wanted.replaces(stage):
        ground = Ground(Origin.CONTEXT, stage.base.name, platform=wanted.platform)
        return Needed(replace(stage, body=()), ground, {})
    at = _at(file, stage.base.line.number)
    image = at(stage.base.image, scope)
    if not image:
        raise problem(
            file.file,
            stage.base.line.number,
            f"FROM {stage.base.image} names no image: a variable is empty",
            "give it a default before the first FROM, or a value with --build-arg",
        )
    explicit = None
    if stage.base.platform is not None:
        text = at(stage.base.platform, scope)
        if not text:
            raise problem(file.file, stage.base.line.number, "--platform is empty", "give the variable a value")
        try:
            explicit = Platform.parse(text, wanted.host)
        except UsageError as error:
            raise problem(file.file, stage.base.line.number, error.what, error.hint) from None
    ground = _ground(image, _named(file, image, stage.number), wanted, explicit)
    sources: dict[str, Ground] = {}
    inherited = triggers(file.stages[ground.stage], file) if ground.origin is Origin.STAGE else ()
    for one in (*inherited, *stage.body):
        if isinstance(one, Copy) and one.source_stage:
            sources[one.source_stage] = _copied(file, stage, one, wanted)
    return Needed(stage, ground, sources, inherited)


def _ground(name: str, stage: Stage | None, wanted: Wanted, explicit: Platform | None = None) -> Ground:
    """What a name leads to: the stage, if there is one of that name."""
    platform = explicit or wanted.platform
    if stage is not None and not wanted.replaces(stage):
        return Ground(Origin.STAGE, name, stage.number)
    try:
        context = stage.base.name if stage is not None else context_name(name)
    except UsageError:  # told where the image is asked for
        context = ""
    if context in wanted.contexts:
        return Ground(Origin.CONTEXT, context, platform=platform, is_explicit=explicit is not None)
    if name == "scratch":
        return Ground(Origin.SCRATCH, name, platform=platform, is_explicit=explicit is not None)
    return Ground(Origin.IMAGE, name, platform=platform, is_explicit=explicit is not None)


def _copied(file: Dockerfile, stage: Stage, copy: Copy, wanted: Wanted) -> Ground:
    name, number = copy.source_stage, copy.line.number
    if "$" in name:
        raise problem(
            file.file,
            number,
            f"--from={name} holds a variable",
            "name a stage with FROM … AS, and --from that stage",
        )
    above = _named(file, name, stage.number) or _numbered(file, name, stage.number)
    ground = _ground(name, above, wanted)
    is_later = _named(file, name, len(file.stages)) is not None or (name.isascii() and name.isdigit())
    if ground.origin not in {Origin.STAGE, Origin.CONTEXT} and is_later:
        raise problem(
            file.file,
            number,
            f"--from={name} is no stage above this one",
            "a stage can only copy from those before it",
        )
    return ground


def _at(file: Dockerfile, number: int) -> Callable[[str, Mapping[str, str]], str]:
    """Expansion whose errors name the line."""

    def expanded(word: str, variables: Mapping[str, str]) -> str:
        try:
            return expand(word, variables, escape=file.escape).text
        except UsageError as error:
            raise problem(file.file, number, error.what, error.hint) from None

    return expanded
