"""RUN refused: every line that needs a process, each thing it does, and the way out that fits.

Decided from the text alone, before anything is read from a network or compiled.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ocitool.dockerfile.run.advice import way_out
from ocitool.dockerfile.run.effects import MAKES_A_USER, Effect, EffectKind, acts
from ocitool.dockerfile.run.suggest import NOTHING, SuggestedTables, Table
from ocitool.dockerfile.sources import INSTEAD_OF_GIT, cloned_by
from ocitool.dockerfile.stages import ResolvedStage, Step
from ocitool.dockerfile.syntax.instructions import Run, Stage
from ocitool.errors import Unsupported
from ocitool.toolchains.options import NATIVE
from ocitool.values import dataclass, replace

_COMPILES: Final = "in ocitool.toml compiles the program for every platform in its place"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line that cannot be carried out: what it is, and each thing it does with what to write instead."""

    number: int
    where: str
    words: str
    ways: tuple[tuple[str, str], ...]

    @property
    def messages(self) -> tuple[str, ...]:
        """One sentence for each thing, without the place."""
        first, *others = (f"{does}; {way}" for does, way in self.ways)
        return (f"{self.words}: {first}", *(f"it also {other}" for other in others))


def refusal(one: ResolvedStage, step: Step, run: Run, tables: SuggestedTables = NOTHING) -> Refusal:
    """What a RUN does and what can be done instead; `tables` are those that ocitool.toml could have."""
    words = " ".join(" ".join(run.words).split())
    shown = f"RUN {words}" if len(words) < 70 else f"RUN {words[:67]}…"
    done = [replace(effect, instead=way_out(effect, commands, one, step)) for effect, commands in acts(run).items()]
    table = tables.served.get(one.stage.number)
    if table is not None:
        is_own = one.stage.number in tables.tables
        ways = {effect.does: _beside(effect, table, is_own=is_own) for effect in done}
    elif all(effect.builds for effect in done):
        ways = {effect.does: _in_place(effect, one.stage) for effect in done}
    else:
        ways = {effect.does: effect.instead for effect in done}
    return Refusal(run.line.number, step.where, shown, tuple(ways.items()))


def _in_place(effect: Effect, stage: Stage) -> str:
    """The way out for a line that does nothing but build, in a stage that the image is built upon."""
    return f"{Table(stage.name, 'go').brief} {_COMPILES}" if effect.kind is EffectKind.GO else effect.instead


def _beside(effect: Effect, table: Table, *, is_own: bool) -> str:
    """The way out in a stage that only gives files to others, itself or by a stage that has the table."""
    if effect.does == MAKES_A_USER.does:
        return effect.instead
    if is_own and table.toolchain in {"go", *NATIVE} and effect.kind is table.compiles:
        return f"{table.brief} {_COMPILES}"
    if is_own and effect.kind is EffectKind.COMPILE and table.toolchain == "command":
        return f"{effect.instead}; or {table.brief} in ocitool.toml runs a compiler of yours"
    if is_own and effect.kind in {EffectKind.COMPILE, EffectKind.MAKE} and table.toolchain == "prebuilt":
        return f"{effect.instead}; or {table.brief} in ocitool.toml takes the files from the context"
    return f"{table.brief} leaves the line out"


def cloning(step: Step) -> Refusal:
    """What ADD of a git repository does and what can be done instead."""
    one = step.instruction
    ways = (("clones a git repository", INSTEAD_OF_GIT),)
    return Refusal(one.line.number, step.where, f"ADD {cloned_by(one)}", ways)


def _hint(ways: Sequence[str], reason: Unsupported | None) -> str:
    """What to do: what makes RUN possible first, if there is that."""
    way = ways[0] if len(ways) == 1 else "each line above has its way out"
    return way if reason is None or not reason.hint else f"{reason.hint}; or without a process: {way}"


def refuse(
    found: Iterable[tuple[ResolvedStage, Step, Run]],
    tables: SuggestedTables = NOTHING,
    clones: Iterable[Step] = (),
    reason: Unsupported | None = None,
) -> None:
    """Raise Unsupported if there is any; its notes name every line, what it does and the way out.

    `tables` are those that ocitool.toml could have, `clones` are ADDs of git repositories. `reason` is why nothing
    can be run, where somebody tried; what mends that stands before the ways out of each line.
    """
    refusals = [refusal(one, step, run, tables) for one, step, run in found]
    is_run, count = bool(refusals), len(refusals)
    refusals = sorted([*refusals, *map(cloning, clones)], key=lambda one: one.number)
    if not refusals:
        return
    ways = [way for one in refusals for _, way in one.ways]
    what = "RUN needs a process in the image, and nothing is run here"
    if reason is not None:
        what = f"RUN cannot be carried out here: {reason.what}"
    error = Unsupported(
        f"{refusals[0].where}: {what if is_run else 'ADD needs git, and nothing is cloned here'}"
        + (f" ({count} such lines)" if count > 1 else ""),
        ability="RUN" if is_run else "ADD of a git repository",
        hint=_hint(ways, reason),
        spec=tables.text,
    )
    for one in refusals:
        for message in one.messages:
            error.add_note(f"{one.where}: {message}")
    for note in getattr(reason, "__notes__", ()):
        error.add_note(note)
    raise error
