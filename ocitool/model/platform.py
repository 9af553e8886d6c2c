"""Platform: parse, print, normalise, compare, choose.

Spec: image-spec image-index.md, "platform"; the rules are containerd's (Parse, Normalize, Only).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import quote, unquote

from ocitool.errors import MalformedDocument, UsageError

T = TypeVar("T")

OSES: Final = frozenset(
    [
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "illumos",
        "ios",
        "js",
        "linux",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "wasi",  # what Docker and runwasi call it
        "wasip1",
        "windows",
        "hurd",
        "nacl",
        "zos",
    ]
)
ARCHITECTURES: Final = frozenset(
    [
        "386",
        "amd64",
        "amd64p32",
        "arm",
        "arm64",
        "arm64be",
        "armbe",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mips64p32",
        "mips64p32le",
        "mipsle",
        "ppc",
        "ppc64",
        "ppc64le",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ]
)
_ALIASES: Final[dict[str, tuple[str, str]]] = {
    "i386": ("386", ""), "i486": ("386", ""), "i586": ("386", ""), "i686": ("386", ""), "x86": ("386", ""),
    "x86_64": ("amd64", ""), "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""), "armhf": ("arm", "v7"), "armel": ("arm", "v6"),
    "armv5": ("arm", "v5"), "armv5l": ("arm", "v5"), "armv5te": ("arm", "v5"), "armv5tel": ("arm", "v5"),
    "armv6": ("arm", "v6"), "armv6l": ("arm", "v6"), "armv7": ("arm", "v7"), "armv7l": ("arm", "v7"),
    "armv7a": ("arm", "v7"), "armv7hl": ("arm", "v7"), "armv8l": ("arm", "v8"),
    "powerpc64le": ("ppc64le", ""), "ppc64el": ("ppc64le", ""), "loongarch64": ("loong64", ""),
    "mips64el": ("mips64le", ""), "mipsel": ("mipsle", ""), "riscv64gc": ("riscv64", ""),
}  # fmt: skip
_PART: Final = re.compile(r"[A-Za-z0-9_.-]+")
_OS: Final = re.compile(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%+-]*)\))?")
_ARM: Final = ("v8", "v7", "v6", "v5")
ARM_DEFAULT: Final = "v7"
"""The variant that engines read into an arm platform without one."""
_VARIANTS: Final = {
    "amd64": re.compile(r"(v[1-4])?"),
    "arm": re.compile(r"(v[5-8])?"),
    "arm64": re.compile(r"(v[89](\.[0-9])?)?"),
}
"""What engines know as variants, where they know any: others are compared as they stand."""
_LOWEST: Final = {"amd64": "v1", "arm64": "v8"}
"""The variant that is left out of the one form for comparing."""
_LEVELS: Final = {"amd64": "v1 to v4", "arm": "v5 to v8", "arm64": "v8, v8.1 and so on to v9.5"}
_LONG_VARIANTS: Final = {
    "amd64": re.compile(r"(?:x86[-_]64-?)?v?([1-4])"),
    "arm": re.compile(r"(?:arm)?v?([5-8])(?:l|a|hf|hl)?"),
    "arm64": re.compile(r"(?:arm)?v?([89](?:\.[1-9])?)(?:\.0)?(?:-?a)?"),
}
"""Variants as compilers and kernels name them, too; a level zero is the one without a point."""


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """What a program or image runs on, exactly as written; `normalised` is for comparing.

    `os_features` keeps its order. All fields are plain strings of the index's platform object.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, host: "Platform | None" = None) -> "Platform":
        """The platform a user typed: `os[(version+feature)]/arch[/variant]`, or one of os and arch alone.

        Aliases become their GOARCH names (`linux/aarch64` is linux/arm64). linux/arm gets its v7 written
        out; linux/arm64 stays without a variant, and linux/arm64/v8 keeps it. A part alone is completed
        from `host`. Raises UsageError.
        """
        text, _, suffix = text.strip().partition(":")  # crane's spelling of the os version
        parts = text.split("/")
        if not 1 <= len(parts) <= 3 or not all(parts):
            raise UsageError(
                f"not a platform: {text!r}", hint="write os/arch or os/arch/variant, such as linux/arm/v7"
            )
        if len(parts) == 1:
            return cls._parse_one(text, host)
        match = _OS.fullmatch(parts[0])
        if match is None or not all(_PART.fullmatch(part) for part in parts[1:]):
            raise UsageError(
                f"not a platform: {text!r}", hint="write os/arch or os/arch/variant, such as linux/arm/v7"
            )
        os, options = match.group(1).lower(), match.group(2) or ""
        version, *features = options.split("+")
        written = parts[2].lower() if len(parts) == 3 else ""
        architecture, variant = _architecture(parts[1].lower(), written)
        if written and not variant and architecture == "arm64":
            variant = "v8"
        platform = cls(
            os="darwin" if os == "macos" else os,
            architecture=architecture,
            variant=variant,
            os_version=unquote(version) or suffix,
            os_features=tuple(unquote(feature) for feature in features if feature),
        )
        if not platform.is_known:
            raise UsageError(f"unknown platform {text!r}", hint=_suggest(platform))
        return platform

    @classmethod
    def _parse_one(cls, text: str, host: "Platform | None") -> "Platform":
        word = text.lower()
        match = _OS.fullmatch(word)
        name = match.group(1) if match else ""
        if name in OSES or name == "macos":
            if host is None:
                raise UsageError(
                    f"platform {text!r} names no architecture", hint=f"write {word}/amd64 or {word}/arm64"
                )
            end = f"/{host.variant}" if host.variant not in {"", "v7"} and host.architecture == "arm" else ""
            return cls.parse(f"{text}/{host.architecture}{end}")
        architecture, _ = _architecture(word, "")
        if architecture in ARCHITECTURES:
            return cls.parse(f"{host.os if host else 'linux'}/{word}")
        raise UsageError(
            f"unknown platform {text!r}", hint="write os/arch or os/arch/variant, such as linux/arm/v7"
        )

    @classmethod
    def from_tree(cls, tree: object, pointer: str = "") -> "Platform | None":
        """The platform object of an index entry; None if it is absent, null or names neither os nor arch."""
        if tree is None:
            return None
        if not isinstance(tree, Mapping):
            raise MalformedDocument("platform is not an object", pointer=pointer)

        def text(key: str) -> str:
            value = tree.get(key)
            if value is None:
                return ""
            if not isinstance(value, str):
                raise MalformedDocument(f"platform {key} is not a string", pointer=f"{pointer}/{key}")
            return value

        def words(key: str) -> tuple[str, ...]:
            value = tree.get(key)
            if value is None:
                return ()
            if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
                raise MalformedDocument(f"platform {key} is not a list of strings", pointer=f"{pointer}/{key}")
            return tuple(value)

        platform = cls(
            os=text("os"),
            architecture=text("architecture"),
            variant=text("variant"),
            os_version=text("os.version"),
            os_features=words("os.features"),
            features=words("features"),
        )
        return platform if platform.os or platform.architecture else None

    def to_tree(self) -> dict[str, object]:
        """The platform object for an index entry, in the order of the specification."""
        tree: dict[str, object] = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            tree["os.version"] = self.os_version
        if self.os_features:
            tree["os.features"] = list(self.os_features)
        if self.variant:
            tree["variant"] = self.variant
        if self.features:
            tree["features"] = list(self.features)
        return tree

    def __str__(self) -> str:
        options = quote(self.os_version, safe="")
        options += "".join(f"+{quote(feature, safe='')}" for feature in self.os_features)
        os = f"{self.os or 'unknown'}({options})" if options else self.os or "unknown"
        return "/".join(part for part in (os, self.architecture, self.variant) if part)

    @property
    def is_unknown(self) -> bool:
        """BuildKit's `unknown/unknown`: an attestation, not something to run."""
        return "unknown" in (self.os, self.architecture)

    @property
    def is_whole(self) -> bool:
        """Whether both os and architecture are named."""
        return bool(self.os and self.architecture)

    @property
    def is_known(self) -> bool:
        """Whether engines know its os, architecture and variant by these names."""
        variants = _VARIANTS.get(self.architecture)
        is_level = variants is None or variants.fullmatch(self.variant) is not None
        return self.os in OSES and self.architecture in ARCHITECTURES and is_level

    def canonical(self) -> "Platform":
        """The same platform by the names that engines know; itself where they are right, or like nothing known.

        A variant that is left open stays so, unless the architecture's name holds one (armhf).
        """
        if self.is_known:
            return self
        named = self.normalised()
        is_open = not self.variant and self.architecture.lower() == named.architecture
        variant = "" if is_open else named.variant
        better = replace(self, os=named.os, architecture=named.architecture, variant=variant)
        return better if better.is_known else self

    def normalised(self) -> "Platform":
        """The same platform in the one form used for comparing; never written anywhere."""
        os = self.os.lower()
        architecture, variant = _architecture(self.architecture.lower(), self.variant.lower())
        if architecture == "arm64" and variant == "v8":
            variant = ""
        return Platform(
            os="darwin" if os == "macos" else os,
            architecture=architecture,
            variant=variant,
            os_version=self.os_version,
            os_features=tuple(sorted(set(self.os_features))),
            features=tuple(sorted(set(self.features))),
        )

    def same(self, other: "Platform") -> bool:
        """Whether both name one platform: equal after normalising."""
        return self.normalised() == other.normalised()

    def candidates(self) -> tuple["Platform", ...]:
        """What a host of this platform can run, best first; os version and features are left out.

        An arm host takes lower variants, never arm64 (K005); arm64 takes its lower levels and then arm.
        """
        me = self.normalised()
        return tuple(
            Platform(me.os, architecture, variant)
            for architecture, variant in _runnable(me.architecture, me.variant)
        )

    def without_version(self) -> "Platform":
        """The same platform with no os version or features."""
        return replace(self, os_version="", os_features=(), features=())


