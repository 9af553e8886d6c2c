"""Packages of programming languages: inside programs (Go, Rust), and in the files that their tools leave.

Spec: `go version -m`; cargo-auditable PARSING.md; Cargo.lock; Python's core metadata; package.json.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ocitool.attest.package import FoundPackage
from ocitool.binaries.binary import Binary
from ocitool.errors import MalformedDocument
from ocitool.model.document import parse
from ocitool.model.toml import TomlError, parse_toml

PYTHON: Final = re.compile(r"(?:^|/)[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)$")
NPM: Final = re.compile(r"(?:^|/)node_modules/(?:@[^/]+/)?[^/@][^/]*/package\.json$")
CARGO: Final = re.compile(r"(?:^|/)Cargo\.lock$")
_CRATES: Final = re.compile(r"^registry\+.*/crates\.io-index$")
"""What the index that everybody uses ends with, wherever it is."""


def go_modules(binary: Binary, found_in: str) -> Iterator[FoundPackage]:
    """The modules that a Go program is made of, its own first, as `go version -m` lists them.

    Of one that was replaced it is the replacement. A program that was built from a folder has no version of its
    own.
    """
    if binary.go is None:
        return
    own = (binary.go.module, binary.go.module_version, "")
    for path, version, checksum in (own, *binary.go.dependencies):
        namespace, _, name = path.rpartition("/")
        package = FoundPackage.told(
            "golang",
            name,
            "" if version == "(devel)" else version,
            namespace=namespace,
            found_in=found_in,
            checksum=checksum,
        )
        if package is not None:
            yield package


def rust_crates(binary: Binary, found_in: str) -> Iterator[FoundPackage]:
    """The crates that cargo-auditable noted in a program; those that only its build used are not in it."""
    for name, version in binary.crates:
        package = FoundPackage.told("cargo", name, version, found_in=found_in)
        if package is not None:
            yield package


def read_cargo_lock(text: str, found_in: str) -> Iterator[FoundPackage]:
    """The crates of a lock file. Raises MalformedDocument."""
    try:
        tree = parse_toml(text)
    except TomlError as error:
        raise MalformedDocument(f"/{found_in} is no Cargo.lock: {error}", where=found_in) from None
    rows = tree.get("package")
    for row in rows if isinstance(rows, list) else ():
        source = _text(row, "source")
        url = "" if not source or _CRATES.match(source) else source
        package = FoundPackage.told(
            "cargo",
            _text(row, "name"),
            _text(row, "version"),
            qualifiers=(("vcs_url" if url.startswith("git+") else "repository_url", url),) if url else (),
            found_in=found_in,
            checksum=_text(row, "checksum"),
        )
        if package is not None:
            yield package


def read_python(text: str, found_in: str) -> Iterator[FoundPackage]:
    """The distribution that a METADATA or PKG-INFO file is of: the fields before its first empty line."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            break
        key, sign, value = line.partition(":")
        if sign and not line[0].isspace():
            fields.setdefault(key.strip().lower(), value.strip())
    name = re.sub(r"[-_.]+", "-", fields.get("name", "")).lower()
    said = fields.get("license-expression") or fields.get("license", "")
    package = FoundPackage.told(
        "pypi", name, fields.get("version", ""), found_in=found_in, license=said if len(said) < 200 else ""
    )
    if package is not None:
        yield package


def read_npm(data: bytes, found_in: str) -> Iterator[FoundPackage]:
    """The package in a folder of node_modules; none for one without a version. Raises MalformedDocument."""
    try:
        tree = parse(data.removeprefix(b"\xef\xbb\xbf"))
    except MalformedDocument as error:
        error.add_note(f"in /{found_in}")
        raise
    scope, _, name = _text(tree, "name").rpartition("/")
    if not _text(tree, "version"):
        return
    package = FoundPackage.told(
        "npm", name, _text(tree, "version"), namespace=scope, found_in=found_in, license=_license(tree)
    )
    if package is not None:
        yield package


def _license(tree: Any) -> str:  # noqa: ANN401 - JSON
    said = tree.get("license") if isinstance(tree, Mapping) else None
    return said if isinstance(said, str) else _text(said, "type")


def _text(tree: Any, key: str) -> str:  # noqa: ANN401 - JSON or TOML
    found = tree.get(key) if isinstance(tree, Mapping) else None
    return found if isinstance(found, str) else ""
