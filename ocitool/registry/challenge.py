"""The grammar of WWW-Authenticate: schemes, parameters, quoted strings; several challenges in one header.

Spec: RFC 7235 section 4.1; distribution "Token Authentication".
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ocitool.values import dataclass, field

# Possessive all through: nothing here is shorter for what follows it, and a header of one long word is read once.
_OF_WORDS: Final = r"!#$%&'*+.^_`|~0-9A-Za-z-"
_WORD: Final = rf"[{_OF_WORDS}]++"
_PARAMETER: Final = rf'({_WORD})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|({_WORD}(?:[/:=]++{_WORD})*))'
_SCHEME: Final = rf"({_WORD})(?=\s|,|$)"
_BETWEEN: Final = r"[\s,]++"
_UNREAD: Final = rf"{_WORD}|[^{_OF_WORDS}\s,]++"


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
        between = re.compile(_BETWEEN).match(header, at)
        if between is not None:
            at = between.end()
            continue
        parameter = re.compile(_PARAMETER).match(header, at) if found else None
        if parameter is not None:
            quoted, bare = parameter.group(2), parameter.group(3)
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            found[-1][1].setdefault(parameter.group(1).lower(), value)
            at = parameter.end()
            continue
        scheme = re.compile(_SCHEME).match(header, at)
        if scheme is None:
            unread = re.compile(_UNREAD).match(header, at)
            at = unread.end() if unread is not None else len(header)
            continue
        found.append((scheme.group(1).lower(), {}))
        at = scheme.end()
    return [Challenge(scheme, MappingProxyType(parameters)) for scheme, parameters in found]


def preferred(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: Bearer with a realm, else Basic, else none that we can."""
    known = list(challenges)
    bearer = next((c for c in known if c.scheme == "bearer" and c.get("realm")), None)
    return bearer or next((c for c in known if c.scheme == "basic"), None)
