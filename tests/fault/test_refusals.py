"""Refusals, told in the registry's words, and what is done about each."""

import json

import pytest

from ocitool.errors import AuthError, NetworkError, NotFound, RegistryError
from ocitool.events import Noted
from ocitool.registry.error_response import BODY_LIMIT
from ocitool.registry.paging import PAGES, SAME
from ocitool.registry.uploads import RESTARTS
from ocitool.tasks import Retry
from tests.fakes.images import put_image
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.tokens import PASSWORD, TokenServer, put_behind
from tests.fault.conftest import QUICK, content, named, put
from tests.fault.test_tokens import config

RATE = b'{"message": "You have exceeded a secondary rate limit. Please wait"}'


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


class TestTokenServer:
    """K229: its reason is told."""

    @pytest.fixture
    def refuse(self, access, opened):
        """What a read says when the token server answers so."""
        with fake_registry() as registry:

            def call(status: int, body: bytes, *, write: bool = False, host: str = ""):
                registry.token_server = lambda asked: (status, {}, body)
                put_behind(registry, TokenServer(), f"http://{registry.host}/token")
                config(access, registry.host)
                with pytest.raises(AuthError) as caught:
                    opened(registry, write=write).get_manifest("v1")
                return caught.value

            yield call

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 418])
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b'{"errors": [{"code": "DENIED", "message": "two-factor login needed"}]}', "two-factor login needed"),
            (b'{"error": "invalid_grant", "error_description": "token revoked"}', "token revoked"),
            (b'{"details": "account is suspended"}', "account is suspended"),
            (b"plain words", "plain words"),
            (b"<html><h1>Down for today</h1></html>", "Down for today"),
        ],
    )
    def test_is_told_whatever_its_form(self, refuse, status, body, reason):
        error = refuse(status, body)

        assert reason in error.what
        assert str(status) in error.what

    def test_403_says_which_access_is_lacking(self, refuse):
        error = refuse(403, b'{"details": "no"}', write=True)

        assert "denies pull and push on app" in error.what
        assert "log in again" not in error.hint

    def test_never_repeats_a_secret(self, refuse):
        error = refuse(401, json.dumps({"message": f"bad password {PASSWORD}"}).encode())

        assert PASSWORD not in str(vars(error))

    def test_which_is_cut(self, refuse):
        assert len(refuse(401, b"x" * 10 * BODY_LIMIT).what) < 1000


def test_403_of_a_registry_says_which_access_is_lacking(registry, opened):
    """K229"""
    registry.faults = [Fault("POST *", status=403, times=-1)]

    with pytest.raises(AuthError) as caught:
        put(opened(registry), b"x")

    assert "pull and push on app is needed" in caught.value.hint


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (RATE, {}),
        (b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}', {}),
        (b"<h1>Too Many Requests</h1>", {}),
        (b"You have triggered an abuse detection mechanism", {}),
        (b"", {"X-RateLimit-Remaining": "0"}),
        (b"", {"RateLimit-Remaining": "0;w=21600"}),
    ],
)
def test_a_refusal_that_speaks_of_a_rate_limit_is_waited_for(registry, opened, status, body, headers):
    """K230"""
    digest = put_image(opened(registry), "v1", "linux/amd64")
    registry.faults = [Fault("GET */manifests/*", status=status, body=body, headers=headers, times=2)]

    assert digest == opened(registry).get_manifest("v1").digest


def test_a_rate_limit_that_stays_is_no_matter_of_credentials(registry, opened):
    """K230"""
    registry.faults = [Fault("GET *", status=403, body=RATE, times=-1)]

    with pytest.raises(RegistryError) as caught:
        opened(registry, retry=Retry(attempts=3, base_s=0.001, cap_s=0.002, total_s=0.05)).get_manifest("v1")

    assert (429, True) == (caught.value.status, "answered 403, which is its rate limit" in caught.value.what)
    assert "lower --jobs" in caught.value.hint


def test_a_plain_403_is_one(registry, opened):
    """K230: "limited access" is no rate limit."""
    registry.faults = [Fault("GET *", status=403, body=b"your access is limited to pulls", times=-1)]

    with pytest.raises(AuthError):
        opened(registry).get_manifest("v1")
    assert 1 == len(registry.log)


