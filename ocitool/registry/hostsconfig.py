"""The administrator's word about hosts: certs.d, and registries.conf with mirrors and blocks.

Formats: containers-certs.d(5), containers-registries.conf(5).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ocitool.errors import MalformedDocument, UsageError, local_io
from ocitool.model.numbers import MIB
from ocitool.model.reference import HUB, normalise_host
from ocitool.registry.hosts import home_folder
from ocitool.values import dataclass

_LIMIT: Final = MIB
_HUB_HOSTS: Final = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True, slots=True)
class Trust:
    """How TLS connections are judged, and what is shown to the other side.

    `ca_files` are trusted beside the system's; `client` is a certificate and its key, for the registry's own host
    alone. With `checked` false any certificate will do.
    """

    ca_files: tuple[Path, ...] = ()
    client: tuple[Path, Path] | None = None
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a repository can be read: a registry, the name there, and whether tags and digests may be asked for."""

    registry: str
    repository: str
    insecure: bool = False
    by_tag: bool = True
    by_digest: bool = True


def find_trust(host: str, environ: Mapping[str, str]) -> Trust | None:
    """The certificates for `host[:port]` from the first folder of certs.d that has any; None if none has.

    Raises UsageError for a client certificate without its key or the reverse.
    """
    names = sorted(_HUB_HOSTS) if host in _HUB_HOSTS else [host]
    for folder in filter(_is_open, _certs_folders(environ)):
        for name in names:
            place = folder / name
            try:
                files = sorted(place.iterdir()) if place.is_dir() else []
            except OSError as error:
                raise local_io(error, f"read {place}") from error
            if files:
                return _trust_of(files, place)
    return None


def _certs_folders(environ: Mapping[str, str]) -> Iterator[Path]:
    config = _config_home(environ)
    yield config / "containers" / "certs.d"
    yield Path("/etc/containers/certs.d")
    yield config / "docker" / "certs.d"
    yield Path("/etc/docker/certs.d")


def _is_open(folder: Path) -> bool:
    """Whether we may look into a default folder; what another user's home holds is not meant for us."""
    return os.access(folder, os.X_OK)


def _config_home(environ: Mapping[str, str]) -> Path:
    if environ.get("XDG_CONFIG_HOME"):
        return Path(environ["XDG_CONFIG_HOME"])
    return (home_folder(environ) or Path(os.devnull)) / ".config"


def _trust_of(files: list[Path], place: Path) -> Trust:
    authorities = tuple(path for path in files if path.suffix == ".crt")
    certificates = {path.stem: path for path in files if path.suffix == ".cert"}
    keys = {path.stem: path for path in files if path.suffix == ".key"}
    for stem in sorted(certificates.keys() ^ keys.keys()):
        have, lacks = ("cert", "key") if stem in certificates else ("key", "cert")
        raise UsageError(f"{place / stem}.{have} has no {stem}.{lacks} beside it", hint="a client needs both")
    first = next(iter(sorted(certificates)), None)
    return Trust(authorities, (certificates[first], keys[first]) if first is not None else None)


@dataclass(frozen=True, slots=True)
class Redirections:
    """The `[[registry]]` tables of registries.conf, in no order: the longest matching prefix decides."""

    tables: tuple[Mapping[str, Any], ...] = ()

    def places(self, registry: str, repository: str) -> tuple[Endpoint, ...]:
        """Where to read a repository, in order: its mirrors, then the location itself.

        Raises UsageError for one that is blocked.
        """
        name = f"{registry}/{repository}"
        table, prefix = self._matching(name)
        if table is None:
            return (Endpoint(registry, repository),)
        if table.get("blocked") is True:
            raise UsageError(
                f"{name} is blocked by registries.conf ({prefix})", hint="its administrator does not want it used"
            )
        found = []
        digests_only = table.get("mirror-by-digest-only") is True
        mirrors = table.get("mirror", [])
        for mirror in mirrors if isinstance(mirrors, list) else []:
            rule = mirror.get("pull-from-mirror", "all")
            found.append(
                _place(
                    mirror.get("location", ""),
                    name,
                    prefix,
                    insecure=mirror.get("insecure") is True,
                    by_tag=rule in {"all", "tag-only"} and not digests_only,
                    by_digest=rule in {"all", "digest-only"},
                )
            )
        location = table.get("location") or (prefix if not prefix.startswith("*.") else "")
        insecure = table.get("insecure") is True
        found.append(_place(location, name, prefix, insecure=insecure))
        return tuple(found)

    def _matching(self, name: str) -> tuple[Mapping[str, Any] | None, str]:
        best: Mapping[str, Any] | None = None
        longest = ""
        for table in self.tables:
            prefix = _normal(str(table.get("prefix") or table.get("location") or ""))
            if _matches(name, prefix) and len(prefix) > len(longest):
                best, longest = table, prefix
        return best, longest


