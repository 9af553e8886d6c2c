# ruff: noqa: INP001 - a script beside its data
"""Writes the golden images of every rule beside itself: python -m testdata.golden.check.make, from the root.

For each rule: `broken.json` (a whole store), `findings.json` (what check says of it), `repaired.json` (what
the tag holds after repair, where that leaves nothing to find). `healthy.json` is a store that no rule speaks of.
Read the differences before committing them: tests compare with these bytes.
"""

import json
from pathlib import Path

from tests.fakes import bundle
from tests.fakes.sick import Loose, Ward
from tests.unit.check.golden import findings_of, repaired
from tests.unit.check.test_rules import BROKEN

HERE = Path(__file__).parent


def main() -> None:
    """Write them all."""
    ward = Ward(Loose())
    one, other = ward.image(), ward.image("linux/arm64")
    ward.index(one, other, ward.attestation(one["digest"]))
    (HERE / "healthy.json").write_text(bundle.dump(ward.store))
    for rule, make in BROKEN.items():
        folder = HERE / rule
        folder.mkdir(parents=True, exist_ok=True)
        ward = Ward(Loose())
        make(ward)
        (folder / "broken.json").write_text(bundle.dump(ward.store))
        (folder / "findings.json").write_text(json.dumps(findings_of(ward.store), indent=1) + "\n")
        if (after := repaired(ward.store)) is not None:
            (folder / "repaired.json").write_bytes(after)


if __name__ == "__main__":
    main()