class TestBelieved:
    """K231: HEAD says of every blob that it is there."""

    def lie(self, registry, digests, layers):
        """Refuse a manifest for one absent blob after another, as registries do, and answer every HEAD with 200."""
        registry.faults = [Fault("HEAD */blobs/*", status=200, times=-1)]

    def test_all_blobs_that_were_only_believed_are_sent_once(self, registry, opened):
        self.lie(registry, (), ())
        layers = [b"first", b"second", b"third"]

        digest = put_image(opened(registry), "v1", "linux/amd64", layers=layers)

        assert digest == registry.tags["app", "v1"]
        assert 4 == len(registry.asked("PUT", "/v2/app/blobs/*"))  # the config too
        assert 2 == len(registry.asked("PUT", "/v2/app/manifests/*"))

    def test_nothing_is_sent_for_a_blob_that_nobody_claimed(self, registry, opened):
        store = opened(registry)
        put_image(store, "v1", "linux/amd64", layers=[b"first"])
        document = store.get_manifest("v1")
        other = opened(registry, "other")
        registry.log.clear()

        with pytest.raises(RegistryError):
            other.put_manifest(document, "v1")
        assert [] == registry.asked("POST")

    def test_a_registry_that_stays_with_it_is_asked_twice(self, registry, opened):
        """K231: once, not for ever."""
        body = json.dumps(
            {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": str(named(b"first").digest)}]}
        ).encode()
        registry.faults = [Fault("PUT */manifests/*", status=400, body=body, times=-1)]
        put(opened(registry), b"first")
        registry.log.clear()

        with pytest.raises(RegistryError):
            put_image(opened(registry, retry=QUICK), "v1", "linux/amd64", layers=[b"first"])
        assert 2 == len(registry.asked("PUT", "*/blobs/*"))  # the config when it was absent, the layer anew


class TestWaiting:
    """K234: told, with the number."""

    def test_that_is_short_is_said(self, registry, opened):
        put_image(opened(registry), "v1", "linux/amd64")
        registry.faults = [Fault("GET */manifests/*", status=429, headers={"Retry-After": "1"})]
        told = []

        opened(registry, listener=told.append).get_manifest("v1")

        (note,) = [one.text for one in told if isinstance(one, Noted) and one.severity == "notice"]
        assert f"{registry.host} answered 429" in note
        assert note.endswith("trying again in 1 s")

    @pytest.mark.parametrize(
        ("said", "seconds"), [("3600", 3600), ("9999999999", 315_360_000), ("9" * 400, 315_360_000)]
    )
    def test_beyond_our_patience_is_told(self, registry, opened, said, seconds):
        registry.faults = [Fault("GET *", status=429, headers={"Retry-After": said}, times=-1)]

        with pytest.raises(RegistryError) as caught:
            opened(registry).get_manifest("v1")

        assert [f"it asks to wait {seconds} s, and we wait no longer than 30 s"] == caught.value.__notes__
        assert 1 == len(registry.log)


class TestLists:
    """K236: one that has no end."""

    def endless(self, registry, monkeypatch, page):
        """Each page names another."""
        monkeypatch.setattr("ocitool.registry.paging.PAGES", 50)
        count = iter(range(10**9))

        def guard(asked):
            if "/tags/list" not in asked.path and "/referrers/" not in asked.path and "_catalog" not in asked.path:
                return None
            number = next(count)
            path = asked.path.partition("?")[0]
            return 200, {"Link": f'<{path}?last={number}>; rel="next"', **page[0]}, page[1](number)

        registry.guard = guard

    def test_of_new_names_is_an_error_after_many_pages(self, registry, opened, monkeypatch):
        self.endless(registry, monkeypatch, ({}, lambda n: json.dumps({"tags": [f"t{n}"]}).encode()))

        with pytest.raises(RegistryError, match="names another page after 50 of them") as caught:
            list(opened(registry).tags())
        assert 5 == caught.value.exit_code

    def test_of_the_same_is_an_error_after_few(self, registry, opened, monkeypatch):
        self.endless(registry, monkeypatch, ({}, lambda n: b'{"tags": ["a"]}'))

        with pytest.raises(RegistryError):
            list(opened(registry).tags())
        assert SAME + 1 == len(registry.asked("GET"))

    def test_of_referrers_is_an_error(self, registry, opened, monkeypatch):
        kind = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
        self.endless(registry, monkeypatch, (kind, lambda n: b'{"manifests": []}'))

        with pytest.raises(RegistryError):
            opened(registry).referrers(named(b"x").digest)

    def test_of_repositories_is_an_error(self, registry, opened, monkeypatch):
        self.endless(registry, monkeypatch, ({}, lambda n: json.dumps({"repositories": [f"r{n}"]}).encode()))
        from ocitool.registry.repository import Registry

        with pytest.raises(RegistryError):
            list(Registry(opened(registry).repository.session, registry.host).catalog())

    def test_the_bound_is_far_beyond_real_ones(self):
        assert PAGES >= 10_000


class TestUploads:
    """K237, K250"""

    def test_what_the_registry_says_of_the_repository_is_told_where_the_upload_breaks(self, registry, opened):
        registry.faults = [
            Fault("POST *", reset=True, times=-1),
            Fault(
                "GET *",
                status=404,
                body=b'{"errors": [{"code": "NAME_UNKNOWN", "message": "create it"}]}',
                times=-1,
            ),
        ]

        with pytest.raises(NetworkError) as caught:
            put(opened(registry), b"x")

        assert any("NAME_UNKNOWN create it" in note for note in caught.value.__notes__)
        assert "created first" in caught.value.hint

    @pytest.mark.parametrize(
        ("code", "sessions"),
        [("DIGEST_INVALID", 2), ("BLOB_UPLOAD_UNKNOWN", RESTARTS + 1), ("SIZE_INVALID", RESTARTS + 1)],
    )
    def test_an_upload_begins_again_as_often_as_is_said(self, registry, opened, code, sessions):
        """K237: DIGEST_INVALID once; K250: exactly so often."""
        body = json.dumps({"errors": [{"code": code}]}).encode()
        registry.faults = [Fault("PATCH *", status=400, body=body, times=-1)]

        with pytest.raises((RegistryError, NotFound)) as caught:
            put(opened(registry), content(5_000_000))

        assert sessions == len(registry.asked("POST"))
        assert f"the upload began {sessions} times" in caught.value.__notes__

    @pytest.mark.parametrize("size", [BODY_LIMIT - 1, BODY_LIMIT, BODY_LIMIT + 1, 100 * BODY_LIMIT])
    def test_the_body_of_an_error_is_cut(self, registry, opened, size):
        """K250: what is read of it, and what is told."""
        registry.faults = [Fault("GET *", status=418, body=b"word " * (size // 5), times=-1)]
        store = opened(registry)

        with pytest.raises(RegistryError) as caught:
            store.get_manifest("v1")

        assert len(caught.value.what) < 500
        assert store.repository.session.traffic.bytes_received <= BODY_LIMIT + 256 * 1024
