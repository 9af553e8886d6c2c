"""A registry in memory behind a real socket, strict about the specification, driven by a list of faults.

It passes the same contract suite as real registries, and that is why its faults can be trusted. A fault is matched
by method and path pattern; the first that is due takes the request. `log` holds every request that was made;
what a client does against the specification ends up in `problems`, which fail the test.
"""

import fnmatch
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.fakes.faults import Fault

NAME = r"[a-z0-9]+(?:[._/-][a-z0-9]+)*"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
KINDS = (
    *INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
Response = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Logged:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    size: int
    at_s: float = 0.0
    body: bytes = b""  # of requests to a token server only


class FakeRegistry:
    """The state and the rules; a handler object per request.

    `keeps_cut` is the dialect of distribution 3, which keeps what arrived of a request that broke; without it the
    session is dead then, as in docker-registry 2.8. `page` is the length of a page of tags. `guard` may refuse a
    request; `token_server` answers below /token.
    """

    def __init__(self, *, keeps_cut: bool = True, referrers: bool = True, page: int = 3) -> None:
        self.keeps_cut, self.referrers, self.page = keeps_cut, referrers, page
        self.problems: list[str] = []
        self.accepted = 0  # bytes taken into sessions
        self.sent: Counter[str] = Counter()  # bytes of bodies that were sent, by path
        self.taken_at_most: int | None = None  # of the next body that goes to a session
        self.busy = self.busiest = 0  # requests under way, and the most at once
        self.connections = self.most_connections = 0
        self.guard: Callable[[Logged], Response | None] | None = None
        self.token_server: Callable[[Logged], Response] | None = None
        self.scheme = "http"
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self.idle = threading.Condition(self.lock)
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

    def wait_idle(self) -> None:
        """Return when every request that has begun has ended, the broken ones as well."""
        with self.idle:
            assert self.idle.wait_for(lambda: not self.busy, 60)

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

    def setup(self) -> None:
        """Count the connection."""
        super().setup()
        with self.registry.lock:
            self.registry.connections += 1
            self.registry.most_connections = max(self.registry.most_connections, self.registry.connections)

    def finish(self) -> None:
        """It has ended."""
        with self.registry.lock:
            self.registry.connections -= 1
        super().finish()

    def handle_any(self) -> None:
        with self.registry.lock:
            self.registry.busy += 1
            self.registry.busiest = max(self.registry.busiest, self.registry.busy)
        try:
            self._handle_any()
        finally:
            with self.registry.lock:
                self.registry.busy -= 1
                self.registry.idle.notify_all()

    def _handle_any(self) -> None:
        self.began_s = time.monotonic()
        url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        fault = self._fault(url.path)
        if fault is not None:
            fault.first()
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
        if fault is not None and fault.stall and not fault.then:
            self._stall()
            return
        if fault is not None and fault.status and not fault.then:
            itself = {"Location": self.path} if fault.to_itself else {}
            self._send(fault.status, dict(fault.headers) | itself, fault.body)
            return
        self._check(url.path)
        status, headers, body = self._answer(url.path)
        if fault is not None and fault.then:
            if fault.stall:
                self._stall()
            elif fault.reset:
                self._break()
            else:
                self._send(fault.status, dict(fault.headers), fault.body)
            return
        if fault is not None:
            if fault.relative and "/blobs/uploads/" in headers.get("Location", ""):
                # As seen from .../blobs/uploads/ when opened, from .../blobs/uploads/NUMBER later: the same word.
                headers["Location"] = headers["Location"].rpartition("/")[2]
            for key, value in fault.edit.items():
                headers.pop(key, None)
                if value is not None:
                    headers[key] = value.replace("{host}", self.registry.host)
                elif key == "Content-Length":
                    headers[key] = ""
            body = b"X" + body[1:] if fault.corrupt and body else body
            if fault.truncate:
                self._send(status, headers | {"Content-Length": str(len(body))}, body[: fault.truncate])
                self._break()
                return
        self._send(status, headers, body, fault.drip_s if fault else 0.0)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

    # Plumbing

    def _fault(self, path: str) -> Fault | None:
        with self.registry.lock:
            length = int(self.headers.get("Content-Length") or 0)
            return next((f for f in self.registry.faults if f.due(self.command, path, length)), None)

    def _log(self, size: int) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        with self.registry.lock:
            body = self.data if self.path.startswith("/token") and size else b""
            self.logged = Logged(self.command, self.path, headers, size, self.began_s, body)
            self.registry.log.append(self.logged)

    def _body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            self._mind("bodies have a length")
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if len(data) < length:
            self._keep(urlsplit(self.path).path, data)
            raise ConnectionError("the client went away")
        return data

    def _keep(self, path: str, data: bytes) -> None:
        """What a registry has of a session that was cut."""
        number = path.rpartition("/")[2]
        with self.registry.lock:
            upload = self.registry.uploads.get(number)
            if upload is None or self.command not in {"PATCH", "PUT"}:
                return
            if not self.registry.keeps_cut:
                del self.registry.uploads[number]
            elif self.command == "PATCH" and self._begins_at(upload) == len(upload):
                self._take(upload, data)

    def _take(self, upload: bytearray, data: bytes) -> None:
        upload += data
        self.registry.accepted += len(data)

    def _begins_at(self, upload: bytearray) -> int:
        window = self.headers.get("Content-Range")
        return int(window.partition("-")[0]) if window else len(upload)

    def _stall(self) -> None:
        """Say nothing until the client goes or the test ends."""
        self.close_connection = True
        self.connection.settimeout(0.05)
        while not self.registry.closing.is_set():
            try:
                if not self.connection.recv(65_536):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    # What a strict reader of the specification objects to

    def _mind(self, text: str) -> None:
        self.registry.problems.append(f"{self.command} {self.path}: {text}")

    def _check(self, path: str) -> None:
        headers = self.headers
        if headers.get("Accept-Encoding", "identity") != "identity":
            self._mind("asks for compression")
        if self.command in {"POST", "PUT", "PATCH"} and "Content-Length" not in headers:
            self._mind("no Content-Length")
        if "/manifests/" in path and self.command in {"GET", "HEAD"}:
            if not all(kind in headers.get("Accept", "") for kind in KINDS):
                self._mind(f"Accept lacks types: {headers.get('Accept')}")
        elif self.command not in {"GET", "HEAD"} and headers.get("Accept", "*/*") != "*/*":
            self._mind("Accept where only manifests have one (K120)")
        if self.command == "PATCH" and headers.get("Content-Type") != "application/octet-stream":
            self._mind("PATCH without octet-stream")
        window = headers.get("Content-Range")
        if window is not None and self.command in {"PATCH", "PUT"}:
            match = re.fullmatch(r"(\d+)-(\d+)", window)
            if match is None or int(match[2]) - int(match[1]) + 1 != len(self.data):
                self._mind(f"Content-Range {window} for {len(self.data)} bytes")

    def _break(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, drip_s: float = 0.0) -> None:
        with suppress(OSError):
            self.send_response(status)
            for key, value in headers.items():
                if value:
                    self.send_header(key, value)
            if headers.get("Content-Length") == "":
                self.send_header("Connection", "close")  # which tells the end instead
            elif "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            step = 4096 if drip_s else len(body) or 1
            length = len(body) if self.command != "HEAD" else 0
            with self.registry.lock:
                self.registry.sent[urlsplit(self.path).path] += length
            for at in range(0, length, step):
                self.wfile.write(body[at : at + step])
                if drip_s:
                    self.wfile.flush()
                    time.sleep(drip_s)  # the slowness that is wanted

    # The specification

    def _answer(self, path: str) -> Response:
        registry = self.registry
        if path.startswith("/token") and registry.token_server is not None:
            return registry.token_server(self.logged)
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
        if path == "/v2/_catalog":
            return self._page(path, "repositories", sorted({name for name, _ in registry.manifests}))
        return (200, {}, b"{}") if path == "/v2/" else _error(404, "NAME_UNKNOWN")

    def _refused(self, path: str) -> Response | None:
        registry, sent = self.registry, self.headers.get("Authorization", "")
        if registry.guard is not None:
            return registry.guard(self.logged)
        if registry.tokens is not None:
            if sent.removeprefix("Bearer ") in registry.tokens:
                return None
            name = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]
            challenge = f'Bearer realm="http://{registry.host}/token",service="fake",scope="repository:{name}:pull"'
            return 401, {"WWW-Authenticate": challenge}, b""
        if registry.basic and sent != registry.basic:
            return 401, {"WWW-Authenticate": 'BASIC realm="fake"'}, b""
        return None

    def _open(self, name: str) -> Response:
        if self.command != "POST":
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        mount, source = self.query.get("mount"), self.query.get("from", "")
        if mount and (source, mount) in self.registry.blobs:
            self.registry.blobs[name, mount] = self.registry.blobs[source, mount]
            return 201, {"Location": f"/v2/{name}/blobs/{mount}", "Docker-Content-Digest": mount}, b""
        number = f"u{len(self.registry.log)}-{threading.get_ident()}"
        self.registry.uploads[number] = bytearray()
        return 202, self._place(name, number, bytearray()), b""

    def _place(self, name: str, number: str, upload: bytearray) -> dict[str, str]:
        where = f"/v2/{name}/blobs/uploads/{number}?state={len(upload)}"
        return {"Location": where, "Range": f"0-{max(len(upload) - 1, 0)}"}

    def _upload(self, name: str, number: str) -> Response:
        upload = self.registry.uploads.get(number)
        if upload is None:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        if self.command == "DELETE":
            del self.registry.uploads[number]
            return 204, {}, b""
        if self.command == "GET":
            return 204, self._place(name, number, upload), b""
        # The state in a Location signs the offset; an old one is refused, and kills the session in the 2.8 dialect.
        is_old = self.query.get("state", str(len(upload))) != str(len(upload))
        if is_old and not self.registry.keeps_cut:
            del self.registry.uploads[number]
            return _error(404, "BLOB_UPLOAD_INVALID")
        if is_old or self._begins_at(upload) != len(upload):
            return 416, self._place(name, number, upload), b""
        most, self.registry.taken_at_most = self.registry.taken_at_most, None
        self._take(upload, self.data[:most])
        if self.command == "PATCH":
            return 202, self._place(name, number, upload), b""
        digest = self.query.get("digest", "")
        del self.registry.uploads[number]
        if _digest(bytes(upload), digest.partition(":")[0]) != digest:
            return _error(400, "DIGEST_INVALID")
        self.registry.blobs[name, digest] = bytes(upload)
        return 201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}, b""

    def _blob(self, name: str, digest: str) -> Response:
        data = self.registry.blobs.get((name, digest))
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
        if self.command == "DELETE":
            del self.registry.blobs[name, digest]
            return 202, {}, b""
        window = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if window:
            start, end = int(window[1]), min(int(window[2] or len(data)), len(data) - 1)
            if start > end:
                return _error(416, "RANGE_INVALID")
            return 206, {"Content-Range": f"bytes {start}-{end}/{len(data)}"}, data[start : end + 1]
        return 200, {"Docker-Content-Digest": digest}, data

    def _manifest(self, name: str, reference: str) -> Response:
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
        if not any(kind in self.headers.get("Accept", "") for kind in (held[0], "*/*")):
            return _error(404, "MANIFEST_UNKNOWN")
        return 200, {"Content-Type": held[0], "Docker-Content-Digest": digest}, held[1]

    def _put_manifest(self, name: str, reference: str) -> Response:
        registry, kind = self.registry, self.headers.get("Content-Type", "")
        tree, digest = json.loads(self.data), _digest(self.data, "sha256")
        if tree.get("mediaType", kind) != kind or ";" in kind:
            self._mind(f"Content-Type {kind} is not the document's {tree.get('mediaType')}")
            return _error(400, "MANIFEST_INVALID")
        held = registry.manifests if kind in INDEXES else registry.blobs
        below = tree.get("manifests", [*tree.get("layers", []), *([tree["config"]] if "config" in tree else [])])
        absent = [entry["digest"] for entry in below if (name, entry["digest"]) not in held]
        if absent:
            return _error(400, "MANIFEST_BLOB_UNKNOWN", absent[0])
        registry.manifests.setdefault(
            (name, digest), (kind, self.data)
        )  # whatever it holds there already, it keeps
        if ":" not in reference:
            registry.tags[name, reference] = digest
        subject = {"OCI-Subject": tree["subject"]["digest"]} if "subject" in tree and registry.referrers else {}
        return 201, {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest, **subject}, b""

    def _tags(self, name: str) -> Response:
        tags = sorted(tag for where, tag in self.registry.tags if where == name)
        return self._page(f"/v2/{name}/tags/list", "tags", tags)

    def _page(self, path: str, key: str, names: list[str]) -> Response:
        start, count = self.query.get("last", ""), int(self.query.get("n") or self.registry.page)
        page = [name for name in names if name > start][:count]
        is_last = not page or page[-1] == names[-1]
        more = {} if is_last else {"Link": f'<{path}?n={count}&last={page[-1]}>; rel="next"'}
        return 200, more, json.dumps({key: page or None}).encode()

    def _referrers(self, name: str, digest: str) -> Response:
        found = []
        if not self.registry.referrers:
            return 404, {"Content-Type": "text/plain"}, b"404 page not found\n"
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


def _error(status: int, code: str, detail: str = "") -> Response:
    tree = {"errors": [{"code": code, "message": code.lower().replace("_", " "), "detail": detail}]}
    return status, {"Content-Type": "application/json"}, json.dumps(tree).encode()


@contextmanager
def fake_registry(
    *, tls: ssl.SSLContext | None = None, keeps_cut: bool = True, referrers: bool = True, page: int = 3
) -> Iterator[FakeRegistry]:
    """A fake on a free loopback port; `.host` is host:port. What is in `problems` fails the test at the end."""
    registry = FakeRegistry(keeps_cut=keeps_cut, referrers=referrers, page=page)
    handler = type("Handler", (Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        registry.scheme = "https"
        # The handshake belongs to the connection's own thread, or one silent client would block all others.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *_: None  # a connection that we broke
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert [] == registry.problems


__all__ = ["FakeRegistry", "Fault", "Logged", "Response", "fake_registry"]
