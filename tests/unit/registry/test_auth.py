import json

import pytest

from ocitool.errors import AuthError
from ocitool.registry.auth import Token, TokenAnswer, TokenCache, token_flow, union
from ocitool.registry.challenge import Challenge
from ocitool.registry.credentials import ANONYMOUS, Credentials

BEARER = Challenge("bearer", {"realm": "https://auth.test/token/?a=b", "service": "reg"})
USER = Credentials("robot$x", "hunter2", source="FILE")
SCOPES = ("repository:app:pull,push", "repository:base:pull")


def drive(credentials: Credentials, *answers: tuple[int, object], now: float = 100.0):
    """Run a flow against scripted answers: the requests that were made, and the token."""
    flow = token_flow(BEARER, SCOPES, credentials, lambda: now)
    asked = [next(flow)]
    try:
        for status, body in answers:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            asked.append(flow.send(TokenAnswer(status, data)))
    except StopIteration as done:
        return asked, done.value
    raise AssertionError("the flow wants more answers")


def test_an_anonymous_token_is_asked_with_all_scopes_and_the_realms_own_query():
    """K085: the realm's trailing slash and query string are kept."""
    (asked,), token = drive(ANONYMOUS, (200, {"token": "t"}))

    assert asked.url == (
        "https://auth.test/token/?a=b&service=reg&scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Abase%3Apull"
    )
    assert ("", "t") == (asked.basic, token.value)


def test_user_and_password_go_as_basic_and_the_account_is_encoded():
    (asked,), _ = drive(USER, (200, {"access_token": "t"}))

    assert "robot$x:hunter2" == asked.basic
    assert asked.url.endswith("&account=robot%24x")


def test_a_refresh_token_is_posted():
    """K074"""
    (asked,), token = drive(Credentials(identity_token="rt"), (200, {"access_token": "t"}))

    assert {
        "grant_type": "refresh_token",
        "service": "reg",
        "client_id": "ocitool",
        "refresh_token": "rt",
    }.items() <= dict(asked.form).items()
    assert "repository:app:pull,push repository:base:pull" == dict(asked.form)["scope"]
    assert "" == asked.basic
    assert "t" == token.value


def test_a_server_that_takes_no_refresh_token_is_asked_with_the_password():
    both = Credentials("u", "hunter2", identity_token="rt")

    asked, token = drive(both, (404, b""), (200, {"token": "t"}))

    assert ("refresh_token", "", "u:hunter2") == (dict(asked[0].form)["grant_type"], asked[0].basic, asked[1].basic)
    assert "t" == token.value
    with pytest.raises(AuthError):
        drive(Credentials(identity_token="rt"), (404, b""))


def test_a_server_that_only_knows_post_is_asked_so():
    asked, token = drive(USER, (405, b""), (200, {"access_token": "t"}))

    assert ["password", "robot$x", "hunter2"] == [
        dict(asked[1].form)[k] for k in ("grant_type", "username", "password")
    ]
    assert "t" == token.value


@pytest.mark.parametrize(
    "body",
    [{}, {"token": ""}, {"token": 5}, {"token": "a\r\nb"}, {"token": "é"}, [], b"<html>", b"", b"[" * 100_000],
)
def test_an_answer_without_a_token_is_an_error_without_secrets(body):
    """K076"""
    with pytest.raises(AuthError, match=r"auth\.test/token/") as caught:
        drive(USER, (200, body))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "life"),
    [
        ({}, 60),
        ({"expires_in": 0}, 60),
        ({"expires_in": 300}, 300),
        ({"expires_in": "x"}, 60),
        ({"expires_in": True}, 60),
    ],
)
def test_a_life_that_is_not_said_is_60_seconds_from_receipt(extra, life):
    """K083: no wall clock is asked, so a wrong one does not matter."""
    _, token = drive(ANONYMOUS, (200, {"token": "t", "issued_at": "2099-01-01T00:00:00Z", **extra}), now=1000.0)

    assert token.holds(1000.0)
    assert token.holds(1000.0 + life - 6)
    assert not token.holds(1000.0 + life)


def test_rejected_credentials_name_their_source_and_stop():
    """K088: no silent anonymous try."""
    with pytest.raises(AuthError, match="FILE") as caught:
        drive(USER, (401, b""))
    assert "anonymous" in caught.value.hint


def test_scopes_are_united_by_resource():
    """K085: a challenge's scope need not be a repository's."""
    assert ("repository:app:pull,push", "aws") == union(
        ["repository:app:pull"], ["aws", "repository:app:push,pull"]
    )


def test_one_fetch_serves_all_who_hold_the_same_stale_token():
    cache, fetched = TokenCache(), []

    def fetch() -> Token:
        fetched.append(1)
        return Token(f"t{len(fetched)}", 1e12)

    first = cache.get("k", fetch)
    assert "t2" == cache.get("k", fetch, refused=first.value).value
    assert "t2" == cache.get("k", fetch, refused=first.value).value
    assert 2 == len(fetched)
