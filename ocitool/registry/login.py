"""Credentials kept and forgotten where docker or podman keep them: in a helper program, else in the config file.

The file is edited, not rewritten, so what others keep in it stays as it is; it is replaced by rename, mode 0600.
Formats: docker/cli config files; docker-credential-helpers; containers-auth.json(5).
"""

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ocitool.errors import MalformedDocument, NotFound, UsageError, local_io
from ocitool.model.document import Document, Style
from ocitool.model.reference import HUB
from ocitool.registry.credential_helpers import tell_helper
from ocitool.registry.credentials import FILE_LIMIT, HUB_KEY
from ocitool.registry.hosts import home_folder
from ocitool.values import dataclass

_TABBED = Style(indent="\t", comma=",", colon=": ", ascii_only=False)


@dataclass(frozen=True, slots=True)
class CredentialPlace:
    """Where a host's credentials are kept: a helper program, or a file."""

    path: Path
    key: str
    helper: str = ""

    def __str__(self) -> str:
        """The place for people."""
        return f"docker-credential-{self.helper}" if self.helper else str(self.path)


def place_for(host: str, environ: Mapping[str, str]) -> CredentialPlace:
    """Where a login to `host[:port]` is kept: REGISTRY_AUTH_FILE, or docker's config.

    Raises MalformedDocument for a config that is not JSON.
    """
    key = HUB_KEY if host == HUB else host
    if environ.get("REGISTRY_AUTH_FILE"):
        return CredentialPlace(Path(environ["REGISTRY_AUTH_FILE"]), host)
    home = home_folder(environ)
    if not environ.get("DOCKER_CONFIG") and home is None:
        raise UsageError("there is no home folder to keep a login in", hint="set HOME or DOCKER_CONFIG")
    folder = Path(environ["DOCKER_CONFIG"]) if environ.get("DOCKER_CONFIG") else Path(home or "/") / ".docker"
    path = folder / "config.json"
    tree = _read(path).tree()
    helpers = tree.get("credHelpers") if isinstance(tree.get("credHelpers"), dict) else {}
    helper = helpers.get(key) or helpers.get(host) or tree.get("credsStore") or ""
    return CredentialPlace(path, key, helper if isinstance(helper, str) else "")


def keep(place: CredentialPlace, username: str, password: str, environ: Mapping[str, str]) -> None:
    """Keep a login. Raises UsageError for a user name with a colon, LocalIOError, AuthError from a helper."""
    if ":" in username or not username:
        raise UsageError("a user name is not empty and holds no colon")
    if place.helper:
        tell_helper(
            place.helper, "store", {"ServerURL": place.key, "Username": username, "Secret": password}, environ
        )
        entry: dict[str, str] = {}
    else:
        entry = {"auth": base64.b64encode(f"{username}:{password}".encode(errors="surrogateescape")).decode()}

    def change(tree: Any) -> None:  # noqa: ANN401 - JSON
        tree.setdefault("auths", {})[place.key] = entry

    _edit(place.path, change)


def forget(place: CredentialPlace, environ: Mapping[str, str]) -> None:
    """Forget a login. Raises NotFound if there is none in the file."""
    if place.helper:
        tell_helper(place.helper, "erase", place.key, environ)
    elif place.key not in (_read(place.path).tree().get("auths") or {}):
        raise NotFound(f"no login for {place.key} in {place.path}", name=place.key, where=str(place.path))

    def change(tree: Any) -> None:  # noqa: ANN401 - JSON
        (tree.get("auths") or {}).pop(place.key, None)

    _edit(place.path, change)


def _read(path: Path) -> Document:
    try:
        with path.open("rb") as file:
            document = Document(file.read(FILE_LIMIT + 1), "application/json")
    except FileNotFoundError:
        return Document(_TABBED.dump({"auths": {}}).encode(), "application/json")
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    hint = f"mend {path}, or move it away and log in again"
    if document.size > FILE_LIMIT:
        raise MalformedDocument(f"{path} has more than {FILE_LIMIT} bytes", where=str(path), hint=hint)
    if not document.raw.strip():
        return Document(_TABBED.dump({"auths": {}}).encode(), "application/json")
    try:
        tree = document.tree()
    except MalformedDocument as error:
        # Nothing of what stands there is shown: it may be a password.
        raise MalformedDocument(f"{path} is not JSON", where=str(path), offset=error.offset, hint=hint) from None
    if not isinstance(tree, dict) or not isinstance(tree.get("auths", {}), dict):
        raise MalformedDocument(f"{path} is no JSON object with auths", where=str(path), hint=hint)
    return document


def _edit(path: Path, change: Callable[[Any], None]) -> None:
    edited = _read(path).edit(change)
    real = path.resolve()  # a link to the file stays a link
    temporary = real.with_name(f".{real.name}-{secrets.token_hex(4)}")
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(edited.raw)
            temporary.replace(real)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise local_io(error, f"write {path}") from error
