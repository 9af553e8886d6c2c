"""Authorizer: which Authorization header a request gets, learned from what hosts ask for.

Credentials belong to a registry's own origin (scheme, host, port). Any other host, met by a redirect, a Location
or a Link, gets none of them: at most an anonymous token that it asks for itself.
"""

import ipaddress
import threading
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from ocitool.errors import AuthError
from ocitool.model.reference import normalise_host
from ocitool.registry.auth import (
    Token,
    TokenAnswer,
    TokenCache,
    TokenRequest,
    basic_header,
    is_token,
    token_flow,
    union,
)
from ocitool.registry.challenge import Challenge, parse_challenges, preferred
from ocitool.registry.credentials import ANONYMOUS, Credentials
from ocitool.registry.error_response import redact
from ocitool.registry.hosts import Access, Origin, is_loopback, resolved, split_port
from ocitool.registry.request import leads_here
from ocitool.values import dataclass, replace

_BEARER: Final = "Bearer "


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """Where a request goes, and for whom: `home` is the registry's `host:port`, `is_home` whether it goes there."""

    origin: Origin
    home: str
    is_home: bool


class Authorizer:
    """What hosts want and what they were given. Safe from several threads.

    `find` looks credentials up by host and repository, `ask` carries one request to a token server, `warn` tells
    the user once.
    """

    def __init__(
        self,
        access: Access,
        find: Callable[[str, str], Credentials],
        ask: Callable[[TokenRequest, RequestTarget], TokenAnswer],
        warn: Callable[[str], None],
    ) -> None:
        self._access = access
        self._find = find
        self._ask = ask
        self._warn = warn
        self._lock = threading.Lock()
        self._challenges: dict[Origin, Challenge] = {}
        self._extra: dict[Origin, tuple[str, ...]] = {}
        self._rotated: dict[str, str] = {}
        self._tokens = TokenCache()

    def header(self, target: RequestTarget, scopes: Sequence[str], *, doing: str) -> str:
        """The header for a request before it is sent; empty for none. Raises AuthError."""
        return self._header(target, scopes, (), "", doing)

    def after_refusal(
        self, target: RequestTarget, scopes: Sequence[str], wanted: Sequence[str], used: str, *, doing: str
    ) -> str:
        """The header to try once more after a 401 or 403 with these WWW-Authenticate headers; empty: final.

        Every refusal is read afresh, since hosts ask for Bearer first and for Basic later (K079).
        """
        challenge = preferred(parse_challenges(wanted))
        if challenge is None:
            return ""
        asked = tuple(challenge.get("scope").split()) if challenge.scheme == "bearer" else ()
        with self._lock:
            self._challenges[target.origin] = challenge
            # A scope of the host's own kind is wanted for everything there (K085).
            own = [scope for scope in asked if not scope.startswith(("repository:", "registry:"))]
            self._extra[target.origin] = union(self._extra.get(target.origin, ()), own)
        fresh = self._header(target, scopes, asked, used, doing)
        return fresh if fresh != used else ""

    def source(self, target: RequestTarget, scopes: Sequence[str]) -> str:
        """Where the credentials for a request come from, for messages; empty for anonymous."""
        found = self._credentials(target, scopes)
        return "" if found.is_anonymous else found.source

    def challenge(self, origin: Origin) -> Challenge | None:
        """What a host asked for last."""
        with self._lock:
            return self._challenges.get(origin)

    def _credentials(self, target: RequestTarget, scopes: Sequence[str]) -> Credentials:
        if not target.is_home:
            return ANONYMOUS
        if self._is_anonymous(target) and not any(_writes(scope) for scope in scopes):
            return ANONYMOUS
        return self._find(target.home, _repository_of(scopes))

    def _is_anonymous(self, target: RequestTarget) -> bool:
        home = normalise_host(target.home)
        return any(normalise_host(host) == home for host in self._access.anonymous)

    def _header(
        self, target: RequestTarget, scopes: Sequence[str], asked: Sequence[str], used: str, doing: str
    ) -> str:
        credentials = self._credentials(target, scopes)
        if credentials.registry_token:
            if not is_token(credentials.registry_token):
                source = credentials.source
                raise AuthError(f"{source} holds a token with characters that no header takes", source=source)
            return _BEARER + credentials.registry_token
        with self._lock:
            challenge = self._challenges.get(target.origin)
            extra = self._extra.get(target.origin, ())
        if challenge is None:
            return ""
        if credentials.problem:
            self._without_helper(credentials, scopes, doing)
        if challenge.scheme == "basic":
            if not credentials.username:
                return ""
            return basic_header(f"{credentials.username}:{credentials.password}")
        needed = union(scopes, asked, extra)
        key = (target.origin, challenge.get("realm"), challenge.get("service"), credentials, tuple(sorted(needed)))
        refused = used.removeprefix(_BEARER) if used.startswith(_BEARER) else ""
        return (
            _BEARER
            + self._tokens.get(
                key, lambda: self._fetch(target, challenge, needed, credentials), refused=refused
            ).value
        )

    def _without_helper(self, credentials: Credentials, scopes: Sequence[str], doing: str) -> None:
        """A helper that is not there: reading goes on anonymously with a warning, writing must not (K070)."""
        if not any(_writes(scope) for scope in scopes):
            self._warn(f"{credentials.problem}; going on anonymously")
            return
        raise AuthError(
            f"{credentials.problem}, cannot {doing}", source=credentials.source, hint="install it, or log in"
        )

    def _fetch(
        self, target: RequestTarget, challenge: Challenge, scopes: Sequence[str], credentials: Credentials
    ) -> Token:
        """A token; what everybody may read is read without credentials that nobody asked for, where they fail."""
        try:
            return self._fetch_with(credentials, target, challenge, scopes)
        except AuthError as error:
            if not credentials.is_ambient or any(map(_writes, scopes)):
                raise
            self._warn(f"{error.what}; going on anonymously")
            return self._fetch_with(ANONYMOUS, target, challenge, scopes)

    def _fetch_with(
        self, credentials: Credentials, target: RequestTarget, challenge: Challenge, scopes: Sequence[str]
    ) -> Token:
        self._check_realm(target, challenge.get("realm"), is_ambient=credentials.is_ambient)
        with self._lock:
            rotated = self._rotated.get(credentials.identity_token)
        current = replace(credentials, identity_token=rotated) if rotated else credentials
        flow = token_flow(challenge, scopes, current)
        try:
            asked = next(flow)
            while True:
                asked = flow.send(self._ask(asked, target))
        except StopIteration as done:
            token: Token = done.value
        if token.refresh and credentials.identity_token:
            with self._lock:
                self._rotated[credentials.identity_token] = token.refresh
        return token

    def _check_realm(self, target: RequestTarget, realm: str, *, is_ambient: bool) -> None:
        """A registry may not send our credentials into the clear, or to an address inside our network."""
        host = target.origin.host
        if not resolved(realm, ""):
            raise AuthError(f"{host} names no usable token server: {redact(realm)}", host=host)
        parts = urlsplit(realm)
        name, netloc = (parts.hostname or "").lower(), parts.netloc
        is_here = is_loopback(netloc) and is_loopback(target.home)
        plain = target.origin.scheme == "http" or netloc in self._access.plain_http or is_here
        if parts.scheme == "http" and not plain:
            raise AuthError(
                f"{host} sends to a token server without TLS: {redact(realm)}",
                host=host,
                hint=f"if that is meant, add --plain-http {netloc}",
            )
        if is_ambient and (parts.scheme == "http" or netloc in self._access.insecure):
            raise AuthError(
                f"{host} sends to a token server whose certificate is not checked: {redact(realm)}",
                host=host,
                hint=f"log in with ocitool login {target.home}",
            )
        is_inward = _is_inside(name) and not _is_inside(split_port(target.home)[0])
        if name != host and (is_inward or (leads_here(netloc) and not leads_here(target.home))):
            raise AuthError(
                f"{host} sends to a token server at a private address: {redact(realm)}",
                host=host,
                hint="nothing was sent there",
            )


def _is_inside(name: str) -> bool:
    """Whether a host is an IP literal that is not of the open internet."""
    if is_loopback(f"[{name}]" if ":" in name else name):
        return True
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return False


def _writes(scope: str) -> bool:
    return bool({"push", "delete", "*"} & set(scope.rpartition(":")[2].split(",")))


def _repository_of(scopes: Sequence[str]) -> str:
    first = scopes[0] if scopes else ""
    return first.split(":")[1] if first.startswith("repository:") else ""
