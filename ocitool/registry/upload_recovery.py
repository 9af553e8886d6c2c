"""Answers to an upload: how far the server is, and what to do after a refusal. Pure."""

import re
from enum import Enum
from typing import Final

from ocitool.errors import NetworkError, NotFound, OcitoolError, RegistryError
from ocitool.registry.retry import RETRIED, may_pass

_SESSION_GONE: Final = (
    "BLOB_UPLOAD_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "DIGEST_INVALID",
    "SIZE_INVALID",
    "RANGE_INVALID",
)
_ABOUT_SIZE: Final = (
    r"(?i)too (?:large|big|long)|(?:size|body|length|chunk)\W+(?:\w+\W+){0,4}(?:limit|exceed|max)"
    r"|(?:limit|exceed|max)\w*\W+(?:\w+\W+){0,4}(?:size|body|length|chunk)"
)


class Next(Enum):
    """What to do after a failed request of an upload."""

    WAIT = "the same request again, later"
    ASK = "ask the session how far it is"
    RESTART = "open a new session"
    SMALLER = "send less at once"
    FAIL = "give up"


def judge(error: OcitoolError, *, at_commit: bool, has_body: bool) -> Next:
    """What to do after a PATCH (or a closing PUT: `at_commit`) failed, by what the answer says."""
    if isinstance(error, NetworkError):
        return Next.ASK if may_pass(error) else Next.FAIL
    if isinstance(error, NotFound):
        return Next.FAIL if "NAME_UNKNOWN" in error.what else Next.RESTART
    if not isinstance(error, RegistryError):
        return Next.FAIL
    says_size = error.status in {400, 416} and bool(re.search(_ABOUT_SIZE, error.what))
    if error.status == 413 or (says_size and has_body):
        return Next.SMALLER
    if error.status == 429 and at_commit:
        return Next.WAIT
    if error.status in RETRIED or error.status == 416:
        return Next.ASK
    if error.status in {404, 409} or (error.status == 400 and error.has(*_SESSION_GONE)):
        return Next.RESTART
    return Next.FAIL
