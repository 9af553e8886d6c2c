"""Rules about what a name was promised to be for: `check --expect`, and `expect` in ocitool.toml."""

from collections.abc import Iterator
from typing import Final

from ocitool.check.finding import Location
from ocitool.check.inspection import Inspection
from ocitool.check.rules.tag import TagRule
from ocitool.findings import Severity
from ocitool.model.expectation import Expectation
from ocitool.model.platform import Platform

MISSING: Final = TagRule(
    "expected/missing", "A platform that was promised is not there",
    "Whoever pulls on it gets an error, or with some engines an image that is run by emulation.",
    "a push from one machine over an index of four platforms", Severity.ERROR,
    advice="Build that platform too, or add it: `ocitool index add REF IMAGE`.",
)  # fmt: skip
UNEXPECTED: Final = TagRule(
    "expected/other", "A platform that nobody promised",
    "It was left over or slipped in, and nobody builds, tests or mends it.",
    "an image of linux/386 that an old build pushed and that every later one kept", Severity.ERROR,
    advice="Take it out with `ocitool index remove REF --platform PLATFORM`, or promise it.",
)  # fmt: skip
RULES: Final = (MISSING, UNEXPECTED)


def find(expects: Expectation, inspection: Inspection) -> Iterator[tuple[TagRule, Location, str]]:
    """What is not as promised: rule, place and message."""
    root = inspection.snapshot.root.digest
    there = tuple(_platforms(inspection))
    for wanted in expects.missing(there):
        yield MISSING, Location(root, label=str(wanted)), f"there is no {wanted}, which is expected"
    for one in expects.others(there):
        yield UNEXPECTED, Location(root, label=str(one)), f"{one} is not among what is expected"


def _platforms(inspection: Inspection) -> Iterator[Platform]:
    """What is offered, each once: by entries, also those whose images are gone, or by the one image's config."""
    said = [
        entry.platform for index in inspection.indexes for entry in index.entries if not entry.is_attestation
    ] or [image.platform for image in inspection.images]
    known = (one for one in said if one is not None and one.is_whole and not one.is_unknown)
    yield from {one.normalised(): one for one in known}.values()
