"""Run a seeded sample of mutants, a few at a time, and print what was killed, what survived and what is equivalent.

A mutant is put to the tests of its own file, of its room and the quickest ones that pass its line; what these leave
open, to the slower ones, real registries and RUN beside other people's tools among them. Those alive after both are
listed with the sentence that `survivors.toml` has for each.

Results are kept beside the copies of the tree, so a run that was cut goes on where it was. A killed mutant stays
killed as long as its function's text is the same; those alive are tried again with `--again`, and with `--fresh` all.
"""

import argparse
import json
import os
import queue
import sys
import threading
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from tests import peers
from tests.mutants.edits import Mutant, package, sample
from tests.mutants.suite import Bench, Suite, Verdict, catch_up, record

CHECKOUT = Path(__file__).resolve().parents[2]


class Results:
    """The verdicts so far, one line of JSON each, the last one of a mutant counts."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], Verdict] = {}
        for row in path.read_text().splitlines() if path.exists() else ():
            name, source, outcome, by = json.loads(row)
            self._rows[name, source] = Verdict(outcome, by)

    def get(self, mutant: Mutant) -> Verdict | None:
        return self._rows.get((mutant.name, mutant.source))

    def put(self, mutant: Mutant, verdict: Verdict) -> None:
        with self._lock, self._path.open("a") as out:
            self._rows[mutant.name, mutant.source] = verdict
            out.write(json.dumps([mutant.name, mutant.source, verdict.outcome, verdict.by]) + "\n")


def sentences(kind: str) -> dict[str, str]:
    """The mutants of `equivalent.toml` or `survivors.toml`, each with its reason."""
    rows = tomllib.loads(Path(__file__).with_name(f"{kind}.toml").read_text()).get("mutants", [])
    return {row["mutant"]: row["why"] for row in rows}


def main() -> int:
    """Exit 0 if at least 93 of a hundred that are not equivalent are killed."""
    options = _options()
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results, same, why = Results(folder / "results.jsonl"), sentences("equivalent"), sentences("survivors")
    root = CHECKOUT
    if not options.report:
        if options.record or not (folder / "tree.outcomes").exists():
            record(CHECKOUT, folder, options.jobs)
        catch_up(CHECKOUT, folder, options.jobs)
        root = folder / "now"  # the checkout may move on
    every = package(root)
    for name in sorted((same.keys() | why.keys()) - {one.name for one in every}):
        print(f"no mutant any more: {name}")
    chosen = [one for one in sample(every, options.sample, options.seed) if options.only in one.path]
    judged = [one for one in chosen if one.name not in same]
    waiting = [one for one in judged if _wanted(results.get(one), options)]
    if not options.report:
        print(f"{len(chosen)} mutants, {len(waiting)} to run, results in {folder}", flush=True)
        _run(waiting, folder, options.jobs, results, is_wide=False)
        left = [one for one in judged if (known := results.get(one)) and known.outcome == "open"]
        _run(left, folder, options.jobs, results, is_wide=True)
    return _report(chosen, results, same, why)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants ARGS=…", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="how many (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="which (default: 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--only", default="", help="those whose path has this in it")
    parser.add_argument("--again", action="store_true", help="those alive are tried again, with the tests of now")
    parser.add_argument("--fresh", action="store_true", help="all are tried again")
    parser.add_argument("--record", action="store_true", help="learn again from all tests which lines they pass")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is known")
    parser.add_argument("--folder", type=Path, default=peers.cache_root() / "mutants", help="copies and results")
    return parser.parse_args()


def _wanted(known: Verdict | None, options: argparse.Namespace) -> bool:
    return known is None or options.fresh or (options.again and known.outcome != "killed")


def _run(waiting: Sequence[Mutant], folder: Path, jobs: int, results: Results, *, is_wide: bool) -> None:
    if not waiting:
        return
    suite = Suite(folder)
    for test in suite.failed:
        print(f"fails without a mutant, and is left out: {test}", flush=True)
    todo: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in waiting:
        todo.put(mutant)

    def work(tree: Path) -> None:
        with closing(Bench(suite, tree)) as bench:
            while True:
                try:
                    mutant = todo.get_nowait()
                except queue.Empty:
                    return
                verdict = bench.judge(mutant, is_wide=is_wide)
                results.put(mutant, verdict)
                print(f"{verdict.outcome:9} {mutant.name}  {verdict.by}", flush=True)

    workers = [threading.Thread(target=work, args=(folder / f"copy-{n}" / "tree",)) for n in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _report(chosen: Iterable[Mutant], results: Results, same: dict[str, str], why: dict[str, str]) -> int:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    alive = []
    for mutant in chosen:
        known = results.get(mutant)
        outcome = "equivalent" if mutant.name in same else known.outcome if known else "not run"
        counts[mutant.path][outcome.replace("open", "not run")] += 1
        if outcome in {"survived", "unreached", "open"}:
            alive += [f"{outcome:9} {mutant.name}", f"          {why.get(mutant.name, 'no sentence')}"]
    columns = ("killed", "survived", "unreached", "equivalent", "not run")
    print(f"{'file':48}" + "".join(f"{name:>12}" for name in columns))
    for path, row in sorted(counts.items()):
        print(f"{path:48}" + "".join(f"{row[name]:12}" for name in columns))
    total = sum(counts.values(), Counter())
    print(f"{'all':48}" + "".join(f"{total[name]:12}" for name in columns), *alive, sep="\n")
    real = total.total() - total["equivalent"]
    share = total["killed"] / real if real else 0.0
    print(f"{total['killed']} of {real} that are not equivalent are killed: {share:.1%}")
    return 0 if share >= 0.93 else 1


if __name__ == "__main__":
    sys.exit(main())
