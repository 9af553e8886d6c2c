"""oras-py's Registry over our connections: programs written for it get our transport by one line.

    from ocitool.artifact.oras import Registry  # in the place of oras.provider

What differs is what comes back and how it travels, not what is called. Blobs pass in pieces, uploads go on after a
break, everything with a digest is verified, pulled files stay in their folder, a tag that is written can be taken
back with `ocitool undo`, and registries are reached and logged into as ocitool does: docker's and podman's
credentials, proxies, certs.d, retries, and the pace that a registry asks for.
A refusal that oras-py gives as a status is one here too; what keeps an answer from coming is an OcitoolError.
"""

import json as json_module
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode, urlsplit

import oras.auth
import oras.container
import oras.defaults
import oras.provider
import requests

from ocitool.artifact.conventions import TITLE, is_packed_directory
from ocitool.artifact.folder import PullFolder, inside
from ocitool.artifact.pull import ArtifactFile, write_file
from ocitool.artifact.responses import StreamedBody, respond, respond_in_pieces, whole
from ocitool.change.plan import Delete, Plan, Tag
from ocitool.client import Client
from ocitool.errors import Unsupported, UsageError
from ocitool.model import mediatype
from ocitool.model.digest import Digest, Tap, as_digest
from ocitool.model.document import Document
from ocitool.model.reference import api_host, normalise_host, parse_registry
from ocitool.model.views import Descriptor, view
from ocitool.registry.auth import scopes_for
from ocitool.registry.request import Request, at_hand
from ocitool.registry.retry import RETRIED
from ocitool.store.base import PIECE, DiskSource, Put
from ocitool.store.remote import RemoteStore
from ocitool.store.verify import check_bytes, find_manifest

__all__ = ["OrasClient", "Registry"]

_ANSWERS: Final = tuple(status for status in range(200, 600) if status not in RETRIED and status not in {401, 403})
_ENDPOINTS: Final = ("manifests", "blobs", "tags", "referrers")
_STATUS: Final = {Put.EXISTED: 200, Put.MOUNTED: 201, Put.STORED: 201}
Container = Any
"""oras-py's Container, or the name that it is made of."""


