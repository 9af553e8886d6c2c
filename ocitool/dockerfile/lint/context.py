"""The view of the checks: a parsed Dockerfile for one platform, and each instruction with what it can see.

A FROM that leads nowhere and a word that cannot be expanded end a build; here they are kept as `problem`, and
everything else is looked at all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, TypeVar

from ocitool.dockerfile.stages import (
    OriginKind,
    ResolvedStage,
    StageBase,
    StageRequest,
    global_scope,
    resolve_stage,
    target_of,
    triggers,
)
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.expand import expand, expand_words
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.instructions import Dockerfile, Instruction, Stage
from ocitool.dockerfile.syntax.lines import Line, heredoc_name, problem
from ocitool.dockerfile.variables import declared
from ocitool.errors import OcitoolError, UsageError
from ocitool.image.options import PATH, ports_of, signal_of
from ocitool.rootfs.files import Files

T = TypeVar("T")

_ALWAYS: Final = dict([PATH.split("=", 1)])
"""What is set over scratch, and over an image that does not set it."""


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that an instruction asks for and that nothing sets; `near` is one of a similar name."""

    name: str
    near: str = ""


@dataclass(frozen=True, slots=True)
class LintStep:
    """One instruction where it takes effect.

    `line` is where to point: the FROM for what an ONBUILD of its stage left. `texts` are its words after
    expansion, without those that cannot be expanded; `ports` those of EXPOSE. `knows_base` says whether nothing
    but the file can set a variable, which over an image nobody knows without reading it.
    """

    line: Line
    instruction: Instruction
    texts: Mapping[str, str] = field(hash=False)
    ports: tuple[str, ...]
    unset: tuple[Unset, ...]
    knows_base: bool


@dataclass(frozen=True, slots=True)
class LintContext:
    """A Dockerfile for one platform.

    `steps` are by the number of their stage; a stage that was not looked at has none there. `context` is None
    where the files of the build are not to be looked at.
    """

    file: Dockerfile
    wanted: StageRequest
    scope: Mapping[str, str] = field(hash=False, repr=False)
    grounds: Mapping[int, StageBase] = field(hash=False, repr=False)
    needed: frozenset[int]
    steps: Mapping[int, tuple[LintStep, ...]] = field(hash=False, repr=False)
    ignore: IgnoreRules
    context: Files | None = field(default=None, hash=False)
    problem: OcitoolError | None = field(default=None, hash=False, compare=False)

    def stages(self) -> Iterator[tuple[Stage, tuple[LintStep, ...]]]:
        """The stages that were looked at, each with its steps."""
        return ((self.file.stages[number], steps) for number, steps in self.steps.items())

    def having(self, kind: type) -> frozenset[int]:
        """The stages that have such an instruction, themselves or in a stage that they are built upon."""
        found: set[int] = set()
        for stage in self.file.stages:  # a stage is built upon those above it
            ground = self.grounds.get(stage.number)
            is_upon = ground is not None and ground.origin is OriginKind.STAGE and ground.stage in found
            if is_upon or any(isinstance(step.instruction, kind) for step in self.steps.get(stage.number, ())):
                found.add(stage.number)
        return frozenset(found)

    def upon_any(self, stage: Stage, stages: frozenset[int]) -> bool:
        """Whether a stage is built upon one of these."""
        ground = self.grounds.get(stage.number)
        return ground is not None and ground.origin is OriginKind.STAGE and ground.stage in stages


def look(
    file: Dockerfile,
    wanted: StageRequest,
    ignore: IgnoreRules,
    context: Files | None = None,
    *,
    needed_only: bool = False,
) -> LintContext:
    """The scene of a file for one platform, of all stages or of those that the target needs.

    Raises NotFound for an unknown target, UsageError for an ARG before the first FROM that cannot be expanded.
    """
    scope = global_scope(file, wanted)
    target = target_of(file, wanted.target)
    leads: dict[int, ResolvedStage] = {}
    problems: dict[int, OcitoolError] = {}
    for stage in file.stages:
        try:
            leads[stage.number] = resolve_stage(file, stage, scope, wanted)
        except UsageError as error:
            problems[stage.number] = error
    needed = _reached(leads, target.number)
    walk = _Walk(file, wanted, scope, leads)
    for stage in file.stages:
        if not needed_only or stage.number in needed:
            said = walk.stage(stage, triggered=stage.number in needed)
            if said is not None:
                problems.setdefault(stage.number, said)
    first = next((problems[number] for number in sorted(problems) if number in needed), None)
    grounds = {number: one.ground for number, one in leads.items()}
    return LintContext(file, wanted, scope, grounds, frozenset(needed), walk.steps, ignore, context, first)


def _reached(leads: Mapping[int, ResolvedStage], target: int) -> set[int]:
    found: set[int] = set()
    todo = [target]
    while todo:
        number = todo.pop()
        if number in found:
            continue
        found.add(number)
        if number in leads:
            grounds = (leads[number].ground, *leads[number].sources.values())
            todo += [ground.stage for ground in grounds if ground.origin is OriginKind.STAGE]
    return found