def _matches(name: str, prefix: str) -> bool:
    if prefix.startswith("*."):
        return name.partition("/")[0].partition(":")[0].endswith(prefix[1:])
    return bool(prefix) and (name == prefix or name.startswith(prefix + "/"))


def _normal(prefix: str) -> str:
    host, slash, path = prefix.strip("/").partition("/")
    return normalise_host(host) + slash + path


def _place(
    location: str, name: str, prefix: str, *, insecure: bool, by_tag: bool = True, by_digest: bool = True
) -> Endpoint:
    """The place for `name` when `prefix` of it is replaced by `location`; without a location, the name itself."""
    rest = name.partition("/")[2] if prefix.startswith("*.") else name[len(prefix) :].strip("/")
    whole = name if not location else "/".join(part for part in (_normal(location), rest) if part)
    registry, _, repository = whole.partition("/")
    if not repository:
        raise UsageError(f"registries.conf sends {name} to {whole!r}, which names no repository")
    return Endpoint(registry, repository, insecure, by_tag, by_digest)


def read_redirections(environ: Mapping[str, str]) -> Redirections:
    """What registries.conf and its drop-ins say; nothing where there is none.

    `$CONTAINERS_REGISTRIES_CONF` names the file, else the user's wins over the system's. Drop-ins of both
    places are read after it, and a later table for the same prefix replaces an earlier one. Raises
    MalformedDocument for a file that is not TOML.
    """
    tables: dict[str, Mapping[str, Any]] = {}
    for path in _conf_files(environ):
        for table in _tables(path):
            tables[str(table.get("prefix") or table.get("location") or "")] = table
    return Redirections(tuple(tables.values()))


def _conf_files(environ: Mapping[str, str]) -> Iterator[Path]:
    named = environ.get("CONTAINERS_REGISTRIES_CONF")
    if named:
        yield Path(named)
        return
    user, system = _config_home(environ) / "containers", Path("/etc/containers")
    main = user / "registries.conf"
    yield main if _is_open(user) and main.is_file() else system / "registries.conf"
    for folder in filter(_is_open, (system, user)):
        drop_ins = folder / "registries.conf.d"
        if drop_ins.is_dir():
            yield from sorted(drop_ins.glob("*.conf"))


def _may_have_registries(data: bytes) -> bool:
    """Whether a `[[registry]]` can stand there: not in comments and plain tables, as distributions ship them.

    One that is misspelt might: the parser tells what is wrong with it.
    """
    said = [line for line in map(bytes.strip, data.splitlines()) if line and not line.startswith(b"#")]
    heads = [line for line in said if line.startswith(b"[")]
    return said[:1] != heads[:1] or any(head != b"[%b]" % head.strip(b"[]") for head in heads)


def _tables(path: Path) -> list[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    if not _may_have_registries(data):
        return []
    from ocitool.model.toml import TomlError, parse_toml

    try:
        tree = parse_toml(data.decode())
    except (UnicodeDecodeError, TomlError) as error:
        raise MalformedDocument(f"{path} is not TOML: {str(error).lower()}", where=str(path)) from None
    found = tree.get("registry", [])
    return [table for table in found if isinstance(table, dict)] if isinstance(found, list) else []
