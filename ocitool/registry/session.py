"""Session: requests to registries with everything that holds for all of them.

Logging in, redirects, retries, the pace of each host, warnings, counting. What decides stands elsewhere:
`authorizer` (headers), `pace` (how many at once), `answers` (refusals), `hosts` (what is known); `http` sends.
"""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from ocitool.errors import MalformedDocument, NetworkError, OcitoolError
from ocitool.events import Listener, Noted, silent
from ocitool.model.reference import api_host
from ocitool.registry.auth import TokenAnswer, TokenRequest, basic_header
from ocitool.registry.authorizer import Authorizer, RequestTarget
from ocitool.registry.challenge import Challenge
from ocitool.registry.ci_identity import find_ci_identity
from ocitool.registry.credentials import Credentials, find_credentials, odd_keys
from ocitool.registry.error_response import BODY_LIMIT, redact, refusal
from ocitool.registry.hosts import Access, Origin, Traffic, is_loopback, resolved
from ocitool.registry.hostsconfig import Redirections, Trust, find_trust, read_redirections
from ocitool.registry.http import Outgoing, Reply, Wire
from ocitool.registry.numbers import retry_after_s
from ocitool.registry.probe import speaks_tls
from ocitool.registry.request import Request, Response, at_hand, is_unsafe_step
from ocitool.registry.retry import RETRIED, Patience
from ocitool.registry.session_state import KnownPlaces, Remembered
from ocitool.registry.throttle import Pace
from ocitool.tasks import Scope
from ocitool.values import replace

REDIRECTS: Final = 5
_TOLD_S: Final = 1.0
"""A shorter wait is told with --verbose alone."""
_REDIRECTED: Final = frozenset({301, 302, 303, 307, 308})
_WARNING: Final = r'299 \S+ "((?:[^"\\]|\\.)*)"'


class _Host:
    """What this session knows about reaching one registry.

    The scheme is `tentative` until it has proved right, `either` until it was probed.
    """

    def __init__(self, scheme: str, trust: Trust, *, tentative: bool = False, either: bool = False) -> None:
        self.scheme = scheme
        self.trust = trust
        self.tentative = tentative
        self.either = either
        self.met = False
        self.lock = threading.Lock()