class _Seen:
    """What the next line of a stage can see: variables, ARGs that have no value, and what the base may add."""

    def __init__(self, variables: Mapping[str, str], named: Iterable[str], *, knows_base: bool) -> None:
        self.variables = dict(variables)
        self.named = set(named)
        self.knows_base = knows_base

    def fork(self) -> "_Seen":
        """The start of a stage that is built upon this one."""
        return _Seen(self.variables, self.named, knows_base=self.knows_base)


class _Walk:
    """The stages in their order; what the steps see grows from line to line."""

    def __init__(
        self, file: Dockerfile, wanted: StageRequest, scope: Mapping[str, str], leads: Mapping[int, ResolvedStage]
    ) -> None:
        self._file = file
        self._wanted = wanted
        self._scope = scope
        self._leads = leads
        self._ends: dict[int, _Seen] = {}
        self.steps: dict[int, tuple[LintStep, ...]] = {}

    def stage(self, stage: Stage, *, triggered: bool) -> UsageError | None:
        """Take the steps of a stage; gives the first error among its words."""
        ground = self._leads[stage.number].ground if stage.number in self._leads else None
        seen = _Seen(_ALWAYS, (), knows_base=False)
        left: Sequence[Instruction] = ()
        if ground is not None and ground.origin is OriginKind.SCRATCH:
            seen = _Seen(_ALWAYS, (), knows_base=True)
        elif ground is not None and ground.origin is OriginKind.STAGE:
            seen = self._ends[ground.stage].fork() if ground.stage in self._ends else seen
            left = triggers(self._file.stages[ground.stage], self._file) if triggered else ()
        places = [*((stage.base.line, one) for one in left), *((one.line, one) for one in stage.body)]
        taken = [self._step(line, one, seen) for line, one in places]
        self.steps[stage.number] = tuple(step for step, _ in taken)
        self._ends[stage.number] = seen
        return next((error for _, error in taken if error is not None), None)

    def _step(self, line: Line, instruction: Instruction, seen: _Seen) -> tuple[LintStep, UsageError | None]:
        words = _Words(self._file, line, seen)
        ports: tuple[str, ...] = ()
        match instruction:
            case instructions.Env():
                seen.variables |= {words.text(key): words.text(value) for key, value in instruction.pairs}
            case instructions.Arg():
                for name, value in declared(instruction, self._wanted.arguments, self._scope, words.text):
                    if value is None:
                        seen.named.add(name)
                    else:
                        seen.variables[name] = value
            case instructions.Expose():
                ports = words.split(instruction.ports)
                words.hold(ports_of, ports)
            case instructions.StopSignal():
                words.hold(signal_of, words.text(instruction.text))
            case _:
                for word in _expanded(instruction):
                    words.text(word)
                for heredoc in instruction.line.heredocs if isinstance(instruction, instructions.Copy) else ():
                    if heredoc.is_expanded:
                        words.text(heredoc.content, is_body=True)
        unset = tuple(words.unset.values())
        return LintStep(line, instruction, words.texts, ports, unset, seen.knows_base), words.error


class _Words:
    """The words of one instruction, expanded; what they miss, and the first that cannot be expanded."""

    def __init__(self, file: Dockerfile, line: Line, seen: _Seen) -> None:
        self._file = file
        self._line = line
        self._seen = seen
        self.texts: dict[str, str] = {}
        self.unset: dict[str, Unset] = {}
        self.error: UsageError | None = None

    def text(self, word: str, *, is_body: bool = False) -> str:
        """The word with its variables; empty if that cannot be. The body of a heredoc has rules of its own."""
        escape = "\\" if is_body else self._file.escape
        try:
            expanded = expand(word, self._seen.variables, escape=escape, keeps_quotes=is_body)
        except UsageError as error:
            self.error = self.error or problem(self._file.file, self._line.number, error.what, error.hint)
            return ""
        known = self._seen.variables
        for name in expanded.names:
            if name not in known and name not in self._seen.named:
                self.unset[name] = Unset(name, near(name, (*known, *self._seen.named)))
        self.texts[word] = expanded.text
        return expanded.text

    def hold(self, check: Callable[[T], object], value: T) -> None:
        """Keep the error that a value ends the build with, if it does."""
        try:
            check(value)
        except UsageError as error:
            self.error = self.error or problem(self._file.file, self._line.number, error.what, error.hint)

    def split(self, words: Iterable[str]) -> tuple[str, ...]:
        """The words of EXPOSE, in which a variable that is not set is no mistake."""
        found: list[str] = []
        for word in words:
            self.hold(lambda one: found.extend(self._words(one)), word)
        return tuple(found)

    def _words(self, word: str) -> tuple[str, ...]:
        return expand_words(word, self._seen.variables, escape=self._file.escape)


def near(name: str, options: Iterable[str]) -> str:
    """The option that the name may be a slip of the pen for; empty if there is none."""
    return next(iter(get_close_matches(name, options, 1, 0.75)), "")


def _expanded(instruction: Instruction) -> Sequence[str]:
    """The words in which variables are expanded and must be set."""
    match instruction:
        case instructions.Copy():
            files = (word for word in instruction.sources if heredoc_name(word) is None)
            return (instruction.chown, instruction.chmod, instruction.checksum, *files, instruction.destination)
        case instructions.Label():
            return [word for pair in instruction.pairs for word in pair]
        case instructions.User():
            return (instruction.text,)
        case instructions.Workdir():
            return (instruction.path,)
        case instructions.Volume():
            return instruction.paths
    return ()
