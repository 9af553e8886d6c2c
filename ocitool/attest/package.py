"""Packages found in an image: what database or file told of each, and its package URL.

Spec: package-url purl-spec, "Rules for each purl component" and its types.
"""

from typing import Final
from urllib.parse import quote

from ocitool.model.printable import unicode
from ocitool.values import dataclass

MOST: Final = 100_000
"""Most packages of an image; a guess far above what any image has."""
_FIELD: Final = 4096
"""Longest name or version in characters; a guess."""


@dataclass(frozen=True, slots=True, order=True)
class FoundPackage:
    """One package. `kind` is the type of its purl: deb, apk, rpm, golang, cargo, pypi, npm.

    `namespace` is what stands before the name there, such as the distribution or a scope. `found_in` is the path
    of the file that told of it. `license` is what that says, whatever it means. `checksum` is what the package's
    own ecosystem calls it, empty for none.
    """

    kind: str
    name: str
    version: str = ""
    namespace: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()
    found_in: str = ""
    license: str = ""
    checksum: str = ""

    @classmethod
    def told(
        cls,
        kind: str,
        name: str,
        version: str = "",
        *,
        namespace: str = "",
        qualifiers: tuple[tuple[str, str], ...] = (),
        found_in: str = "",
        license: str = "",  # noqa: A002 - the field's name
        checksum: str = "",
    ) -> "FoundPackage | None":
        """A package as a file of somebody else's tells it; None without a name, or with one that nothing has.

        What else is longer than anything is left out.
        """
        if not name.strip() or any(len(text) > _FIELD for text in (name, version, namespace)):
            return None
        said = tuple((key, _clean(value)) for key, value in qualifiers if len(value) <= _FIELD)
        rest = (_clean(text) if len(text) <= _FIELD else "" for text in (found_in, license, checksum))
        return cls(kind, _clean(name), _clean(version), _clean(namespace), said, *rest)

    @property
    def purl(self) -> str:
        """The package URL."""
        parts = [quote(part, safe="") for part in self.namespace.split("/") if part]
        text = "/".join([f"pkg:{self.kind}", *parts, _quoted(self.name)])
        if self.version:
            text += f"@{_quoted(self.version)}"
        said = "&".join(f"{key}={_quoted(value, slash='/')}" for key, value in sorted(self.qualifiers) if value)
        return f"{text}?{said}" if said else text

    @property
    def label(self) -> str:
        """Name and version as people write them."""
        name = f"{self.namespace}/{self.name}" if self.namespace and self.kind in {"golang", "npm"} else self.name
        return f"{name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Distribution:
    """What /etc/os-release says of an image: `id` such as debian, `version` such as 12, empty for nothing."""

    id: str = ""
    version: str = ""
    name: str = ""

    @property
    def label(self) -> str:
        """The qualifier of a purl, such as debian-12."""
        return "-".join(filter(None, (self.id, self.version)))


def read_distribution(text: str) -> Distribution:
    """The distribution that an os-release file tells of. Spec: os-release(5)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, sign, value = line.strip().partition("=")
        if sign and not key.startswith("#"):
            found.setdefault(key, _clean(value.strip().strip("\"'"))[:200])
    return Distribution(found.get("ID", "").lower(), found.get("VERSION_ID", ""), found.get("PRETTY_NAME", ""))


def _clean(text: str) -> str:
    """Text of somebody else's without what JSON or a terminal chokes on."""
    return "".join(char for char in unicode(text) if char.isprintable()).strip()


def _quoted(text: str, slash: str = "") -> str:
    return quote(text, safe=f":{slash}")
