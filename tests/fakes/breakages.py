"""Ten ways in which published indexes are found broken, each made on a store under the tag 1.

A function returns the digests of the images that a repair has no business to change.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ocitool.model.digest import Digest
from tests.fakes.sick import Tree, Ward, member, program, tar


@dataclass(frozen=True, slots=True)
class Breakage:
    """What breaks it, the rule that names it, the platforms after the repair, and what the repair is told."""

    make: Callable[[Ward], tuple[Digest, ...]]
    rule: str
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64")
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What it is called as a parameter."""
        return self.make.__name__


def digests(*entries: Tree) -> tuple[Digest, ...]:
    """The digests of entries."""
    return tuple(Digest(entry["digest"]) for entry in entries)


def deleted(ward: Ward) -> tuple[Digest, ...]:
    """K034: an image that a clean-up job deleted by its digest."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, arm64)
    ward.store.delete(arm64["digest"])
    return digests(amd64)


def swapped(ward: Ward) -> tuple[Digest, ...]:
    """K008: each of two entries names the other's platform."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64 | {"platform": arm64["platform"]}, arm64 | {"platform": amd64["platform"]})
    return digests(amd64, arm64)


def blank(ward: Ward) -> tuple[Digest, ...]:
    """A config without an architecture."""
    amd64 = ward.image()
    ward.index(amd64, ward.image("linux/arm64", config=lambda tree: tree.update(architecture="")))
    return digests(amd64)


def wrong_program(ward: Ward) -> tuple[Digest, ...]:
    """K010: an amd64 program in the arm64 image, where nothing else is for amd64."""
    other = ward.image("linux/s390x", layers=[tar(member("readme"))])
    ward.index(ward.image("linux/arm64", layers=[program("amd64")]), other)
    return digests(other)


def duplicated(ward: Ward) -> tuple[Digest, ...]:
    """K001: arm64 and arm64/v8 are one platform."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, arm64, arm64 | {"platform": arm64["platform"] | {"variant": "v8"}})
    return digests(amd64, arm64)


def wrong_size(ward: Ward) -> tuple[Digest, ...]:
    """An entry that says another size than its manifest has."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, arm64 | {"size": 9999})
    return digests(amd64, arm64)


def nested(ward: Ward) -> tuple[Digest, ...]:
    """K020: an index as an entry."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, ward.index(arm64, tag="inner"))
    return digests(amd64, arm64)


def nameless(ward: Ward) -> tuple[Digest, ...]:
    """K218: an image that its entry calls unknown/unknown."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, arm64 | {"platform": {"architecture": "unknown", "os": "unknown"}})
    return digests(amd64, arm64)


def untyped(ward: Ward) -> tuple[Digest, ...]:
    """K044: an index that does not say its mediaType."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, arm64, mediaType=None)
    return digests(amd64, arm64)


def stale(ward: Ward) -> tuple[Digest, ...]:
    """K022: the image that was attested is in the registry, and no longer in the index."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    old = ward.image(config=lambda tree: tree.update(author="old"))
    ward.index(amd64, arm64, ward.attestation(old["digest"]))
    return digests(amd64, arm64)


DELETED = Breakage(deleted, "index/dangling", ("linux/amd64",), ("--drop-missing",))
UNDOABLE = (
    Breakage(swapped, "index/wrong-platform"),
    Breakage(blank, "config/no-platform"),
    Breakage(wrong_program, "binary/wrong-platform", ("linux/amd64", "linux/s390x"), ("--deep",)),
    Breakage(duplicated, "index/duplicate-platform"),
    Breakage(wrong_size, "index/child-size"),
    Breakage(nested, "index/nested"),
    Breakage(nameless, "index/wrong-platform"),
    Breakage(untyped, "index/no-media-type"),
    Breakage(stale, "index/stale-attestation"),
)
TEN = (DELETED, *UNDOABLE)
