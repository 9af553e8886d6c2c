"""Where credentials come from: environment, docker's config.json, podman's auth.json, helper programs.

Nothing of a secret is ever logged; what is told is where it came from. Formats: docker/cli config files;
containers-auth.json(5).
"""

import base64
import binascii
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ocitool.errors import AuthError, closest
from ocitool.model.numbers import MIB
from ocitool.model.reference import normalise_host
from ocitool.registry.hosts import home_folder, split_port
from ocitool.values import dataclass, field

HUB_KEY: Final = "https://index.docker.io/v1/"
_HUB_HOSTS: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
FILE_LIMIT: Final = 4 * MIB
_KEYS: Final = ("auths", "credsStore", "credHelpers")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to log in with; `source` says where it was found and is all that may be shown.

    Either user and password, an `identity_token` (a refresh token for the token server), or a
    `registry_token` (sent to the registry as it is). All empty: anonymous.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""
    problem: str = ""
    """Why nothing was found where something should be: a helper that is missing or failed."""
    is_ambient: bool = False
    """Whether nobody logged in with them: they came with the machine, and are for its host over TLS alone."""

    @property
    def is_anonymous(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.username or self.identity_token or self.registry_token)


ANONYMOUS: Final = Credentials()


@dataclass(frozen=True, slots=True)
class AuthFile:
    """A config file with credentials; `is_docker` for docker's keys and credsStore, `is_named` by a variable."""

    path: Path
    is_docker: bool
    is_named: bool = False


def find_credentials(host: str, repository: str, environ: Mapping[str, str]) -> Credentials:
    """The credentials for a repository on `host[:port]`; the first place that has some wins.

    Order: OCITOOL_TOKEN / OCITOOL_USERNAME and OCITOOL_PASSWORD, with _HOST suffix first; DOCKER_AUTH_CONFIG;
    the files of `auth_files`. Inside a file the longest matching path wins (K068), then an exact host, then
    a decorated one (K065). Raises AuthError for a file that cannot be read as JSON.
    """
    return (
        _from_environment(host, environ)
        or _from_text(environ.get("DOCKER_AUTH_CONFIG", ""), host, repository)
        or next(
            (found for file in auth_files(environ) if (found := _from_file(file, host, repository, environ))), None
        )
        or ANONYMOUS
    )


def auth_files(environ: Mapping[str, str]) -> Iterator[AuthFile]:
    """The files to look into, in order; a variable that names one is the only one (K073)."""
    if environ.get("REGISTRY_AUTH_FILE"):
        yield AuthFile(Path(environ["REGISTRY_AUTH_FILE"]), is_docker=False, is_named=True)
        return
    if environ.get("DOCKER_CONFIG"):
        yield AuthFile(Path(environ["DOCKER_CONFIG"]) / "config.json", is_docker=True, is_named=True)
        return
    home = home_folder(environ)
    runtime = environ.get("XDG_RUNTIME_DIR")
    run = Path(runtime) / "containers" if runtime else Path(f"/run/containers/{os.getuid()}")
    yield AuthFile(run / "auth.json", is_docker=False)
    if environ.get("XDG_CONFIG_HOME"):
        yield AuthFile(Path(environ["XDG_CONFIG_HOME"]) / "containers/auth.json", is_docker=False)
    elif home is not None:
        yield AuthFile(home / ".config/containers/auth.json", is_docker=False)
    if home is not None:
        yield AuthFile(home / ".docker/config.json", is_docker=True)


def odd_keys(environ: Mapping[str, str]) -> Iterator[str]:
    """A line for each key of a credential file that looks like one of those that are read, and is none (K233)."""
    for file in auth_files(environ):
        try:
            tree = read_auth_file(file)
        except AuthError:
            continue
        for key in sorted(set(tree or ()) - set(_KEYS)):
            near = closest(key.lower(), map(str.lower, _KEYS), 0.75)
            if near:
                meant = next(known for known in _KEYS if known.lower() == near)
                yield f"{file.path} has the key {key[:40]!r}, which nothing reads; did you mean {meant}?"


def _from_environment(host: str, environ: Mapping[str, str]) -> Credentials | None:
    for end in (_suffix(host), ""):
        token = _unended(environ.get(f"OCITOOL_TOKEN{end}", ""))
        if token:
            return Credentials(registry_token=token, source=f"OCITOOL_TOKEN{end}")
        user = _unended(environ.get(f"OCITOOL_USERNAME{end}", ""))
        if user:
            password = _unended(environ.get(f"OCITOOL_PASSWORD{end}", ""))
            return Credentials(user, password, source=f"OCITOOL_USERNAME{end}")
    return None


def as_variables(credentials: Mapping[str, tuple[str, str] | str]) -> dict[str, str]:
    """A (user, password) or a token for each host, as the variables that `find_credentials` looks into first."""
    found: dict[str, str] = {}
    for host, secret in credentials.items():
        user, password = ("", "") if isinstance(secret, str) else secret
        token = secret if isinstance(secret, str) else ""
        words = {"TOKEN": token, "USERNAME": user, "PASSWORD": password}
        found |= {f"OCITOOL_{word}{_suffix(normalise_host(host))}": value for word, value in words.items()}
    return found


def _suffix(host: str) -> str:
    return "_" + "".join(c if c.isalnum() else "_" for c in host).upper()