def _architecture(name: str, variant: str) -> tuple[str, str]:
    """GOARCH and variant, normalised as containerd does, except that arm64's v8 is left to the caller."""
    alias = _ALIASES.get(name)
    if alias is not None:
        name, variant = alias[0], variant or alias[1]
    if name == "386":
        return name, ""
    long = _LONG_VARIANTS[name].fullmatch(variant) if name in _LONG_VARIANTS else None
    level = f"v{long.group(1)}" if long is not None else variant
    if name == "arm":
        return name, level or ARM_DEFAULT
    return name, "" if level == _LOWEST.get(name) else level


def _runnable(architecture: str, variant: str) -> list[tuple[str, str]]:
    if architecture == "amd64":
        level = int(variant[1:]) if re.fullmatch(r"v[2-4]", variant) else 1
        return [("amd64", f"v{n}" if n > 1 else "") for n in range(level, 0, -1)] + [("386", "")]
    if architecture == "arm":
        return [("arm", v) for v in _ARM[_ARM.index(variant) :]] if variant in _ARM else [("arm", variant)]
    if architecture != "arm64":
        return [(architecture, variant)]
    arm = [("arm", v) for v in _ARM]
    match = re.fullmatch(r"v([89])(?:\.([0-9]))?", variant or "v8")
    if match is None:
        return [("arm64", variant), *arm]
    major, minor = int(match.group(1)), int(match.group(2) or 0)
    levels = [(major, n) for n in range(minor, -1, -1)]
    if major == 9:
        levels += [(8, n) for n in range(min(minor + 5, 9), -1, -1)]
    names = [f"v{a}.{b}" if b else ("" if a == 8 else f"v{a}") for a, b in levels]
    return [("arm64", name) for name in names] + arm


