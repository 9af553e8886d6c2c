"""A registry in memory behind a real socket, strict about the specification, driven by a list of faults.

It passes the same contract suite as real registries, and that is why its faults can be trusted. A fault is matched
by method and path pattern; the first that is due takes the request. `log` holds every request that was made.
"""

import fnmatch
import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NAME = r"[a-z0-9]+(?:[._/-][a-z0-9]+)*"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


@dataclass
class Fault:
    """What happens instead of the right answer. `on` is `METHOD /path/pattern`; `skip` requests pass before it.

    `status`, `headers` and `body` are an answer; `reset` breaks the connection, before anything was read or, with
    `after` bytes of the body; `edit` changes headers of the right answer (None removes one); `corrupt` and
    `truncate` spoil the right body. `times` is how often it happens.
    """

    on: str
    times: int = 1
    skip: int = 0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: bool = False
    after: int = 0
    edit: Mapping[str, str | None] = field(default_factory=dict)
    corrupt: bool = False
    truncate: int = 0
    then: bool = False  # do the work first, then answer so (a commit whose answer is lost)

    def due(self, method: str, path: str) -> bool:
        """Whether this fault takes the request; counts it."""
        wanted, _, pattern = self.on.partition(" ")
        if wanted not in {"*", method} or not fnmatch.fnmatch(path, pattern) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class Logged:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    size: int


