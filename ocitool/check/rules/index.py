"""Rules about an index and its entries. Spec: image-spec image-index.md."""

from collections.abc import Iterator
from typing import Final

from ocitool.binaries.compatibility import describe
from ocitool.check.finding import Location
from ocitool.check.inspection import Inspection
from ocitool.check.programs import judged, speaking
from ocitool.check.rules.rule import Hit, Rule
from ocitool.findings import Severity
from ocitool.model import mediatype
from ocitool.model.platform import ARM_DEFAULT, Platform
from ocitool.model.views import Descriptor, Index, Manifest, Opaque


def missing_platform(inspection: Inspection) -> Iterator[Hit]:
    """An entry that does not say what it runs on (K014)."""
    for index, number, entry in _images(inspection):
        if entry.platform is None or not entry.platform.is_whole:
            own = _config_platform(inspection, entry)
            says = f"; its config says {own}" if own else ""
            lacks = "platform" if entry.platform is None else "architecture" if entry.platform.os else "os"
            yield place(index, number, "/platform", entry), f"entry says no {lacks}{says}"


def wrong_platform(inspection: Inspection) -> Iterator[Hit]:
    """An entry that names another platform than its image's config (K007, K008)."""
    for index, number, entry in _images(inspection):
        own = _config_platform(inspection, entry)
        if entry.platform is not None and own is not None and not agree(entry.platform, own):
            machines = ", ".join(_machines(inspection, entry))
            programs = f", its programs are for {machines}" if machines else ""
            yield (
                place(index, number, "/platform", entry),
                f"entry says {entry.platform}, the config says {own}{programs}",
            )


def duplicate_platform(inspection: Inspection) -> Iterator[Hit]:
    """Two entries for one platform: which one is pulled is luck (K001, K017).

    One with gzip and one with zstd are told apart by annotations. Two arm images of which one names no variant
    may be for different boards: ambiguous_arm tells of them.
    """
    for index in inspection.indexes:
        seen: dict[tuple[Platform, bool], Descriptor] = {}
        for number, entry in enumerate(index.entries):
            if entry.is_attestation or entry.platform is None or entry.platform.is_unknown:
                continue
            other = seen.setdefault((entry.platform.normalised(), entry.is_zstd_image), entry)
            if other.digest == entry.digest and other is not entry:
                yield (
                    place(index, number, "/platform", entry),
                    f"{entry.digest.short} stands twice for one platform",
                )
            elif other is not entry and not is_vague(entry) and not is_vague(other):
                yield (
                    place(index, number, "/platform", entry),
                    f"{entry.platform} {entry.digest.short} is for the same platform as {other.digest.short}",
                )


def ambiguous_arm(inspection: Inspection) -> Iterator[Hit]:
    """An arm entry that names no variant: beside others, or over a config that names one that it is not read as."""
    for index in inspection.indexes:
        arms = [
            (n, e)
            for n, e in enumerate(index.entries)
            if e.platform is not None and not e.is_attestation and e.platform.canonical().architecture == "arm"
        ]
        are_several = len({e.digest for _, e in arms if not e.is_zstd_image}) > 1
        for number, entry in ((n, e) for n, e in arms if is_vague(e)):
            own = _config_platform(inspection, entry)
            variant = own.canonical().variant if own is not None else ""
            if are_several:
                says = f"its config says {variant}" if variant else "nor does its config"
                yield (
                    place(index, number, "/platform", entry),
                    f"one of {len(arms)} arm entries, and it names no variant; {says}",
                )
            elif variant not in {"", ARM_DEFAULT}:
                yield (
                    place(index, number, "/platform", entry),
                    f"an arm entry without a variant is read as {ARM_DEFAULT}; its config says {variant}",
                )


def impossible_platform(inspection: Inspection) -> Iterator[Hit]:
    """A platform that no Go toolchain or engine knows by that name."""
    for index, number, entry in _images(inspection):
        p = entry.platform
        if p is not None and p.is_whole and not p.is_unknown and not p.is_known:
            better = p.canonical()
            hint = "" if better == p else f"; its name is {better}"
            yield place(index, number, "/platform", entry), f"no engine asks for {p}{hint}"


