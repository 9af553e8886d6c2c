"""Coverage of lines and branches by folder: `make coverage`. What the tests start as processes counts too.

Exit 1 where lines and branches together are below 96 of a hundred in all, or below 90 in a folder.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ALL, FOLDER = 96.0, 90.0


def main(jobs: str) -> int:
    """Run the tests of `make test` with coverage, and print a row for each folder."""
    for old in REPOSITORY.glob(".coverage*"):
        old.unlink()
    tests = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        jobs,
        "--dist",
        "worksteal",
        "--cov=ocitool",
        "--cov-report=",
    ]
    code = subprocess.call([*tests, "tests", "-m", "not interop and not bench and not long"], cwd=REPOSITORY)
    # Processes that tests started have left files of their own.
    subprocess.call([sys.executable, "-m", "coverage", "combine", "-q", "--append"], cwd=REPOSITORY)
    out = REPOSITORY / ".coverage.json"
    subprocess.check_call([sys.executable, "-m", "coverage", "json", "-q", "-o", str(out)], cwd=REPOSITORY)
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for name, file in json.loads(out.read_text())["files"].items():
        found = file["summary"]
        folder = str(Path(name).parent.relative_to("ocitool"))
        for row in (rows[folder], rows["all"]):
            row[0] += found["covered_lines"]
            row[1] += found["num_statements"]
            row[2] += found["covered_branches"]
            row[3] += found["num_branches"]
    low = False
    print(f"{'folder':28}{'lines':>10}{'branches':>10}{'both':>10}")
    for folder, (lines, of_lines, branches, of_branches) in sorted(
        rows.items(), key=lambda r: (r[0] == "all", r[0])
    ):
        both = _share(lines + branches, of_lines + of_branches)
        low |= both < (ALL if folder == "all" else FOLDER)
        shares = (_share(lines, of_lines), _share(branches, of_branches), both)
        print(f"{folder if folder != '.' else '(top)':28}" + "".join(f"{share:8.1f} %" for share in shares))
    return code or int(low)


def _share(covered: int, every: int) -> float:
    return 100 * covered / every if every else 100.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "1"))
