"""Answers that are refusals, as errors: whatever the body is, with the request's method and URL, no secrets."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ocitool.errors import AuthError, NotFound, OcitoolError, RegistryError
from ocitool.model.numbers import KIB
from ocitool.registry.numbers import retry_after_s

BODY_LIMIT: Final = 64 * KIB
"""Bytes of an error body that are read."""
TO_BE_CREATED: Final = "some registries need the repository to be created first"
PROXY_LOGIN: Final = "HTTPS_PROXY and HTTP_PROXY take http://user:password@host:port"
_ABOUT_OTHERS: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
"""Codes that come with 404 and do not mean that what was asked for is absent."""
_RATE_LIMIT: Final = r"(?i)rate.?limit|too.?many.?requests|abuse detection|quota exceeded"
_PUBLIC_QUERY: Final = frozenset(
    ["digest", "mount", "from", "n", "last", "scope", "service", "artifactType", "account"]
)


def redact(url: str) -> str:
    """The URL without user info, and without the values of query parameters that could be secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    host = parts.netloc.rpartition("@")[2]
    said = (one.partition("=") for one in parts.query.split("&") if one)
    query = "&".join(f"{key}={value if key in _PUBLIC_QUERY else '…'}" for key, _, value in said)
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def diagnostics(body: bytes) -> tuple[tuple[str, str, str], ...]:
    """(code, message, detail) of each error in a body of any kind: the spec's JSON, OAuth's, HTML, text.

    Spec: distribution-spec, "Error Codes".
    """
    text = body[:BODY_LIMIT].decode(errors="replace").strip()
    try:
        tree: Any = json.loads(text)
    except (ValueError, RecursionError):
        from html import unescape

        plain = " ".join(unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL)).split())
        return (("", plain[:300], ""),) if plain else ()
    if isinstance(tree, dict) and isinstance(tree.get("errors"), list):
        errors = [e for e in tree["errors"][:20] if isinstance(e, dict)]
        return tuple((str(e.get("code", "")), str(e.get("message", "")), _detail(e.get("detail"))) for e in errors)
    if isinstance(tree, dict):
        for key in ("error", "details", "message", "detail"):
            if tree.get(key):
                return ((str(tree.get("error", "")), str(tree.get("error_description") or tree[key])[:300], ""),)
    return ()


def _detail(detail: object) -> str:
    if detail in (None, "", {}, []):
        return ""
    return (detail if isinstance(detail, str) else json.dumps(detail))[:300]


def is_rate_limit(headers: Mapping[str, str], said: str) -> bool:
    """Whether a 401 or 403 means "later": GHCR's secondary rate limit comes as 403 (K230)."""
    left = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining", ""))
    return bool(re.search(_RATE_LIMIT, said)) or left.partition(";")[0].strip() == "0"


def refusal(
    method: str,
    url: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    doing: str,
    source: str = "",
    scopes: Sequence[str] = (),
) -> OcitoolError:
    """The error for an answer: AuthError for 401 and 403, NotFound for 404, else RegistryError.

    `doing` says what was wanted, such as "read the manifest v1 of reg.test/app"; `source` where credentials
    came from, `scopes` what they were to allow. A refusal that speaks of a rate limit has the status 429.
    """
    found = diagnostics(body)
    said = "; ".join(_sentence(one) for one in found[:3])
    host = urlsplit(url).netloc.rpartition("@")[2]
    tail = f": {said}" if said else ""
    if status in {401, 403} and not is_rate_limit(headers, said):
        verb = "wants other credentials" if status == 401 else "denied access"
        lacking = access_of(scopes) if status == 403 else ""
        needs = f"{lacking} is needed; " if lacking else ""
        hint = (
            f"{needs}check what the credentials from {source} may do there"
            if source
            else f"{needs}log in with ocitool login {host}; some registries say this for what does not exist"
        )
        return AuthError(
            f"{host} {verb} ({status}), cannot {doing}{tail}",
            host=host,
            scope=" ".join(scopes),
            source=source,
            said=said,
            status=status,
            hint=hint,
        )
    if status == 404 and not any(code in _ABOUT_OTHERS for code, _, _ in found):
        hint = TO_BE_CREATED if method in {"POST", "PUT", "PATCH"} else ""
        return NotFound(f"cannot {doing}: not found on {host}{tail}", name=doing, where=host, hint=hint)
    who = f"the proxy on the way to {host}" if status == 407 else host
    is_late = status in {401, 403}
    return RegistryError(
        f"{who} answered {status}{', which is its rate limit' if is_late else ''}, cannot {doing}{tail}",
        method=method,
        url=redact(url),
        status=429 if is_late else status,
        diagnostics=found,
        retry_after_s=retry_after_s(headers),
        hint=_hint(429 if is_late else status, headers),
    )


def access_of(scopes: Sequence[str]) -> str:
    """What scopes allow, in words: `pull and push on app`; empty where they are not of repositories."""
    words = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind == "repository" and name and actions:
            words.append(f"{' and '.join(actions.split(','))} on {name}")
    return ", ".join(words)


def _sentence(one: tuple[str, str, str]) -> str:
    code, message, detail = one
    words = f"{code} {message}".strip() if code.lower() != message.lower() else message
    return f"{words} ({detail})" if detail else words


def _hint(status: int, headers: Mapping[str, str]) -> str:
    if status == 429:
        left = headers.get("ratelimit-remaining", "")
        quota = f"; quota left: {left} of {headers.get('ratelimit-limit', '?')}" if left else ""
        return f"too many requests for this registry; wait, or lower --jobs{quota}"
    if status == 407:
        return PROXY_LOGIN
    if status == 413:
        return "a proxy or the registry limits the size of requests"
    if status >= 500:
        return "the registry has trouble; try again later"
    return ""
