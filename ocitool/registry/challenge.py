"""The grammar of WWW-Authenticate: schemes, parameters, quoted strings; several challenges in one header.

Spec: RFC 7235 section 4.1; distribution "Token Authentication".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}(?:[/:=]*{_WORD})*))')
_SCHEME: Final = re.compile(rf"\s*({_WORD})(?=\s|,|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme in lower case, parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def get(self, name: str) -> str:
        """A parameter, empty if absent."""
        return self.parameters.get(name, "")


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of all WWW-Authenticate headers, in order; what does not parse is left out (K077, K079)."""
    return tuple(challenge for header in headers for challenge in _parse(header[:8192]))


def _parse(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(header):
        if header[at] in ", \t":
            at += 1
            continue
        parameter = _PARAMETER.match(header, at) if found else None
        if parameter is not None:
            quoted, bare = parameter.group(2), parameter.group(3)
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            found[-1][1].setdefault(parameter.group(1).lower(), value)
            at = parameter.end()
            continue
        scheme = _SCHEME.match(header, at)
        if scheme is None:
            at += 1
            continue
        found.append((scheme.group(1).lower(), {}))
        at = scheme.end()
    return [Challenge(scheme, MappingProxyType(parameters)) for scheme, parameters in found]


def preferred(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: Bearer with a realm, else Basic, else none that we can."""
    known = list(challenges)
    bearer = next((c for c in known if c.scheme == "bearer" and c.get("realm")), None)
    return bearer or next((c for c in known if c.scheme == "basic"), None)
