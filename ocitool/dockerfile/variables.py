"""Variables that ARG, ENV and the platforms make visible, line after line.

Spec: BuildKit's Dockerfile reference, "ARG", "Automatic platform ARGs in the global scope".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from ocitool.dockerfile.syntax.instructions import Arg
from ocitool.model.platform import Platform

PROXIES: Final = frozenset(
    name
    for word in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (word, word.lower())
)
"""Build arguments that need no ARG."""

CONTROL: Final = frozenset(
    [
        "SOURCE_DATE_EPOCH",
        "BUILDKIT_SYNTAX",
        "BUILDKIT_MULTI_PLATFORM",
        "BUILDKIT_INLINE_CACHE",
        "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
        "BUILDKIT_BUILD_NAME",
        "BUILDKIT_CACHE_MOUNT_NS",
        "BUILDKIT_DOCKERFILE_CHECK",
        "BUILDKIT_SANDBOX_HOSTNAME",
        "BUILDKIT_SBOM_SCAN_CONTEXT",
        "BUILDKIT_SBOM_SCAN_STAGE",
    ]
)
"""Build arguments that speak to the builder."""


def automatic(target: Platform, host: Platform, stage: str = "") -> dict[str, str]:
    """The arguments that are there without being given: TARGET… and BUILD…."""
    values: dict[str, str] = {}
    for prefix, platform in (("TARGET", target.normalised()), ("BUILD", host.normalised())):
        values |= {
            f"{prefix}PLATFORM": str(platform),
            f"{prefix}OS": platform.os,
            f"{prefix}OSVERSION": platform.os_version,
            f"{prefix}ARCH": platform.architecture,
            f"{prefix}VARIANT": platform.variant,
        }
    return {**values, "TARGETSTAGE": stage or "default"}


AUTOMATIC: Final = frozenset(automatic(Platform("linux", "amd64"), Platform("linux", "amd64")))
"""The names of those arguments."""


def declared(
    arg: Arg, given: Mapping[str, str], outer: Mapping[str, str], expand: Callable[[str], str]
) -> Iterator[tuple[str, str | None]]:
    """Names and values of one ARG: what was given, else its default, else the value in the global scope.

    None for an argument that has no value at all. They come one by one, for each sees those before it: whoever
    takes a value has to set it before the next is asked for.
    """
    for name, default in arg.items:
        if name in given:
            yield name, given[name]
        elif default is not None:
            yield name, expand(default)
        else:
            yield name, outer.get(name)


def unused(given: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The build arguments that no ARG declares and the builder does not know itself."""
    known = {*names, *PROXIES, *CONTROL}
    return tuple(name for name in given if name not in known)
