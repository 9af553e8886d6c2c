"""A proxy in front of a real registry: it can delay, count, remember headers, and let others act in between."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Proxy:
    """A running proxy. `before` and `after` are called around each forwarded request with (method, path).

    `delay_s` is the round trip it adds; `seen` are method, path and headers of every request.
    """

    host: str
    delay_s: float = 0.0
    before: Callable[[str, str], object] = lambda method, path: None
    after: Callable[[str, str], object] = lambda method, path: None
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def methods(self, part: str = "/manifests/") -> list[str]:
        """The methods of the requests whose path holds `part`."""
        return [method for method, path, _ in self.seen if part in path]


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy to the registry at `upstream` (host:port) on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def forward(self) -> None:
            body = self._body()
            running.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            if running.delay_s:
                time.sleep(running.delay_s)  # it is the delay that is wanted
            running.before(self.command, self.path)
            connection = self.upstream = getattr(self, "upstream", None) or http.client.HTTPConnection(
                upstream, timeout=60
            )
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
            running.after(self.command, self.path)
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815 - http.server's names

        def parse_request(self) -> bool:
            if self.raw_requestline.startswith(b"\x16\x03"):  # TLS; clients fall back when HTTP answers
                self.wfile.write(b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n")
                self.close_connection = True
                return False
            return super().parse_request()

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def finish(self) -> None:
            try:
                super().finish()
            finally:  # whatever a client did that is gone
                if hasattr(self, "upstream"):
                    self.upstream.close()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = Proxy(f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
