"""A proxy that counts sequential round trips: it answers only when the client has nothing more to ask.

Every request is held until the processes that ask sleep and no byte of theirs is unread; then all are passed on at
once, which is one wave. What is counted is therefore no time: as many waves as there would be at any distance.
"""

import http.client
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_LOOK_S = 0.004
_STRIP = frozenset({"transfer-encoding", "content-length", "connection"})


@dataclass(eq=False)
class Rounds:
    """A running proxy to several registries, a host for each; `waves` are the requests of each, method and path."""

    hosts: tuple[str, ...] = ()
    waves: list[list[tuple[str, str]]] = field(default_factory=list)
    lock: threading.Condition = field(default_factory=threading.Condition)
    held: list[tuple[str, str]] = field(default_factory=list)
    busy: int = 0
    """Requests that are read from a client, or passed on and not answered."""
    turn: int = 0
    sockets: set[socket.socket] = field(default_factory=set)
    pid: int = 0
    """The process whose rounds are counted; nothing is held as long as there is none."""

    @property
    def requests(self) -> list[tuple[str, str]]:
        """All requests, in the order of their waves."""
        return [request for wave in self.waves for request in wave]

    def wait_turn(self, method: str, path: str) -> None:
        """Hold a request until all that can be asked is asked."""
        with self.lock:
            self.held.append((method, path))
            self.busy -= 1
            mine = self.turn
            while self.turn == mine:
                self.lock.wait()

    def release(self) -> None:
        """Pass on all that is held, if the client asks for nothing more."""
        with self.lock:
            if not self.held or not self._is_quiet():
                return
            self.waves.append(self.held)
            self.busy += len(self.held)
            self.held = []
            self.turn += 1
            self.lock.notify_all()

    def _is_quiet(self) -> bool:
        before = self._state()
        time.sleep(_LOOK_S)
        return before is not None and before == self._state()

    def _state(self) -> object:
        """What the client's threads have done so far, None while one of them runs or something is on its way."""
        if self.busy or select.select(list(self.sockets), [], [], 0)[0]:
            return None
        states = {}
        for task in Path(f"/proc/{self.pid}/task").glob("*"):
            try:
                word = (task / "stat").read_text().rpartition(")")[2].split()[0]
                switches = (task / "status").read_text().partition("voluntary_ctxt_switches")[2]
            except OSError:  # it has ended
                return None
            if word != "S":
                return None
            states[task.name] = switches
        return states


class _Server(ThreadingHTTPServer):
    """One that lets every connection in at once: who waits to be let in would look as if nothing were to be asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, running: Rounds, upstream: str) -> None:
        self._running = running
        super().__init__(("127.0.0.1", 0), _handler(running, upstream))
        running.sockets.add(self.socket)

    def _handle_request_noblock(self) -> None:
        with self._running.lock:
            self._running.busy += 1
        super()._handle_request_noblock()  # type: ignore[misc]
        with self._running.lock:
            self._running.busy -= 1

    def process_request(self, request: object, client_address: object) -> None:
        with self._running.lock:
            self._running.sockets.add(request)  # type: ignore[arg-type]
        super().process_request(request, client_address)  # type: ignore[arg-type]


@contextmanager
def rounds(*upstreams: str) -> Iterator[Rounds]:
    """A proxy in front of registries (host:port each), on free ports of loopback."""
    running, over = Rounds(), threading.Event()
    servers = [_Server(running, upstream) for upstream in upstreams]
    running.hosts = tuple(f"127.0.0.1:{server.server_address[1]}" for server in servers)

    def release() -> None:
        while not over.wait(_LOOK_S):
            running.release()

    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    threads.append(threading.Thread(target=release, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        over.set()
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join(60)


def _handler(running: Rounds, upstream: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            select.select([self.connection], [], [])  # what is unread is seen to be until it counts as busy
            with running.lock:
                running.busy += 1
            self.is_busy = True
            try:
                super().handle_one_request()
            finally:
                self._leave()

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            running.wait_turn(self.command, self.path)
            connection = self.upstream = getattr(self, "upstream", None) or http.client.HTTPConnection(upstream)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _STRIP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _STRIP:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length or "0")
            self._headers_buffer.append(b"\r\n")
            whole = b"".join(self._headers_buffer) + (data if self.command != "HEAD" else b"")
            self._headers_buffer = []
            self.wfile.write(whole)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815 - http.server's names

        def _leave(self) -> None:
            if self.is_busy:
                self.is_busy = False
                with running.lock:
                    running.busy -= 1

        def finish(self) -> None:
            with running.lock:
                running.sockets.discard(self.connection)
            try:
                super().finish()
            finally:
                if hasattr(self, "upstream"):
                    self.upstream.close()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
