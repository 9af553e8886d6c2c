"""RUN refused: every line that needs a process, each thing it does, and the way out that fits.

Decided from the text alone, before anything is read from a network or compiled.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ocitool.build.dockerfile.deeds import MAKES_A_USER, Deed, Kind, deeds
from ocitool.build.dockerfile.instructions import Copy, Run, Stage
from ocitool.build.dockerfile.origins import INSTEAD_OF_GIT, cloned_by
from ocitool.build.toml import key_text
from ocitool.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line that cannot be carried out: what it is, and each thing it does with what to write instead."""

    number: int
    words: str
    ways: tuple[tuple[str, str], ...]

    @property
    def messages(self) -> tuple[str, ...]:
        """One sentence for each thing, without the place."""
        first, *others = (f"{does}; {way}" for does, way in self.ways)
        return (f"{self.words}: {first}", *(f"it also {other}" for other in others))


def refusal(stage: Stage, run: Run, *, is_replaceable: bool = False) -> Refusal:
    """What a RUN does and what can be done instead.

    A stage that `is_replaceable` leaves nothing but files for others to copy, so that ocitool.toml can say where
    those come from.
    """
    words = " ".join(" ".join(run.words).split())
    shown = f"RUN {words}" if len(words) < 70 else f"RUN {words[:67]}…"
    done = deeds(run)
    if is_replaceable:
        way_of = _beside(stage)
    elif all(deed.builds for deed in done):
        way_of = _in_place(stage)
    else:
        way_of = _alone
    return Refusal(run.line.number, shown, tuple({deed.does: way_of(deed) for deed in done}.items()))


def _table(stage: Stage, toolchain: str) -> str:
    return f'[{key_text(("stage", stage.name))}] toolchain = "{toolchain}"'


def _alone(deed: Deed) -> str:
    return deed.instead


def _in_place(stage: Stage) -> Callable[[Deed], str]:
    """The ways out of a line that does nothing but build, in a stage that the image is built upon."""

    def way(deed: Deed) -> str:
        if deed.kind is Kind.GO:
            return f"{_table(stage, 'go')} in ocitool.toml compiles the program for every platform in its place"
        return deed.instead

    return way


def _beside(stage: Stage) -> Callable[[Deed], str]:
    """The ways out in a stage that only gives files to others: one table of ocitool.toml for all its lines."""
    kinds = {deed.kind for one in stage.body if isinstance(one, Run) for deed in deeds(one)}
    toolchain = "go" if Kind.GO in kinds else "command" if Kind.COMPILE in kinds else "prebuilt"
    table = _table(stage, toolchain)

    def way(deed: Deed) -> str:
        if deed is MAKES_A_USER or (deed.kind is Kind.PREPARE and toolchain == "prebuilt"):
            return deed.instead
        if deed.kind is Kind.GO:
            return f"{table} in ocitool.toml compiles the program for every platform in its place"
        if deed.kind is Kind.COMPILE and toolchain == "command":
            return f"{deed.instead}; or {table} in ocitool.toml runs a compiler of yours"
        if toolchain == "prebuilt":
            return f"{deed.instead}; or {table} in ocitool.toml takes the files from the context"
        return f"{table} leaves the line out; what others copy of its work has to stand in `files`"

    return way


def cloning(one: Copy) -> Refusal:
    """What ADD of a git repository does and what can be done instead."""
    return Refusal(one.line.number, f"ADD {cloned_by(one)}", (("clones a git repository", INSTEAD_OF_GIT),))


def refuse(
    file: str,
    found: Iterable[tuple[Stage, Run]],
    replaceable: Collection[int] = (),
    clones: Iterable[Copy] = (),
) -> None:
    """Raise Unsupported if there is any; its notes name every line, what it does and the way out.

    `replaceable` are the numbers of the stages that ocitool.toml could replace, `clones` are ADDs of git
    repositories.
    """
    refusals = [refusal(stage, run, is_replaceable=stage.number in replaceable) for stage, run in found]
    is_run, count = bool(refusals), len(refusals)
    refusals = sorted([*refusals, *map(cloning, clones)], key=lambda one: one.number)
    if not refusals:
        return
    ways = [way for one in refusals for _, way in one.ways]
    what = "RUN needs a process in the image, and nothing is run here"
    error = Unsupported(
        f"{file}:{refusals[0].number}: {what if is_run else 'ADD needs git, and nothing is cloned here'}"
        + (f" ({count} such lines)" if count > 1 else ""),
        ability="RUN" if is_run else "ADD of a git repository",
        hint=ways[0] if len(ways) == 1 else "each line above has its way out",
    )
    for one in refusals:
        for message in one.messages:
            error.add_note(f"{file}:{one.number}: {message}")
    raise error
