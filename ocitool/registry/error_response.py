"""Answers that are refusals, as errors: whatever the body is, with the request's method and URL, no secrets."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ocitool.errors import AuthError, NotFound, OcitoolError, RegistryError

BODY_LIMIT: Final = 64 * 1024
"""Bytes of an error body that are read."""
_ABOUT_OTHERS: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
"""Codes that come with 404 and do not mean that what was asked for is absent."""
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
    query = [(k, v if k in _PUBLIC_QUERY else "…") for k, v in parse_qsl(parts.query, keep_blank_values=True)]
    shown = urlencode(query, safe=":/,").replace(quote("…"), "…")
    return urlunsplit((parts.scheme, host, parts.path, shown, ""))


def diagnostics(body: bytes) -> tuple[tuple[str, str, str], ...]:
    """(code, message, detail) of each error in a body of any kind: the spec's JSON, OAuth's, HTML, text.

    Spec: distribution-spec, "Error Codes".
    """
    text = body[:BODY_LIMIT].decode(errors="replace").strip()
    try:
        tree: Any = json.loads(text)
    except (ValueError, RecursionError):
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


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for, in either form; None if absent or nonsense."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def refusal(
    method: str, url: str, status: int, headers: Mapping[str, str], body: bytes, *, doing: str, source: str = ""
) -> OcitoolError:
    """The error for an answer: AuthError for 401 and 403, NotFound for 404, else RegistryError.

    `doing` says what was wanted, such as "read the manifest v1 of reg.test/app"; `source` where credentials
    came from.
    """
    found = diagnostics(body)
    said = "; ".join(_sentence(one) for one in found[:3])
    host = urlsplit(url).netloc.rpartition("@")[2]
    tail = f": {said}" if said else ""
    if status in {401, 403}:
        verb = "wants other credentials" if status == 401 else "denied access"
        hint = (
            f"check what the credentials from {source} may do there"
            if source
            else f"log in with ocitool login {host}; some registries say this for what does not exist"
        )
        return AuthError(
            f"{host} {verb} ({status}), cannot {doing}{tail}",
            host=host,
            source=source,
            said=said,
            status=status,
            hint=hint,
        )
    if status == 404 and not any(code in _ABOUT_OTHERS for code, _, _ in found):
        hint = (
            "some registries need the repository to be created first" if method in {"POST", "PUT", "PATCH"} else ""
        )
        return NotFound(f"cannot {doing}: not found on {host}{tail}", name=doing, where=host, hint=hint)
    return RegistryError(
        f"{host} answered {status}, cannot {doing}{tail}",
        method=method,
        url=redact(url),
        status=status,
        diagnostics=found,
        retry_after_s=retry_after_s(headers),
        hint=_hint(status, headers),
    )


def _sentence(one: tuple[str, str, str]) -> str:
    code, message, detail = one
    words = f"{code} {message}".strip() if code.lower() != message.lower() else message
    return f"{words} ({detail})" if detail else words


def _hint(status: int, headers: Mapping[str, str]) -> str:
    if status == 429:
        left = headers.get("ratelimit-remaining", "")
        quota = f"; quota left: {left} of {headers.get('ratelimit-limit', '?')}" if left else ""
        return f"too many requests for this registry; wait, or lower --jobs{quota}"
    if status == 413:
        return "a proxy or the registry limits the size of requests"
    if status >= 500:
        return "the registry has trouble; try again later"
    return ""
