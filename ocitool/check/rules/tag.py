"""Rules about the tags of a repository beside each other: check --all-tags."""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Final

from ocitool.check.finding import Finding, Location
from ocitool.findings import Severity
from ocitool.graph.referrers import ListedReferrer
from ocitool.model.digest import Digest
from ocitool.model.reference import subject_of
from ocitool.values import dataclass

_ONE_PLATFORM: Final = re.compile(
    r"(?:^|[-_.])(?:amd64|x86[-_]64|x64|x86|i?[36]86|arm(?:32|64|hf|el)?(?:v?[5-9])?|aarch64|ppc64le|s390x|riscv64"
    r"|mips64(?:le)?|loong(?:arch)?64|linux|windows|windowsservercore|nanoserver|darwin|wasm)(?:$|[-_.])"
)
"""A word in a tag's name that says that it is for one platform only."""


class Holds(Enum):
    """What a tag names: an index, one image, or something that is not run."""

    INDEX = "index"
    IMAGE = "image"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag with what it holds.

    `subject_is_gone` says of a tag of referrers or signatures that what they belong to is not there; `referrers`
    are what the fallback list under the tag names.
    """

    name: str
    digest: Digest
    holds: Holds
    subject_is_gone: bool = False
    referrers: tuple[ListedReferrer, ...] = ()


def single_image(tags: Mapping[str, Tagged]) -> Iterator[tuple[Location, str]]:
    """A tag with one image where most others are indexes, unless its name says that it is for one platform."""
    versions = [
        tag
        for name, tag in tags.items()
        if tag.holds is not Holds.OTHER and subject_of(name) is None and not _ONE_PLATFORM.search(name)
    ]
    indexes = sum(tag.holds is Holds.INDEX for tag in versions)
    for tag in versions:
        if tag.holds is Holds.IMAGE and 2 * indexes > len(versions):
            yield (
                Location(tag.digest, label=tag.name),
                f"one image, where {indexes} of {len(versions)} tags are indexes",
            )


def stale_fallback(tags: Mapping[str, Tagged]) -> Iterator[tuple[Location, str]]:
    """A tag of referrers or signatures whose subject is gone."""
    for tag in tags.values():
        if tag.subject_is_gone:
            yield Location(tag.digest, label=tag.name), "belongs to a manifest that is not there"


def wrong_referrer(tags: Mapping[str, Tagged]) -> Iterator[tuple[Location, str]]:
    """An entry of a fallback list whose manifest is gone, or refers to something else (K223)."""
    for tag in tags.values():
        for one in tag.referrers:
            if one.own is None:
                yield Location(tag.digest, label=tag.name), one.problem


def referrer_type(tags: Mapping[str, Tagged]) -> Iterator[tuple[Location, str]]:
    """An entry of a fallback list that says another artifact type than its manifest (K223)."""
    for tag in tags.values():
        for one in tag.referrers:
            if one.own is not None and one.problem:
                yield Location(tag.digest, label=tag.name), one.problem


@dataclass(frozen=True, slots=True)
class TagRule:
    """What the reference says of a rule over tags; the words are those of Rule."""

    id: str
    title: str
    reason: str
    example: str
    severity: Severity
    fixable: bool = False
    needs_deep: bool = False
    advice: str = ""


SINGLE: Final = TagRule(
    "tag/single-image", "One image where the other tags are indexes",
    "A push from one machine replaced the index; every other platform lost this tag.",
    "1.2 is a linux/amd64 image, 1.0 and 1.1 are indexes", Severity.WARNING,
    advice="Take the push back with `ocitool undo REF`, or add the others: `ocitool index add`.",
)  # fmt: skip
STALE: Final = TagRule(
    "tag/stale-fallback", "A tag of referrers or signatures of nothing",
    "Its subject was deleted; signatures and SBOMs under it vouch for nothing.",
    "sha256-0123… or sha256-0123….sig where sha256:0123… is gone", Severity.WARNING,
    advice="Delete it: `ocitool delete REF`.",
)  # fmt: skip
WRONG: Final = TagRule(
    "tag/wrong-referrer", "A list of referrers names what does not refer to its subject",
    "Tools that trust the list take a signature or an SBOM for one of this image that is of another, or of none.",
    "sha256-0123… lists a manifest whose subject is sha256:4567…", Severity.WARNING,
    advice="Attach it again with `ocitool attach`, or delete what is listed wrongly with `ocitool detach`.",
)  # fmt: skip
TYPE: Final = TagRule(
    "tag/referrer-type", "A list of referrers says another artifact type than the manifest",
    "Tools choose by the type in the list, and find what they do not look for.",
    "listed as application/spdx+json, and the manifest's artifactType is application/vnd.cyclonedx+json",
    Severity.WARNING,
    advice="Attach it again with the type that is meant: `ocitool attach --artifact-type`.",
)  # fmt: skip
GONE: Final = TagRule(
    "tag/gone", "A tag that is listed and leads nowhere",
    "The registry has lost the manifest and lists the tag still; whoever pulls it is told that there is none.",
    "1.2 is in the list of tags, and its manifest is not there", Severity.ERROR,
    advice="Push the image again, or delete the tag.",
)  # fmt: skip
RULES: Final = (SINGLE, STALE, WRONG, TYPE, GONE)


def findings(where: str, tags: Mapping[str, Tagged], gone: Iterable[str] = ()) -> Iterator[Finding]:
    """What the rules over tags have to say; `gone` are those that lead nowhere."""
    found = (
        (GONE, ((Location(None, label=name), "leads to a manifest that is not there") for name in gone)),
        (SINGLE, single_image(tags)),
        (STALE, stale_fallback(tags)),
        (WRONG, wrong_referrer(tags)),
        (TYPE, referrer_type(tags)),
    )
    for rule, hits in found:
        for at, message in hits:
            yield Finding(rule.id, rule.severity, message, at, where=where)
