"""The one trace over a stage: what ARG, ENV and WORKDIR make each line see, and its words as they read there.

Evaluation, checks, outline, downloads and overrides all follow lines by it. Where the image that a stage stands on
is not looked into, what it might set is left open. Spec: BuildKit's Dockerfile reference, "ARG", "ENV", "WORKDIR".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from ocitool.dockerfile.stages import ImageStart, OriginKind, ResolvedStage, StageGraph, Step
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.expand import Expanded, WorkBudget, expand, expand_words
from ocitool.dockerfile.syntax.instructions import Instruction
from ocitool.dockerfile.syntax.lines import heredoc_name, placed
from ocitool.dockerfile.variables import declared
from ocitool.errors import UsageError
from ocitool.image.options import PATH, EnvList, ports_of, signal_of, workdir_of
from ocitool.values import dataclass, field

T = TypeVar("T")

GOPATH: Final = "/go"
"""Where the images of Go keep what `go install` makes."""
_EACH: Final = 16
"""What a variable counts that is handed on to another stage, in characters."""
_PORT: Final = 256
"""What a port counts: there is room for all, of every protocol."""


def is_of_go(image: str) -> bool:
    """Whether a reference is that of the official image of Go, by its name."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0] == "golang"


class VariableScope:
    """What the next line of a stage sees.

    `variables` are those with a value, `blank` the ARGs without one, `args` all ARGs in their order. `knows_base`
    says whether nothing but the Dockerfile can have set a variable; where it is not so, the value of one that
    depends on others is `open`. `asked` are variables that words asked the base for, be it that it sets none.
    """

    def __init__(self, env: EnvList, workdir: str, graph: StageGraph, *, knows_base: bool = True) -> None:
        self.env = env
        self.workdir = workdir
        self.escape = graph.file.escape
        self.variables: dict[str, str] = env.pairs.copy()
        self.blank: set[str] = set()
        self.args: dict[str, None] = {}
        self.open: set[str] = set() if knows_base else set(self.variables)
        self.knows_base = knows_base
        self.asked: set[str] = set()
        self._own: set[str] = set()
        self._own_env: set[str] = set()
        self._graph = graph
        self._budget = WorkBudget()

    @classmethod
    def of(cls, graph: StageGraph, one: ResolvedStage) -> "VariableScope":
        """That of the first line of a stage which stands on no other.

        Of an image that was not looked into, those of Go are known by their name.
        """
        name, start = one.stage_base.name, one.start
        if start is None:
            start = ImageStart(name, (PATH, f"GOPATH={GOPATH}"), GOPATH) if is_of_go(name) else ImageStart(name)
        env = EnvList(start.env)
        if "PATH" not in env.pairs:
            env.set("PATH", PATH.partition("=")[2])
        return cls(env, start.workdir, graph, knows_base=one.start is not None)

    def fork(self) -> "VariableScope":
        """The start of a stage that is built upon this one; ENV goes before ARG once more."""
        self.spend(_EACH * (len(self.env.items) + len(self.variables)))
        scope = VariableScope(self.env.copy(), self.workdir, self._graph, knows_base=self.knows_base)
        scope._budget = self._budget
        scope.variables = {**self.variables, **self.env.pairs}
        scope.blank, scope.open, scope.args = set(self.blank), set(self.open), self.args.copy()
        scope.asked, scope._own_env = set(self.asked), set(self._own_env)
        scope._own = set(self._own_env)  # an ARG from below gives way to what the base sets
        return scope

    def expand(self, word: str, *, is_body: bool = False) -> Expanded:
        """The word with its variables; the body of a heredoc has rules of its own. Raises UsageError."""
        found = expand(word, self.variables, escape="\\" if is_body else self.escape, keeps_quotes=is_body)
        self.spend(found.work)
        self.asked.update(name for name in found.names if name not in self._own)
        return found

    def split(self, word: str) -> tuple[str, ...]:
        """The words of EXPOSE that a word holds with its variables. Raises UsageError."""
        self.spend(self.expand(word).work)
        return expand_words(word, self.variables, escape=self.escape)

    def ports(self, word: str) -> tuple[str, ...]:
        """The ports that a word of EXPOSE means. Raises UsageError."""
        self.spend(_PORT)
        found = ports_of((word,))
        self.spend(_PORT * len(found))
        return found

    def spend(self, work: int) -> None:
        """Count work that lines cause, in characters. Raises UsageError when it is too much."""
        self._budget.spend(work)

    def text(self, word: str) -> str:
        """The same as text."""
        return self.expand(word).text

    def attempt(self, word: str) -> str:
        """The same; the word as it is written where that cannot be."""
        try:
            return self.text(word)
        except UsageError:
            return word

    def is_certain(self, names: Iterable[str]) -> bool:
        """Whether the values of all these variables are known, be it that there are none."""
        return all(
            name not in self.open and (self.knows_base or name in self.variables) for name in names
        )  # an ARG without a value hides nothing that the base sets

    def declare(self, arg: instructions.Arg, text: Callable[[str], str]) -> Iterator[tuple[str, str | None]]:
        """The names and values of an ARG line, each seen by those after it."""
        for name, value in declared(arg, self._graph.wanted.arguments, self._graph.scope, text):
            self.args.setdefault(name)
            if value is None:
                self.blank.add(name)
            else:
                self.variables[name] = value
                self.open.discard(name)
                self._own.add(name)
            yield name, value

    def set(self, name: str, value: str) -> None:
        """A variable of ENV."""
        self.env.set(name, value)
        self.variables[name] = value
        self.open.discard(name)
        self._own.add(name)
        self._own_env.add(name)

    def enter(self, path: str) -> None:
        """Another working directory, joined to the one before."""
        self.workdir = workdir_of(self.workdir, path)


