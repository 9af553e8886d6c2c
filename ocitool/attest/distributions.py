"""Databases of distributions: dpkg, apk and rpm, read for what is installed.

Spec: deb822(5) and dpkg's status; apk-tools' installed database; rpm's header format and its sqlite database.
"""

import re
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Final

from ocitool.attest.package import Distribution, FoundPackage
from ocitool.errors import MalformedDocument
from ocitool.model.numbers import GIB, KIB, MIB

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
_HEADER: Final = 64 * MIB
"""Most bytes of one rpm header; rpm's own limit is 256 MiB, real ones have some 100 KiB."""
_HEADERS: Final = GIB
"""Most bytes of all of them: a guess at twice what thousands of packages take."""
_ROWS: Final = 1_000_000
_HEADER_TAGS: Final = 0xFFFF
"""Most tags of one; rpm's own limit."""
_PLAIN: Final = re.compile(r"CREATE (?:TABLE|INDEX|UNIQUE INDEX)\b(?!.*\bAS\b)", re.IGNORECASE | re.DOTALL)
"""What makes a table or index without columns that are computed, of which each has the word AS."""
_DPKG_FIELDS: Final = {name.encode(): name for name in ("package", "status", "version", "architecture", "source")}
_APK_FIELDS: Final = {name.encode(): name for name in "PVALo"}
_LONGEST: Final = 32
_VALUE: Final = 16 * KIB
"""Most bytes of a field that are kept; a name beyond 4096 characters is none."""
_TAGS: Final = {
    1000: "name",
    1001: "version",
    1002: "release",
    1003: "epoch",
    1014: "license",
    1022: "arch",
    1044: "source",
}


def read_dpkg(data: bytes, found_in: str, of: Distribution) -> Iterator[FoundPackage]:
    """The packages of a dpkg status file that are in the state "installed".

    A file of `status.d`, as distroless images have it, tells no state: what stands there is installed.
    """
    is_status = not found_in.startswith("var/lib/dpkg/status.d/")
    for paragraph in _paragraphs(data, _DPKG_FIELDS, folds=True):
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


def read_apk(data: bytes, found_in: str, of: Distribution) -> Iterator[FoundPackage]:
    """The packages of an apk database, all of which are installed. Its keys are single letters."""
    for fields in _paragraphs(data, _APK_FIELDS):
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


def _paragraphs(data: bytes, known: Mapping[bytes, str], *, folds: bool = False) -> Iterator[dict[str, str]]:
    """The known fields of each paragraph, of several lines the first; with `folds` in letters of any case."""
    fields: dict[str, str] = {}
    for line in chain(BytesIO(data), (b"",)):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
            continue
        key, sign, value = line.partition(b":")
        name = known.get(key.lower() if folds else key) if len(key) < _LONGEST else None
        if sign and name is not None:
            fields.setdefault(name, value.strip()[:_VALUE].decode("utf-8", "replace"))


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
            _check_plain(connection, found_in)
            size = 0
            for (blob,) in islice(connection.execute("SELECT blob FROM Packages"), _ROWS):
                data = blob if isinstance(blob, bytes) else b""
                size += len(data)
                if size > _HEADERS:
                    raise MalformedDocument(
                        f"/{found_in} has more than {_HEADERS} bytes of headers", where=found_in
                    )
                package = _rpm(read_rpm_header(data), found_in, of)
                if package is not None:
                    yield package
    except (sqlite3.Error, UnicodeDecodeError) as error:  # of the database's own words in a message
        raise MalformedDocument(f"/{found_in} cannot be read: {error}", where=found_in) from None


def _check_plain(connection: sqlite3.Connection, found_in: str) -> None:
    """Raise MalformedDocument where reading a row would compute something: a view, a column that is generated.

    One call of a function may take for ever, and counts as one step.
    """
    for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"):
        if not isinstance(sql, str) or not _PLAIN.match(sql):
            raise MalformedDocument(f"/{found_in} is no database of rpm's: {str(sql)[:60]!r}", where=found_in)


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
    if count > _HEADER_TAGS or start + size > len(blob):
        return {}
    found: dict[str, str] = {}
    for tag, kind, offset, _ in struct.iter_unpack(">IIII", blob[8:start]):
        name = _TAGS.get(tag)
        if name is None or name in found or offset >= size:
            continue
        if kind == 4 and start + offset + 4 <= len(blob):  # INT32
            found[name] = str(*struct.unpack_from(">I", blob, start + offset))
        elif kind in {6, 8, 9}:  # STRING, STRING_ARRAY, I18NSTRING: the first one
            text, _, _ = blob[start + offset : start + min(size, offset + _VALUE)].partition(b"\0")
            found[name] = text.decode("utf-8", "replace")
    return found