def _suggest(platform: Platform) -> str:
    if platform.os in ARCHITECTURES or platform.os in _ALIASES:
        return f"the os comes first: linux/{platform.os}"
    if platform.os not in OSES:
        return f"the os is one of {', '.join(sorted(OSES))}"
    if platform.architecture in _VARIANTS:
        return f"variants of {platform.architecture} are {_LEVELS[platform.architecture]}"
    return f"the architecture is one of {', '.join(sorted(ARCHITECTURES))}"


def parse_platforms(texts: Iterable[str], host: Platform | None = None) -> tuple[Platform, ...]:
    """Every platform of repeated, comma-separated options; repeats of one platform are kept once, in order.

    `local` is the host's own, as for buildx. Raises UsageError.
    """
    found: list[Platform] = []
    for text in texts:
        for word in text.split(","):
            if not word.strip():
                continue
            is_host = host is not None and word.strip().lower() == "local"
            platform = host if host is not None and is_host else Platform.parse(word, host)
            if not any(platform.same(other) for other in found):
                found.append(platform)
    return tuple(found)


def choose(wanted: Platform, entries: Sequence[T], platform_of: Callable[[T], Platform | None]) -> T | None:
    """The entry that a host of platform `wanted` should run, or None.

    Equal as written first, then equal after normalising, then the best that `candidates` allows; among
    equals the first entry wins (image-spec), except that the newest Windows build the host can run does.
    Entries without a platform, and attestations, never match.
    """
    known = [(entry, platform) for entry in entries if (platform := platform_of(entry)) and not platform.is_unknown]
    for entry, platform in known:
        if platform == wanted:
            return entry
    asked = wanted.normalised()
    runnable = [(entry, has.normalised()) for entry, has in known if _features_fit(asked, has.normalised())]
    for candidate in wanted.candidates():
        same = [
            (entry, has)
            for entry, has in runnable
            if (has.os, has.architecture, has.variant) == (candidate.os, candidate.architecture, candidate.variant)
            and _version_fits(asked, has)
        ]
        if same and asked.os == "windows":
            return max(same, key=lambda pair: _numbers(pair[1].os_version))[0]
        if same:
            return same[0][0]
    return None


def _features_fit(asked: Platform, has: Platform) -> bool:
    wanted = set(asked.os_features)
    return not wanted or {f for f in has.os_features if f != "win32k"} <= wanted


_LTSC: Final = (17763, 20348, 26100)


def _version_fits(asked: Platform, has: Platform) -> bool:
    """Windows runs builds of its own version; from Server 2022 on also older ones down to the last LTSC."""
    if asked.os != "windows" or not asked.os_version or not has.os_version:
        return True
    host, image = _numbers(asked.os_version), _numbers(has.os_version)
    if host[:2] != image[:2]:
        return False
    if len(host) < 3 or len(image) < 3:
        return True
    if host[2] < 20348 or host[2] == 20348:
        return host[2] == image[2]
    floor = max(build for build in _LTSC if build < host[2])
    return floor <= image[2] <= host[2]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split(".")) if version else ()