def windows_version(inspection: Inspection) -> Iterator[Hit]:
    """A Windows entry without os.version, which hosts of other builds would take."""
    for index, number, entry in _images(inspection):
        if entry.platform is not None and entry.platform.os == "windows" and not entry.platform.os_version:
            yield place(index, number, "/platform/os.version", entry), "a windows entry without os.version"


def attestation_platform(inspection: Inspection) -> Iterator[Hit]:
    """An attestation that would be taken for an image."""
    for index, number, entry in entries(inspection):
        if entry.is_attestation and entry.platform is not None and not entry.platform.is_unknown:
            yield (
                place(index, number, "/platform", entry),
                f"an attestation that counts as {entry.platform}",
            )


def stale_attestation(inspection: Inspection) -> Iterator[Hit]:
    """An attestation of an image that the index does not hold (K022)."""
    for index in inspection.indexes:
        held = {str(entry.digest) for entry in index.entries}
        for number, entry in enumerate(index.entries):
            if entry.attested and entry.attested not in held:
                yield (
                    place(index, number, "/annotations", entry),
                    f"attests {entry.attested[:19]}, which is not here",
                )


def no_subject(inspection: Inspection) -> Iterator[Hit]:
    """An attestation that does not say of what."""
    for index, number, entry in entries(inspection):
        if entry.is_attestation and not entry.attested:
            yield place(index, number, "/annotations", entry), "an attestation that does not say of what"


def no_media_type(inspection: Inspection) -> Iterator[Hit]:
    """An index or manifest without mediaType: some clients guess Docker's (K044)."""
    for digest, seen in inspection.views.items():
        if not isinstance(seen, Opaque) and not seen.own_type:
            yield Location(digest, "/mediaType"), "the document does not say its mediaType"


def order(inspection: Inspection) -> Iterator[Hit]:
    """An attestation before an image: old clients take the first entry."""
    for index in inspection.indexes:
        kinds = [entry.is_attestation for entry in index.entries]
        if kinds != sorted(kinds):
            number = kinds.index(True)
            yield place(index, number, "", index.entries[number]), "an attestation stands before an image"


def empty(inspection: Inspection) -> Iterator[Hit]:
    """An index with nothing to run in it."""
    for index in inspection.indexes:
        if not index.platforms and not index.artifact_type:
            yield Location(index.document.digest, "/manifests"), "nothing to run in the index"


def entries(inspection: Inspection) -> Iterator[tuple[Index, int, Descriptor]]:
    """Every entry of every index, with its number in there."""
    for index in inspection.indexes:
        for number, entry in enumerate(index.entries):
            yield index, number, entry


def _images(inspection: Inspection) -> Iterator[tuple[Index, int, Descriptor]]:
    """Entries that are meant to run: no attestations, no inner indexes, no artifacts."""
    images = {digest: isinstance(seen, Manifest) and seen.is_image for digest, seen in inspection.views.items()}
    for index, number, entry in entries(inspection):
        if not entry.is_attestation and not mediatype.is_index(entry.media_type) and images.get(entry.digest, True):
            yield index, number, entry


def is_vague(entry: Descriptor) -> bool:
    """An arm entry that leaves open for which boards it is."""
    own = entry.platform.canonical() if entry.platform is not None else None
    return own is not None and own.architecture == "arm" and not own.variant


def _machines(inspection: Inspection, entry: Descriptor) -> list[str]:
    """What the programs of the entry's image are for, sorted; empty where its layers were not read."""
    images = [image for image in inspection.images if image.digest == entry.digest]
    found = speaking(judged(inspection, images[0], Platform("linux", "amd64"))) if images else ()
    return sorted({describe(one.program.binary) for one, _ in found if one.program.is_executable})


def _config_platform(inspection: Inspection, entry: Descriptor) -> Platform | None:
    """What the entry's config says, None where it says nothing."""
    manifest = inspection.views.get(entry.digest)
    config = inspection.configs.get(manifest.config.digest) if isinstance(manifest, Manifest) else None
    return config.platform if config is not None and config.platform.os and config.platform.architecture else None


