"""A SOCKS5 server (RFC 1928, RFC 1929): it leads whatever is asked for to one server, and keeps what it was asked."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

NO_LOGIN, BY_PASSWORD, NONE_FITS = 0, 2, 0xFF


@dataclass
class Socks:
    """A running server. `login` is the user and the password that it wants; `refuse` a reply code in place of 0.

    `asked` are the targets of all connections, `logins` what clients gave.
    """

    host: str
    login: tuple[bytes, bytes] | None = None
    refuse: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)


@contextmanager
def socks(upstream: str, **how: object) -> Iterator[Socks]:
    """A server on a free port of loopback that connects everybody with `upstream` (host:port)."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                if self._greet() and self._connect():
                    self._pass_on()

        def _greet(self) -> bool:
            methods = self._take(self._take(2)[1])
            method = NO_LOGIN if running.login is None else BY_PASSWORD
            if method not in methods:
                self.request.sendall(bytes([5, NONE_FITS]))
                return False
            self.request.sendall(bytes([5, method]))
            if running.login is not None:
                user = self._take(self._take(2)[1])
                running.logins.append((user, self._take(self._take(1)[0])))
                self.request.sendall(bytes([1, running.logins[-1] != running.login]))
            return running.login is None or running.logins[-1] == running.login

        def _connect(self) -> bool:
            kind = self._take(4)[3]
            if kind == 3:
                name = self._take(self._take(1)[0]).decode()
            else:
                family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
                name = socket.inet_ntop(family, self._take(size))
            running.asked.append((name, int.from_bytes(self._take(2), "big")))
            self.request.sendall(bytes([5, running.refuse, 0, 1, 0, 0, 0, 0, 0, 0]))
            return not running.refuse

        def _pass_on(self) -> None:
            name, _, port = upstream.rpartition(":")
            with socket.create_connection((name, int(port))) as far:
                back = threading.Thread(target=pump, args=(far, self.request), daemon=True)
                back.start()
                pump(self.request, far)
                back.join(60)

        def _take(self, size: int) -> bytes:
            data = self.rfile.read(size)
            if len(data) < size:
                raise ConnectionError(size)
            return data

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        running = Socks(f"127.0.0.1:{server.server_address[1]}", **how)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield running
        finally:
            server.shutdown()


def pump(near: socket.socket, far: socket.socket) -> None:
    """Everything from one to the other, the end included."""
    with suppress(OSError):
        while piece := near.recv(65_536):
            far.sendall(piece)
    with suppress(OSError):
        far.shutdown(socket.SHUT_WR)
