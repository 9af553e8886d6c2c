"""RUN refused: every line that needs a process, each thing it does, and the way out that fits.

Decided from the text alone, before anything is read from a network or compiled.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from ocitool.build.dockerfile.deeds import MAKES_A_USER, Deed, deeds
from ocitool.build.dockerfile.instructions import Run, Stage
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
    table = f"[{key_text(('stage', stage.name))}]"
    if is_replaceable:
        has_go = any(deed.is_go for one in stage.body if isinstance(one, Run) for deed in deeds(one))
        ways = [(deed.does, _beside(deed, table, has_go=has_go)) for deed in done]
    elif all(deed.builds for deed in done) and any(deed.is_go for deed in done):
        ways = [(deed.does, _GO.format(table=table) if deed.is_go else deed.instead) for deed in done]
    else:
        ways = [(deed.does, deed.instead) for deed in done]
    return Refusal(run.line.number, shown, tuple(dict(ways).items()))


_GO: Final = '{table} toolchain = "go" in ocitool.toml compiles the program for every platform in place of the line'


def _beside(deed: Deed, table: str, *, has_go: bool) -> str:
    """The way out in a stage that only gives files to others."""
    if deed is MAKES_A_USER:
        return deed.instead
    if deed.is_go:
        return _GO.format(table=table)
    if has_go:
        return f'{table} toolchain = "go" leaves the line out; files of it that are copied later go into its files'
    if deed.compiles:
        return f'{deed.instead}; or {table} toolchain = "command" in ocitool.toml runs a compiler of yours'
    return f'{deed.instead}; or {table} toolchain = "prebuilt" in ocitool.toml takes the files from the context'


def refuse(file: str, found: Iterable[tuple[Stage, Run]], replaceable: Collection[int] = ()) -> None:
    """Raise Unsupported if there is any; its notes name every line, what it does and the way out.

    `replaceable` are the numbers of the stages that ocitool.toml could replace.
    """
    refusals = [refusal(stage, run, is_replaceable=stage.number in replaceable) for stage, run in found]
    if not refusals:
        return
    count = len(refusals)
    ways = [way for one in refusals for _, way in one.ways]
    error = Unsupported(
        f"{file}:{refusals[0].number}: RUN needs a process in the image, and nothing is run here"
        + (f" ({count} such lines)" if count > 1 else ""),
        ability="RUN",
        hint=ways[0] if len(ways) == 1 else "each line above has its way out",
    )
    for one in refusals:
        for message in one.messages:
            error.add_note(f"{file}:{one.number}: {message}")
    raise error
