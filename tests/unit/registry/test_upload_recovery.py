import pytest

from ocitool.errors import AuthError, NetworkError, NotFound, RegistryError
from ocitool.registry.numbers import acknowledged
from ocitool.registry.upload_recovery import Next, judge


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0-0", 0),
        ("0-99", 100),
        ("bytes=0-99", 100),
        (" 0-99 ", 100),
        ("", None),
        ("99", None),
        ("5-99", None),
        ("0-x", None),
    ],
)
def test_the_dialects_of_range(text, count):
    """K109: 0-0 stands for an empty session."""
    assert count == acknowledged(text)


def refused(status: int, code: str = "", message: str = "") -> RegistryError:
    what = f"reg.test answered {status}, cannot upload: {code} {message}"
    return RegistryError(what, status=status, diagnostics=((code, message, ""),))


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (NetworkError("broken", phase="write"), Next.ASK),
        (NetworkError("no certificate", phase="tls"), Next.FAIL),
        (AuthError("no"), Next.FAIL),
        (NotFound("not found on reg.test: BLOB_UNKNOWN"), Next.RESTART),
        (NotFound("not found on reg.test: NAME_UNKNOWN"), Next.FAIL),
        (refused(413), Next.SMALLER),
        (refused(416, "", "request body size exceeds the limit of 4194304"), Next.SMALLER),
        (refused(400, "", "chunk too large"), Next.SMALLER),
        (refused(416, "RANGE_INVALID"), Next.ASK),
        (refused(416, "BLOB_UPLOAD_INVALID", "expected first byte 11304960"), Next.ASK),
        (refused(429), Next.ASK),
        (refused(502), Next.ASK),
        (refused(404, "BLOB_UPLOAD_UNKNOWN"), Next.RESTART),
        (refused(404, "BLOB_UPLOAD_INVALID"), Next.RESTART),
        (refused(400, "DIGEST_INVALID"), Next.RESTART),
        (refused(409), Next.RESTART),
        (refused(400, "NAME_INVALID"), Next.FAIL),
        (refused(405, "UNSUPPORTED"), Next.FAIL),
        (refused(507), Next.FAIL),
    ],
)
def test_what_a_failed_patch_asks_for(error, verdict):
    """K101, K104, K107: what a refusal is about decides what is sent next."""
    assert verdict is judge(error, at_commit=False, has_body=True)


def test_a_commit_that_has_to_wait_is_sent_again_as_it_was():
    assert Next.WAIT is judge(refused(429), at_commit=True, has_body=False)


def test_an_empty_request_cannot_be_too_large():
    assert Next.FAIL is judge(refused(400, "", "name too long"), at_commit=True, has_body=False)
