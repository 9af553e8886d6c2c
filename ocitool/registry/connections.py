"""Connections: sockets that lead to a host, straight or through a proxy, kept for the next request.

What keeps a thread waiting here ends at once when `cut` is called from another one.
"""

import select
import socket
import threading
import time
from binascii import b2a_base64
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes, urlsplit

from ocitool.registry.hosts import Origin
from ocitool.registry.hostsconfig import Trust
from ocitool.registry.transport import Head, Stream, TransportError, exchange
from ocitool.values import dataclass

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

IDLE_S: Final = 30.0
"""How long a connection is kept that nobody uses; a guess below what servers and routers allow."""
SOCKS_PORT: Final = 1080
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})


class ProxyError(Exception):
    """What a proxy answered; `lasts` where trying again does not help, `login` where another login might."""

    def __init__(self, what: str, *, lasts: bool = True, login: bool = False) -> None:
        super().__init__(what)
        self.lasts, self.login = lasts, login


@dataclass(frozen=True, slots=True)
class Route:
    """Where a connection leads, with TLS where there is a `trust`, through a proxy where there is its URL."""

    host: str
    port: int
    trust: Trust | None = None
    proxy: str = ""
    proxy_trust: Trust | None = None


@dataclass(slots=True)
class Connection:
    """An open connection; `socket` is what is underneath, for ending it."""

    route: Route
    socket: socket.socket
    stream: Stream
    idle_since_s: float = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether the other side has neither ended it nor said what nobody asked for."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not poll.poll(0) and not getattr(self.stream, "pending", int)()


class Connections:
    """Open connections by route; safe from several threads.

    `most` are kept of each route, `context_of` gives the TLS context of a trust, and each step of the way to a host
    may take `connect_s`.
    """

    def __init__(self, most: int, connect_s: float, context_of: "Callable[[Trust], ssl.SSLContext]") -> None:
        self._most, self._connect_s, self._context_of = most, connect_s, context_of
        self._lock = threading.Lock()
        self._idle: dict[Route, list[Connection]] = {}
        self._used: set[socket.socket] = set()
        self._is_cut = False

    def take(self, route: Route) -> Connection:
        """A connection: one that was kept and is silent, or a new one. Raises TransportError, ProxyError."""
        while (kept := self._kept(route)) is not None:
            if time.monotonic() - kept.idle_since_s < IDLE_S and kept.is_silent:
                return kept
            self.drop(kept)
        return self._reach(route)

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next request of its route."""
        connection.idle_since_s = time.monotonic()
        with self._lock:
            kept = self._idle.setdefault(connection.route, [])
            if len(kept) < self._most and not self._is_cut:
                self._used.discard(connection.socket)
                kept.append(connection)
                return
        self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """End it."""
        self._end(connection.socket)

    def close(self) -> None:
        """End those that nobody uses."""
        with self._lock:
            kept, self._idle = [one for some in self._idle.values() for one in some], {}
        for connection in kept:
            connection.socket.close()

    def cut(self) -> None:
        """End those that are used, under the hands of who uses them; from now on there are none."""
        with self._lock:
            self._is_cut = True
            used = list(self._used)
        for one in used:
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # below TLS, which is in use by another thread

    # The way to a host

    def _kept(self, route: Route) -> Connection | None:
        with self._lock:
            kept = self._idle.get(route)
            if not kept:
                return None
            connection = kept.pop()
            self._used.add(connection.socket)
            return connection

    def _reach(self, route: Route) -> Connection:
        via = urlsplit(route.proxy)
        is_socks = via.scheme.startswith("socks")
        port = via.port or (SOCKS_PORT if is_socks else Origin.of(route.proxy).port) if route.proxy else route.port
        raw = self._connect(via.hostname or route.host, port)
        connection = Connection(route, raw, raw)
        try:
            if is_socks:
                from ocitool.registry.socks import begin

                begin(raw, route.proxy, route.host, route.port, self._connect_s)
            elif route.proxy:
                self._secure(connection, route.proxy_trust, via.hostname or "")
                self._tunnel(connection.stream, route)
            self._secure(connection, route.trust, route.host)
        except BaseException as error:
            self.drop(connection)
            if isinstance(error, OSError | TransportError):
                raise TransportError.by("connect", error) from error
            raise
        return connection

    def _connect(self, host: str, port: int) -> socket.socket:
        """A socket to the first address of the host that answers."""
        broken = TransportError("connect", f"no address of {host}")
        try:
            found = socket.getaddrinfo(_plain(host), port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise TransportError.by("connect", error) from error
        for family, kind, protocol, _, address in found:
            raw = None
            try:
                raw = socket.socket(family, kind, protocol)
                self._remember(raw)
                raw.settimeout(self._connect_s)
                raw.connect(address)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                broken = TransportError.by("connect", error)
                broken.__cause__ = error
                if raw is not None:
                    self._end(raw)
            else:
                return raw
        raise broken

    def _secure(self, connection: Connection, trust: Trust | None, host: str) -> None:
        """Let a connection speak TLS, within the TLS to a proxy if there is one; nothing without a trust."""
        if trust is None:
            return
        from ocitool.registry.tls import TlsWithin, is_tls

        context = self._context_of(trust)
        if is_tls(connection.stream):
            connection.stream = TlsWithin(connection.stream, context, host, self._connect_s)
            return
        secure = context.wrap_socket(connection.socket, server_hostname=host, do_handshake_on_connect=False)
        self._forget(connection.socket)
        connection.socket = connection.stream = secure
        self._remember(secure)
        secure.do_handshake()

    def _tunnel(self, stream: Stream, route: Route) -> None:
        """Ask an HTTP proxy for the way to the host."""
        host = f"[{route.host}]" if ":" in route.host else route.host
        place = f"{host}:{route.port}"
        head = Head("CONNECT", place, {"host": place} | proxy_login(route.proxy))
        answer = exchange(stream, head, (), self._connect_s)
        if not 200 <= answer.status < 300:
            raise ProxyError(
                f"{answer.status} {answer.reason}".strip(),
                lasts=answer.status not in _PASSING,
                login=answer.status == 407,
            )

    def _remember(self, raw: socket.socket) -> None:
        with self._lock:
            if self._is_cut:
                raise ConnectionAbortedError("all connections were cut")
            self._used.add(raw)

    def _forget(self, raw: socket.socket) -> None:
        with self._lock:
            self._used.discard(raw)

    def _end(self, raw: socket.socket) -> None:
        self._forget(raw)
        raw.close()


def proxy_login(proxy: str) -> dict[str, str]:
    """The header for the user and password in a proxy's URL; none where it has none."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    words = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
    return {"proxy-authorization": f"Basic {b2a_base64(words, newline=False).decode()}"}


def _plain(host: str) -> str | bytes:
    """The host as bytes where that is all there is to it: words take the IDNA codec along, which is large."""
    is_plain = host.isascii() and all(0 < len(label) < 64 for label in host.split("."))
    return host.encode() if is_plain else host
