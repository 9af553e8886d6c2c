"""A server of files behind a real socket: entity tags, ranges, redirects, and bodies that break or never end."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What stands at a path. `etag` and `ranges` are as the server supports them; `headers` come on top.

    The next answers are first those of `statuses`, then `cuts` bodies that break after so many bytes. `is_endless`
    repeats the data until the client leaves; `location` makes it a redirect. Pages with one `together` are answered
    when as many as it counts are asked for at a time.
    """

    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: bool = True
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    is_endless: bool = False
    location: str = ""
    together: threading.Barrier | None = None

    @property
    def tag(self) -> str:
        return f'"{sha256(self.data).hexdigest()[:16]}"'


class FakeWeb:
    """Pages by path (without the query), and every request as (path, headers in lower case)."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.host = ""
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def put(self, path: str, data: bytes = b"", **more) -> str:
        """The URL of a new page."""
        self.pages[path] = Page(data, **more)
        return self.url + path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: FakeWeb

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.web.asked.append((self.path, headers))
        page = self.web.pages.get(self.path.partition("?")[0])
        if page is not None and page.together is not None:
            page.together.wait()
        if page is None:
            self._answer(404, b"no such page", {})
        elif page.statuses:
            self._answer(page.statuses.pop(0), b"not now", {"Retry-After": "0"})
        elif page.location:
            self._answer(302, b"", {"Location": page.location})
        elif page.is_endless:
            self._endless(page)
        else:
            self._page(page, headers)

    def _page(self, page: Page, asked: Mapping[str, str]) -> None:
        headers = {**({"ETag": page.tag} if page.etag else {}), **page.headers}
        is_known = page.etag and asked.get("if-none-match") == page.tag
        modified = page.headers.get("Last-Modified")
        if is_known or (modified is not None and asked.get("if-modified-since") == modified):
            self._answer(304, b"", headers)
            return
        first = 0
        if page.ranges and "range" in asked and asked.get("if-range") in {page.tag, modified}:
            first = int(asked["range"].removeprefix("bytes=").removesuffix("-"))
            headers.setdefault("Content-Range", f"bytes {first}-{len(page.data) - 1}/{len(page.data)}")
        body = page.data[first:]
        self._answer(206 if first else 200, body, headers, cut=page.cuts.pop(0) if page.cuts else None)

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if status != 304:
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def _endless(self, page: Page) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while True:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(page.data), page.data))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave early are what some tests are about."""


@contextmanager
def serve_files(tls: ssl.SSLContext | None = None) -> Iterator[FakeWeb]:
    """A running server on a free port of loopback."""
    web = FakeWeb()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": web}))
    if tls is not None:
        web.scheme = "https"
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