@dataclass(frozen=True, slots=True)
class TracedStep:
    """An instruction and its words as they read where it stands, without those that cannot be expanded.

    `missing` are variables that nothing sets, `uncertain` the words that hang on what is not known. `declared` are
    the names and values of ARG, `ports` those of EXPOSE. `error` is the first one of its words.
    """

    step: Step
    texts: Mapping[str, str] = field(hash=False)
    missing: tuple[str, ...] = ()
    uncertain: frozenset[str] = frozenset()
    declared: tuple[tuple[str, str | None], ...] = ()
    ports: tuple[str, ...] = ()
    error: UsageError | None = None

    @property
    def instruction(self) -> Instruction:
        """The instruction."""
        return self.step.instruction

    def text(self, word: str) -> str:
        """The word expanded, as it is written where that cannot be."""
        return self.texts.get(word, word)

    def certain(self, word: str) -> str | None:
        """The word expanded if that is certain; else None."""
        return None if word in self.uncertain else self.texts.get(word)


class Trace:
    """The lines of one graph's stages; a stage is followed once for those that are built upon it."""

    def __init__(self, graph: StageGraph) -> None:
        self._graph = graph
        self._ends: dict[int, VariableScope] = {}

    def follow(self, one: ResolvedStage) -> Iterator[tuple[TracedStep, VariableScope]]:
        """Each line of a stage with what it sees, which is the line's own until the next is asked for.

        What ARG declares is in it already, what ENV and WORKDIR change is not.
        """
        scope = self._start(one)
        for step in one.steps:
            traced = _traced(step, scope)
            yield traced, scope
            _apply(traced, scope)
        self._ends[one.stage.number] = scope

    def end(self, one: ResolvedStage) -> VariableScope:
        """What a line after the last one would see."""
        if one.stage.number not in self._ends:
            for _ in self.follow(one):
                pass
        return self._ends[one.stage.number]

    def _start(self, one: ResolvedStage) -> VariableScope:
        waiting = [one]
        for below in self._graph.below(one):
            if below is not one:
                waiting.append(below)
            if below.stage.number in self._ends:
                break
        for below in reversed(waiting[1:]):  # from the lowest, so that no row of stages is too long for the stack
            self.end(below)
        if one.stage_base.origin is OriginKind.STAGE and one.stage_base.stage in self._ends:
            with placed(f"{self._graph.file.file}:{one.stage.base.line.number}"):
                return self._ends[one.stage_base.stage].fork()
        return VariableScope.of(self._graph, one)


