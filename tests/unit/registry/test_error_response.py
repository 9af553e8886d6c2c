from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ocitool.errors import AuthError, NotFound, RegistryError
from ocitool.registry.error_response import diagnostics, redact, refusal
from ocitool.registry.numbers import retry_after_s


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"errors":[{"code":"DENIED","message":"no","detail":{"a":1}}]}', (("DENIED", "no", '{"a": 1}'),)),
        (b'{"errors":[{"code":"DENIED"}, "x", 5]}', (("DENIED", "", ""),)),
        (b'{"error":"invalid_token","error_description":"old"}', (("invalid_token", "old", ""),)),
        (b'{"details":"incorrect"}', (("", "incorrect", ""),)),
        (
            b"<html><style>p{}</style><h1>411 Length &amp; Required</h1></html>",
            (("", "411 Length & Required", ""),),
        ),
        (b"toomanyrequests: slow down", (("", "toomanyrequests: slow down", ""),)),
        (b"", ()),
        (b"{}", ()),
        (b"[1]", ()),
        (b'"no"', ()),
        (b"\xff\xfe", (("", "\ufffd\ufffd", ""),)),
        (b"[" * 100_000, (("", "[" * 300, ""),)),
    ],
)
def test_bodies_of_every_kind(body, found):
    """K100: an HTML page is shown shortened."""
    assert found == diagnostics(body)


def refused(status: int, body: bytes = b"", **headers: str):
    return refusal(
        "PUT", "https://reg.test/v2/a/manifests/t", status, headers, body, doing="write the tag t", source="FILE"
    )


def test_kinds_of_refusals():
    assert isinstance(refused(401), AuthError)
    assert isinstance(refused(403), AuthError)
    assert isinstance(refused(404), NotFound)
    assert isinstance(refused(500), RegistryError)
    unknown = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"x"}]}'
    assert refused(404, unknown).has("MANIFEST_BLOB_UNKNOWN")  # K035: not "the manifest is not there"


def test_a_denial_names_host_deed_source_and_what_was_said():
    """K089, K128: a permission error that calls itself MANIFEST_INVALID."""
    body = b'{"errors":[{"code":"MANIFEST_INVALID","detail":{"description":"HTTP 403 Forbidden"}}]}'
    error = refused(403, body)

    for part in ("reg.test", "403", "write the tag t", "MANIFEST_INVALID", "HTTP 403 Forbidden"):
        assert part in error.what
    assert "FILE" == error.source


def test_retry_after_in_both_forms():
    """K111"""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)

    assert 7 == retry_after_s({"retry-after": "7"})
    assert 25 < retry_after_s({"retry-after": later}) <= 30
    assert 0 == retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert retry_after_s({"retry-after": "soon"}) is None
    assert retry_after_s({}) is None


@pytest.mark.parametrize(
    ("status", "who", "hint"),
    [
        (407, "the proxy on the way to reg.test", "user:password@host"),
        (408, "reg.test", ""),
        (413, "reg.test", "limits the size of requests"),
        (414, "reg.test", ""),
        (499, "reg.test", ""),
        (500, "reg.test", "try again later"),
        (503, "reg.test", "try again later"),
    ],
)
def test_who_refused_and_what_helps(status, who, hint):
    error = refused(status)

    assert error.what.startswith(f"{who} answered {status}")
    assert hint in error.hint
    assert bool(hint) == bool(error.hint)


def test_the_quota_is_shown_with_429():
    error = refused(
        429, b"toomanyrequests", **{"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"}
    )

    assert "0;w=21600 of 100;w=21600" in error.hint


def test_urls_are_told_without_secrets():
    url = redact(
        "https://user:hunter2@reg.test/v2/a/blobs/x?digest=sha256:ab&X-Amz-Signature=hunter2&_state=hunter2"
    )

    assert "hunter2" not in url
    assert "digest=sha256:ab" in url
