"""Wire: single requests over pooled connections, and failures as our errors.

Bodies are sent from and received in pieces, so memory does not grow with them. Answers are raw bytes: no
compression by the wire is asked for or undone (K121). Nothing is retried, followed or logged in here.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote, urlsplit

from ocitool.errors import DigestMismatch, NetworkError, OcitoolError, local_io
from ocitool.registry.connections import Connection, Connections, ProxyError, Route, proxy_login
from ocitool.registry.error_response import PROXY_LOGIN
from ocitool.registry.hosts import Access, Origin, Traffic, proxy_for
from ocitool.registry.hostsconfig import Trust
from ocitool.registry.transport import Answer, Head, TransportError, exchange
from ocitool.tasks import Scope
from ocitool.values import dataclass, field
from ocitool.version import __version__

if TYPE_CHECKING:
    import ssl

CONNECT_S: Final = 30.0
_ODD: Final = re.compile(r"""[^!#-;=?-\[\]_a-z~]""")
"""What a request's target does not hold as it is: each is written as %XX."""

Body: TypeAlias = Callable[[], AbstractContextManager[Iterator[bytes]]]
"""Opens a body: a context manager around an iterator of pieces. Called once for each attempt."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request as it goes over the wire. `doing` ends the sentence "cannot …" of an error."""

    method: str
    url: str
    doing: str
    headers: Mapping[str, str] = field(hash=False)
    body: Body | None = None
    size: int = 0
    stall_s: float = 0.0


class Reply:
    """An answer whose body has not been read yet; close it, or read it to its end."""

    def __init__(
        self,
        answer: Answer,
        outgoing: Outgoing,
        scope: Scope,
        moved: Callable[[int], None],
        leave: Callable[[], None],
    ) -> None:
        self._answer = answer
        self._scope = scope
        self._moved = moved
        self._doing = outgoing.doing
        self._leave: Callable[[], None] | None = leave
        self.status = answer.status
        self.url = outgoing.url
        self.headers: dict[str, str] = {}
        for name, value in answer.headers:
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def all(self, name: str) -> list[str]:
        """The values of every header of that name, in order."""
        return [value for one, value in self._answer.headers if one == name]

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most 1 MiB; closed at its end. Raises NetworkError, Cancelled."""
        try:
            for piece in self._answer.pieces():
                self._scope.check()
                self._moved(len(piece))
                yield piece
        except TransportError as error:
            self._scope.check()
            host = urlsplit(self.url).netloc
            what = "no answer in time" if error.is_late else "the connection broke while reading"
            raise NetworkError(f"{host}: {what}, cannot {self._doing}", host=host, phase="read") from error
        finally:
            self.close()

    def __enter__(self) -> "Reply":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the connection back if the body was read, else end it; harmless twice."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


@dataclass(frozen=True, slots=True)
class _Way:
    """How requests to an origin travel: what each begins with, and where its connections lead.

    `prefix` stands before the target where an HTTP proxy is to carry the request on, with `login` for that.
    """

    route: Route
    host: str
    prefix: str = ""
    login: Mapping[str, str] = field(default_factory=dict, hash=False)
    proxy: str = ""


class Wire:
    """Pooled connections to any host, and counters; safe from several threads."""

    def __init__(self, access: Access, scope: Scope, environ: Mapping[str, str]) -> None:
        self.scope = scope
        self._access = access
        self._environ = environ
        self._lock = threading.Lock()
        self._ways: dict[tuple[str, Trust], _Way] = {}
        self._contexts: dict[Trust, ssl.SSLContext] = {}
        self._requests = self._sent = self._received = 0
        connect_s = min(CONNECT_S, access.stall_s)
        self._connections = Connections(access.connections, connect_s, self._context)
        self._cutting = ExitStack()
        self._cutting.enter_context(scope.on_cancel(self._connections.cut))

    @property
    def traffic(self) -> Traffic:
        """The counters now."""
        with self._lock:
            return Traffic(self._requests, self._sent, self._received)

    def count(self, *, requests: int = 0, sent: int = 0, received: int = 0) -> None:
        """Add to the counters."""
        with self._lock:
            self._requests += requests
            self._sent += sent
            self._received += received

    def send(
        self, outgoing: Outgoing, trust: Trust, leave: Callable[[], None], moved: Callable[[int], None]
    ) -> Reply:
        """The reply's head. `leave` is called when the reply is closed, or before an error is raised.

        `moved` is called with the size of each piece of a body, either way, and may wait.

        Raises NetworkError with the phase that failed, DigestMismatch when the body is not of its size, and what
        the body's source raises.
        """
        try:
            connection, answer = self._send(outgoing, trust, moved)
        except BaseException:
            leave()
            raise

        def received(size: int) -> None:
            self.count(received=size)
            moved(size)

        def done() -> None:
            if answer.is_reusable:
                self._connections.give_back(connection)
            else:
                self._connections.drop(connection)
            leave()

        return Reply(answer, outgoing, self.scope, received, done)

    def close(self) -> None:
        """Close all connections."""
        self._cutting.close()
        self._connections.close()

    def _send(self, outgoing: Outgoing, trust: Trust, moved: Callable[[int], None]) -> tuple[Connection, Answer]:
        host = urlsplit(outgoing.url).netloc
        self.scope.check()
        self.count(requests=1)
        way = self._way(outgoing, trust)
        try:
            connection = self._connections.take(way.route)
            try:
                return connection, self._ask(connection, way, outgoing, moved)
            except BaseException:
                self._connections.drop(connection)
                raise
        except (TransportError, ProxyError) as error:
            self.scope.check()
            raise _network_error(error, host, outgoing.doing, way) from error
        except UnicodeError as error:
            raise _unusable(host, outgoing.doing) from error
        except OSError as error:
            raise local_io(error, outgoing.doing) from error

    def _ask(self, connection: Connection, way: _Way, outgoing: Outgoing, moved: Callable[[int], None]) -> Answer:
        parts = urlsplit(outgoing.url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        target = way.prefix + _ODD.sub(lambda odd: quote(odd[0]), path)
        headers = {
            "host": way.host,
            "user-agent": f"ocitool/{__version__}",
            "accept": "*/*",
            "accept-encoding": "identity",
            **way.login,
            **outgoing.headers,
        }
        head, stall_s = Head(outgoing.method, target, headers), outgoing.stall_s or self._access.stall_s
        if outgoing.body is None:
            if outgoing.method in {"POST", "PUT", "PATCH"}:
                headers["content-length"] = "0"  # some demand it even for no body (K100)
            return exchange(connection.stream, head, (), stall_s)
        headers["content-length"] = str(outgoing.size)
        with outgoing.body() as pieces:
            return exchange(connection.stream, head, self._counted(pieces, outgoing, moved), stall_s)

    def _counted(
        self, pieces: Iterator[bytes], outgoing: Outgoing, moved: Callable[[int], None]
    ) -> Iterator[bytes]:
        total = 0
        for piece in pieces:
            total += len(piece)
            if total > outgoing.size:
                break
            self.scope.check()
            self.count(sent=len(piece))
            moved(len(piece))
            yield piece
        if total != outgoing.size:
            raise DigestMismatch(
                f"the source gave {'more than' if total > outgoing.size else f'{total} of'} {outgoing.size} bytes",
                expected=str(outgoing.size),
                got=str(total),
                where="the source",
            )

    def _way(self, outgoing: Outgoing, trust: Trust) -> _Way:
        """Found out once for each origin, since the environment does not change."""
        start = outgoing.url.split("/", 3)[:3]
        key = ("/".join(start), trust)
        with self._lock:
            known = self._ways.get(key)
        if known is None:
            known = self._new_way(outgoing, trust)
            with self._lock:
                self._ways[key] = known
        return known

    def _new_way(self, outgoing: Outgoing, trust: Trust) -> _Way:
        try:
            origin = Origin.of(outgoing.url)
        except ValueError:
            origin = Origin("", "", 0)
        if origin.scheme not in {"http", "https"} or not origin.host or not outgoing.url.isascii():
            raise _unusable(outgoing.url.partition("://")[2].partition("/")[0], outgoing.doing)
        host = str(origin).partition("://")[2].removesuffix(f":{80 if origin.scheme == 'http' else 443}")
        proxy = proxy_for(outgoing.url, self._environ) or ""
        # A proxy that speaks TLS is trusted as registries without files of their own are.
        proxy_trust = Trust(self._access.ca_files) if proxy.lower().startswith("https:") else None
        is_carried = origin.scheme == "http" and proxy.lower().startswith("http")
        if is_carried:
            through = Origin.of(proxy)
            route = Route(through.host, through.port, proxy_trust)
            return _Way(route, host, f"http://{host}", proxy_login(proxy), proxy)
        route = Route(origin.host, origin.port, trust if origin.scheme == "https" else None, proxy, proxy_trust)
        return _Way(route, host, proxy=proxy)

    def _context(self, trust: Trust) -> "ssl.SSLContext":
        """Made once for each trust: to load the system's certificates takes longer than a short command."""
        from ocitool.registry.tls import tls_context

        with self._lock:
            if trust not in self._contexts:
                self._contexts[trust] = tls_context(trust)
            return self._contexts[trust]


def _unusable(host: str, doing: str) -> NetworkError:
    return NetworkError(f"{host}: unusable address, cannot {doing}", host=host)


def _network_error(error: TransportError | ProxyError, host: str, doing: str, way: _Way) -> OcitoolError:
    if way.route.trust or way.route.proxy_trust:
        from ocitool.registry.tls import tls_error

        told = tls_error(error, host, doing)
        if told is not None:
            return told
    proxy = way.proxy
    by_proxy = f"the proxy {urlsplit(proxy).netloc.rpartition('@')[2]}" if proxy else ""
    past = f"NO_PROXY={host} goes past it"
    if isinstance(error, ProxyError) and error.lasts:
        is_socks = proxy.lower().startswith("socks")
        hint = f"is {by_proxy} right? {past}" if is_socks else f"does it let us through to {host}?"
        what = f"{host}: {by_proxy} refuses: {error}" if is_socks else f"{by_proxy} answered {error}"
        hint = PROXY_LOGIN if error.login else hint
        return NetworkError(f"{what}, cannot {doing}", host=host, phase="proxy", hint=hint)
    if isinstance(error, TransportError) and error.phase != "connect":
        words = "no answer in time" if error.is_late else "the connection broke"
        return NetworkError(f"{host}: {words}, cannot {doing}", host=host, phase=error.phase)
    through = f" through {by_proxy}" if proxy else ""
    hint = f"is {by_proxy} right, and up? {past}" if proxy else "is the host name right, and is the network up?"
    what = f"{host}: cannot connect ({str(error).lower()}){through}, cannot {doing}"
    return NetworkError(what, host=host, phase="connect", hint=hint)
