"""Databases of distributions: dpkg, apk and rpm, read for what is installed.

Spec: deb822(5) and dpkg's status; apk-tools' installed database; rpm's header format and its sqlite database.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from ocitool.attest.package import Distribution, FoundPackage
from ocitool.errors import MalformedDocument

RPM_DATABASES: Final = ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite")
UNREAD: Final = {
    "var/lib/rpm/Packages": "an rpm database of Berkeley DB",
    "usr/lib/sysimage/rpm/Packages": "an rpm database of Berkeley DB",
    "var/lib/rpm/Packages.db": "an rpm database of the form ndb",
    "usr/lib/sysimage/rpm/Packages.db": "an rpm database of the form ndb",
    "var/lib/pacman/local/ALPM_DB_VERSION": "a database of pacman",
    "var/lib/flatpak/repo/config": "packages of flatpak",
}
"""Databases that are there and not read, by their paths."""

STEPS: Final = 200_000_000
"""Most steps of SQLite's machine for one database: 20 s or so; a guess at many times what a real one takes."""
_TURN: Final = 10_000
_HEADER: Final = 64 * 1024 * 1024
"""Most bytes of one rpm header; rpm's own limit is 256 MiB, real ones have some 100 KiB."""
_TAGS: Final = {
    1000: "name",
    1001: "version",
    1002: "release",
    1003: "epoch",
    1014: "license",
    1022: "arch",
    1044: "source",
}


def read_dpkg(text: str, found_in: str, of: Distribution) -> Iterator[FoundPackage]:
    """The packages of a dpkg status file that are in the state "installed".

    A file of `status.d`, as distroless images have it, tells no state: what stands there is installed.
    """
    is_status = not found_in.startswith("var/lib/dpkg/status.d/")
    for paragraph in _paragraphs(text):
        state = paragraph.get("status", "").split()
        if is_status and state[2:] != ["installed"]:
            continue
        source, _, source_version = paragraph.get("source", "").partition(" ")
        upstream = f"{source}@{source_version.strip('()')}" if source_version else source
        said = (("arch", paragraph.get("architecture", "")), ("distro", of.label), ("upstream", upstream))
        package = FoundPackage.told(
            "deb",
            paragraph.get("package", ""),
            paragraph.get("version", ""),
            namespace=of.id or "debian",
            qualifiers=said,
            found_in=found_in,
        )
        if package is not None:
            yield package


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a control file, keys in lower case; of what goes on over several lines the first."""
    fields: dict[str, str] = {}
    for line in (*text.split("\n"), ""):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            key, sign, value = line.partition(":")
            if sign:
                fields[key.lower()] = value.strip()


def read_apk(text: str, found_in: str, of: Distribution) -> Iterator[FoundPackage]:
    """The packages of an apk database, all of which are installed."""
    fields: dict[str, str] = {}
    for line in (*text.split("\n"), ""):
        key, sign, value = line.partition(":")
        if sign:
            fields.setdefault(key, value.strip())
        elif not line.strip() and fields:
            origin = fields.get("o", "")
            said = (
                ("arch", fields.get("A", "")),
                ("distro", of.label),
                ("upstream", origin if origin != fields.get("P") else ""),
            )
            package = FoundPackage.told(
                "apk",
                fields.get("P", ""),
                fields.get("V", ""),
                namespace=of.id or "alpine",
                qualifiers=said,
                found_in=found_in,
                license=fields.get("L", ""),
            )
            if package is not None:
                yield package
            fields = {}


def read_rpm(database: Path, found_in: str, of: Distribution, *, steps: int = STEPS) -> Iterator[FoundPackage]:
    """The packages of an rpm database of the form sqlite; keys that are kept among them are no packages.

    `database` is a copy in a folder of our own, with its write-ahead log beside it if there is one. Raises
    MalformedDocument for a damaged one, and for one that takes more `steps` than any real one.
    """
    left = steps // _TURN

    def is_over() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _HEADER)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.set_progress_handler(is_over, _TURN)
            for (blob,) in connection.execute("SELECT blob FROM Packages"):
                tags = read_rpm_header(blob) if isinstance(blob, bytes) else {}
                package = _rpm(tags, found_in, of)
                if package is not None:
                    yield package
    except sqlite3.Error as error:
        raise MalformedDocument(f"/{found_in} cannot be read: {error}", where=found_in) from None


def _rpm(tags: dict[str, str], found_in: str, of: Distribution) -> FoundPackage | None:
    name = tags.get("name", "")
    if name == "gpg-pubkey":
        return None
    version = "-".join(filter(None, (tags.get("version", ""), tags.get("release", ""))))
    said = (
        ("arch", tags.get("arch", "")),
        ("distro", of.label),
        ("epoch", tags.get("epoch", "")),
        ("upstream", tags.get("source", "")),
    )
    return FoundPackage.told(
        "rpm",
        name,
        version,
        namespace=of.id or "redhat",
        qualifiers=said,
        found_in=found_in,
        license=tags.get("license", ""),
    )


def read_rpm_header(blob: bytes) -> dict[str, str]:
    """The few tags of an rpm header that a package is told by, as words; what is cut off or wild is left out."""
    if len(blob) < 8:
        return {}
    count, size = struct.unpack_from(">II", blob)
    start = 8 + 16 * count
    if start + size > len(blob):
        return {}
    found: dict[str, str] = {}
    for at in range(8, start, 16):
        tag, kind, offset, _ = struct.unpack_from(">IIII", blob, at)
        name = _TAGS.get(tag)
        if name is None or offset >= size:
            continue
        if kind == 4 and start + offset + 4 <= len(blob):  # INT32
            found[name] = str(*struct.unpack_from(">I", blob, start + offset))
        elif kind in {6, 8, 9}:  # STRING, STRING_ARRAY, I18NSTRING: the first one
            text, _, _ = blob[start + offset : start + size].partition(b"\0")
            found[name] = text.decode("utf-8", "replace")
    return found
