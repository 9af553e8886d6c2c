"""Platform: parse, print, normalise, compare, choose.

Spec: image-spec image-index.md, "platform"; the rules are containerd's (Parse, Normalize, Only).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, unquote

from ocitool.errors import MalformedDocument, UsageError
from ocitool.model import platform_names
from ocitool.model.numbers import whole
from ocitool.model.platform_names import ALIASES, ARCHITECTURES, LEVELS, OSES, PAIRS
from ocitool.values import dataclass, replace

T = TypeVar("T")

_PART: Final = re.compile(r"[A-Za-z0-9_.-]+")
_OS: Final = re.compile(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%+-]*)\))?")
ARM_DEFAULT: Final = LEVELS["arm"].default
"""The variant that engines read into an arm platform without one."""


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
            raise _no_platform(text)
        if len(parts) == 1:
            return cls._parse_one(text, host)
        match = _OS.fullmatch(parts[0])
        if match is None or not all(_PART.fullmatch(part) for part in parts[1:]):
            raise _no_platform(text)
        os, options = match.group(1).lower(), match.group(2) or ""
        version, *features = options.split("+")
        written = parts[2].lower() if len(parts) == 3 else ""
        architecture, variant = platform_names.named(parts[1].lower(), written)
        if written and not variant and architecture == "arm64":
            variant = "v8"  # as containerd writes it
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
        architecture, _ = platform_names.named(word, "")
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
        return platform_names.is_known(self.os, self.architecture, self.variant)

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
        architecture, variant = platform_names.named(self.architecture.lower(), self.variant.lower())
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

        A host takes lower levels of its architecture, and amd64 and arm64 their 32-bit sister after that; never the
        reverse (K005).
        """
        me = self.normalised()
        return tuple(
            Platform(me.os, architecture, variant)
            for architecture, variant in platform_names.runnable(me.architecture, me.variant)
        )

    def without_version(self) -> "Platform":
        """The same platform with no os version or features."""
        return replace(self, os_version="", os_features=(), features=())


def _no_platform(text: str) -> UsageError:
    words = text.split()
    several = len(words) > 1 and all("/" in word for word in words)
    hint = "commas go between platforms" if several else "write os/arch or os/arch/variant, such as linux/arm/v7"
    return UsageError(f"not a platform: {text!r}", hint=hint)


def _suggest(platform: Platform) -> str:
    """What to write instead of a platform that there is not."""
    os, architecture, variant = platform.os, platform.architecture, platform.variant
    if os in ARCHITECTURES or os in ALIASES:
        return f"the os comes first: linux/{os}"
    if os not in OSES:
        return f"the os is one of {', '.join(sorted(OSES))}"
    if architecture not in ARCHITECTURES:
        return f"the architecture is one of {', '.join(sorted(ARCHITECTURES))}"
    if architecture not in PAIRS[os]:
        others = ", ".join(sorted(one for one, architectures in PAIRS.items() if architecture in architectures))
        return f"{architecture} is an architecture of {others}; {os} runs on {', '.join(sorted(PAIRS[os]))}"
    meant = next((other for other in _WITH_LEVELS if platform_names.is_known(os, other, variant)), "")
    also = f"; did you mean {os}/{meant}/{variant}?" if meant else ""
    return f"variants of {architecture} are {LEVELS[architecture].told}{also}"


_WITH_LEVELS: Final = ("amd64", "arm64", "arm", "ppc64le", "riscv64")
"""Architectures that are thought of for a variant that another one has not, the likeliest first."""


def parse_platforms(
    words: Iterable[str | Platform] | str | Platform, host: Platform | None = None
) -> tuple[Platform, ...]:
    """Every platform of repeated, comma-separated words; repeats of one platform are kept once, in order.

    `local` is the host's own, as for buildx. Raises UsageError.
    """
    found: list[Platform] = []
    for word in [words] if isinstance(words, (str, Platform)) else words:
        for platform in [word] if isinstance(word, Platform) else _listed(word, host):
            if not any(platform.same(other) for other in found):
                found.append(platform)
    return tuple(found)


def _listed(text: str, host: Platform | None) -> Iterator[Platform]:
    for word in text.split(","):
        if host is not None and word.strip().lower() == "local":
            yield host
        elif word.strip():
            yield Platform.parse(word, host)


def other_names(texts: Iterable[str]) -> tuple[str, ...]:
    """A line for each platform of comma-separated options whose architecture has another name here (K226).

    Raises UsageError for what is no platform.
    """
    words = dict.fromkeys(word.strip() for text in texts for word in text.split(","))
    named = (word.partition(":")[0].lower().split("/") for word in words)
    aliased = [word for word, parts in zip(words, named, strict=True) if parts[len(parts) > 1] in ALIASES]
    return tuple(f"{word} is {Platform.parse(word)}" for word in aliased)


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
            return max(same, key=lambda pair: version_numbers(pair[1].os_version))[0]
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
    host, image = version_numbers(asked.os_version), version_numbers(has.os_version)
    if host[:2] != image[:2]:
        return False
    if len(host) < 3 or len(image) < 3:
        return True
    if host[2] < 20348 or host[2] == 20348:
        return host[2] == image[2]
    floor = max(build for build in _LTSC if build < host[2])
    return floor <= image[2] <= host[2]


def version_numbers(version: str) -> tuple[int, ...]:
    """The parts of a version as numbers; 0 for one that is none."""
    return tuple(whole(part) or 0 for part in version.split(".")) if version else ()