class Session:
    """Connections, tokens, paces and counters for everything one command does; safe from several threads."""

    def __init__(self, access: Access, scope: Scope, listener: Listener = silent) -> None:
        self.access = access
        self.scope = scope
        self.environ: Mapping[str, str] = os.environ if access.environ is None else access.environ
        self.remembered = Remembered(access.part_bytes, access.journal)
        self.places = KnownPlaces(access.places)
        self._listener = listener
        self._wire = Wire(access, scope, self.environ)
        self._authorizer = Authorizer(access, self.credentials, self._ask_token, self.warn)
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._paces: dict[str, Pace] = {}
        self._credentials: dict[tuple[str, str, bool], Credentials] = {}
        self._redirections: Redirections | None = None
        self._lax: set[str] = set()
        self._told: set[str] = set()

    # What callers use

    def base(self, home: str) -> str:
        """`scheme://host[:port]` for a registry; HTTP for loopback and --plain-http, until proved wrong."""
        return f"{self._host(home).scheme}://{home}"

    @property
    def traffic(self) -> Traffic:
        """The counters now."""
        return self._wire.traffic

    @property
    def redirections(self) -> Redirections:
        """What registries.conf says, read once."""
        with self._lock:
            if self._redirections is None:
                self._redirections = read_redirections(self.environ)
            return self._redirections

    def send(self, request: Request) -> Response:
        """The answer, its body whole (at most `request.limit` bytes). Raises as `refusal`, NetworkError.

        A body that breaks off is asked for again, as the request is, if it may be repeated.
        """
        patience = Patience(self.access.retry)
        while True:
            with self._persist(request, patience) as reply:
                try:
                    return self._answer(request, reply, _bounded(reply.pieces(), request))
                except NetworkError as error:
                    if not request.repeatable:
                        raise
                    broken, wait = error, patience.wait_after(error)
            self._wait(wait, broken)

    @contextmanager
    def stream(self, request: Request) -> Iterator[tuple[Response, Iterator[bytes]]]:
        """The answer and its body in pieces of at most 1 MiB, read inside the block."""
        with self._persist(request, Patience(self.access.retry)) as reply:
            yield self._answer(request, reply), reply.pieces()

    def credentials(self, home: str, repository: str) -> Credentials:
        """The credentials for a repository, looked up once; those of a CI job only for a proved host."""
        host = self._host(home)
        is_proved = host.scheme == "https" and host.trust.checked and not host.either
        key = (home, repository, is_proved)
        with self._lock:
            known = self._credentials.get(key)
        if known is None:
            known = find_credentials(home, repository, self.environ)
            if is_proved and known.is_anonymous and not known.problem:
                known = find_ci_identity(home, self.environ) or known
            for line in odd_keys(self.environ):
                self.warn(line)
            with self._lock:
                self._credentials[key] = known
        return known

    def challenge(self, home: str) -> Challenge | None:
        """What the registry asked for when it last wanted a login; None if it never did."""
        return self._authorizer.challenge(Origin.of(self.base(home)))

    def allow_insecure(self, registry: str) -> None:
        """Reach a registry that registries.conf calls insecure: any certificate, or no TLS where it has none."""
        home = api_host(registry)
        with self._lock:
            if home not in self._hosts:
                self._lax.add(home)

    def warn(self, text: str, severity: str = "warning") -> None:
        """Tell the user something, once."""
        with self._lock:
            if text in self._told:
                return
            self._told.add(text)
        self._listener(Noted(text, severity))

    def close(self) -> None:
        """Close all connections, and keep what is to be known next time."""
        self._wire.close()
        self.places.save()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    # Attempts

    def _answer(self, request: Request, reply: Reply, body: bytes = b"") -> Response:
        base = request.url if request.is_public else self.base(request.home)
        return Response(reply.status, reply.headers, reply.url, base, body)

    def _persist(self, request: Request, patience: Patience) -> Reply:
        """A reply with an expected status, its body not read yet."""
        while True:
            self.scope.check()
            try:
                reply = self._met(request)
                if reply.status in request.ok:
                    self._heed_warnings(reply)
                    return reply
                error: OcitoolError = self._refused(request, reply)
            except NetworkError as failure:
                error = failure
            if not request.repeatable:
                raise error
            self._wait(patience.wait_after(error), error)

    def _wait(self, seconds: float, error: OcitoolError) -> None:
        """Sleep before the next try, and say why: a silent program looks dead."""
        severity = "notice" if seconds >= _TOLD_S else "detail"
        self._listener(Noted(f"{error.what}; trying again in {seconds:.0f} s", severity))
        self.scope.sleep(seconds)

    def _refused(self, request: Request, reply: Reply) -> OcitoolError:
        body = _words(reply)
        if reply.status in {400, 401, 403} and request.method == "HEAD":
            body = self._words_for_head(request)
        source = ""
        if not request.is_public:
            source = self._authorizer.source(self._target(reply.url, request.home), request.scopes)
        error = refusal(
            request.method,
            reply.url,
            reply.status,
            reply.headers,
            body,
            doing=request.doing,
            source=source,
            scopes=request.scopes,
        )
        if reply.status in {401, 403} and getattr(error, "status", 0) == 429:
            self._pace(urlsplit(reply.url).netloc).refused(0.0)
        return error

    def _words_for_head(self, request: Request) -> bytes:
        """A HEAD has no body to tell why, so a GET is asked once (K089)."""
        url = self._current(request)
        try:
            header = self._authorizer.header(self._target(url, request.home), request.scopes, doing=request.doing)
            return _words(self._follow(request, url, header, method="GET"))
        except OcitoolError:
            return b""

    # First contact

    def _met(self, request: Request) -> Reply:
        """One try. The first request to a host goes alone, so that sixteen threads do not each get a 401.

        If it has a body, a ping goes ahead: no body is sent before it is known who must be told what (K086).
        """
        if request.is_public:
            return self._follow(request, request.url, "")
        host = self._host(request.home)
        if host.met:
            return self._logged_in(request)
        with host.lock:
            if not host.met:
                try:
                    if request.body is None:
                        return self._first(request, host)
                    self._ping(request, host)
                finally:
                    host.met = True
        return self._logged_in(request)

    def _first(self, request: Request, host: _Host) -> Reply:
        if host.either:
            host.scheme, host.either = ("https" if speaks_tls(request.home) else "http"), False
        is_plain = host.scheme == "http"
        try:
            reply = self._logged_in(request)
        except NetworkError as error:
            if not (is_plain and error.phase == "read" and speaks_tls(request.home, unreachable=False)):
                raise
        else:
            if not (is_plain and reply.status == 400 and speaks_tls(request.home, unreachable=False)):
                return reply
            reply.close()
        if not host.tentative:
            raise NetworkError(
                f"{request.home} speaks TLS, and --plain-http says that it does not, cannot {request.doing}",
                host=request.home,
                phase="tls",
                hint=f"leave --plain-http {request.home} out; --insecure does not check its certificate",
            )
        host.scheme, host.tentative = "https", False
        return self._logged_in(request)

    def _ping(self, request: Request, host: _Host) -> None:
        ping = Request("GET", f"{self.base(request.home)}/v2/", request.home, request.doing, scopes=request.scopes)
        _words(self._first(ping, host))

    def _logged_in(self, request: Request) -> Reply:
        """One try, logging in when asked to: the request is repeated once with what the challenge wants."""
        url = self._current(request)
        base = self.base(request.home)
        is_own = url.startswith(f"{base}/")
        if not is_own and is_unsafe_step(base, url, self.access.plain_http):  # a Location or a Link led there
            raise self._unsafe(request, base, url)
        target = self._target(url, request.home)
        header = self._authorizer.header(target, request.scopes, doing=request.doing)
        reply = self._follow(request, url, header)
        wanted = reply.all("www-authenticate")
        lacking = reply.status == 403 and any("insufficient_scope" in text for text in wanted)
        if reply.status != 401 and not lacking:
            return reply
        asking = self._target(reply.url, request.home)
        used = header if asking == target else ""
        try:
            fresh = self._authorizer.after_refusal(asking, request.scopes, wanted, used, doing=request.doing)
        except BaseException:
            reply.close()
            raise
        if not fresh:
            return reply
        _words(reply)
        return self._follow(request, url if asking == target else reply.url, fresh)

    def _current(self, request: Request) -> str:
        """The request's URL with the scheme that the registry turned out to speak."""
        scheme, colon, rest = request.url.partition(":")
        if scheme in {"http", "https"} and rest.startswith(f"//{request.home}/"):
            return self._host(request.home).scheme + colon + rest
        return request.url

    def _follow(
        self, request: Request, url: str, header: str, *, method: str = "", is_sealed: bool = False
    ) -> Reply:
        """The reply at the end of redirects. The header goes to the first URL's origin alone.

        A request that `is_sealed` has secrets in its body and is not carried to another origin.
        """
        first, start, method = url, Origin.of(url), method or request.method
        for _ in range(REDIRECTS + 1):
            reply = self._once(request, method, url, header if Origin.of(url) == start else "")
            location = reply.headers.get("location")
            if reply.status not in _REDIRECTED or not location:
                return reply
            following = resolved(url, location)
            _words(reply)
            if not following:
                raise self._unsafe(request, url, location)
            is_unsafe = is_unsafe_step(first, following, self.access.plain_http)
            if is_unsafe or (is_sealed and Origin.of(following) != start):
                raise self._unsafe(request, url, following)
            url = following
        host = urlsplit(request.url).netloc
        raise NetworkError(f"{host} redirects in a circle, cannot {request.doing}", host=host, phase="redirect")

    def _unsafe(self, request: Request, url: str, following: str) -> NetworkError:
        host = urlsplit(url).netloc
        return NetworkError(
            f"{host} redirects to {redact(following)}, which is not safe, cannot {request.doing}",
            host=host,
            phase="redirect",
        )

    def _once(self, request: Request, method: str, url: str, header: str) -> Reply:
        """One request over the wire, when the host's pace allows."""
        headers = dict(request.headers)
        if header:
            headers["authorization"] = header
        body = request.body if method not in {"GET", "HEAD"} else None
        outgoing = Outgoing(method, url, request.doing, headers, body, request.size, request.stall_s)
        netloc = urlsplit(url).netloc
        pace = self._pace(netloc)
        ticket = pace.enter(self.scope)
        trust = self._public_trust(netloc) if request.is_public else self._trust(url, request.home)
        reply = self._wire.send(
            outgoing, trust, lambda: pace.leave(ticket), lambda size: pace.moved(size, self.scope)
        )
        if reply.status in {429, 503}:
            pace.refused(min(retry_after_s(reply.headers) or 0.0, self.access.retry.cap_s))
        else:
            pace.answered()
        self._listener(Noted(f"{method} {redact(url)} {reply.status}", "detail"))
        return reply

    # Token servers

    def _ask_token(self, asked: TokenRequest, target: RequestTarget) -> TokenAnswer:
        form = urlencode(asked.form, quote_via=quote, safe="", errors="surrogateescape").encode()
        request = Request(
            "POST" if asked.form else "GET",
            asked.url,
            target.home,
            f"get a token for {target.origin.host}",
            headers={"content-type": "application/x-www-form-urlencoded"} if asked.form else {},
            body=(lambda: at_hand(form)) if asked.form else None,
            size=len(form),
        )
        header = basic_header(asked.basic) if asked.basic else ""
        patience = Patience(self.access.retry)
        while True:
            try:
                reply = self._follow(request, asked.url, header, is_sealed=bool(asked.form))
                body = _words(reply, broken_is_error=True)
                if reply.status == 200:
                    return TokenAnswer(reply.status, body)
                error: OcitoolError = refusal(
                    request.method, asked.url, reply.status, reply.headers, body, doing=request.doing
                )
                if getattr(error, "status", 0) not in RETRIED:
                    return TokenAnswer(reply.status, body)
            except NetworkError as failure:
                error = failure
            self._wait(patience.wait_after(error), error)

    # Small things

    def _target(self, url: str, home: str) -> RequestTarget:
        origin = Origin.of(url)
        return RequestTarget(origin, home, origin == Origin.of(self.base(home)))

    def _host(self, home: str) -> _Host:
        with self._lock:
            known = self._hosts.get(home)
            if known is None:
                known = self._hosts[home] = self._new_host(home)
        return known

    def _new_host(self, home: str) -> _Host:
        found = find_trust(home, self.environ)
        trust = Trust(
            (*self.access.ca_files, *(found.ca_files if found else ())),
            found.client if found else None,
            checked=home not in self.access.insecure and home not in self._lax,
        )
        if home in self.access.plain_http:
            return _Host("http", trust)
        if home in self._lax:
            return _Host("https", trust, either=True)
        # Loopback may be plain without asking; --insecure and certificates for it say that it is not.
        tentative = is_loopback(home) and found is None and home not in self.access.insecure
        return _Host("http" if tentative else "https", trust, tentative=tentative)

    def _trust(self, url: str, home: str) -> Trust:
        """A registry's CAs hold for all hosts it sends to, its client certificate for itself alone (K092)."""
        own = self._host(home).trust
        netloc = urlsplit(url).netloc
        if netloc == home:
            return own
        return Trust(own.ca_files, None, checked=netloc not in self.access.insecure)

    def _public_trust(self, netloc: str) -> Trust:
        """What holds for a server of files: the CAs for its host, no client certificate."""
        return replace(self._new_host(netloc).trust, client=None)

    def _pace(self, netloc: str) -> Pace:
        with self._lock:
            known = self._paces.get(netloc)
            if known is None:
                known = self._paces[netloc] = Pace(self.access.connections, rates=self.access.rates_of(netloc))
        return known

    def _heed_warnings(self, reply: Reply) -> None:
        """Warning headers of a registry, each shown once. Spec: distribution-spec, "Warnings"."""
        for text in reply.all("warning"):
            for words in re.findall(_WARNING, text[:4096]):
                said = re.sub(r"\\(.)", r"\1", words)
                self.warn(f"{urlsplit(reply.url).netloc} says: {said}")


def _words(reply: Reply, *, broken_is_error: bool = False) -> bytes:
    """The beginning of a body nobody needs whole; reading it lets the connection be used again."""
    body = bytearray()
    with reply:
        try:
            for piece in reply.pieces():
                body += piece
                if len(body) >= BODY_LIMIT:
                    break
        except NetworkError:
            if broken_is_error:
                raise
    return bytes(body[:BODY_LIMIT])


def _bounded(pieces: Iterator[bytes], request: Request) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > request.limit:
            raise MalformedDocument(f"the answer has more than {request.limit} bytes, cannot {request.doing}")
    return bytes(body)
