"""Platforms chosen by patterns: `linux/*` is every architecture of linux."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Self, TypeAlias

from ocitool.errors import UsageError
from ocitool.model import platform_names
from ocitool.model.platform import Platform, parse_platforms
from ocitool.model.platform_names import ARCHITECTURES, OSES
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class PlatformPattern:
    """`os/arch[/variant]`, each part as a shell's pattern; without the third it is any variant, and none."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The pattern in a word. Raises UsageError for one that nothing can fit."""
        parts = text.strip().lower().split("/")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise UsageError(f"not a pattern of platforms: {text!r}", hint="write os/arch, such as linux/*")
        os, architecture, variant = (*parts, "")[:3]
        if not is_pattern(architecture):
            architecture, written = platform_names.named(architecture, variant)
            variant = variant if is_pattern(variant) else written
        for part, known in ((os, OSES), (architecture, ARCHITECTURES)):
            if not any(fnmatchcase(name, part) for name in known):
                raise UsageError(f"no platform fits {text!r}", hint=f"there are {', '.join(sorted(known))}")
        return cls(os, architecture, variant)

    def same(self, other: Platform) -> bool:
        """Whether a platform fits, whatever its OS version."""
        has = other.normalised()
        return (
            fnmatchcase(has.os, self.os)
            and fnmatchcase(has.architecture, self.architecture)
            and (not self.variant or fnmatchcase(has.variant, self.variant))
        )

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


PlatformChoice: TypeAlias = Platform | PlatformPattern
"""What says which platforms are meant."""


def is_pattern(word: str) -> bool:
    """Whether a word stands for several."""
    return any(mark in word for mark in "*?[")


def parse_choices(
    words: Iterable[str | Platform] | str | Platform, host: Platform | None = None
) -> tuple[PlatformChoice, ...]:
    """Platforms and patterns of repeated, comma-separated words, in order. Raises UsageError."""
    found: list[PlatformChoice] = []
    for given in [words] if isinstance(words, (str, Platform)) else words:
        for word in given.split(",") if isinstance(given, str) else [given]:
            if isinstance(word, str) and is_pattern(word):
                found.append(PlatformPattern.parse(word))
            else:
                found += parse_platforms(word, host)
    return tuple(dict.fromkeys(found))
