"""Session: requests to registries, with everything that holds for all of them. Only importer of httpx.

Retries, redirects, logging in, redaction, limits, counting. Bodies are sent from sources that can be opened
again and are received in pieces, so memory does not grow with them. Answers are raw bytes: no compression
by the wire is asked for or undone (K121).
"""

import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from ocitool import __version__
from ocitool.errors import AuthError, MalformedDocument, NetworkError, OcitoolError, local_io
from ocitool.events import Listener, Noted, silent
from ocitool.registry.answers import BODY_LIMIT, redact, refusal, retry_after_s
from ocitool.registry.auth import (
    Token,
    TokenAnswer,
    TokenCache,
    TokenRequest,
    basic_header,
    token_flow,
    union,
)
from ocitool.registry.challenge import Challenge, parse_challenges, preferred
from ocitool.registry.credentials import Credentials, find_credentials
from ocitool.registry.hosts import Access, Origin, Traffic, is_loopback, proxy_for
from ocitool.tasks import Scope

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

PIECE: Final = 256 * 1024
REDIRECTS: Final = 5
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_TLS_EXPECTED: Final = b"HTTP request to an HTTPS server"

Body = Callable[[], Any]
"""Opens a body: a context manager around an iterator of pieces. Called once for each attempt."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a registry.

    `scopes` are what a token must allow. `body` (with `size`) is opened anew for every attempt. `doing` ends the
    sentence "cannot …". A request is repeated after a broken connection or a passing failure only if
    `repeatable`; `ok` are the statuses that are answers, anything else is a refusal.
    """

    method: str
    url: str
    doing: str
    ok: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    scopes: tuple[str, ...] = ()
    body: Body | None = None
    size: int = 0
    repeatable: bool = True
    limit: int = BODY_LIMIT


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was expected: `url` is the last one after redirects, header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(hash=False)
    url: str
    body: bytes = b""

    def location(self) -> str | None:
        """The Location header, resolved against the URL that gave it (K094, K095)."""
        found = self.headers.get("location")
        return urljoin(self.url, found) if found else None


