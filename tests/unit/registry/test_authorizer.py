import base64
import json

import pytest

from ocitool.errors import AuthError
from ocitool.registry.auth import TokenAnswer
from ocitool.registry.authorizer import Authorizer, RequestTarget
from ocitool.registry.credentials import ANONYMOUS, Credentials
from ocitool.registry.hosts import Access, Origin

USER = Credentials("u", "hunter2", source="FILE")
HOME = RequestTarget(Origin("https", "reg.test", 443), "reg.test", is_home=True)
AWAY = RequestTarget(Origin("https", "evil.test", 443), "reg.test", is_home=False)
PULL, PUSH = ("repository:app:pull",), ("repository:app:pull,push",)
BASIC = "Basic " + base64.b64encode(b"u:hunter2").decode()
BEARER = 'Bearer realm="https://auth.test/t",service="r"'


class Desk:
    """A token server that gives a new token each time and remembers what it was asked."""

    def __init__(self, *, credentials=USER, access=None):
        self.asked, self.warned = [], []
        self.credentials = credentials
        self.extra = {}
        self.authorizer = Authorizer(access or Access(), self.find, self.ask, self.warned.append)

    def find(self, host, repository):
        return self.credentials

    def ask(self, request, target):
        self.asked.append(request)
        return TokenAnswer(200, json.dumps({"token": f"t{len(self.asked)}", **self.extra}).encode())

    def before(self, target=HOME, scopes=PULL):
        return self.authorizer.header(target, scopes, doing="read")

    def after(self, *wanted, target=HOME, scopes=PULL, used=""):
        return self.authorizer.after_refusal(target, scopes, wanted, used, doing="read")


def test_nothing_is_sent_before_the_host_asks():
    assert "" == Desk().before()


def test_a_challenge_is_remembered_for_the_host():
    """K080: on every later request."""
    desk = Desk()

    assert BASIC == desk.after('BASIC realm="x"')
    assert BASIC == desk.before(scopes=PUSH)


def test_basic_after_bearer_is_heeded():
    """K079"""
    desk = Desk()

    assert "Bearer t1" == desk.after(BEARER)
    assert BASIC == desk.after('Basic realm="x"', used="Bearer t1")


def test_a_scope_of_the_hosts_own_kind_is_asked_for_ever_after():
    """K085: ECR Public wants scope="aws"."""
    desk = Desk()
    desk.after(f'{BEARER},scope="aws"')
    desk.before(scopes=PUSH)

    assert all("scope=aws" in request.url for request in desk.asked)
    assert "scope=repository%3Aapp%3Apull%2Cpush" in desk.asked[1].url


def test_a_token_that_was_refused_is_replaced_once():
    """K082"""
    desk = Desk()
    first = desk.after(BEARER)

    assert "Bearer t2" == desk.after(f'{BEARER},error="invalid_token"', used=first)
    assert "Bearer t2" == desk.before()


def test_the_same_header_is_not_tried_twice():
    """K088"""
    desk = Desk()
    first = desk.after('Basic realm="x"')

    assert "" == desk.after('Basic realm="x"', used=first)


@pytest.mark.parametrize("wanted", ['Basic realm="x"', BEARER])
def test_another_origin_gets_no_credentials(wanted):
    desk = Desk()
    desk.after(wanted)

    before = len(desk.asked)

    header = desk.after(wanted, target=AWAY)

    assert BASIC != header
    assert [""] * (len(desk.asked) - before) == [request.basic for request in desk.asked[before:]]


def test_a_registry_token_stays_with_its_registry():
    desk = Desk(credentials=Credentials(registry_token="rt", source="ENV"))

    assert "Bearer rt" == desk.before()
    assert "" == desk.before(target=AWAY)


def test_tokens_are_kept_by_credential_as_well():
    """K068"""
    desk = Desk()
    first = desk.after(BEARER)
    desk.credentials = Credentials("other", "pw", source="FILE")

    assert first != desk.before()


def test_a_rotated_refresh_token_is_used_from_then_on():
    desk = Desk(credentials=Credentials(identity_token="rt1", source="FILE"))
    desk.extra = {"refresh_token": "rt2"}
    desk.after(BEARER)
    desk.before(scopes=PUSH)

    assert ["rt1", "rt2"] == [dict(request.form)["refresh_token"] for request in desk.asked]


def test_an_anonymous_host_is_read_without_credentials_and_written_with():
    """K088"""
    desk = Desk(access=Access(anonymous=("reg.test",)))
    desk.after(BEARER)
    desk.before(scopes=PUSH)

    assert ["", "u:hunter2"] == [request.basic for request in desk.asked]


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.test/t",
        "ftp://auth.test/t",
        "auth.test/t",
        "https://169.254.169.254/t",
        "https://10.0.0.1/t",
        "https://[::1]/t",
        "https://localhost:8080/t",
        "https://[bad/t",
    ],
)
def test_a_token_server_that_is_not_safe_is_sent_nothing(realm):
    desk = Desk()

    with pytest.raises(AuthError):
        desk.after(f'Bearer realm="{realm}"')
    assert [] == desk.asked


def test_a_missing_helper_is_a_warning_for_reads_and_an_error_for_writes():
    """K070"""
    desk = Desk(credentials=Credentials(source="docker-credential-x", problem="docker-credential-x is not on PATH"))

    assert "Bearer t1" == desk.after(BEARER)
    assert 1 == len(desk.warned)
    with pytest.raises(AuthError, match="docker-credential-x"):
        desk.before(scopes=PUSH)


def test_anonymous_basic_is_no_header():
    assert "" == Desk(credentials=ANONYMOUS).after('Basic realm="x"')


def test_a_token_of_a_file_that_no_header_takes_is_told_and_not_sent():
    desk = Desk(credentials=Credentials(registry_token="a\r\nx: y", source="FILE"))

    with pytest.raises(AuthError, match="FILE holds a token with characters that no header takes") as caught:
        desk.after(BEARER)

    assert "x: y" not in str(caught.value)
