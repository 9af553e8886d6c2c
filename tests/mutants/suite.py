"""Copies of the tree to be wrong in, the tests that pass a line, and one mutant put to them.

The checkout is read once and never written. A recording run of the whole fast suite in a copy tells, for each line,
which tests pass it (coverage's contexts), how long each takes, and which fail anyway and so prove nothing.
"""

import ast
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from tests.mutants.edits import Mutant

# No program of the network and nothing slow: a mutant is put to the tests of what it is in.
FAST = "not slow and not long and not registry and not interop and not bench"
FOLDERS = ("tests/unit", "tests/property", "tests/cli", "tests/fault", "tests/contract")
# More tests than these find nothing that the first ones do not; a mutant they leave alive counts as survived.
MOST_TESTS = 800
MEMORY = 6 << 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome` is killed, survived or unreached (no test passes the line); `by` the test that failed, or why."""

    outcome: str
    by: str = ""


def copy_tree(checkout: Path, into: Path) -> None:
    """What git tracks or would track in the checkout, as it stands, in a fresh folder."""
    shutil.rmtree(into, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = checkout / name, into / name
        if not os.path.lexists(source):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    # Some tests ask git what is tracked.
    subprocess.run(["git", "init", "-q", into], check=True)


class Suite:
    """What a recording run knows: the tests of each line, their seconds, and those that passed."""

    def __init__(self, folder: Path):
        self._lines = CoverageData(str(folder / "tree" / ".coverage"))
        self._lines.read()
        self._seconds: dict[str, float] = {}
        failed = set()
        for row in (folder / "outcomes").read_text().splitlines():
            test, outcome, seconds = json.loads(row)
            self._seconds[test] = seconds
            if outcome == "failed":
                failed.add(test)
        for test in failed:
            self._seconds.pop(test)
        self.failed = sorted(failed)
        self._paths = {path.partition("/ocitool/")[2]: path for path in self._lines.measured_files()}
        self._root = folder / "tree"

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that a mutant is put to: those of its own file first, then of its room, then the quickest."""
        inner = Path(mutant.path).relative_to("ocitool")
        # Commands have tests of their own kind; what runs in another process is in no line's list.
        rooms = ("tests/unit/cli/", "tests/cli/") if inner.parts[0] == "cli" else (f"tests/unit/{inner.parts[0]}/",)
        folders = (f"tests/unit/{inner.parent}/".replace("/./", "/"), *rooms)
        mirrored = tuple(f"{folder}test_{inner.stem}{end}" for folder in folders for end in (".py", "_"))
        own = {test for test in self._seconds if test.startswith(mirrored)}
        # A function that no test passes may be one that decorates, which runs when its module is loaded.
        passing = (self._passing(mutant, str(inner)) if mutant.lines else set()) or self._importing(mutant)
        chosen = own | (passing & self._seconds.keys())
        return sorted(chosen, key=lambda t: (t not in own, not t.startswith(rooms), self._seconds[t]))[:MOST_TESTS]

    def seconds(self, tests: Sequence[str]) -> float:
        """How long they took in the recording run."""
        return sum(self._seconds[test] for test in tests)

    def _passing(self, mutant: Mutant, inner: str) -> set[str]:
        contexts = self._lines.contexts_by_lineno(self._paths.get(inner, ""))
        found = {context for line in mutant.lines for context in contexts.get(line, ())}
        return {context.partition("|")[0] for context in found if context}

    def _importing(self, mutant: Mutant) -> set[str]:
        """What runs when a module is loaded belongs to no test: those that import it, the pure ones, commands."""
        module = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        files = {test.partition("::")[0] for test in self._seconds}
        near = {file for file in files if module in _imports(self._root / file)}
        pure = ("tests/unit/", "tests/cli/") if module.startswith("ocitool.cli") else ("tests/unit/",)
        return {test for test in self._seconds if test.startswith(pure) or test.partition("::")[0] in near}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def record(checkout: Path, folder: Path, jobs: int) -> None:
    """Run the fast suite once in a copy, with coverage that knows the tests. Says nothing about their results."""
    tree = folder / "tree"
    copy_tree(checkout, tree)
    outcomes = folder / "outcomes"
    outcomes.unlink(missing_ok=True)
    options = ["-n", str(jobs), "--cov=ocitool", "--cov-context=test", "--cov-report=", f"--outcomes={outcomes}"]
    argv = [*_pytest(), *options, "-m", FAST, *FOLDERS]
    subprocess.run(argv, cwd=tree, env=_environment(folder), check=False)


def judge(mutant: Mutant, tree: Path, suite: Suite) -> Verdict:
    """Make the change in `tree`, run its tests until one fails, and take the change back."""
    tests = suite.tests(mutant)
    if not tests:
        return Verdict("unreached")
    path = tree / mutant.path
    text = path.read_text()
    try:
        _write(path, mutant.apply(text))
        return _run(tree, tests, suite.seconds(tests))
    finally:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Replace a module; Python trusts a compiled one of the same second and size, so that one goes."""
    path.write_text(text)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def _run(tree: Path, tests: Sequence[str], seconds: float) -> Verdict:
    chosen, outcomes, said = (tree.parent / f"{tree.name}.{name}" for name in ("tests", "outcomes", "out"))
    chosen.write_text(json.dumps(tests))
    outcomes.write_text("")
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    argv = [*_pytest(), "-x", f"--only-tests={chosen}", f"--outcomes={outcomes}", *files]
    with said.open("wb") as out:
        process = subprocess.Popen(
            argv,
            cwd=tree,
            env=_environment(tree.parent),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        _limit(process, int(30 + 8 * seconds))
        try:
            code = process.wait(180 + 20 * seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    rows = [json.loads(row) for row in outcomes.read_text().splitlines()]
    failed = next((test for test, outcome, _ in rows if outcome == "failed"), "")
    if code == 0:
        return Verdict("survived")
    if code is None:
        return Verdict("killed", "no end")
    if failed or code == 1:
        return Verdict("killed", failed)
    if code == 5:
        return Verdict("unreached")
    return Verdict("killed", f"pytest ended with {code}: {said.read_text(errors='replace').strip()[-200:]}")


def _limit(process: "subprocess.Popen[bytes]", cpu_seconds: int) -> None:
    """Bound processor time and memory, whatever a mutant loops over."""
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the run and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _pytest() -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.plugin", "-p", "no:cacheprovider"]


def _environment(folder: Path) -> dict[str, str]:
    """Compiled modules are kept in the copies and temporary files beside them."""
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"TMPDIR": str(scratch)}
