"""Coverage of lines and branches by folder: `make coverage`. What the tests start as processes counts too.

The tests are those of `make test`, and of the interop ones those in which RUN is carried out and signatures are made
and judged: they need Debian packages and peers, are skipped where these are not, and are where most of `executor` is
at work. Left out are what is slow there, `long` and `bench`.

Exit 1 where a test fails, or branches are below 96 of a hundred in all or below 90 in a folder.
`python -m tests.coverage JOBS --missing` prints the branches that were not taken as well.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ALL, FOLDER = 96.0, 90.0
RUNS = (
    ("tests", "not interop and not bench and not long"),
    (
        "tests/interop/test_run*.py tests/interop/test_overlay.py tests/interop/test_sign.py",
        "not slow and not long",
    ),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--helpers", help="a file of settings by which helpers in namespaces are measured")


def pytest_configure(config: pytest.Config) -> None:
    """Let those processes measure themselves which get nothing of the environment through which others do.

    They are helpers in namespaces, started without `site`, and the processes of users without rights.
    """
    from ocitool.executor import namespace  # here, so that the package is loaded when measuring has begun
    from tests.fakes import confined

    settings = Path(config.getoption("--helpers"))
    begin = f"import os; os.environ['COVERAGE_PROCESS_START'] = {str(settings)!r}"
    begin += "; import coverage; coverage.process_startup();"
    path, serve = namespace._PROGRAM.split("from ")
    namespace._PROGRAM = f"{path}{begin}from {serve}"
    rest = f"from ocitool.executor import namespace; namespace._PROGRAM = {namespace._PROGRAM!r}"
    (settings.parent / "sitecustomize.py").write_text(f"{begin} {rest}\n")
    confined.before.append(str(settings.parent))


def main(jobs: str, *, shows_missing: bool = False) -> int:
    """Run the tests with coverage, and print a row for each folder."""
    for old in REPOSITORY.glob(".coverage*"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="ocitool-coverage-", dir="/var/tmp") as helpers:
        code = _run(jobs, Path(helpers))
        # Processes that tests started have left files of their own.
        combine = [sys.executable, "-m", "coverage", "combine", "-q", "--append"]
        left = [str(one) for one in (*REPOSITORY.glob(".coverage.*"), *Path(helpers).glob(".coverage.*"))]
        if left:
            subprocess.call([*combine, *left], cwd=REPOSITORY)
    out = REPOSITORY / ".coverage.json"
    subprocess.check_call([sys.executable, "-m", "coverage", "json", "-q", "-o", str(out)], cwd=REPOSITORY)
    files = json.loads(out.read_text())["files"]
    if shows_missing:
        for name, file in sorted(files.items()):
            for line, to in file["missing_branches"]:
                print(f"{name}:{line} -> {to if to > 0 else 'end'}")
    return _report(files) | code


def _run(jobs: str, helpers: Path) -> int:
    helpers.chmod(0o1777)
    settings = helpers / "settings"
    settings.write_text(
        f"[run]\nbranch = true\nparallel = true\nsource = {REPOSITORY / 'ocitool'}\n"
        f"data_file = {helpers / '.coverage'}\npatch = _exit\n"
    )
    code = 0
    for number, (places, marks) in enumerate(RUNS):
        options = ["-n", jobs, "--dist", "worksteal", "--cov=ocitool", "--cov-report=", "-m", marks]
        options += ["-p", "tests.coverage", f"--helpers={settings}", *(["--cov-append"] if number else [])]
        paths = [str(one) for place in places.split() for one in sorted(REPOSITORY.glob(place))]
        code |= subprocess.call([sys.executable, "-m", "pytest", "-q", *options, *paths], cwd=REPOSITORY)
    return int(code not in {0, pytest.ExitCode.NO_TESTS_COLLECTED})


def _report(files: dict[str, dict[str, dict[str, int]]]) -> int:
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for name, file in files.items():
        found = file["summary"]
        folder = str(Path(name).parent.relative_to("ocitool"))
        for row in (rows[folder], rows["all"]):
            row[0] += found["covered_lines"]
            row[1] += found["num_statements"]
            row[2] += found["covered_branches"]
            row[3] += found["num_branches"]
    low = False
    print(f"{'folder':28}{'lines':>10}{'branches':>10}")
    for folder, (lines, of_lines, branches, of_branches) in sorted(
        rows.items(), key=lambda r: (r[0] == "all", r[0])
    ):
        shares = (_share(lines, of_lines), _share(branches, of_branches))
        low |= shares[1] < (ALL if folder == "all" else FOLDER)
        print(f"{folder if folder != '.' else '(top)':28}" + "".join(f"{share:8.1f} %" for share in shares))
    return int(low)


def _share(covered: int, every: int) -> float:
    return 100 * covered / every if every else 100.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "1", shows_missing="--missing" in sys.argv))