class Session:
    """Connections, tokens and counters for everything one command does; safe from several threads."""

    def __init__(self, access: Access, scope: Scope, listener: Listener = silent) -> None:
        self.access = access
        self.scope = scope
        self._listener = listener
        self.environ: Mapping[str, str] = os.environ if access.environ is None else access.environ
        self._lock = threading.Lock()
        self._clients: dict[tuple[bool, str], httpx.Client] = {}
        self._gates: dict[str, threading.Semaphore] = {}
        self._schemes: dict[str, str] = {}
        self._challenges: dict[str, Challenge] = {}
        self._credentials: dict[tuple[str, str], Credentials] = {}
        self._tokens = TokenCache()
        self._counts = {"requests": 0, "bytes_sent": 0, "bytes_received": 0}
        self._warned: set[str] = set()

    # What callers use

    def base(self, host: str) -> str:
        """`scheme://host[:port]` for a registry; HTTP for loopback and --plain-http, until proved wrong."""
        with self._lock:
            known = self._schemes.get(host)
            if known is None:
                plain = host in self.access.plain_http or (is_loopback(host) and host not in self.access.insecure)
                known = self._schemes[host] = "http" if plain else "https"
        return f"{known}://{host}"

    @property
    def traffic(self) -> Traffic:
        """The counters now."""
        with self._lock:
            return Traffic(**self._counts)

    def send(self, request: Request) -> Answer:
        """The answer, its body whole (at most `request.limit` bytes). Raises as `refusal`, NetworkError."""
        with self.stream(request) as (answer, pieces):
            body = _bounded(pieces, request)
        return Answer(answer.status, answer.headers, answer.url, body)

    @contextmanager
    def stream(self, request: Request) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """The answer and its body in pieces of at most 256 KiB, read inside the block."""
        response = self._attempts(request)
        try:
            headers = {key.lower(): value for key, value in response.headers.items()}
            self._heed_warnings(headers)
            yield Answer(response.status_code, headers, str(response.url)), self._pieces(response)
        finally:
            response.close()

    def credentials(self, host: str, repository: str) -> Credentials:
        """The credentials for a repository, looked up once."""
        key = (host, repository)
        with self._lock:
            known = self._credentials.get(key)
        if known is None:
            known = find_credentials(host, repository, self.environ)
            with self._lock:
                self._credentials[key] = known
        return known

    def challenge(self, host: str) -> Challenge | None:
        """What the host asked for when it last wanted a login; None if it never did."""
        with self._lock:
            return self._challenges.get(host)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    # Attempts

    def _attempts(self, request: Request) -> httpx.Response:
        """A response with an expected status, its body not read yet."""
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            self.scope.check()
            wait: float | None = None
            try:
                response = self._authorised(request)
                if response.status_code in request.ok:
                    return response
                error, wait = self._refused(request, response)
            except NetworkError as failure:
                error = failure
            if isinstance(error, AuthError) or not request.repeatable or not _passes(error):
                raise error
            elapsed = time.monotonic() - began
            delay = self.access.retry.delay(attempt, elapsed_s=elapsed, retry_after_s=wait)
            if delay is None:
                if isinstance(error, NetworkError):
                    error.attempts, error.elapsed_s = attempt, elapsed
                    error.what += f" after {attempt} tries in {elapsed:.0f} s"
                raise error
            self.scope.sleep(delay)

    def _refused(self, request: Request, response: httpx.Response) -> tuple[OcitoolError, float | None]:
        body = b""
        with suppress(NetworkError, MalformedDocument):
            body = _bounded(self._pieces(response), request, limit=BODY_LIMIT, strict=False)
        response.close()
        headers = {key.lower(): value for key, value in response.headers.items()}
        if response.status_code in {400, 403} and request.method == "HEAD":
            body = self._words_for_head(request)
        source = self._source_of(request.url)
        error = refusal(
            request.method,
            str(response.url),
            response.status_code,
            headers,
            body,
            doing=request.doing,
            source=source,
        )
        return error, retry_after_s(headers)

    def _words_for_head(self, request: Request) -> bytes:
        """A HEAD has no body to tell why, so a GET is asked once (K089)."""
        try:
            response = self._once("GET", request.url, request.headers, request, self._authorization(request, ""))
        except OcitoolError:
            return b""
        try:
            return _bounded(self._pieces(response), request, limit=BODY_LIMIT, strict=False)
        except OcitoolError:
            return b""
        finally:
            response.close()

    def _source_of(self, url: str) -> str:
        host = urlsplit(url).netloc
        with self._lock:
            return next(
                (c.source for (h, _), c in self._credentials.items() if h == host and not c.is_anonymous), ""
            )

    def _authorised(self, request: Request) -> httpx.Response:
        """One try, logging in when asked to: the request is repeated once with what the challenge wants."""
        authorization = self._authorization(request, "")
        response = self._redirected(request, authorization)
        if response.status_code != 401 or Origin.of(str(response.url)) != Origin.of(request.url):
            return response
        challenges = parse_challenges(response.headers.get_list("www-authenticate"))
        challenge = preferred(challenges)
        if challenge is None:
            return response
        response.close()
        host = urlsplit(request.url).netloc
        with self._lock:
            self._challenges[host] = challenge
        fresh = self._authorization(request, authorization)
        return self._redirected(request, fresh)

    def _redirected(self, request: Request, authorization: str) -> httpx.Response:
        url, home = request.url, Origin.of(request.url)
        method, headers = request.method, dict(request.headers)
        for _ in range(REDIRECTS + 1):
            same = Origin.of(url) == home
            response = self._once(method, url, headers, request, authorization if same else "")
            location = response.headers.get("location")
            if response.status_code not in {301, 302, 303, 307, 308} or not location:
                return response
            following = urljoin(url, location)
            response.close()
            if urlsplit(following).scheme not in {"http", "https"} or (
                urlsplit(url).scheme == "https"
                and urlsplit(following).scheme == "http"
                and not self._plain(following)
            ):
                raise NetworkError(
                    f"{home.host} redirects to {redact(following)}, which is not safe, cannot {request.doing}",
                    host=home.host,
                )
            url = following
        raise NetworkError(f"{home.host} redirects in a circle, cannot {request.doing}", host=home.host)

    def _plain(self, url: str) -> bool:
        host = urlsplit(url).netloc
        return host in self.access.plain_http or is_loopback(host)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], request: Request, authorization: str
    ) -> httpx.Response:
        """One request over the wire; connection failures become NetworkError."""
        host = urlsplit(url).netloc
        own = {"user-agent": f"ocitool/{__version__}", "accept-encoding": "identity", **headers}
        if authorization:
            own["authorization"] = authorization
        client = self._client(url)
        with self._gate(host):
            self.scope.check()
            self._count("requests", 1)
            try:
                if request.body is None or method in {"GET", "HEAD"}:
                    content = None
                    if method in {"POST", "PUT", "PATCH"}:
                        own["content-length"] = "0"  # some demand it even for no body (K100)
                    return client.send(client.build_request(method, url, headers=own, content=content), stream=True)
                own["content-length"] = str(request.size)
                with request.body() as pieces:
                    outgoing = client.build_request(method, url, headers=own, content=self._counted(pieces))
                    return client.send(outgoing, stream=True)
            except httpx.HTTPError as error:
                raise self._network_error(error, host, request) from error
            except httpx.InvalidURL as error:
                raise NetworkError(f"{host} sent an unusable address, cannot {request.doing}", host=host) from error
            except OSError as error:
                raise local_io(error, request.doing) from error

    def _network_error(self, error: httpx.HTTPError, host: str, request: Request) -> NetworkError:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or cause.reason or str(cause)
            return NetworkError(
                f"no secure connection to {host}: {str(reason).lower().replace('_', ' ')}, cannot {request.doing}",
                host=host,
                phase="tls",
                hint=f"trust its CA with --ca FILE; a registry without TLS needs --plain-http {host}",
            )
        phase, words = "read", "the connection broke"
        if isinstance(
            error, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError | httpx.UnsupportedProtocol
        ):
            phase, words = "connect", f"cannot connect ({str(error).lower() or type(error).__name__})"
        elif isinstance(error, httpx.WriteError | httpx.WriteTimeout):
            phase = "write"
        elif isinstance(error, httpx.TimeoutException):
            words = "no answer in time"
        hint = "is the host name right, and is the network up?" if phase == "connect" else ""
        return NetworkError(f"{host}: {words}, cannot {request.doing}", host=host, phase=phase, hint=hint)

    # Logging in

    def _authorization(self, request: Request, stale: str) -> str:
        """The Authorization header for a request, by the host's last challenge; empty for none."""
        host = urlsplit(request.url).netloc
        repository = _repository_of(request.scopes)
        with self._lock:
            challenge = self._challenges.get(host)
        credentials = self.credentials(host, repository)
        if credentials.registry_token:
            return f"Bearer {credentials.registry_token}"
        if challenge is None:
            return ""
        if credentials.problem and not stale.startswith("Bearer"):
            self._without_helper(credentials, request)
        if challenge.scheme == "basic":
            if not credentials.username:
                return ""
            return basic_header(f"{credentials.username}:{credentials.password}")
        scopes = union(request.scopes, challenge.get("scope").split() if not request.scopes or stale else ())
        key = (host, challenge.get("realm"), challenge.get("service"), credentials.source, *sorted(scopes))
        known = self._tokens.get(key, time.monotonic())
        if known is not None and stale != f"Bearer {known.value}":
            return f"Bearer {known.value}"

        def fetch() -> Token:
            return self._fetch_token(host, challenge, scopes, credentials)

        return f"Bearer {self._tokens.fetch(key, stale.removeprefix('Bearer '), fetch).value}"

    def _without_helper(self, credentials: Credentials, request: Request) -> None:
        """A helper that is not there: reading goes on anonymously with a warning, writing must not (K070)."""
        if request.method in {"GET", "HEAD"} and not any("push" in scope for scope in request.scopes):
            self._warn(f"{credentials.problem}; going on anonymously")
            return
        raise AuthError(
            f"{credentials.problem}, cannot {request.doing}",
            source=credentials.source,
            hint="install it, or log in",
        )

    def _fetch_token(
        self, host: str, challenge: Challenge, scopes: Sequence[str], credentials: Credentials
    ) -> Token:
        realm = challenge.get("realm")
        parts = urlsplit(realm)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise AuthError(f"{host} names no usable token server: {redact(realm)}", host=host)
        if parts.scheme == "http" and not (self.base(host).startswith("http:") or self._plain(realm)):
            raise AuthError(
                f"{host} sends to a token server without TLS: {redact(realm)}",
                host=host,
                hint=f"if that is meant, add --plain-http {parts.netloc}",
            )
        flow = token_flow(challenge, scopes, credentials)
        try:
            asked = next(flow)
            while True:
                asked = flow.send(self._ask_token(asked, host))
        except StopIteration as done:
            token: Token = done.value
            return token

    def _ask_token(self, asked: TokenRequest, host: str) -> TokenAnswer:
        form = "&".join(f"{_quoted(k)}={_quoted(v)}" for k, v in asked.form).encode()
        request = Request(
            "POST" if asked.form else "GET",
            asked.url,
            f"get a token for {host}",
            headers={"content-type": "application/x-www-form-urlencoded"} if asked.form else {},
            body=(lambda: _at_hand(form)) if asked.form else None,
            size=len(form),
        )
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            error: NetworkError | None = None
            try:
                response = self._redirected(request, basic_header(asked.basic) if asked.basic else "")
                body = _bounded(self._pieces(response), request, limit=BODY_LIMIT, strict=False)
                response.close()
                if response.status_code not in _RETRIED:
                    return TokenAnswer(response.status_code, body)
                wait = retry_after_s({k.lower(): v for k, v in response.headers.items()})
            except NetworkError as failure:
                error, wait = failure, None
            delay = self.access.retry.delay(attempt, elapsed_s=time.monotonic() - began, retry_after_s=wait)
            if delay is None:
                raise error or NetworkError(
                    f"the token server of {host} keeps failing", host=host, attempts=attempt
                )
            self.scope.sleep(delay)

    # Small things

    def _client(self, url: str) -> httpx.Client:
        host = urlsplit(url).netloc
        proxy = proxy_for(url, self.environ)
        key = (host in self.access.insecure, proxy or "")
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                client = self._clients[key] = httpx.Client(
                    verify=self._tls(checked=not key[0]),
                    proxy=proxy,
                    trust_env=False,
                    follow_redirects=False,
                    timeout=httpx.Timeout(30.0, read=120.0, write=120.0, pool=None),
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=self.access.connections),
                )
        return client

    def _tls(self, *, checked: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not checked:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for file in self.access.ca_files:
            try:
                context.load_verify_locations(cafile=str(file))
            except (ssl.SSLError, OSError) as error:
                raise MalformedDocument(f"{file} holds no CA certificate in PEM form", where=str(file)) from error
        return context

    def _gate(self, host: str) -> threading.Semaphore:
        with self._lock:
            return self._gates.setdefault(host, threading.Semaphore(self.access.connections))

    def _count(self, what: str, number: int) -> None:
        with self._lock:
            self._counts[what] += number

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._count("bytes_sent", len(piece))
            yield piece

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        host = response.url.netloc.decode()
        try:
            for piece in response.iter_raw(PIECE):
                self.scope.check()
                self._count("bytes_received", len(piece))
                yield piece
        except httpx.HTTPError as error:
            raise NetworkError(f"{host}: the connection broke while reading", host=host, phase="read") from error
        finally:
            response.close()

    def _heed_warnings(self, headers: Mapping[str, str]) -> None:
        """Warning headers of a registry, each shown once. Spec: distribution-spec, "Warnings"."""
        text = headers.get("warning", "")
        if text.startswith("299 ") and len(text) <= 4096:
            self._warn(text.partition('"')[2].rpartition('"')[0] or text)

    def _warn(self, text: str) -> None:
        with self._lock:
            if text in self._warned:
                return
            self._warned.add(text)
        self._listener(Noted(text))


def _passes(error: OcitoolError) -> bool:
    """Whether a failure may be gone the next time."""
    if isinstance(error, NetworkError):
        return error.phase != "tls" and "resolve" not in error.what and "name or service" not in error.what
    return getattr(error, "status", 0) in _RETRIED


def _bounded(pieces: Iterator[bytes], request: Request, *, limit: int = 0, strict: bool = True) -> bytes:
    limit = limit or request.limit
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            if strict:
                raise MalformedDocument(f"the answer has more than {limit} bytes, cannot {request.doing}")
            return bytes(body[:limit])
    return bytes(body)


@contextmanager
def _at_hand(data: bytes) -> Iterator[Iterator[bytes]]:
    yield iter((data,))


def _repository_of(scopes: Sequence[str]) -> str:
    first = scopes[0] if scopes else ""
    return first.split(":")[1] if first.startswith("repository:") else ""


def _quoted(text: str) -> str:
    return quote(text, safe="")
