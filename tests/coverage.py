"""Coverage of lines and branches by folder: `make coverage`. What the tests start as processes counts too.

Exit 1 below 96 of a hundred in all, or below 90 in a folder.
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
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, file in json.loads(out.read_text())["files"].items():
        found = file["summary"]
        folder = str(Path(name).parent.relative_to("ocitool"))
        for row in (rows[folder], rows["all"]):
            row[0] += found["covered_lines"] + found["covered_branches"]
            row[1] += found["num_statements"] + found["num_branches"]
    low = False
    for folder, (covered, every) in sorted(rows.items(), key=lambda row: (row[0] == "all", row[0])):
        share = 100 * covered / every if every else 100.0
        low |= share < (ALL if folder == "all" else FOLDER)
        print(f"{folder if folder != '.' else '(top)':28}{covered:8}{every:8}{share:8.1f} %")
    return code or int(low)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "1"))
