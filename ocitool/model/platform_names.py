"""The one table of platforms: which pairs of os and architecture there are, what else they are called, and levels.

Everything that parses, compares, chooses, edits, checks or compiles reads it, so that none of them knows a platform
that another does not. Sources: Go's `go tool dist list`, containerd's platform database, image-spec "Platform
Variants"; of ppc64le and riscv64, which no specification orders, the order is that of their own documents (K219).
"""

import re
from collections.abc import Mapping
from typing import Final

from ocitool.values import dataclass

_MACHINES: Final = (
    "386 amd64 arm arm64 arm64be armbe loong64 mips mips64 mips64le mips64p32 mips64p32le mipsle ppc ppc64 ppc64le "
    "riscv riscv64 s390 s390x sparc sparc64"
)
PAIRS: Final[Mapping[str, frozenset[str]]] = {
    os: frozenset(architectures.split())
    for os, architectures in {
        "aix": "ppc ppc64",
        "android": "386 amd64 arm arm64 riscv64",
        "darwin": "386 amd64 arm arm64 ppc ppc64",
        "dragonfly": "386 amd64",
        "freebsd": "386 amd64 arm arm64 mips mips64 mips64le mipsle ppc ppc64 ppc64le riscv64 sparc64",
        "hurd": "386 amd64",
        "illumos": "amd64",
        "ios": "amd64 arm arm64",
        "js": "wasm",
        "linux": _MACHINES,
        "nacl": "386 amd64 amd64p32 arm",
        "netbsd": "386 amd64 arm arm64 arm64be armbe mips mips64 mips64le mipsle ppc riscv64 sparc sparc64",
        "openbsd": "386 amd64 arm arm64 mips64 mips64le ppc ppc64 riscv64 sparc64",
        "plan9": "386 amd64 arm arm64",
        "solaris": "386 amd64 sparc sparc64",
        "wasi": "wasm",  # what Docker and runwasi call it
        "wasip1": "wasm",  # what Go calls it
        "windows": "386 amd64 arm arm64",
        "zos": "s390x",
    }.items()
}
"""The architectures of each os; a pair that is not here is of no machine (K220)."""
OSES: Final = frozenset(PAIRS)
ARCHITECTURES: Final = frozenset[str]().union(*PAIRS.values())
ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    "i386": ("386", ""), "i486": ("386", ""), "i586": ("386", ""), "i686": ("386", ""), "x86": ("386", ""),
    "x86_64": ("amd64", ""), "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""), "armhf": ("arm", "v7"), "armel": ("arm", "v6"),
    "armv5": ("arm", "v5"), "armv5l": ("arm", "v5"), "armv5te": ("arm", "v5"), "armv5tel": ("arm", "v5"),
    "armv6": ("arm", "v6"), "armv6l": ("arm", "v6"), "armv7": ("arm", "v7"), "armv7l": ("arm", "v7"),
    "armv7a": ("arm", "v7"), "armv7hl": ("arm", "v7"), "armv8l": ("arm", "v8"),
    "powerpc64le": ("ppc64le", ""), "ppc64el": ("ppc64le", ""), "loongarch64": ("loong64", ""),
    "mips64el": ("mips64le", ""), "mipsel": ("mipsle", ""), "riscv64gc": ("riscv64", ""),
}  # fmt: skip
"""Other names of architectures: Go's name and the variant that they imply."""
RUNS_ALSO: Final[Mapping[str, str]] = {"amd64": "386", "arm64": "arm"}
"""The 32-bit sister whose programs most machines of an architecture still run."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of an architecture by the names that engines know, the lowest first.

    `default` is what an absent variant means. `spelling` matches them as compilers and kernels write them, too;
    `form` makes the name of its group. `told` is for people.
    """

    names: tuple[str, ...]
    default: str
    form: str
    spelling: str
    told: str

    def named(self, variant: str) -> str:
        """The level by its own name; what is no level stays as it is."""
        found = re.fullmatch(self.spelling, variant)
        return self.form.format(found.group(1)) if found is not None else variant

    def at_most(self, level: str) -> tuple[str, ...]:
        """The levels that a machine of this one runs, the best first; what is no level runs itself alone."""
        if level not in self.names:
            return (level,)
        place = self.names.index(level)
        return self.names[place::-1]


class _Arm64Levels(Levels):
    """v9.x has all that v8.(x+5) has, and not more."""

    __slots__ = ()

    def at_most(self, level: str) -> tuple[str, ...]:
        """The levels that a machine of this one runs, the best first."""
        below = Levels.at_most(self, level)
        if not level.startswith("v9"):
            return below
        minor = min(5 + int(level.partition(".")[2] or 0), 9)
        best = self.names.index(f"v8.{minor}")
        return tuple(one for one in below if one.startswith("v9") or self.names.index(one) <= best)


_POWER: Final = Levels(
    ("power8", "power9", "power10"),
    default="power8",
    form="power{}",
    spelling=r"(?:power|pwr|p)?-?(8|9|10)",
    told="power8 to power10",
)
LEVELS: Final[Mapping[str, Levels]] = {
    "amd64": Levels(("v1", "v2", "v3", "v4"), "v1", "v{}", r"(?:x86[-_]64-?)?v?([1-4])", "v1 to v4"),
    "arm": Levels(("v5", "v6", "v7", "v8"), "v7", "v{}", r"(?:arm)?v?([5-8])(?:l|a|hf|hl)?", "v5 to v8"),
    "arm64": _Arm64Levels(
        ("v8", *(f"v8.{n}" for n in range(1, 10)), "v9", *(f"v9.{n}" for n in range(1, 8))),
        default="v8",
        form="v{}",
        spelling=r"(?:arm)?v?([89](?:\.[1-9])?)(?:\.0)?(?:-?a)?",  # a level zero has no point
        told="v8, v8.1 and so on to v9.7",
    ),
    "ppc64": _POWER,
    "ppc64le": _POWER,
    "riscv64": Levels(
        ("rva20u64", "rva22u64", "rva23u64"),
        default="rva20u64",
        form="rva{}u64",
        spelling=r"(?:rva)?(2[023])(?:u64)?",
        told="rva20u64, rva22u64 and rva23u64",
    ),
}
"""Architectures with levels; the others are compared by their variants as they stand."""


def named(architecture: str, variant: str) -> tuple[str, str]:
    """GOARCH and level, normalised as containerd does: the default level is left out, except that of arm."""
    alias = ALIASES.get(architecture)
    if alias is not None:
        architecture, variant = alias[0], variant or alias[1]
    if architecture == "386":
        return architecture, ""
    levels = LEVELS.get(architecture)
    if levels is None:
        return architecture, variant
    level = levels.named(variant)
    if architecture == "arm":
        return architecture, level or levels.default
    return architecture, "" if level == levels.default else level


def is_known(os: str, architecture: str, variant: str) -> bool:
    """Whether engines know a platform by these names."""
    if architecture not in PAIRS.get(os, ()):
        return False
    levels = LEVELS.get(architecture)
    return not variant or levels is None or variant.removesuffix(".0") in levels.names


def runnable(architecture: str, variant: str) -> list[tuple[str, str]]:
    """What a machine runs, best first, in normalised names: its level and those below, then its 32-bit sister."""
    levels, sister = LEVELS.get(architecture), RUNS_ALSO.get(architecture)
    found = [(architecture, variant)]
    if levels is not None:
        found = [named(architecture, level) for level in levels.at_most(variant or levels.default)]
    if sister is not None:
        best = LEVELS[sister].names[-1] if sister in LEVELS else ""
        found += runnable(sister, best)
    return found
