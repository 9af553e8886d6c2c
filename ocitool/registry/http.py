"""Wire: single requests over pooled connections, and failures as our errors. Only importer of httpx.

Bodies are sent from and received in pieces, so memory does not grow with them. Answers are raw bytes: no
compression by the wire is asked for or undone (K121). Nothing is retried, followed or logged in here.
"""

import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from ocitool.errors import (
    DigestMismatch,
    MalformedDocument,
    NetworkError,
    OcitoolError,
    UsageError,
    local_io,
)
from ocitool.model.numbers import KIB, is_digits
from ocitool.registry.error_response import PROXY_LOGIN
from ocitool.registry.hosts import Access, Traffic, proxy_for
from ocitool.registry.hostsconfig import Trust
from ocitool.tasks import Scope
from ocitool.version import __version__

# httpx imports its own command line where click, rich and pygments are installed, which doubles its
# import time (0.15 s against 0.08 s). It does so in a try block, so the door can be shut for that moment.
_shut = "httpx._main" not in sys.modules
if _shut:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    if _shut:
        del sys.modules["httpx._main"]

PIECE: Final = 256 * KIB
CONNECT_S: Final = 30.0
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_OLD_TLS: Final = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "WRONG_SSL_VERSION"}
)
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)
_WANTS_CERTIFICATE: Final = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_NO_CERTIFICATE",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
    }
)

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
        self, response: httpx.Response, moved: Callable[[int], None], doing: str, leave: Callable[[], None]
    ) -> None:
        self._response = response
        self._moved = moved
        self._doing = doing
        self._leave: Callable[[], None] | None = leave
        self.status = response.status_code
        self.url = str(response.url)
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def all(self, name: str) -> list[str]:
        """The values of every header of that name, in order."""
        return self._response.headers.get_list(name)

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most 256 KiB; closed at its end. Raises NetworkError, Cancelled."""
        host = urlsplit(self.url).netloc
        try:
            for piece in self._response.iter_raw(PIECE):
                self._moved(len(piece))
                yield piece
        except httpx.HTTPError as error:
            raise NetworkError(
                f"{host}: {_reading(error)}, cannot {self._doing}", host=host, phase="read"
            ) from error
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
            self._response.close()
            leave()


class Wire:
    """Pooled connections to any host, and counters; safe from several threads."""

    def __init__(self, access: Access, scope: Scope, environ: Mapping[str, str]) -> None:
        self.scope = scope
        self._access = access
        self._environ = environ
        self._lock = threading.Lock()
        self._clients: dict[tuple[Trust | None, str], httpx.Client] = {}
        self._requests = self._sent = self._received = 0

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

        def received(size: int) -> None:
            self.scope.check()
            self.count(received=size)
            moved(size)

        try:
            return Reply(self._send(outgoing, trust, moved), received, outgoing.doing, leave)
        except BaseException:
            leave()
            raise

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients = list(self._clients.values())
        for client in clients:
            client.close()

    def _send(self, outgoing: Outgoing, trust: Trust, moved: Callable[[int], None]) -> httpx.Response:
        host = urlsplit(outgoing.url).netloc
        headers = {"user-agent": f"ocitool/{__version__}", "accept-encoding": "identity", **outgoing.headers}
        self.scope.check()
        self.count(requests=1)
        try:
            client = self._client(outgoing.url, trust)
            if outgoing.body is None:
                if outgoing.method in {"POST", "PUT", "PATCH"}:
                    headers["content-length"] = "0"  # some demand it even for no body (K100)
                return client.send(self._request(client, outgoing, headers, None), stream=True)
            headers["content-length"] = str(outgoing.size)
            with outgoing.body() as pieces:
                content = self._counted(pieces, outgoing, moved)
                return client.send(self._request(client, outgoing, headers, content), stream=True)
        except httpx.HTTPError as error:
            raise _network_error(error, host, outgoing, proxy_for(outgoing.url, self._environ)) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise NetworkError(f"{host}: unusable address, cannot {outgoing.doing}", host=host) from error
        except OSError as error:
            raise local_io(error, outgoing.doing) from error

    def _request(
        self, client: httpx.Client, outgoing: Outgoing, headers: Mapping[str, str], content: Iterator[bytes] | None
    ) -> httpx.Request:
        timeout = client.timeout
        if outgoing.stall_s:
            timeout = httpx.Timeout(CONNECT_S, read=outgoing.stall_s, write=outgoing.stall_s, pool=None)
        return client.build_request(
            outgoing.method, outgoing.url, headers=headers, content=content, timeout=timeout
        )

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

    def _client(self, url: str, trust: Trust) -> httpx.Client:
        proxy = proxy_for(url, self._environ)
        # Without TLS no certificates are loaded, which takes a third of a short command's time.
        secure = not url.startswith("http:")
        key = (trust if secure else None, proxy or "")
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                stall = self._access.stall_s
                verify = tls_context(trust) if secure else False
                limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._access.connections)
                is_socks = proxy is not None and proxy.lower().startswith("socks")
                client = self._clients[key] = httpx.Client(
                    verify=verify,
                    proxy=None if is_socks else self._proxy(proxy),
                    transport=_BySocks(proxy or "", limits, verify) if is_socks else None,
                    trust_env=False,
                    follow_redirects=False,
                    timeout=httpx.Timeout(min(CONNECT_S, stall), read=stall, write=stall, pool=None),
                    limits=limits,
                )
        return client

    def _proxy(self, url: str | None) -> httpx.Proxy | None:
        """The proxy; one that speaks TLS is trusted as registries without files of their own are."""
        if url is None:
            return None
        is_secure = url.lower().startswith("https:")
        trust = Trust(self._access.ca_files)
        try:
            return httpx.Proxy(url, ssl_context=tls_context(trust) if is_secure else None)
        except (httpx.InvalidURL, ValueError) as error:
            raise UsageError("the proxy that is named is no address") from error


class _BySocks(httpx.HTTPTransport):
    """A transport whose connections begin at a SOCKS proxy."""

    def __init__(self, proxy: str, limits: httpx.Limits, verify: ssl.SSLContext | bool) -> None:  # noqa: FBT001 - as httpx has it
        super().__init__(verify=verify, trust_env=False, limits=limits)
        # httpx has a door for its own SOCKS alone, which waits for the proxy's answers without an end.
        from ocitool.registry.socks import SocksBackend

        self._pool._network_backend = SocksBackend(proxy)  # noqa: SLF001


def tls_context(trust: Trust) -> ssl.SSLContext:
    """The context for a trust. Raises MalformedDocument for files that hold no certificate."""
    context = ssl.create_default_context()
    if not trust.checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for file in trust.ca_files:
        try:
            context.load_verify_locations(cafile=str(file))
        except (ssl.SSLError, OSError) as error:
            raise MalformedDocument(f"{file} holds no CA certificate in PEM form", where=str(file)) from error
    if trust.client is not None:
        certificate, key = trust.client
        try:
            context.load_cert_chain(str(certificate), str(key))
        except (ssl.SSLError, OSError) as error:
            raise MalformedDocument(
                f"{certificate} and {key} are no client certificate and its key in PEM form", where=str(certificate)
            ) from error
    return context


def _reading(error: httpx.HTTPError) -> str:
    return (
        "no answer in time" if isinstance(error, httpx.TimeoutException) else "the connection broke while reading"
    )


def _network_error(error: httpx.HTTPError, host: str, outgoing: Outgoing, proxy: str | None) -> OcitoolError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLError):
        reason = (getattr(cause, "reason", "") or "").upper()
        # With TLS 1.3 a server tells only after the handshake that it wanted a client certificate.
        if "ALERT" in reason or not isinstance(error, httpx.ReadError | httpx.WriteError):
            return _tls_error(cause, reason, host, outgoing.doing)
    status = str(error)[:3] if isinstance(error, httpx.ProxyError) else ""
    by_proxy = f"the proxy {urlsplit(proxy).netloc.rpartition('@')[2]}" if proxy else ""
    if is_digits(status) and int(status) not in _PASSING:
        return NetworkError(
            f"{by_proxy} answered {error}, cannot {outgoing.doing}",
            host=host,
            phase="proxy",
            hint=PROXY_LOGIN if status == "407" else f"does it let us through to {host}?",
        )
    refusal: Any = error.__cause__
    if getattr(refusal, "lasts", False):  # a SocksError, whose module is loaded where one can come
        return NetworkError(
            f"{host}: {by_proxy} refuses: {error}, cannot {outgoing.doing}",
            host=host,
            phase="proxy",
            hint=PROXY_LOGIN if refusal.login else f"is {by_proxy} right? NO_PROXY={host} goes past it",
        )
    phase, words = "read", "the connection broke"
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError | httpx.UnsupportedProtocol):
        phase, words = "connect", f"cannot connect ({str(error).lower() or type(error).__name__})"
        words = f"{words} through {by_proxy}" if proxy else words
    elif isinstance(error, httpx.WriteError | httpx.WriteTimeout):
        phase = "write"
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        words = "no answer in time"
    hint = "is the host name right, and is the network up?" if phase == "connect" else ""
    hint = f"is {by_proxy} right, and up? NO_PROXY={host} goes past it" if hint and proxy else hint
    return NetworkError(f"{host}: {words}, cannot {outgoing.doing}", host=host, phase=phase, hint=hint)


def _tls_error(cause: ssl.SSLError, reason: str, host: str, doing: str) -> NetworkError:
    """Why TLS failed in true words, and what helps against that (K263)."""
    what = str(getattr(cause, "verify_message", "") or reason or cause).lower().replace("_", " ")
    hint = f"trust its CA with --ca FILE; a registry without TLS needs --plain-http {host}"
    match getattr(cause, "verify_code", 0):
        case 9:
            hint = "is the clock of this machine right?"
        case 10:
            hint = f"have it renewed, or set this machine's clock right; --insecure {host} does not check it"
        case 62 | 64:
            hint = f"is the host name right? --insecure {host} does not check the certificate"
        case _ if reason in _OLD_TLS:
            what = f"{what}: it speaks no TLS from 1.2 on"
            hint = "have its TLS brought up to date; older versions are not spoken here"
        case _ if reason in _NO_TLS:
            what, hint = f"{what}: it does not speak TLS", f"a registry without TLS needs --plain-http {host}"
        case _ if reason in _WANTS_CERTIFICATE:
            hint = f"it may want a client certificate: put client.cert and client.key into certs.d/{host}"
        case _ if "ALERT" in reason:
            hint = "it ended the connection with that alert; its log may say more"
    return NetworkError(
        f"no secure connection to {host}: {what}, cannot {doing}", host=host, phase="tls", hint=hint
    )
