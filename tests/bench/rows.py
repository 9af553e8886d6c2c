"""What a measurement is: a row of the tables in docs/reference/benchmarks.md, and what several rounds give."""

import os
import resource
import socket
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
class Spent:
    """What one call took: seconds, and seconds of processors, of its own processes and of the registries."""

    seconds: float
    own: float
    registries: float


class Best(dict[str, float]):
    """The least seconds of each way; `spent` is what those very calls took."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: dict[str, Spent] = {}

    def add(self, name: str, spent: Spent) -> None:
        """One more call."""
        if spent.seconds < self.get(name, spent.seconds + 1):
            self[name], self.spent[name] = spent.seconds, spent


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
    spent: Spent | None = None
    start: float = 0.0

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio <= self.goal

    @property
    def ratio(self) -> float:
        """What `goal` bounds."""
        if self.is_absolute or not self.others:
            return self.ours
        return self.ours / (self.others[self.against] if self.against else min(self.others.values()))

    def markdown(self) -> str:
        """One line of the table."""
        others = ", ".join(f"{name} {value:.3g}" for name, value in self.others.items()) or "–"
        met = "yes" if self.is_met else "**no**"
        return (
            f"| {self.work} | {self.ours:.3g} {self.unit} | {others} | {self.ratio:.2f} | ≤ {self.goal:g} | {met} |"
        )

    def profile(self) -> str:
        """Where the time of ours goes, as a line of the other table; empty where that was not measured."""
        one = self.spent
        if one is None:
            return ""
        busy = (one.own + one.registries) / one.seconds / (os.cpu_count() or 1)
        return (
            f"| {self.work} | {one.seconds:.3g} | {self.start:.3g} | {one.own:.3g} | {one.registries:.3g} |"
            f" {busy:.0%} |"
        )


PROFILE = (
    "| work | seconds | before the first request | processors, its own | processors, registries | busy |\n"
    "|--|--|--|--|--|--|"
)
HEADING = "| work | ocitool | others | ratio | goal | met |\n|--|--|--|--|--|--|"


def least(
    ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, before: Callable[[], object] = lambda: None
) -> Best:
    """The least seconds of each way over some rounds, the ways in turns; `before` each call, which is not counted."""
    best = Best()
    for _ in range(rounds):
        for name, act in ways.items():
            before()
            best.add(name, spent(act))
    return best


def spent(act: Callable[[], object]) -> Spent:
    """What one call takes."""
    own, registries, began = _own_s(), _registries_s(), time.perf_counter()
    act()
    return Spent(time.perf_counter() - began, _own_s() - own, _registries_s() - registries)


def _own_s() -> float:
    """Processor seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _registries_s() -> float:
    """Processor seconds of the registries that run."""
    ticks = 0
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = place.read_text()
        except OSError:  # it has ended meanwhile
            continue
        if "(docker-registry)" in words:
            user, system = words.rpartition(")")[2].split()[11:13]
            ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def until_asked(home: Path, *words: object, also: Mapping[str, str] | None = None) -> float:
    """The least seconds until ours asks a registry, whose name `HOST` stands for in its words, for anything."""
    best = float("inf")
    for _ in range(ROUNDS):
        with socket.create_server(("127.0.0.1", 0)) as server:
            host = f"127.0.0.1:{server.getsockname()[1]}"
            argv = [str(word).replace("HOST", host) for word in (OCITOOL, *words)]
            environment = process_environment(homes(home) | (also or {}))
            began = time.perf_counter()
            with subprocess.Popen(
                argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as one:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1)
                    best = min(best, time.perf_counter() - began)
                one.kill()
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
