"""The graph of a Dockerfile's stages for one platform: what each stands on and copies from, which ones are needed.

The triggers that a base image's ONBUILD leaves are part of it (K205). A stage that nothing leads to is not built
(K172). Spec: BuildKit's Dockerfile reference, "FROM", "ONBUILD".
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

from ocitool.dockerfile.places import context_name
from ocitool.dockerfile.syntax.expand import WorkBudget, expand
from ocitool.dockerfile.syntax.instructions import Copy, Dockerfile, Instruction, OnBuild, Run, Stage
from ocitool.dockerfile.syntax.lines import Line, placed, problem
from ocitool.dockerfile.syntax.parse import parse_trigger
from ocitool.dockerfile.variables import automatic, declared
from ocitool.errors import NotFound, UsageError
from ocitool.image.options import PATH
from ocitool.model.platform import Platform
from ocitool.values import dataclass, field, replace

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_MAX_STEPS: Final = 1_000_000
"""Instructions of all stages that are carried out: a guess at what nobody means, for ONBUILD multiplies them."""


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
class ImageStart:
    """What an image hands to a stage that is built upon it: its Env, its WorkingDir, and its ONBUILD triggers."""

    label: str
    env: tuple[str, ...] = ()
    workdir: str = "/"
    triggers: tuple[str, ...] = ()

    @classmethod
    def of(cls, label: str, settings: Mapping[str, Any]) -> "ImageStart":
        """That of an image's config."""

        def words(key: str) -> tuple[str, ...]:
            found = settings.get(key)
            return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()

        return cls(label, words("Env"), str(settings.get("WorkingDir") or "/"), words("OnBuild"))


_SCRATCH: Final = ImageStart("scratch", (PATH,))