class FakeRegistry:
    """The state and the rules; a handler object per request."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.uploads: dict[str, bytearray] = {}
        self.faults: list[Fault] = []
        self.log: list[Logged] = []
        self.host = ""
        self.basic = ""  # the Authorization header that opens everything, empty for an open registry
        self.tokens: set[str] | None = None  # bearer tokens that hold; None for no token service
        self.token_answer: dict[str, object] | None = None
        self.issued = 0

    def asked(self, method: str, pattern: str = "*") -> list[Logged]:
        """The requests of a method whose path fits."""
        return [r for r in self.log if r.method == method and fnmatch.fnmatch(r.path, pattern)]


class Handler(BaseHTTPRequestHandler):
    """The endpoints of the distribution specification."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # header and body in one segment
    registry: FakeRegistry

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        fault = self._fault(url.path)
        if fault is not None and fault.reset and not fault.after and not fault.then:
            self._log(0)
            self._break()
            return
        if fault is not None and fault.reset and fault.after:
            data = self.rfile.read(fault.after)
            self._log(len(data))
            self._keep(url.path, data)
            self._break()
            return
        self.data = self._body()
        self._log(len(self.data))
        if fault is not None and fault.status and not fault.then:
            self._send(fault.status, dict(fault.headers), fault.body)
            return
        status, headers, body = self._answer(url.path)
        if fault is not None and fault.then:
            if fault.reset:
                self._break()
            else:
                self._send(fault.status, dict(fault.headers), fault.body)
            return
        if fault is not None:
            for key, value in fault.edit.items():
                headers.pop(key, None)
                if value is not None:
                    headers[key] = value.replace("{host}", self.registry.host)
            body = b"X" + body[1:] if fault.corrupt and body else body
            if fault.truncate:
                self._send(status, headers | {"Content-Length": str(len(body))}, body[: fault.truncate])
                self._break()
                return
        self._send(status, headers, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

    # Plumbing

    def _fault(self, path: str) -> Fault | None:
        with self.registry.lock:
            return next((f for f in self.registry.faults if f.due(self.command, path)), None)

    def _log(self, size: int) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        with self.registry.lock:
            self.registry.log.append(Logged(self.command, self.path, headers, size))

    def _body(self) -> bytes:
        assert "transfer-encoding" not in self.headers, "bodies have a length"
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _keep(self, path: str, data: bytes) -> None:
        """What a registry that keeps a cut session has of it."""
        upload = self.registry.uploads.get(path.rpartition("/")[2])
        if upload is not None and self.command == "PATCH":
            upload += data

    def _break(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        with suppress(OSError):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    # The specification

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        registry = self.registry
        if path == "/token":
            registry.issued += 1
            token = f"token-{registry.issued}"
            (registry.tokens if registry.tokens is not None else set()).add(token)
            tree = (
                registry.token_answer if registry.token_answer is not None else {"token": token, "expires_in": 300}
            )
            return 200, {}, json.dumps(tree).encode()
        refused = self._refused(path)
        if refused is not None:
            return refused
        for pattern, answer in (
            (rf"/v2/({NAME})/blobs/uploads/", self._open),
            (rf"/v2/({NAME})/blobs/uploads/([^/]+)", self._upload),
            (rf"/v2/({NAME})/blobs/([^/]+)", self._blob),
            (rf"/v2/({NAME})/manifests/([^/]+)", self._manifest),
            (rf"/v2/({NAME})/tags/list", self._tags),
            (rf"/v2/({NAME})/referrers/([^/]+)", self._referrers),
        ):
            match = re.fullmatch(pattern, path)
            if match:
                with registry.lock:
                    return answer(*match.groups())
        return (200, {}, b"{}") if path == "/v2/" else _error(404, "NAME_UNKNOWN")

    def _refused(self, path: str) -> tuple[int, dict[str, str], bytes] | None:
        registry, sent = self.registry, self.headers.get("Authorization", "")
        if registry.tokens is not None:
            if sent.removeprefix("Bearer ") in registry.tokens:
                return None
            name = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]
            challenge = f'Bearer realm="http://{registry.host}/token",service="fake",scope="repository:{name}:pull"'
            return 401, {"WWW-Authenticate": challenge}, b""
        if registry.basic and sent != registry.basic:
            return 401, {"WWW-Authenticate": 'BASIC realm="fake"'}, b""
        return None

    def _open(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if self.command != "POST":
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        mount, source = self.query.get("mount"), self.query.get("from", "")
        if mount and (source, mount) in self.registry.blobs:
            self.registry.blobs[name, mount] = self.registry.blobs[source, mount]
            return 201, {"Location": f"/v2/{name}/blobs/{mount}", "Docker-Content-Digest": mount}, b""
        number = f"u{len(self.registry.log)}-{threading.get_ident()}"
        self.registry.uploads[number] = bytearray()
        return 202, {"Location": f"/v2/{name}/blobs/uploads/{number}?state=0", "Range": "0-0"}, b""

    def _upload(self, name: str, number: str) -> tuple[int, dict[str, str], bytes]:
        upload = self.registry.uploads.get(number)
        if upload is None:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        place = {"Location": f"/v2/{name}/blobs/uploads/{number}?state={len(upload)}"}
        if self.command == "DELETE":
            del self.registry.uploads[number]
            return 204, {}, b""
        if self.command == "GET":
            return 204, place | {"Range": f"0-{max(len(upload) - 1, 0)}"}, b""
        window = self.headers.get("Content-Range")
        if window and int(window.partition("-")[0]) != len(upload):
            return 416, place | {"Range": f"0-{max(len(upload) - 1, 0)}"}, b""
        upload += self.data
        if self.command == "PATCH":
            return 202, place | {"Range": f"0-{max(len(upload) - 1, 0)}"}, b""
        digest = self.query.get("digest", "")
        del self.registry.uploads[number]
        if _digest(bytes(upload), digest.partition(":")[0]) != digest:
            return _error(400, "DIGEST_INVALID")
        self.registry.blobs[name, digest] = bytes(upload)
        return 201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}, b""

    def _blob(self, name: str, digest: str) -> tuple[int, dict[str, str], bytes]:
        data = self.registry.blobs.get((name, digest))
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
        window = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if window:
            start = int(window[1])
            return 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]
        return 200, {"Docker-Content-Digest": digest}, data

    def _manifest(self, name: str, reference: str) -> tuple[int, dict[str, str], bytes]:
        registry = self.registry
        digest = registry.tags.get((name, reference), reference)
        if self.command == "PUT":
            return self._put_manifest(name, reference)
        held = registry.manifests.get((name, digest))
        if held is None:
            return _error(404, "MANIFEST_UNKNOWN")
        if self.command == "DELETE":
            if reference != digest:
                del registry.tags[name, reference]
            else:
                del registry.manifests[name, digest]
                registry.tags = {key: at for key, at in registry.tags.items() if at != digest}
            return 202, {}, b""
        if held[0] not in self.headers.get("Accept", ""):
            return _error(404, "MANIFEST_UNKNOWN")
        return 200, {"Content-Type": held[0], "Docker-Content-Digest": digest}, held[1]

    def _put_manifest(self, name: str, reference: str) -> tuple[int, dict[str, str], bytes]:
        registry, kind = self.registry, self.headers.get("Content-Type", "")
        tree, digest = json.loads(self.data), _digest(self.data, "sha256")
        if tree.get("mediaType", kind) != kind:
            return _error(400, "MANIFEST_INVALID")
        held = registry.manifests if kind in INDEXES else registry.blobs
        below = tree.get("manifests", [*tree.get("layers", []), *([tree["config"]] if "config" in tree else [])])
        absent = [entry["digest"] for entry in below if (name, entry["digest"]) not in held]
        if absent:
            return _error(400, "MANIFEST_BLOB_UNKNOWN", absent[0])
        registry.manifests[name, digest] = (kind, self.data)
        if ":" not in reference:
            registry.tags[name, reference] = digest
        subject = {"OCI-Subject": tree["subject"]["digest"]} if "subject" in tree else {}
        return 201, {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest, **subject}, b""

    def _tags(self, name: str) -> tuple[int, dict[str, str], bytes]:
        tags = sorted(tag for where, tag in self.registry.tags if where == name)
        start, count = self.query.get("last", ""), 3
        page = [tag for tag in tags if tag > start][:count]
        more = (
            {"Link": f'</v2/{name}/tags/list?last={page[-1]}>; rel="next"'} if page and page[-1] != tags[-1] else {}
        )
        return 200, more, json.dumps({"name": name, "tags": page or None}).encode()

    def _referrers(self, name: str, digest: str) -> tuple[int, dict[str, str], bytes]:
        found = []
        for (where, own), (kind, data) in self.registry.manifests.items():
            tree = json.loads(data)
            if where == name and tree.get("subject", {}).get("digest") == digest:
                entry = {
                    "mediaType": kind,
                    "digest": own,
                    "size": len(data),
                    "annotations": tree.get("annotations", {}),
                }
                found.append(entry | {"artifactType": tree.get("artifactType") or tree["config"]["mediaType"]})
        index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": found}
        return 200, {"Content-Type": INDEXES[0]}, json.dumps(index).encode()


def _digest(data: bytes, algorithm: str) -> str:
    return f"{algorithm}:{hashlib.new(algorithm or 'sha256', data).hexdigest()}"


def _error(status: int, code: str, detail: str = "") -> tuple[int, dict[str, str], bytes]:
    tree = {"errors": [{"code": code, "message": code.lower().replace("_", " "), "detail": detail}]}
    return status, {"Content-Type": "application/json"}, json.dumps(tree).encode()


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """A fake on a free loopback port; `.host` is host:port."""
    registry = FakeRegistry()
    handler = type("Handler", (Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *_: None  # a connection that we broke
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