class Registry(oras.provider.Registry):  # type: ignore[misc]  # oras-py has no types
    """`oras.provider.Registry` with another transport. Close it, or leave its block, when done.

    The arguments are oras-py's. `insecure` means HTTP, `tls_verify` is False for no check of certificates, or a
    file of CAs; `auth_backend` is taken and makes no difference. `client` is an `ocitool.Client` to use instead,
    whose settings go before these; it stays open. Raises what the methods of Client raise.
    """

    def __init__(
        self,
        hostname: str | None = None,
        insecure: bool = False,  # noqa: FBT001, FBT002 - oras-py's
        tls_verify: bool | str = True,  # noqa: FBT001, FBT002
        auth_backend: str = "token",
        *,
        client: Client | None = None,
    ) -> None:
        super().__init__(hostname, insecure, tls_verify, auth_backend)
        self.session.close()
        self._given, self._insecure = client, insecure
        self._clients: dict[str, Client] = {}
        self._logins: dict[str, tuple[str, str] | str] = {}
        self._config: Path | None = None
        self.auth = _Auth(self)

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close all connections but those of a client that was given."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    # Who asks, and as whom

    def login(  # noqa: PLR0917 - oras-py's order
        self,
        username: str,
        password: str,
        password_stdin: bool = False,  # noqa: FBT001, FBT002 - oras-py's
        tls_verify: bool = True,  # noqa: ARG002, FBT001, FBT002
        hostname: str | None = None,
        config_path: str | None = None,  # noqa: ARG002
    ) -> dict[str, str]:
        """Log in to a registry for as long as this object lives; `ocitool login` keeps a login.

        Raises AuthError where the registry refuses, UsageError without a host, user or password.
        """
        host = hostname or self.hostname
        if password_stdin:
            password = oras.utils.readline()
        if not host or not username or not password:
            raise UsageError("a login is for a host, with a user name and a password", hint="give hostname=…")
        self._log_in(host, (username, password))
        registry = normalise_host(host)
        self._client(registry).workspace.opener.log_in(registry)
        return {"Status": "Login Succeeded"}

    def logout(self, hostname: str) -> None:
        """Forget what `login` was told about a registry."""
        self._log_in(hostname, None)

    def _log_in(self, host: str, login: tuple[str, str] | str | None) -> None:
        """Use a login from now on, for one host, or for all where `host` is empty."""
        registry = parse_registry(host) if host else ""
        self._logins.pop(registry, None)
        if login is not None:
            self._logins[registry] = login
        self.close()

    def _use_config(self, path: str | None) -> None:
        if path is not None and Path(path) != self._config:
            if Path(path).name != "config.json":
                raise Unsupported(
                    f"credentials are read from a file called config.json, and not from {path}",
                    ability="config_path",
                    hint="set DOCKER_CONFIG to its folder, or use login()",
                )
            self._config = Path(path)
            self.close()

    def _client(self, registry: str) -> Client:
        if self._given is not None:
            return self._given
        known = self._clients.get(registry)
        if known is None:
            login = self._logins.get(registry) or self._logins.get("")
            environ = dict(os.environ)
            if self._config is not None:
                environ["DOCKER_CONFIG"] = str(self._config.parent)
            known = self._clients[registry] = Client(
                plain_http=(registry,) if self._insecure else (),
                insecure=(registry,) if self._tls_verify is False and not self._insecure else (),
                ca_files=(self._tls_verify,) if isinstance(self._tls_verify, str) else (),
                credentials={registry: login} if login is not None else None,
                environ=environ,
            )
        return known

    def _store(self, container: oras.container.Container, *, write: bool = False) -> RemoteStore:
        registry = normalise_host(container.registry)
        opener = self._client(registry).workspace.opener
        return opener.repository(registry, _path(registry, container.api_prefix), write=write)

    # Requests

    def do_request(  # noqa: PLR0917 - oras-py's order
        self,
        url: str,
        method: str = "GET",
        data: Any = None,  # noqa: ANN401 - oras-py's
        headers: Mapping[str, str] | None = None,
        json: Any = None,  # noqa: ANN401
        stream: bool = False,  # noqa: FBT001, FBT002
    ) -> requests.Response:
        """One request over our session: logged in, retried, paced. `data` is bytes, a form, or an open file.

        What names a digest in its URL is compared with it when it was read. Raises AuthError for 401 and 403,
        RegistryError for what stays a passing failure, NetworkError, DigestMismatch.
        """
        parts = urlsplit(url)
        registry = normalise_host(parts.netloc)
        client = self._client(registry)
        home = api_host(registry)
        open_body, size, kind = _body(data, json)
        said = {"content-type": kind, "accept": _accept(parts.path)} | {
            key.lower(): value for key, value in (headers or {}).items()
        }
        request = Request(
            method.upper(),
            parts._replace(netloc=home).geturl(),
            home,
            f"{method.upper()} {parts.path}",
            ok=_ANSWERS,
            headers={key: value for key, value in said.items() if value and key != "content-length"},
            scopes=_scopes(registry, parts.path, method.upper()),
            body=open_body,
            size=size,
            repeatable=method.upper() in {"GET", "HEAD", "PUT", "DELETE"} and (open_body is None or not stream),
        )
        stack = ExitStack()
        with stack:
            response, pieces = stack.enter_context(client.workspace.opener.session.stream(request))
            answer = respond(request.method, response.url, response.status, response.headers)
            expected = _expected(parts.path) if request.method == "GET" and response.status == 200 else None
            body = StreamedBody(_verified(pieces, expected, parts.path), stack.pop_all().close)
        if stream:
            return respond_in_pieces(answer, body)
        answer._content = whole(body, url)  # noqa: SLF001 - requests has no other way
        return answer

    # Blobs

    def upload_blob(
        self,
        blob: str,
        container: Container,
        layer: dict[str, Any],
        do_chunked: bool = False,  # noqa: ARG002, FBT001, FBT002 - oras-py's
        chunk_size: int = 0,  # noqa: ARG002
    ) -> requests.Response:
        """Send a file as the blob that `layer` describes, unless it is there: in pieces, and on after a break.

        200 where it was there, else 201. The size of parts is learned from the registry.
        """
        container = self.get_container(container)
        store = self._store(container, write=True)
        descriptor = Descriptor(layer["mediaType"], Digest(layer["digest"]), layer["size"])
        put = store.put_blob(descriptor, DiskSource(Path(blob)))
        url = f"{self.prefix}://{container.get_blob_url(layer['digest'])}"
        return respond("PUT", url, _STATUS[put], {"Docker-Content-Digest": layer["digest"], "Location": url})

    def put_upload(self, blob: str, container: Container, layer: dict[str, Any]) -> requests.Response:
        """As `upload_blob`."""
        return self.upload_blob(blob, container, layer)

    def chunked_upload(
        self,
        blob: str,
        container: Container,
        layer: dict[str, Any],
        chunk_size: int = 0,  # noqa: ARG002 - oras-py's
    ) -> requests.Response:
        """As `upload_blob`."""
        return self.upload_blob(blob, container, layer)

    def download_blob(self, container: Container, digest: str, outfile: str) -> str:
        """Write a blob into a file, whole and verified, or leave the file as it was; gives the file's name."""
        store = self._store(self.get_container(container))
        folder = Path(outfile).absolute().parent
        wanted = Digest(digest)
        with PullFolder(folder) as opened, store.repository.open_blob(wanted) as pieces:
            opened.write(Path(outfile).name, _verified(pieces, wanted, store.label))
        return outfile

    # Manifests

    def upload_manifest(self, manifest: dict[str, Any], container: Container) -> requests.Response:
        """Write a manifest under the container's tag, or its digest where the container has one.

        What the tag held is kept on this machine, and `ocitool undo` brings it back.
        """
        container = self.get_container(container)
        media_type = manifest.get("mediaType") or oras.defaults.default_manifest_media_type
        document = Document(json_module.dumps(manifest, allow_nan=False).encode(), media_type)
        view(document)  # what is no manifest is refused here, with the place
        store = self._store(container, write=True)
        name = container.digest or container.tag
        if as_digest(name) is not None:
            check_bytes(document.raw, Digest(name), "this manifest")
        plan = Plan(store.label, (Tag(name, document, replaces=True),), must_keep=False)
        self._client(normalise_host(container.registry)).apply(plan)
        url = f"{self.prefix}://{container.manifest_url()}"
        return respond("PUT", url, 201, {"Docker-Content-Digest": str(document.digest), "Location": url})

    def delete_tag(self, container: Container, tag: str) -> bool:
        """Delete the manifest that a tag holds, which takes its other tags along; False where there is none.

        Its bytes are kept on this machine. Raises Unsupported where the registry deletes nothing.
        """
        container = self.get_container(container)
        store = self._store(container, write=True)
        held = find_manifest(store, tag)
        if held is not None:
            plan = Plan(store.label, (Delete(str(held.digest), held),), must_keep=False)
            self._client(normalise_host(container.registry)).apply(plan)
        return held is not None

    def pull(
        self,
        target: Container,
        config_path: str | None = None,
        allowed_media_type: list[str] | None = None,
        overwrite: bool = True,  # noqa: FBT001, FBT002 - oras-py's
        outdir: str | None = None,
    ) -> list[str]:
        """Pull an artifact into a folder [default: a temporary one]; gives the files that were written.

        Every blob is verified before its file has its name, and no title or link leads out of the folder. As
        oras-py does, what has no title is called by its digest, and the type of a directory is unpacked.
        """
        container = self.get_container(target)
        self._use_config(config_path)
        manifest = self.get_manifest(container, allowed_media_type)
        store, scope = self._store(container), self._client(normalise_host(container.registry)).workspace.scope
        folder = Path(outdir or tempfile.mkdtemp(prefix="oras-tmp."))
        layers = [Descriptor.from_tree(one, f"/layers/{n}") for n, one in enumerate(manifest.get("layers") or ())]
        files = {inside(one.annotations.get(TITLE) or str(one.digest)): one for one in layers}
        written = []
        with PullFolder(folder) as opened:
            for path, layer in files.items():
                if overwrite or not opened.has(path):
                    is_directory = is_packed_directory(layer.media_type, layer.annotations, by_type=True)
                    write_file(store, ArtifactFile(path, layer, is_directory), path, opened, scope)
                    written.append(str(folder / path))
        return written


