"""Which tags are meant: patterns as a shell's, patterns of what is left out, and a range of versions."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ocitool.model.versions import VersionRange
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Names that one of `patterns` fits (any, where there are none), none of `excludes`, and `versions` if given.

    `*` stands for anything, `?` for one character, `[a-z]` for one of several.
    """

    patterns: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    versions: VersionRange | None = None

    def holds(self, name: str) -> bool:
        """Whether a name is meant."""
        return (
            (not self.patterns or fits(name, self.patterns))
            and not fits(name, self.excludes)
            and (self.versions is None or self.versions.holds(name))
        )


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def fits_stars(name: str, pattern: str) -> bool:
    """Whether a pattern fits in which `*` alone is special."""
    return fnmatchcase(name, "".join(f"[{char}]" if char in "[?" else char for char in pattern))
