"""Entries of an index: the object that is written, the descriptor read from it, and which ones are meant."""

from collections.abc import Iterable, Mapping

from ocitool.errors import NotFound, UsageError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import JsonTree
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.platform_pattern import PlatformChoice, PlatformPattern
from ocitool.model.views import Descriptor, Index
from ocitool.values import dataclass, field


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One entry: `tree` is written as it stands, with keys that we do not know (K019)."""

    descriptor: Descriptor
    tree: Mapping[str, JsonTree] = field(compare=False)

    @classmethod
    def of(cls, descriptor: Descriptor) -> "IndexEntry":
        """An entry of our own making."""
        return cls(descriptor, descriptor.to_tree())

    @property
    def digest(self) -> Digest:
        """The digest of the manifest it names."""
        return self.descriptor.digest

    @property
    def platform(self) -> Platform | None:
        """What it runs on; None for attestations and for entries that do not say."""
        return None if self.is_attestation else self.descriptor.runs_on

    @property
    def is_attestation(self) -> bool:
        """Whether it is about an image and none itself."""
        return self.descriptor.is_attestation

    @property
    def label(self) -> str:
        """What people call it."""
        if self.is_attestation and self.descriptor.attested:
            return f"attestation of {Digest(self.descriptor.attested).short}"
        zstd = " (zstd)" if self.descriptor.is_zstd_image else ""
        return f"{self.platform}{zstd}" if self.platform else self.digest.short


def entries_of(index: Index) -> tuple[IndexEntry, ...]:
    """The entries of an index with the objects they are written as, in document order."""
    trees = index.document.tree()["manifests"]
    return tuple(IndexEntry(descriptor, tree) for descriptor, tree in zip(index.entries, trees, strict=True))


@dataclass(frozen=True, slots=True)
class Selector:
    """Which entries are meant: by platform after normalising or by a pattern of platforms, or by digest.

    A platform without an OS version means every version of it.
    """

    platforms: tuple[PlatformChoice, ...] = ()
    digests: tuple[Digest, ...] = ()

    def matches(self, entry: IndexEntry) -> bool:
        """Whether the entry is one of those meant; attestations only by their digest."""
        return entry.digest in self.digests or any(_meant(platform, entry) for platform in self.platforms)

    def check(self, entries: Iterable[IndexEntry], where: str) -> None:
        """Raise NotFound for a platform or digest that matches none of the entries, listing what there is."""
        listed = tuple(entries)
        absent = [str(p) for p in self.platforms if not any(_meant(p, entry) for entry in listed)]
        absent += [str(d) for d in self.digests if all(d != entry.digest for entry in listed)]
        if absent:
            raise NotFound(
                f"no entry {', '.join(absent)} in {where}", name=absent[0], where=where, hint=available(listed)
            )


def available(entries: Iterable[IndexEntry]) -> str:
    """A line that lists the platforms there are, with OS versions and without attestations (K013)."""
    names = [entry.label for entry in entries if not entry.is_attestation]
    return f"there is {', '.join(names)}" if names else "there is nothing to run in it"


def check_runnable(platform: Platform, what: str) -> None:
    """Raise UsageError for an os, architecture or variant that no engine knows by that name."""
    if not platform.is_known:
        better = platform.canonical()
        hint = "name os and architecture as Go does" if better == platform else f"its name is {better}"
        raise UsageError(f"{what} would be for {platform}, which is no platform", hint=hint)


def check_duplicates(entries: Iterable[IndexEntry]) -> None:
    """Raise UsageError if two entries are for one platform after normalising, naming both (K001, K017).

    One with gzip and one with zstd may be.
    """
    seen: dict[tuple[Platform, bool], IndexEntry] = {}
    for entry in entries:
        if entry.platform is None:
            continue
        other = seen.setdefault((entry.platform.normalised(), entry.descriptor.is_zstd_image), entry)
        if other.digest != entry.digest:
            raise UsageError(
                f"{other.platform} {other.digest.short} and {entry.platform} {entry.digest.short} "
                "are for the same platform",
                hint="name the platform of one with SRC=PLATFORM, or keep both with --allow-duplicates",
            )


def family_of_entries(entries: Iterable[IndexEntry], default: Family = Family.DOCKER) -> Family:
    """The one family that all entries belong to (K023); `default` where none says.

    Raises UsageError if they are mixed: tools that know one family alone would read half of such an index.
    """
    found = {family: e for e in entries if (family := mediatype.family_of(e.descriptor.media_type)) is not None}
    if len(found) > 1:
        docker, oci = found[Family.DOCKER], found[Family.OCI]
        raise UsageError(
            f"{docker.label} is a Docker manifest and {oci.label} an OCI one: not every tool reads a mixed index",
            hint="convert the children with --format oci (or docker); their digests change",
        )
    return next(iter(found), default)


def check_family(entries: Iterable[IndexEntry], family: Family) -> None:
    """Raise UsageError for an entry of the other family, and for what a Docker list cannot carry (K023, K032)."""
    for entry in entries:
        has = mediatype.family_of(entry.descriptor.media_type)
        if has not in (None, family):
            raise UsageError(
                f"{entry.label} is {has.value if has else ''}, the index {family.value}: not every tool reads that",
                hint=f"convert it with --format {family.value}, or the index with ocitool index convert",
            )
        if family is Family.DOCKER and (entry.descriptor.annotations or entry.descriptor.artifact_type):
            raise UsageError(
                f"a Docker manifest list cannot carry the annotations of {entry.label}", hint="add --format oci"
            )


def _meant(platform: PlatformChoice, entry: IndexEntry) -> bool:
    has = entry.platform
    if has is None:
        return False
    if isinstance(platform, PlatformPattern):
        return platform.same(has)
    if not platform.os_version and not platform.os_features:
        return platform.same(has.without_version())
    return platform.same(has)
