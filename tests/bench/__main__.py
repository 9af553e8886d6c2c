"""`make bench`: the tables of docs/reference/benchmarks.md, measured in one run and written there.

`python -m tests.bench NAME...` measures what some modules of this folder have, and writes nothing.
"""

import datetime as dt
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ocitool import __version__
from tests import peers
from tests.bench import growth, rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "benchmarks.md"
MODULES = (
    *("copying", "index", "starting", "push", "go_build", "round_trips"),
    *("check", "compiling", "running", "transport"),
)
COMPARED = ("crane", "regctl", "oras", "buildx", "buildkitd", "ko")
ABOUT = f"""# Benchmarks

Written by `make bench`, which measures all of it in one run and prints what stands here.

Seconds are those of whole processes on loopback, the least of {rows.ROUNDS} rounds in which the programs take turns;
they do not last, and the ratios do. A ratio is ours to the best of the others, or to the one that the row names.
What is not met is marked so.
Registries are docker-registry's, on the same machine; "20 ms away" is through a proxy that delays every byte.
"""
LEFT = """## Where the time goes

Of what is not met and counts seconds: the least call, the part of it before anything was asked of a registry (the
interpreter's start, imports, reading options), seconds of processors of its own processes and of the registries
meanwhile, and how much of all processors' time the two are together.
"""


def main(*wanted: str) -> None:
    """Measure and print as it goes; the page is written where everything was measured."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # programs of users find their modules compiled
    measured = {name: list(_rows(name)) for name in wanted or MODULES if name != "growth"}
    grown = list(_told(growth.HEADING, (one.markdown() for one in growth.growths()))) if _grows(wanted) else []
    if wanted:
        return
    every = [row for name in MODULES for row in measured[name]]
    table = "\n".join([rows.HEADING, *(row.markdown() for row in every)])
    left = "\n".join([rows.PROFILE, *filter(None, (row.profile() for row in every if not row.is_met))])
    growing = "\n".join([growth.HEADING, *grown])
    page = [ABOUT, _machine(), table, LEFT, left, "## Growth", _growth_told(), growing]
    PAGE.write_text("\n\n".join(part.strip() for part in page) + "\n")
    print(f"written: {PAGE}")


def _grows(wanted: tuple[str, ...]) -> bool:
    return not wanted or "growth" in wanted


def _told(heading: str, lines: Iterator[str]) -> Iterator[str]:
    print(heading, flush=True)
    for line in lines:
        print(line, flush=True)
        yield line


def _rows(name: str) -> Iterator[rows.Row]:
    """The rows of a module, printed as they come; the ones after a peer that is missing are left out."""
    print(rows.HEADING, flush=True)
    try:
        for row in import_module(f"tests.bench.{name}").rows():
            print("\n".join(filter(None, (row.markdown(), row.profile()))), flush=True)
            yield row
    except peers.Missing as missing:
        print(f"{name}: not measured, {missing}", flush=True)


def _growth_told() -> str:
    return (
        f"Processor time of whole commands, the least of {growth.ROUNDS}; the exponents are of the last doubling,\n"
        f"and up to {growth.EXPONENT} counts as linear. Memory is the most that a process held."
    )


def _machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    used = ", ".join(f"{name} {peers.GO_PEERS[name].version}" for name in COMPARED)
    skopeo = subprocess.run(["skopeo", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, ocitool {__version__} on Python {platform.python_version()},"
        f" {os.cpu_count()} processors ({model[1] if model else platform.machine()}); {used}, {skopeo}."
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
