"""Logging in: from a challenge to an Authorization header. Protocol only, no sockets.

`token_flow` is a generator: it yields requests to a token server and is sent the answers, so whoever drives it
decides how they travel. Spec: distribution "Token Authentication", "OAuth2".
"""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Generator, Hashable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ocitool.errors import AuthError
from ocitool.registry.challenge import Challenge
from ocitool.registry.credentials import Credentials
from ocitool.registry.error_response import access_of, diagnostics
from ocitool.registry.numbers import seconds
from ocitool.values import dataclass, field

CLIENT_ID: Final = "ocitool"
DEFAULT_LIFE_S: Final = 60
"""What a token lives when the server does not say (token.md)."""
MARGIN_S: Final = 5.0
"""A token is not used in its last seconds, or in the last quarter of a short life: requests take time too."""


_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


def is_token(text: str) -> bool:
    """Whether a text can stand behind `Bearer`: it has no spaces, ends of lines or letters beyond ASCII."""
    return _TOKEN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token server; `form` makes it a POST. `basic` is user:password to send, or empty."""

    url: str
    form: tuple[tuple[str, str], ...] = ()
    basic: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The server's answer, the body bounded by whoever fetched it."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, and until when of the monotonic clock it is used.

    `refresh` replaces the refresh token it was got with, if there is one.
    """

    value: str = field(repr=False)
    until_s: float
    refresh: str = field(default="", repr=False)

    def holds(self, now_s: float) -> bool:
        """Whether it is still to be used."""
        return now_s < self.until_s


def scopes_for(repository: str, actions: str) -> tuple[str, ...]:
    """The resource scope of a repository, empty for none."""
    return (f"repository:{repository}:{actions}",) if repository else ()


def union(*groups: Sequence[str]) -> tuple[str, ...]:
    """Scopes without repeats, in order; actions of one resource are joined (K085)."""
    merged: dict[str, list[str]] = {}
    for scope in (scope for group in groups for scope in group):
        resource, colon, actions = scope.rpartition(":")
        key = resource if colon else scope
        known = merged.setdefault(key, [])
        known += [a for a in actions.split(",") if colon and a not in known]
    return tuple(f"{resource}:{','.join(actions)}" if actions else resource for resource, actions in merged.items())


def token_flow(
    challenge: Challenge,
    scopes: Sequence[str],
    credentials: Credentials,
    now_s: Callable[[], float] = time.monotonic,
) -> Generator[TokenRequest, TokenAnswer, Token]:
    """Ask a token server for a token; the generator's value is the token.

    A refresh token is posted (K074) and never sent in any other way; user and password go as Basic on a GET, and
    as a POST only where the GET is not known. Raises AuthError, which never holds a secret.
    """
    realm, service = challenge.get("realm"), challenge.get("service")
    where = _shown(realm)
    if credentials.identity_token:
        form = [("grant_type", "refresh_token"), ("service", service), ("client_id", CLIENT_ID)]
        form += [("scope", " ".join(scopes)), ("refresh_token", credentials.identity_token)]
        answer = yield TokenRequest(realm, tuple((k, v) for k, v in form if v))
        if answer.status not in {404, 405} or not credentials.username:
            return _token(answer, where, scopes, credentials, now_s())
    query = [("service", service)] if service else []
    query += [("scope", scope) for scope in scopes]
    basic = f"{credentials.username}:{credentials.password}" if credentials.username else ""
    if basic:
        query.append(("account", credentials.username))
    answer = yield TokenRequest(_with_query(realm, query), basic=basic)
    if answer.status in {404, 405} and basic:
        form = [("grant_type", "password"), ("service", service), ("client_id", CLIENT_ID)]
        form += [
            ("scope", " ".join(scopes)),
            ("username", credentials.username),
            ("password", credentials.password),
        ]
        answer = yield TokenRequest(realm, tuple((k, v) for k, v in form if v))
    return _token(answer, where, scopes, credentials, now_s())


def _token(answer: TokenAnswer, where: str, scopes: Sequence[str], credentials: Credentials, now_s: float) -> Token:
    if answer.status != 200:
        raise _denied(answer, where, scopes, credentials)
    try:
        tree: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise AuthError(f"the token server {where} answered something that is not JSON", host=where)
    value = tree.get("token") or tree.get("access_token")
    if not isinstance(value, str) or not is_token(value):
        raise AuthError(f"the token server {where} answered without a token", host=where, scope=" ".join(scopes))
    life_s = seconds(tree.get("expires_in")) or float(DEFAULT_LIFE_S)
    refresh = tree.get("refresh_token")
    # Measured by our monotonic clock from receipt: a wrong wall clock must not matter (K083).
    until = now_s + life_s - min(MARGIN_S, life_s / 4)
    return Token(value, until, refresh if isinstance(refresh, str) else "")


def _denied(answer: TokenAnswer, where: str, scopes: Sequence[str], credentials: Credentials) -> AuthError:
    """The refusal of a token server, with its reason."""
    needed = access_of(scopes)
    if answer.status == 403:
        what = f"the token server {where} denies {needed or 'access'}"
        hint = f"the credentials from {credentials.source} do not allow that" if credentials.source else ""
        hint = hint or "log in with ocitool login"
    elif answer.status not in {400, 401}:
        what, hint = f"the token server {where} gave no token", ""
    elif credentials.is_anonymous:
        what, hint = f"the token server {where} wants credentials", "log in with ocitool login"
    else:
        what = f"credentials from {credentials.source} were rejected by the token server {where}"
        hint = "log in again; --anonymous HOST reads without credentials"
    said = reason(answer.body, credentials)
    return AuthError(
        f"{what} ({answer.status}){f': {said}' if said else ''}",
        host=where,
        scope=" ".join(scopes),
        source=credentials.source,
        said=said,
        status=answer.status,
        hint=hint,
    )


def reason(body: bytes, credentials: Credentials) -> str:
    """What a token server gives as its reason, without the secrets that it may repeat."""
    said = "; ".join(
        " ".join(part for part in dict.fromkeys((code, message, detail)) if part)
        for code, message, detail in diagnostics(body)[:3]
    )
    for secret in (credentials.password, credentials.identity_token, credentials.registry_token):
        if secret:
            said = said.replace(secret, "…")
    return said


def _with_query(url: str, query: Sequence[tuple[str, str]]) -> str:
    """The realm with its own query kept, and ours added."""
    parts = urlsplit(url)
    own = parse_qsl(parts.query, keep_blank_values=True)
    return urlunsplit(
        (parts.scheme, parts.netloc, parts.path, urlencode([*own, *query], errors="surrogateescape"), "")
    )


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def basic_header(user_and_password: str) -> str:
    """The value of a Basic Authorization header (RFC 7617); bytes that are not UTF-8 go as they are (K232)."""
    return "Basic " + base64.b64encode(user_and_password.encode(errors="surrogateescape")).decode()


class TokenCache:
    """Tokens by what they are for; one fetch at a time for one key. Safe from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[Hashable, Token] = {}
        self._fetching: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, fetch: Callable[[], Token], *, refused: str = "") -> Token:
        """A token that holds and is not `refused`: kept, just fetched by another thread, or fetched now."""
        with self._lock:
            lock = self._fetching.setdefault(key, threading.Lock())
        with lock:
            known = self._tokens.get(key)
            if known is not None and known.holds(self._clock()) and known.value != refused:
                return known
            self._tokens[key] = token = fetch()
            return token