OrasClient = Registry
"""The name that older programs know."""


class _Auth(oras.auth.base.AuthBackend):  # type: ignore[misc]  # oras-py has no types
    """What programs say about credentials through `registry.auth`; the session does the rest."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self._registry = registry

    def set_basic_auth(self, username: str, password: str) -> None:
        self._registry._log_in(self._registry.hostname or "", (username, password))  # noqa: SLF001 - one object in two

    def set_token_auth(self, token: str) -> None:
        self._registry._log_in(self._registry.hostname or "", token)  # noqa: SLF001

    def load_configs(self, container: Container, configs: list[str] | None = None) -> None:  # noqa: ARG002
        for path in configs or ():
            self._registry._use_config(path)  # noqa: SLF001

    def logout(self, hostname: str) -> None:
        self._registry.logout(hostname)

    def get_auth_header(self) -> dict[str, str]:
        return {}


def _path(registry: str, path: str) -> str:
    """The repository's path; Docker Hub's own images are below library/."""
    return f"library/{path}" if registry == "docker.io" and "/" not in path else path


def _scopes(registry: str, path: str, method: str) -> tuple[str, ...]:
    """What a token has to allow for a request to this path."""
    parts = path.removeprefix("/v2/").split("/")
    at = max((n for n, part in enumerate(parts) if part in _ENDPOINTS and n), default=0)
    if not path.startswith("/v2/") or not at:
        return ()
    actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(method, "pull,push")
    return scopes_for(_path(registry, "/".join(parts[:at])), actions)


def _accept(path: str) -> str:
    """The types that are asked for where a program names none: of a manifest all that there are (K119)."""
    return ", ".join((*mediatype.ACCEPT, "*/*;q=0.1")) if "/manifests/" in path else ""


def _expected(path: str) -> Digest | None:
    """The digest that a path of a blob or manifest names."""
    *_, kind, name = ("", *path.split("/"))
    found = as_digest(name) if kind in {"blobs", "manifests"} else None
    return found if found is not None and found.is_verifiable else None


def _verified(pieces: Iterator[bytes], digest: Digest | None, where: str) -> Iterator[bytes]:
    """The same pieces, compared with the digest where one is known."""
    if digest is None:
        return pieces
    return Tap(digest.algorithm).expecting(digest, pieces, f"the answer of {where}")


Opened = Callable[[], AbstractContextManager[Iterator[bytes]]]


def _body(data: Any, json: Any) -> tuple[Opened | None, int, str]:  # noqa: ANN401 - oras-py's
    """What is sent, its size, and its type where nobody says."""
    if json is not None:
        sent = json_module.dumps(json, allow_nan=False).encode()
        return (lambda: at_hand(sent)), len(sent), "application/json"
    if data is None:
        return None, 0, ""
    if isinstance(data, Mapping):
        form = urlencode(data, doseq=True).encode()
        return (lambda: at_hand(form)), len(form), "application/x-www-form-urlencoded"
    if isinstance(data, (str, bytes, bytearray)):
        raw = data.encode() if isinstance(data, str) else bytes(data)
        return (lambda: at_hand(raw)), len(raw), "application/octet-stream"
    if hasattr(data, "seek") and hasattr(data, "read"):
        size = data.seek(0, os.SEEK_END)
        return (lambda: _FileBody(data)), size, "application/octet-stream"
    raise Unsupported(
        f"a body of {type(data).__name__} cannot be sent again after a break",
        ability="data",
        hint="give bytes, or an open file",
    )


class _FileBody(AbstractContextManager[Iterator[bytes]]):
    """An open file from its beginning, in pieces; it stays open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        return iter(lambda: self._file.read(PIECE), b"")

    def __exit__(self, *_: object) -> None:
        """Leave it open."""