Starts: TypeAlias = Callable[["StageBase", int], ImageStart | None]
"""What an image hands to the stage of that number; None where it is not looked into."""


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction of a stage where it takes effect, at a place among its steps.

    `line` is where to point: the FROM for a trigger, which an ONBUILD below left to the stage. `where` says the
    place for messages.
    """

    instruction: Instruction
    line: Line
    where: str
    at: int


@dataclass(frozen=True, slots=True)
class ResolvedStage:
    """A stage with what it stands on, and what each COPY --from takes from by the name it says.

    `mounted` has the same for each `RUN --mount=from=`. `steps` are the triggers of what is below it, then its own
    lines. `start` is None over a stage, and over an image that was not looked into.
    """

    stage: Stage
    stage_base: StageBase
    sources: Mapping[str, StageBase] = field(hash=False)
    steps: tuple[Step, ...] = ()
    start: ImageStart | None = None
    mounted: Mapping[str, StageBase] = field(default_factory=dict, hash=False)

    @property
    def is_open(self) -> bool:
        """Whether it stands on an image that was not looked into."""
        return self.start is None and self.stage_base.origin in {OriginKind.IMAGE, OriginKind.CONTEXT}

    @property
    def uses(self) -> tuple[int, ...]:
        """The stages that it stands on, copies from or mounts."""
        stage_bases = (self.stage_base, *self.sources.values(), *self.mounted.values())
        return tuple(stage_base.stage for stage_base in stage_bases if stage_base.origin is OriginKind.STAGE)


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


def global_scope(file: Dockerfile, wanted: StageRequest) -> dict[str, str]:
    """The values that FROM lines see. Raises UsageError."""
    values = automatic(wanted.platform, wanted.host, wanted.target)
    values |= {name: value for name, value in wanted.arguments.items() if name in values}
    budget = WorkBudget()
    for arg in file.arguments:
        at = _at(file, arg.line.number, budget)
        for name, value in declared(arg, wanted.arguments, values, lambda word: at(word, values)):  # noqa: B023
            if value is not None:
                values[name] = value
    return values


@dataclass(frozen=True, slots=True)
class StageGraph:
    """A Dockerfile for one platform: every stage with what it stands on, and which of them the target needs.

    `scope` is what FROM lines see. A stage that leads nowhere has a problem, and what is known of it in `stages`.
    """

    file: Dockerfile
    wanted: StageRequest
    scope: Mapping[str, str] = field(hash=False, repr=False)
    target: Stage
    stages: Mapping[int, ResolvedStage] = field(hash=False, repr=False)
    reached: frozenset[int]
    problems: Mapping[int, UsageError] = field(hash=False, repr=False)

    @classmethod
    def of(cls, file: Dockerfile, wanted: StageRequest, starts: Starts | None = None) -> "StageGraph":
        """The graph; the images that the target needs are looked into by `starts`, without it by nobody.

        Raises UsageError for an ARG before the first FROM that cannot be expanded, NotFound for an unknown target,
        and what `starts` raises.
        """
        scope, target = global_scope(file, wanted), target_of(file, wanted.target)
        resolver = _Resolver(file, wanted, scope, starts or (lambda _stage_base, _stage: None))
        reached: set[int] = set()
        todo = [target.number]
        while todo:
            number = todo.pop()
            if number not in reached:
                reached.add(number)
                todo += resolver.resolve(number, is_needed=True)
        for stage in file.stages:
            if stage.number not in reached:
                resolver.resolve(stage.number, is_needed=False)
        return cls(file, wanted, scope, target, resolver.stages, frozenset(reached), resolver.problems)

    @property
    def needed(self) -> tuple[ResolvedStage, ...]:
        """The stages that the target needs, each after those it needs, the target last."""
        return tuple(self.stages[number] for number in sorted(self.reached))

    @property
    def problem(self) -> UsageError | None:
        """Why the target cannot be built, if a stage that it needs leads nowhere."""
        return next((self.problems[number] for number in sorted(self.reached) if number in self.problems), None)

    def checked(self) -> "StageGraph":
        """The graph itself. Raises its problem."""
        if (problem := self.problem) is not None:
            raise problem
        return self

    def below(self, one: ResolvedStage) -> Iterator[ResolvedStage]:
        """The stage, what it is built upon, and so on down to one that stands on no other."""
        yield one
        while one.stage_base.origin is OriginKind.STAGE:
            one = self.stages[one.stage_base.stage]
            yield one


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


def runs(needed: Iterable[ResolvedStage]) -> Iterator[tuple[ResolvedStage, Step, Run]]:
    """Every RUN that the image would need, with the stage it would happen in."""
    for one in needed:
        for step in one.steps:
            if isinstance(step.instruction, Run):
                yield one, step, step.instruction


class _Resolver:
    """The stages of one file for one platform, resolved one by one."""

    def __init__(self, file: Dockerfile, wanted: StageRequest, scope: Mapping[str, str], starts: Starts) -> None:
        self._file = file
        self._wanted = wanted
        self._scope = scope
        self._starts = starts
        self._left: dict[int, tuple[Step, ...]] = {}
        self._count = 0
        self.stages: dict[int, ResolvedStage] = {}
        self.problems: dict[int, UsageError] = {}

    def resolve(self, number: int, *, is_needed: bool) -> tuple[int, ...]:
        """Resolve a stage, its problem kept; the stages that it uses.

        Triggers are those of a needed one alone: others are not built, and a stage may have any number upon it.
        """
        stage, steps = self._file.stages[number], list[Step]()
        stage_base, start = StageBase(OriginKind.IMAGE), None
        sources: dict[str, StageBase] = {}
        mounted: dict[str, StageBase] = {}
        is_replaced = self._wanted.replaces(stage)
        try:
            stage_base = self._replaced(stage) if is_replaced else self._stage_base(stage)
            if stage_base.origin is OriginKind.SCRATCH:
                start = _SCRATCH
            elif is_needed and stage_base.origin is not OriginKind.STAGE:
                start = self._start(stage_base, stage)
            if is_needed:
                steps += self._triggers(stage, stage_base, start)
        except UsageError as error:
            self.problems[number] = error
        file = self._file.file
        own = () if is_replaced else stage.body
        steps += (Step(one, one.line, f"{file}:{one.line.number}", at) for at, one in enumerate(own, len(steps)))
        self._count += len(steps)
        if self._count > _MAX_STEPS:
            what = f"with the lines that ONBUILD leaves there are more than {_MAX_STEPS} instructions"
            raise problem(file, stage.base.line.number, what)
        for step in steps:
            one = step.instruction
            found_in = mounted if isinstance(one, Run) else sources
            for name in _named_sources(one):
                if name not in found_in:
                    try:
                        found_in[name] = self._source(stage, name, step.where)
                    except UsageError as error:
                        self.problems.setdefault(number, error)
        found = self.stages[number] = ResolvedStage(stage, stage_base, sources, tuple(steps), start, mounted)
        return found.uses

    def _start(self, stage_base: StageBase, stage: Stage) -> ImageStart | None:
        with placed(f"{self._file.file}:{stage.base.line.number}"):
            return self._starts(stage_base, stage.number)

    def _triggers(self, stage: Stage, stage_base: StageBase, start: ImageStart | None) -> tuple[Step, ...]:
        """The instructions that ONBUILD lines below the stage leave to it."""
        file, line = self._file, stage.base.line
        if start is not None:
            place = f"{file.file}:{line.number} (ONBUILD of {start.label})"
            parsed = (parse_trigger(text, place, file.escape) for text in start.triggers)
            return tuple(Step(_moved(one, line), line, place, at) for at, one in enumerate(parsed))
        if stage_base.origin is not OriginKind.STAGE:
            return ()
        if stage_base.stage not in self._left:
            kept = (one for one in self._file.stages[stage_base.stage].body if isinstance(one, OnBuild))
            self._left[stage_base.stage] = tuple(
                Step(_moved(parse_trigger(one.text, place, file.escape), one.line), one.line, place, at)
                for at, one in enumerate(kept)
                for place in (f"{file.file}:{one.line.number}",)
            )
        return tuple(replace(step, line=line) for step in self._left[stage_base.stage])

    def _stage_base(self, stage: Stage) -> StageBase:
        """What FROM means. Raises UsageError with the line."""
        file, line = self._file, stage.base.line
        image = _at(file, line.number)(stage.base.image, self._scope)
        if not image:
            raise problem(
                file.file,
                line.number,
                f"FROM {stage.base.image} names no image: a variable is empty",
                "give it a default before the first FROM, or a value with --build-arg",
            )
        explicit = self._explicit(stage)
        below = _named(file, image, stage.number)
        if below is not None and image != below.base.name:
            raise problem(
                file.file,
                line.number,
                f"FROM {image} is no stage: names of stages are kept in small letters",
                f"write FROM {below.base.name}",
            )
        return self._staged(below) if below is not None else _outside(image, self._wanted, explicit)

    def _explicit(self, stage: Stage) -> Platform | None:
        """The platform that FROM says. Raises UsageError with the line."""
        if stage.base.platform is None:
            return None
        number = stage.base.line.number
        text = _at(self._file, number)(stage.base.platform, self._scope)
        if not text:
            raise problem(self._file.file, number, "--platform is empty", "give the variable a value")
        try:
            return Platform.parse(text, self._wanted.host)
        except UsageError as error:
            raise problem(self._file.file, number, error.what, error.hint) from None

    def _replaced(self, stage: Stage) -> StageBase:
        """The context that stands in for a stage, on the platform that its FROM says."""
        explicit = self._explicit(stage)
        platform = explicit or self._wanted.platform
        return StageBase(OriginKind.CONTEXT, stage.base.name, -1, platform, explicit is not None)

    def _staged(self, stage: Stage) -> StageBase:
        """A stage, or what stands in for it."""
        if self._wanted.replaces(stage):
            return self._replaced(stage)
        return StageBase(OriginKind.STAGE, stage.name, stage.number)

    def _source(self, stage: Stage, name: str, where: str) -> StageBase:
        """What --from names: the last stage of that name in the file, a stage by number, a context or an image."""
        if "$" in name:
            raise UsageError(
                f"{where}: --from={name} holds a variable",
                hint="name a stage with FROM … AS, and --from that stage",
            )
        found = find_stage(self._file, name)
        if found is None and not _NUMBER.fullmatch(name):
            return _outside(name, self._wanted)
        if found is None or found.number >= stage.number:
            hint = "a stage can only copy from those before it"
            if _named(self._file, name, stage.number) is not None:
                hint += f"; of those called {name} the last one counts, so give them names of their own"
            raise UsageError(f"{where}: --from={name} is no stage above this one", hint=hint)
        return self._staged(found)


def _named_sources(one: Instruction) -> Iterable[str]:
    """What an instruction says by name that it takes files from."""
    if isinstance(one, Run):
        return one.options.sources()
    return (one.source_stage,) if isinstance(one, Copy) and one.source_stage else ()


def _moved(one: Instruction, line: Line) -> Instruction:
    """A trigger as if it stood on the line that has it."""
    return replace(one, line=replace(one.line, number=line.number, end=line.end))


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


def _at(file: Dockerfile, number: int, budget: WorkBudget | None = None) -> Callable[[str, Mapping[str, str]], str]:
    """Expansion whose errors name the line."""
    budget = budget or WorkBudget()

    def expanded(word: str, variables: Mapping[str, str]) -> str:
        try:
            found = expand(word, variables, escape=file.escape)
            budget.spend(found.work)
        except UsageError as error:
            raise problem(file.file, number, error.what, error.hint) from None
        return found.text

    return expanded