def agree(entry: Platform, config: Platform) -> bool:
    """Whether they name one platform; what one of them leaves open is no contradiction."""
    entry, config = entry.canonical(), config.canonical()
    a, b = entry.normalised(), config.normalised()
    if (a.os and a.os != b.os) or (a.architecture and a.architecture != b.architecture):
        return False
    variants_differ = bool(entry.variant and config.variant) and a.variant != b.variant
    versions_differ = bool(a.os_version and b.os_version) and a.os_version != b.os_version
    return not variants_differ and not versions_differ


def place(index: Index, number: int, rest: str, entry: Descriptor) -> Location:
    """Where an entry stands; `rest` is the pointer below it, such as /size."""
    return Location(index.document.digest, f"/manifests/{number}{rest}", label=entry.label)


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

RULES: Final = (
    Rule(
        "index/missing-platform",
        "An entry says no platform, or half of one",
        "Engines pick an entry by its platform; one without is never picked, or crashes the client.",
        '`{"mediaType": …, "digest": "sha256:…", "size": 458}`',
        _ERROR, missing_platform, fixable=True,
    ),
    Rule(
        "index/wrong-platform",
        "An entry names another platform than the image's config",
        "The engine pulls by the entry and then refuses, warns, or runs the wrong program.",
        "entry linux/arm64, config linux/amd64",
        _ERROR, wrong_platform, fixable=True,
    ),
    Rule(
        "index/duplicate-platform",
        "Two entries are for one platform",
        "Which of them is pulled is luck. Variants are compared as engines do: arm64 is arm64/v8, arm is arm/v7. "
        "One with gzip and one with zstd are told apart by the annotation io.github.containers.compression.zstd.",
        "linux/arm64 and linux/arm64/v8 in one index",
        _ERROR, duplicate_platform, fixable=True,
    ),
    Rule(
        "index/ambiguous-arm",
        "An arm entry that needs a variant names none",
        "It is read as v7: beside others an ARMv6 board may get a program that dies without a word, "
        "and an image for v6 alone is not found there.",
        "linux/arm and linux/arm, for v6 and v7",
        _ERROR, ambiguous_arm, fixable=True,
    ),
    Rule(
        "index/impossible-platform",
        "A platform that nobody asks for",
        "Names are those of Go: amd64 and not x86_64. Clients that compare names as they are never find it.",
        "linux/x86_64, linux/arm/armv7",
        _ERROR, impossible_platform, fixable=True,
    ),
    Rule(
        "index/windows-version",
        "A Windows entry without os.version",
        "Windows hosts run images of their own build; without the version they may choose one that does not start.",
        "windows/amd64 without os.version",
        _WARNING, windows_version, fixable=True,
    ),
    Rule(
        "index/attestation-platform",
        "An attestation that counts as a platform",
        "Attestations are marked unknown/unknown so that no engine runs them.",
        "vnd.docker.reference.type on a linux/amd64 entry",
        _WARNING, attestation_platform, fixable=True,
    ),
    Rule(
        "index/stale-attestation",
        "An attestation of an image that is not in the index",
        "It vouches for something nobody gets, and tools that follow it fail.",
        "vnd.docker.reference.digest names a replaced child",
        _WARNING, stale_attestation, fixable=True,
    ),
    Rule(
        "index/attestation-without-subject",
        "An attestation does not say of what",
        "Nobody can find it, and clients list an unknown/unknown platform.",
        "an unknown/unknown entry without vnd.docker.reference.digest",
        _WARNING, no_subject,
        advice="Build it anew, or take the entry out: `ocitool index remove REF --digest DIGEST`.",
    ),
    Rule(
        "index/no-media-type",
        "A document without mediaType",
        "The field is optional in OCI; clients that rely on it fail or guess Docker's.",
        '`{"schemaVersion": 2, "manifests": […]}`',
        _WARNING, no_media_type, fixable=True,
    ),
    Rule(
        "index/order",
        "An attestation stands before an image",
        "Old clients take the first entry whatever it is.",
        "unknown/unknown as the first entry",
        _NOTE, order, fixable=True,
    ),
    Rule(
        "index/empty",
        "Nothing to run in the index",
        "A tag that offers no platform cannot be pulled by anybody.",
        '`{"manifests": []}`',
        _ERROR, empty,
        advice="Push the images again, or bring back what the tag held: `ocitool undo REF`.",
    ),
)  # fmt: skip
