# ruff: noqa: INP001 - a script beside its data
"""Writes the golden images of every rule beside itself: python -m testdata.golden.check.make, from the root.

For each rule `broken.json` and `healthy.json`, two whole stores. What ought to be found in the first
(`findings.json`) and what repair ought to leave (`repaired.json`) is not written but compared, unless the rule is
named: `… make index/order`. Then look at the difference and judge it before you commit it.
"""

import json
import sys
from pathlib import Path

from tests.fakes import bundle
from tests.unit.check.golden import REFILLED, findings_of, repaired
from tests.unit.check.pairs import PAIRS, store

HERE = Path(__file__).parent


def main(accepted: list[str]) -> None:
    """Write the stores of all rules, and the answers of those that are accepted."""
    for rule in PAIRS:
        folder = HERE / rule
        folder.mkdir(parents=True, exist_ok=True)
        broken, healthy = store(rule, ill=True), store(rule, ill=False)
        (folder / "broken.json").write_text(bundle.dump(broken))
        (folder / "healthy.json").write_text(bundle.dump(healthy))
        answers = {"findings.json": (json.dumps(findings_of(broken), indent=1) + "\n").encode()}
        source = healthy if rule in REFILLED else None
        if (after := None if rule.startswith("tag/") else repaired(broken, source)) is not None:
            answers["repaired.json"] = after
        for name, data in answers.items():
            file = folder / name
            if rule in accepted:
                file.write_bytes(data)
            elif not file.is_file() or file.read_bytes() != data:
                print(f"{rule}/{name} is not what comes out now")


if __name__ == "__main__":
    main(sys.argv[1:])
