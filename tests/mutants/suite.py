"""Copies of the tree to be wrong in, the tests that pass a line, and one mutant put to them.

The checkout is read once for a run and never written. A recording run of the whole fast suite in a copy tells, for
each line, which tests pass it (coverage's contexts), how long each takes, and which fail anyway and so prove nothing.
Later runs record only the files of tests that have changed, and find a line where it has moved to.

tree, tree.outcomes     the copy that everything was recorded in
now, now.outcomes       a copy of the checkout as it is, and what was recorded in it
copy-N/tree             where one worker is wrong
"""

import ast
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from coverage import CoverageData

from tests.mutants.edits import Mutant
from tests.mutants.forks import CANNOT, ENDLESS, Forks, Limits

# What `make coverage` runs.
PLACES = (
    "tests/unit",
    "tests/property",
    "tests/cli",
    "tests/fault",
    "tests/contract",
    "tests/registry",
    "tests/structure",
    "tests/interop/test_run*.py",
    "tests/interop/test_overlay.py",
    "tests/interop/test_sign.py",
)
MARKS = "not long and not bench and not (interop and slow)"
# A mutant is put to these many tests first; if they leave it alive, to as many others as take these seconds.
FIRST_TESTS = 300
WIDE_S = 300.0
MEMORY = 6 << 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome` is killed, open (alive after its first tests), survived (after all) or unreached (no test passes it).

    `by` is the test that failed, or why the run ended.
    """

    outcome: str
    by: str = ""


def copy_tree(checkout: Path, into: Path) -> None:
    """What git tracks or would track in the checkout, as it stands; what is there and the same stays, compiled too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        check=True,
        capture_output=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name and os.path.lexists(checkout / name)}
    for old in into.rglob("*"):
        name = old.relative_to(into)
        is_kept = name.as_posix() in names or name.parts[0] == ".git" or "__pycache__" in name.parts
        if not is_kept and (old.is_symlink() or not old.is_dir()):
            old.unlink()
    for name in names:
        source, target = checkout / name, into / name
        if os.path.lexists(target) and _stamp(source) == _stamp(target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    # Some tests ask git what is tracked.
    subprocess.run(["git", "init", "-q", into], check=True)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_mode, status.st_size, status.st_mtime_ns


class Suite:
    """What the recording runs know: the tests of each line, their seconds, and those that passed."""

    def __init__(self, folder: Path):
        self.root = folder / "now"
        self._records = [_Record(folder / "tree", self.root), _Record(self.root, self.root)]
        self._seconds: dict[str, float] = {}
        changed = {path.relative_to(self.root).as_posix() for path in changed_tests(folder)}
        failed = set()
        for one in self._records:
            for test, outcome, seconds in one.outcomes():
                if one is self._records[0] and test.partition("::")[0] in changed:
                    continue
                self._seconds[test] = seconds
                if outcome == "failed":
                    failed.add(test)
        for test in failed:
            self._seconds.pop(test)
        self.failed = sorted(failed)
        self.known = self._seconds.keys()

    def tests(self, mutant: Mutant) -> tuple[list[str], list[str]]:
        """The tests that a mutant is put to first, and those after: of its own file, of its room, then the quickest."""
        inner = Path(mutant.path).relative_to("ocitool")
        room = inner.parts[0].removesuffix(".py")
        # Commands have tests of their own kind; what runs in another process is in no line's list.
        rooms = ("tests/unit/cli/", "tests/cli/") if room == "cli" else (f"tests/unit/{room}/",)
        folders = (f"tests/unit/{inner.parent}/".replace("/./", "/"), *rooms)
        mirrored = tuple(f"{folder}test_{inner.stem}{end}" for folder in folders for end in (".py", "_"))
        own = {test for test in self._seconds if test.startswith(mirrored)}
        rooms = (*rooms, f"tests/cli/test_{room}.py")
        passing = {test for one in self._records for test in one.passing(mutant)}
        # A function that no test passes may be one that decorates, which runs when its module is loaded.
        if not passing or self.is_loading(mutant):
            passing |= self._importing(mutant)
        # What runs in namespaces is in no line's list.
        helped = (*rooms, "tests/interop/test_run", "tests/interop/test_overlay") if room == "executor" else ()
        passing |= {test for test in self._seconds if test.startswith(helped)}
        chosen = own | (passing & self._seconds.keys())
        order = sorted(chosen, key=lambda t: (t not in own, not t.startswith(rooms), self._seconds[t]))
        rest, used_s = [], 0.0
        for test in order[FIRST_TESTS:]:
            used_s += self._seconds[test]
            if used_s <= WIDE_S:
                rest.append(test)
        return order[:FIRST_TESTS], rest

    def is_loading(self, mutant: Mutant) -> bool:
        """Whether the changed line is passed while modules are loaded, before any test."""
        return any(one.is_loading(mutant) for one in self._records)

    def seconds(self, tests: Sequence[str]) -> float:
        """How long they took in the recording run."""
        return sum(self._seconds[test] for test in tests)

    def _importing(self, mutant: Mutant) -> set[str]:
        """What runs when a module is loaded belongs to no test: those that import it, the pure ones, commands."""
        module = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        files = {test.partition("::")[0] for test in self._seconds}
        near = {file for file in files if module in _imports(self.root / file)}
        pure = ("tests/unit/", "tests/cli/") if module.startswith("ocitool.cli") else ("tests/unit/",)
        return {test for test in self._seconds if test.startswith(pure) or test.partition("::")[0] in near}


class _Record:
    """A recording run in `tree`: which tests passed a line, told for the lines of `now`."""

    def __init__(self, tree: Path, now: Path):
        self._tree, self._now = tree, now
        self._data = CoverageData(str(tree / ".coverage"))
        self._data.read()
        self._paths = {path.partition("/ocitool/")[2]: path for path in self._data.measured_files()}

    def outcomes(self) -> Iterator[tuple[str, str, float]]:
        """(Test, outcome, seconds) of each."""
        path = self._tree.with_name(f"{self._tree.name}.outcomes")
        for row in path.read_text().splitlines() if path.exists() else ():
            yield tuple(json.loads(row))

    def passing(self, mutant: Mutant) -> set[str]:
        """The tests that pass the mutant's lines; for what runs as a module is loaded, those that pass any of it."""
        contexts = self._contexts(mutant)
        lines = self._lines(mutant) if mutant.lines else contexts
        found = {context for line in lines for context in contexts.get(line, ())}
        return {context.rpartition("|")[0] for context in found if context}

    def is_loading(self, mutant: Mutant) -> bool:
        """Whether one of the lines is passed before any test."""
        contexts = self._contexts(mutant)
        return any("" in contexts.get(line, ()) for line in self._lines(mutant))

    def _contexts(self, mutant: Mutant) -> dict[int, list[str]]:
        return self._data.contexts_by_lineno(self._paths.get(mutant.path.removeprefix("ocitool/"), ""))

    def _lines(self, mutant: Mutant) -> list[int]:
        """The mutant's lines as they were numbered then; those that are new have no number."""
        then = self._tree / mutant.path
        texts = [path.read_text().splitlines() if path.exists() else [] for path in (then, self._now / mutant.path)]
        blocks = SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks()
        moved = {b + n + 1: a + n + 1 for a, b, size in blocks for n in range(size)}
        return [moved[line] for line in mutant.lines if line in moved]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def record(checkout: Path, folder: Path, jobs: int) -> None:
    """Run the suite once in a copy, with coverage that knows the tests. Says nothing about their results."""
    copy_tree(checkout, folder / "tree")
    _record(folder, "tree", jobs, _files(folder / "tree"))


def catch_up(checkout: Path, folder: Path, jobs: int) -> None:
    """Take over the checkout as it is now, and record the files of tests that have changed since all were."""
    copy_tree(checkout, folder / "now")
    (folder / "now.outcomes").unlink(missing_ok=True)
    changed = [str(path.relative_to(folder / "now")) for path in changed_tests(folder)]
    if changed:
        _record(folder, "now", jobs, changed)


def changed_tests(folder: Path) -> list[Path]:
    """The test files of `now` that are not as they were recorded."""
    found = []
    for name in _files(folder / "now"):
        then, now = folder / "tree" / name, folder / "now" / name
        if not then.exists() or then.read_text() != now.read_text():
            found.append(now)
    return found


def _files(tree: Path) -> list[str]:
    places = [path for place in PLACES for path in sorted(tree.glob(place))]
    files = [file for path in places for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])]
    return [str(file.relative_to(tree)) for file in files]


def _record(folder: Path, name: str, jobs: int, places: Sequence[str]) -> None:
    outcomes = folder / f"{name}.outcomes"
    outcomes.unlink(missing_ok=True)
    options = ["-n", str(jobs), "--cov=ocitool", "--cov-context=test", "--cov-report=", f"--outcomes={outcomes}"]
    tree = folder / name
    environment = _environment(tree)
    subprocess.run([*_pytest(), *options, *places], cwd=tree, env=environment, check=False)
    if any(tree.glob(".coverage.*")):
        combine = [sys.executable, "-m", "coverage", "combine", "-q", "--append"]
        subprocess.run(combine, cwd=tree, env=environment, check=False)


class Bench:
    """A copy of the tree in which one mutant after another is put to its tests. Close it at the end."""

    def __init__(self, suite: Suite, tree: Path):
        copy_tree(suite.root, tree)
        self._suite = suite
        self._tree = tree
        self._outcomes, said = (tree.parent / f"{tree.name}.{name}" for name in ("outcomes", "forks"))
        argv = [*_pytest(), f"--outcomes={self._outcomes}", *_files(tree)]
        with said.open("wb") as out:
            self._forks = Forks(argv, tree, _environment(tree), out)
        self._trusted: set[str] = set()
        self._doubtful: set[str] = set()

    def close(self) -> None:
        """End what waits for mutants."""
        self._forks.close()

    def judge(self, mutant: Mutant, *, is_wide: bool) -> Verdict:
        """Make the change, run its first tests or the others until one fails, and take the change back."""
        first, rest = self._suite.tests(mutant)
        if not first:
            return Verdict("unreached")
        verdict = self._put(mutant, rest if is_wide else first) if rest or not is_wide else Verdict("survived")
        return Verdict("open") if verdict.outcome == "survived" and not is_wide else verdict

    def _put(self, mutant: Mutant, every: Sequence[str]) -> Verdict:
        """A change inside a function is put to forks; one that has its effect as modules are loaded to a new process."""
        tests = [test for test in every if test not in self._doubtful]
        verdict = self._forked(mutant, tests) if mutant.function else None
        while verdict and (guilty := verdict.by) in self._suite.known and not self._is_trusted(guilty):
            # It fails in a fork of the unchanged tree too, and proves nothing.
            tests.remove(guilty)
            verdict = self._forked(mutant, tests)
        if verdict and (verdict.outcome == "killed" or not self._suite.is_loading(mutant)):
            return verdict
        with self._changed(mutant):
            return _run(self._tree, every, self._suite.seconds(every))

    def _forked(self, mutant: Mutant, tests: Sequence[str]) -> Verdict | None:
        """None where the function cannot be changed in a process that has loaded it."""
        self._outcomes.write_text("")
        with self._changed(mutant):
            code = self._forks.run(tests, limits(self._suite.seconds(tests)), mutant)
        if code == CANNOT:
            return None
        return _verdict(code, self._outcomes, "in a fork")

    def _is_trusted(self, test: str) -> bool:
        if test not in self._trusted | self._doubtful:
            passes = self._forks.run([test], limits(self._suite.seconds([test]))) == 0
            (self._trusted if passes else self._doubtful).add(test)
        return test in self._trusted

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        path = self._tree / mutant.path
        text = path.read_text()
        try:
            _write(path, mutant.apply(text))
            yield
        finally:
            _write(path, text)


def limits(seconds: float) -> Limits:
    """What tests that took `seconds` may use, on a machine that is busy too."""
    return Limits(int(10 + 4 * seconds), 120 + 5 * seconds, MEMORY)


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
            env=_environment(tree),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        bounds = limits(seconds)
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (bounds.cpu_s, bounds.cpu_s + 5))
        resource.prlimit(process.pid, resource.RLIMIT_AS, (bounds.memory, bounds.memory))
        try:
            code = process.wait(bounds.wall_s)
        except subprocess.TimeoutExpired:
            code = ENDLESS
        finally:
            _end(process)
    return _verdict(code, outcomes, said.read_text(errors="replace").strip()[-200:])


def _verdict(code: int, outcomes: Path, said: str) -> Verdict:
    rows = [json.loads(row) for row in outcomes.read_text().splitlines()]
    failed = next((test for test, outcome, _ in rows if outcome == "failed"), "")
    if code == 0:
        return Verdict("survived")
    if code == ENDLESS:
        return Verdict("killed", "no end")
    if failed or code == 1:
        return Verdict("killed", failed)
    if code == 5:
        return Verdict("unreached")
    return Verdict("killed", f"ended with {code}: {said}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the run and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _pytest() -> list[str]:
    plugins = ["-p", "tests.mutants.plugin", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", "-q", *plugins, "-m", MARKS]


def _environment(tree: Path) -> dict[str, str]:
    """What tests start is of this copy too, whatever is installed; temporary files are beside it."""
    scratch = tree.parent / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"TMPDIR": str(scratch), "PYTHONPATH": str(tree)}