class _Words:
    """The words of one instruction as it is looked at."""

    def __init__(self, step: Step, scope: VariableScope) -> None:
        self._where = step.where
        self._scope = scope
        self.texts: dict[str, str] = {}
        self.missing: dict[str, None] = {}
        self.uncertain: set[str] = set()
        self.error: UsageError | None = None

    def text(self, word: str, *, is_body: bool = False) -> str:
        """The word with its variables; empty if that cannot be."""
        scope = self._scope
        expanded = self.hold(lambda one: scope.expand(one, is_body=is_body), word)
        if expanded is None:
            self.uncertain.add(word)
            return ""
        unset = [name for name in expanded.names if name not in scope.variables and name not in scope.blank]
        self.missing |= dict.fromkeys(unset)
        if not scope.is_certain(expanded.names):
            self.uncertain.add(word)
        self.texts[word] = expanded.text
        return expanded.text

    def hold(self, make: Callable[[str], T], word: str) -> T | None:
        """What is made of a word; None if that is an error, which is kept."""
        try:
            return make(word)
        except UsageError as error:
            self.error = self.error or UsageError(f"{self._where}: {error.what}", hint=error.hint)
            return None


def _traced(step: Step, scope: VariableScope) -> TracedStep:
    words, one = _Words(step, scope), step.instruction
    ports: list[str] = []
    found: list[tuple[str, str | None]] = []
    match one:
        case instructions.Arg():
            defaults = dict(one.items)
            for name, value in scope.declare(one, words.text):
                found.append((name, value))
                if value is not None and defaults[name] in words.uncertain:
                    scope.open.add(name)
        case instructions.Expose():  # in which a variable that is not set is no mistake
            for word in one.ports:
                ports += words.hold(scope.split, word) or ()
            for port in ports:
                words.hold(scope.ports, port)
        case instructions.StopSignal():
            words.hold(signal_of, words.text(one.text))
        case _:
            for word in _expanded(one):
                words.text(word)
            for heredoc in one.heredocs if isinstance(one, instructions.Copy) else ():
                if heredoc.is_expanded:
                    words.text(heredoc.content, is_body=True)
    return TracedStep(
        step,
        words.texts,
        tuple(words.missing),
        frozenset(words.uncertain),
        tuple(found),
        tuple(ports),
        words.error,
    )


def _apply(traced: TracedStep, scope: VariableScope) -> None:
    """What a line changes for those after it."""
    one = traced.instruction
    if isinstance(one, instructions.Env):
        for key, value in one.pairs:
            name = traced.texts.get(key, "")
            scope.set(name, traced.texts.get(value, ""))
            if key in traced.uncertain:  # it may be any
                scope.open |= scope.variables.keys()
            elif value in traced.uncertain:
                scope.open.add(name)
    elif isinstance(one, instructions.Workdir):
        scope.enter(traced.text(one.path))


def _expanded(instruction: Instruction) -> Sequence[str]:
    """The words in which variables are expanded and must be set."""
    match instruction:
        case instructions.Copy():
            files = (word for word in instruction.sources if heredoc_name(word) is None)
            return (instruction.chown, instruction.chmod, instruction.checksum, *files, instruction.destination)
        case instructions.Label() | instructions.Env():
            return [word for pair in instruction.pairs for word in pair]
        case instructions.User():
            return (instruction.text,)
        case instructions.Workdir():
            return (instruction.path,)
        case instructions.Volume():
            return instruction.paths
    return ()