def _unended(secret: str) -> str:
    """A secret without the end of line that a file or an editor put behind it, as `docker login` reads one."""
    return secret.rstrip("\r\n")


def _from_text(text: str, host: str, repository: str) -> Credentials | None:
    if not text:
        return None
    name = "DOCKER_AUTH_CONFIG"
    tree = _parse(text.encode(errors="surrogateescape"), name, f"mend or unset the variable {name}")
    return _lookup(tree.get("auths"), host, repository, name)


def read_auth_file(file: AuthFile) -> dict[str, Any] | None:
    """The JSON object of a file; None where there is none. Raises AuthError with the file and the way out."""
    try:
        with file.path.open("rb") as stream:
            data = stream.read(FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        # Nobody means a file in a folder closed to them: /run/containers is root's where podman ran as root.
        if isinstance(error, PermissionError) and not (file.is_named or os.access(file.path.parent, os.X_OK)):
            return None
        raise AuthError(f"cannot read credentials {file.path}: {(error.strerror or str(error)).lower()}") from error
    return _parse(data, str(file.path), f"mend {file.path}, or move it away and log in again")


def _from_file(file: AuthFile, host: str, repository: str, environ: Mapping[str, str]) -> Credentials | None:
    tree = read_auth_file(file)
    if tree is None:
        return None
    helpers = tree.get("credHelpers")
    helper, server = _helper(helpers if isinstance(helpers, dict) else {}, host)
    if not helper and file.is_docker and isinstance(tree.get("credsStore"), str):
        helper, server = tree["credsStore"], HUB_KEY if host in _HUB_HOSTS else _stored_key(tree, host)
    if helper:
        from ocitool.registry.credential_helpers import ask_helper

        asked = ask_helper(helper, server, environ)
        if not asked.is_anonymous or asked.problem:
            return asked
        if file.is_docker:
            return None
    return _lookup(tree.get("auths"), host, repository, str(file.path))


def _helper(helpers: Mapping[str, Any], host: str) -> tuple[str, str]:
    for key in _spellings(host):
        if isinstance(helpers.get(key), str):
            return helpers[key], key
    return "", host


def _stored_key(tree: Mapping[str, Any], host: str) -> str:
    """The key a login left a marker under, for helpers that were told a decorated one."""
    auths = tree.get("auths")
    keys = list(auths) if isinstance(auths, dict) else []
    return host if host in keys else next((key for key in keys if _bare(key) == host), host)


def _spellings(host: str) -> tuple[str, ...]:
    if host in _HUB_HOSTS:
        return (HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io")
    name, port = split_port(host)
    return (host, name) if port == 443 else (host,)  # K067: never for another port


def _bare(key: str) -> str:
    """A key of `auths` as a host: without scheme and path."""
    return key.split("://", 1)[-1].split("/", 1)[0]


def _lookup(auths: object, host: str, repository: str, source: str) -> Credentials | None:
    if not isinstance(auths, Mapping):
        return None
    parts = repository.split("/") if repository else []
    for spelling in _spellings(host):
        for count in range(len(parts), -1, -1):
            key = "/".join([spelling, *parts[:count]])
            if key in auths and (found := _entry(auths[key], source, key)):
                return found
    for spelling in _spellings(host):
        for key in sorted(auths):
            path = key.split("://", 1)[-1].partition("/")[2].strip("/")
            is_host = path in {"", "v1", "v2"} and _bare(key) == _bare(spelling)
            if is_host and (found := _entry(auths[key], source, key)):
                return found
    return None


def _entry(entry: object, source: str, key: str) -> Credentials | None:
    if not isinstance(entry, Mapping):
        return None

    def text(name: str) -> str:
        value = entry.get(name)
        return value if isinstance(value, str) else ""

    username, password = text("username"), text("password")
    if text("auth") and not text("registrytoken"):
        try:
            packed = "".join(text("auth").split())  # base64 of a long key comes in lines; docker reads it too
            decoded = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode(
                errors="surrogateescape"
            )
        except (binascii.Error, ValueError):
            decoded = ""
        if ":" not in decoded:
            raise AuthError(
                f"{source} has no user:password in base64 as the auth of {key!r}",
                source=source,
                hint=f"log in again: ocitool login {_bare(key)}",
            )
        username, _, password = decoded.partition(":")  # the first colon; a JSON key holds more (K072)
        password = password.strip("\0")
    found = Credentials(
        username,
        password,
        identity_token=text("identitytoken"),
        registry_token=text("registrytoken"),
        source=source,
    )
    return None if found.is_anonymous else found


def _parse(data: bytes, source: str, hint: str) -> dict[str, Any]:
    if len(data) > FILE_LIMIT:
        raise AuthError(
            f"{source} has more than {FILE_LIMIT} bytes; no file of credentials has", source=source, hint=hint
        )
    if not data.strip():
        return {}  # made by touch, or by a secret that was not set
    try:
        tree = json.loads(data)
    except json.JSONDecodeError as error:
        # The place is told, and nothing of what stands there.
        raise AuthError(f"{source} is not JSON at line {error.lineno}", source=source, hint=hint) from None
    except (ValueError, RecursionError):
        raise AuthError(f"{source} is not JSON", source=source, hint=hint) from None
    if not isinstance(tree, dict):
        raise AuthError(f"{source} is no JSON object", source=source, hint=hint)
    return tree
