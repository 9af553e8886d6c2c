"""The fault matrix as data: each kind of request, each kind of fault, and what must come of the two.

Pure, so that the page in the documentation can be made from it; `matrix` runs it.
"""

from typing import Final

KINDS: Final = (
    "ping",
    "token",
    "HEAD manifest",
    "GET manifest",
    "PUT manifest",
    "DELETE manifest",
    "HEAD blob",
    "GET blob",
    "mount",
    "POST upload",
    "PATCH upload",
    "GET upload",
    "PUT upload",
    "tags",
    "referrers",
)

OK: Final = "survives"
ABSENT: Final = "NotFound 3"
AUTH: Final = "AuthError 4"
NETWORK: Final = "NetworkError 5"
REFUSED: Final = "RegistryError 5"
MALFORMED: Final = "MalformedDocument 6"
MISMATCH: Final = "DigestMismatch 6"
UNSUPPORTED: Final = "Unsupported 9"
NONE: Final = "–"

_BODIES: Final = ("token", "GET manifest", "GET blob", "tags", "referrers")


def _row(default: str, only: tuple[str, ...] = KINDS, **others: str) -> dict[str, str]:
    """An outcome for each kind; names of `others` have `_` for the space."""
    named = {kind.replace(" ", "_"): kind for kind in KINDS}
    row = {kind: default if kind in only else NONE for kind in KINDS}
    return row | {named[name]: outcome for name, outcome in others.items()}


# A HEAD that says 404 is doubted; a mount that is refused becomes an upload; an upload's own look at its session
# is only a help, and where it fails a new session is opened.
_MILD: Final = {"mount": OK, "GET_upload": OK}

FAULTS: Final[dict[str, dict[str, str]]] = {
    "400": _row(REFUSED, token=AUTH, DELETE_manifest=UNSUPPORTED, referrers=OK, **_MILD),
    "401 for ever": _row(AUTH, ping=OK, **_MILD),
    "403": _row(AUTH, **_MILD),
    "404": _row(ABSENT, token=AUTH, HEAD_manifest=OK, HEAD_blob=OK, referrers=OK, **_MILD)
    | {"PATCH upload": OK, "PUT upload": OK},
    "413": _row(REFUSED, ("PUT manifest",), PATCH_upload=OK, PUT_upload=OK),
    "416": _row(OK, ("PATCH upload", "PUT upload")),
    "429 with Retry-After": _row(OK),
    "429 without": _row(OK),
    "429 for ever": _row(REFUSED, GET_upload=OK),
    "500": _row(OK),
    "502 as a page of HTML": _row(OK),
    "503 with Retry-After": _row(OK),
    "504": _row(OK),
    "503 for ever": _row(REFUSED, GET_upload=OK),
    "reset": _row(OK),
    "reset for ever": _row(NETWORK),
    "answer lost": _row(OK),
    "stall": _row(OK),
    "slow drip": _row(OK, _BODIES),
    "answer cut short": _row(OK, _BODIES),
    "answer corrupt": _row(MISMATCH, ("GET manifest", "GET blob"), token=AUTH, tags=MALFORMED, referrers=OK),
    "200 with HTML": _row(
        MALFORMED, ("tags",), token=AUTH, GET_manifest=MISMATCH, GET_blob=MISMATCH, referrers=OK, ping=OK
    ),
    "wrong digest header": _row(
        MISMATCH, ("PUT manifest", "PUT upload"), GET_manifest="HeaderMismatch 6", GET_blob=OK, HEAD_blob=OK
    ),
    "no digest header": _row(
        OK, ("HEAD manifest", "GET manifest", "PUT manifest", "HEAD blob", "GET blob", "PUT upload")
    ),
    "relative Location": _row(OK, ("POST upload", "PATCH upload", "GET upload")),
    "no Location": _row(OK, ("PUT manifest", "PATCH upload", "GET upload", "PUT upload"), POST_upload=REFUSED),
    "307 to itself once": _row(OK),
    "307 for ever": _row(NETWORK),
    "307 to no address": _row(NETWORK),
    "HEAD that lies": _row(OK, ("HEAD manifest", "HEAD blob")),
    "rate limit by 403": _row(OK),
    "numbers without end": _row(OK),
    "Retry-After without end": _row(REFUSED, GET_upload=OK),
    "token ended": _row(OK, tuple(kind for kind in KINDS if kind != "token")),
}


def count() -> int:
    """The number of cells that say something."""
    return sum(outcome != NONE for row in FAULTS.values() for outcome in row.values())


def page() -> str:
    """The matrix as a page."""
    lines = [
        "# What registries may do",
        "",
        f"Each kind of request meets each kind of fault, on real sockets: {count()} cells.",
        "`python -m tests.fault.matrix` runs and prints them; a test does the same.",
        "",
        '"survives" means that the operation the request belongs to ends as if nothing had been.',
        "Otherwise the cell names the error and the [exit code](exit-codes.md).",
        "",
        f"| fault | {' | '.join(KINDS)} |",
        f"|--|{'--|' * len(KINDS)}",
    ]
    lines += [f"| {fault} | {' | '.join(row[kind] for kind in KINDS)} |" for fault, row in FAULTS.items()]
    return "\n".join(lines) + "\n"
