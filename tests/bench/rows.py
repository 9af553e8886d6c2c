"""What a measurement is: a row of the table in docs/reference/benchmarks.md, and what several rounds give."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import homes, process_environment

ROUNDS = 5
OCITOOL = Path(sys.prefix) / "bin" / "ocitool"


@dataclass(frozen=True, slots=True)
class Row:
    """Ours for one piece of work, beside what others take for the same in the same run.

    What the goal bounds is our ratio to `against` among the others, or to the least of them; ours itself where
    `is_absolute` or nothing stands beside it.
    """

    work: str
    ours: float
    others: Mapping[str, float]
    goal: float
    against: str = ""
    unit: str = "s"
    is_absolute: bool = False

    @property
    def ratio(self) -> float:
        """What `goal` bounds."""
        if self.is_absolute or not self.others:
            return self.ours
        return self.ours / (self.others[self.against] if self.against else min(self.others.values()))

    def markdown(self) -> str:
        """One line of the table."""
        others = ", ".join(f"{name} {value:.3g}" for name, value in self.others.items()) or "–"
        met = "yes" if self.ratio <= self.goal else "**no**"
        return (
            f"| {self.work} | {self.ours:.3g} {self.unit} | {others} | {self.ratio:.2f} | ≤ {self.goal:g} | {met} |"
        )


HEADING = "| work | ocitool | others | ratio | goal | met |\n|--|--|--|--|--|--|"


def least(
    ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, before: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """The least seconds of each way over some rounds, the ways in turns; `before` each call, which is not counted."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, act in ways.items():
            before()
            began = time.perf_counter()
            act()
            taken = time.perf_counter() - began
            best[name] = min(taken, best.get(name, taken))
    return best


def without(best: Mapping[str, float], *names: str) -> dict[str, float]:
    """The others of a row."""
    return {name: value for name, value in best.items() if name not in names}


def call(home: Path, *words: object, also: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """What a program prints that is run in a home of its own; ends the measurement where it fails."""
    home.mkdir(parents=True, exist_ok=True)
    environment = process_environment(homes(home) | (also or {}))
    argv = [*map(str, words)]
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: {done.stderr[-800:]}")
    return done.stdout
