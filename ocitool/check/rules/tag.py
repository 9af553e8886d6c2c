"""Rules about the tags of a repository beside each other: check --all-tags."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ocitool.check.finding import Finding, Location, Severity
from ocitool.model.digest import Digest

FALLBACK: Final = re.compile(r"(sha256)-([0-9a-f]{64})")
"""The tag under which referrers are listed where a registry has no API for them."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag with what it holds. `subject_is_gone` says that a fallback tag lists what refers to nothing."""

    name: str
    digest: Digest
    is_index: bool
    subject_is_gone: bool = False


def single_image(tags: Mapping[str, Tagged]) -> Iterator[tuple[Location, str]]:
    """A tag with one image where most others are indexes."""
    versions = [tag for name, tag in tags.items() if not FALLBACK.fullmatch(name)]
    indexes = sum(tag.is_index for tag in versions)
    for tag in versions:
        if not tag.is_index and 2 * indexes > len(versions):
            yield (
                Location(tag.digest, label=tag.name),
                f"one image, where {indexes} of {len(versions)} tags are indexes",
            )


def stale_fallback(tags: Mapping[str, Tagged]) -> Iterator[tuple[Location, str]]:
    """A referrers tag whose subject is gone."""
    for tag in tags.values():
        if tag.subject_is_gone:
            yield Location(tag.digest, label=tag.name), "lists what refers to a manifest that is not there"


@dataclass(frozen=True, slots=True)
class TagRule:
    """What the reference says of a rule over tags."""

    id: str
    title: str
    reason: str
    example: str
    severity: Severity
    fixable: bool = False
    needs_deep: bool = False


SINGLE: Final = TagRule(
    "tag/single-image", "One image where the other tags are indexes",
    "A push from one machine replaced the index; every other platform lost this tag.",
    "1.2 is a linux/amd64 image, 1.0 and 1.1 are indexes", Severity.WARNING,
)  # fmt: skip
STALE: Final = TagRule(
    "tag/stale-fallback", "A referrers tag of nothing",
    "Its subject was deleted; signatures and SBOMs under it vouch for nothing.",
    "sha256-0123… where sha256:0123… is gone", Severity.WARNING,
)  # fmt: skip
RULES: Final = (SINGLE, STALE)


def findings(where: str, tags: Mapping[str, Tagged]) -> Iterator[Finding]:
    """What the rules over tags have to say."""
    for rule, hits in ((SINGLE, single_image(tags)), (STALE, stale_fallback(tags))):
        for at, message in hits:
            yield Finding(rule.id, rule.severity, message, at, where=where)
