"""The view of the checks: a stage graph, and each instruction with what it can see.

A FROM that leads nowhere and a word that cannot be expanded end a build; here they are kept as `problem`, and
everything else is looked at all the same.
"""

from collections.abc import Iterable, Iterator, Mapping

from ocitool.dockerfile.stages import OriginKind, StageGraph
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.instructions import Dockerfile, Instruction, Stage
from ocitool.dockerfile.syntax.lines import Line
from ocitool.dockerfile.trace import Trace, TracedStep
from ocitool.errors import OcitoolError, closest
from ocitool.rootfs.files import Files
from ocitool.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that an instruction asks for and that nothing sets; `near` is one of a similar name."""

    name: str
    near: str = ""


@dataclass(frozen=True, slots=True)
class LintStep:
    """One instruction where it takes effect.

    `knows_base` says whether nothing but the file can set a variable, which over an image that was not looked into
    nobody knows.
    """

    traced: TracedStep
    unset: tuple[Unset, ...]
    knows_base: bool

    @property
    def line(self) -> Line:
        """Where to point: the FROM for what an ONBUILD of its stage or image left."""
        return self.traced.step.line

    @property
    def instruction(self) -> Instruction:
        """The instruction."""
        return self.traced.instruction

    @property
    def texts(self) -> Mapping[str, str]:
        """Its words after expansion, without those that cannot be expanded."""
        return self.traced.texts


@dataclass(frozen=True, slots=True)
class LintContext:
    """A Dockerfile for one platform.

    `steps` are by the number of their stage; a stage that was not looked at has none there. `context` is None
    where the files of the build are not to be looked at. `tracked` are those of them that git has.
    """

    graph: StageGraph
    steps: Mapping[int, tuple[LintStep, ...]] = field(hash=False, repr=False)
    ignore: IgnoreRules
    context: Files | None = field(default=None, hash=False)
    tracked: frozenset[str] = field(default=frozenset(), repr=False)
    problem: OcitoolError | None = field(default=None, compare=False)

    @property
    def file(self) -> Dockerfile:
        """The Dockerfile."""
        return self.graph.file

    def stages(self) -> Iterator[tuple[Stage, tuple[LintStep, ...]]]:
        """The stages that were looked at, each with its steps."""
        return ((self.file.stages[number], steps) for number, steps in self.steps.items())

    def having(self, kind: type) -> frozenset[int]:
        """The stages that have such an instruction, themselves or in a stage that they are built upon."""
        found: set[int] = set()
        for stage in self.file.stages:  # a stage is built upon those above it
            is_upon = self.upon_any(stage, found)
            if is_upon or any(isinstance(step.instruction, kind) for step in self.steps.get(stage.number, ())):
                found.add(stage.number)
        return frozenset(found)

    def upon_any(self, stage: Stage, stages: Iterable[int]) -> bool:
        """Whether a stage is built upon one of these, a set."""
        one = self.graph.stages.get(stage.number)
        return one is not None and one.stage_base.origin is OriginKind.STAGE and one.stage_base.stage in stages


def look(
    graph: StageGraph,
    ignore: IgnoreRules,
    context: Files | None = None,
    *,
    needed_only: bool = False,
    tracked: frozenset[str] = frozenset(),
) -> LintContext:
    """The view of a file for one platform, of all stages or of those that the target needs."""
    problems = dict(graph.problems)
    steps: dict[int, tuple[LintStep, ...]] = {}
    trace = Trace(graph)
    for number, one in sorted(graph.stages.items()):
        if needed_only and number not in graph.reached:
            continue
        found = []
        for traced, scope in trace.follow(one):
            known = (*scope.variables, *scope.blank) if traced.missing else ()
            unset = tuple(Unset(name, near(name, known)) for name in traced.missing)
            found.append(LintStep(traced, unset, scope.knows_base))
            if traced.error is not None:
                problems.setdefault(number, traced.error)
        steps[number] = tuple(found)
    first = next((problems[number] for number in sorted(problems) if number in graph.reached), None)
    return LintContext(graph, steps, ignore, context, tracked, first)


def near(name: str, options: Iterable[str]) -> str:
    """The option that the name may be a slip of the pen for; empty if there is none."""
    return closest(name, options, 0.75)
