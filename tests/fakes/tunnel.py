"""An HTTP proxy that speaks TLS itself and opens tunnels: all of them lead to one server."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.fakes.socks import pump


@dataclass
class Tunnel:
    """A running proxy; `asked` are the first line of each request and what it logged in with."""

    host: str
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def tunnel(upstream: str, tls: ssl.SSLContext) -> Iterator[Tunnel]:
    """A proxy on a free port of loopback whose tunnels end at `upstream` (host:port)."""
    name, _, port = upstream.rpartition(":")

    def carry(connection: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(connection, server_side=True) as near:
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(65_536)
            first, *fields = head.decode().split("\r\n")
            login = [line.partition(": ")[2] for line in fields if line.lower().startswith("proxy-authorization:")]
            running.asked.append((first, *login))
            with socket.create_connection((name, int(port))) as far:
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join(60)

    with socket.create_server(("127.0.0.1", 0)) as server:
        running = Tunnel(f"127.0.0.1:{server.getsockname()[1]}")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=carry, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield running
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
