"""Tokens that end, scopes that differ, hosts that are not the registry's."""

import base64
import json
import threading
from dataclasses import dataclass

import pytest

from ocitool.errors import AuthError, NetworkError
from ocitool.registry.hosts import MIB, known_limits
from ocitool.store.base import Pieces, Put, StoreSource
from ocitool.tasks import Scope, TaskGroup
from tests.fakes.images import put_image
from tests.fakes.registry import FakeRegistry, Fault, fake_registry
from tests.fakes.tokens import PASSWORD, USER, TokenServer, put_behind
from tests.fault.conftest import content, named, put, read


def config(access, host: str, **entry: str) -> None:
    """Leave an entry in docker's config of the test's home."""
    folder = access.journal.parent / ".docker"
    folder.mkdir(exist_ok=True)
    secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry or {"auth": secret}}}))


@dataclass(frozen=True)
class Desk:
    """A registry, the token server it names, and the fake that this is reached at."""

    registry: FakeRegistry
    server: TokenServer
    elsewhere: FakeRegistry


@pytest.fixture
def desk(access):
    """A registry that wants tokens of a server on another port, and that server; the user is logged in."""
    with fake_registry() as registry, fake_registry() as elsewhere:
        server = TokenServer()
        elsewhere.token_server = server.answer
        put_behind(registry, server, f"http://{elsewhere.host}/token")
        config(access, registry.host)
        yield Desk(registry, server, elsewhere)


def scopes(server) -> list[list[str]]:
    """The scopes of each token that was given."""
    return [list(given) for _, given in server.tokens.values()]


def test_a_push_asks_once_for_what_it_needs(desk, opened):
    registry, server = desk.registry, desk.server

    put_image(opened(registry), "v1", "linux/amd64", layers=[content(9 * MIB)])

    assert [["repository:app:pull,push"]] == scopes(server)
    assert 1 == len([request for request in registry.log if "authorization" not in request.headers])


def test_many_threads_share_the_first_challenge_and_token(desk, opened):
    registry, server = desk.registry, desk.server
    store = opened(registry)

    with TaskGroup(Scope(), 12) as group:
        for number in range(24):
            group.spawn(store.has_blob, named(bytes([number])))

    assert 1 == len(server.asked)
    assert 25 == len(registry.log)


class Slow:
    """A source that gives its second half when the token is over."""

    origin = None
    is_verified = False

    def __init__(self, data: bytes, over: threading.Event):
        self._data, self._over = data, over

    def open(self, offset: int = 0) -> Pieces:
        return Pieces(lambda: self._pieces(offset))

    def _pieces(self, offset: int):
        for at in range(offset, len(self._data), 262_144):
            if at >= len(self._data) // 2:
                self._over.wait(60)
            yield self._data[at : at + 262_144]


def test_a_token_that_ends_while_a_body_is_sent_does_not_stop_the_push(desk, opened):
    """K082: the commit gets a new token, and the body is not sent again."""
    registry, server = desk.registry, desk.server
    server.asks_late = True
    store, data, over = opened(registry), content(9 * MIB), threading.Event()
    store.has_blob(named(b"the first token"))

    def end_tokens():
        for value, (_, given) in list(server.tokens.items()):
            server.tokens[value] = (0.0, given)
        over.set()

    threading.Timer(0.2, end_tokens).start()
    store.put_blob(named(data), Slow(data, over))

    assert data == registry.blobs["app", str(named(data).digest)]
    assert len(data) == registry.accepted


def test_a_401_on_the_body_itself_repeats_that_request_alone(desk, opened):
    """K082: the variant where the PATCH is refused."""
    registry, elsewhere = desk.registry, desk.elsewhere
    wanted = f'Bearer realm="http://{elsewhere.host}/token",service="fake",error="invalid_token"'
    registry.faults = [Fault("PATCH *", status=401, headers={"WWW-Authenticate": wanted})]

    put(opened(registry), content(9 * MIB))

    assert [9 * MIB] * 2 == [request.size for request in registry.asked("PATCH")]
    assert 9 * MIB == registry.accepted
    assert 1 == len(registry.asked("POST"))


def test_a_mount_asks_for_both_repositories(desk, opened):
    """K117: one token, the target first."""
    registry, server = desk.registry, desk.server
    data = content(1000)
    source = opened(registry, "base")
    put(source, data)
    target = opened(registry)
    server.tokens.clear()

    assert Put.MOUNTED == target.put_blob(named(data), StoreSource(named(data), source))

    assert ["repository:app:pull,push", "repository:base:pull"] in scopes(server)


def test_a_mount_without_a_token_for_the_source_becomes_an_upload(desk, opened):
    """K116, K117: a token server may refuse the scope of the source outright."""
    registry, server, elsewhere = desk.registry, desk.server, desk.elsewhere
    data = content(1000)
    source = opened(registry, "base")
    put(source, data)
    target = opened(registry)
    answer = server.answer

    def refuse_two(asked):
        return (401, {}, b"{}") if asked.path.count("scope=") > 1 else answer(asked)

    elsewhere.token_server = refuse_two

    assert Put.STORED == target.put_blob(named(data), StoreSource(named(data), source))
    assert data == registry.blobs["app", str(named(data).digest)]


def test_a_mount_that_was_denied_is_not_tried_again(opened):
    """K116"""
    with fake_registry() as registry:
        source, target = opened(registry, "base"), opened(registry)
        for number in range(3):
            put(source, bytes([number]))
        registry.faults = [Fault("POST /v2/app/*", status=403)]

        for number in range(3):
            blob = named(bytes([number]))
            assert Put.STORED == target.put_blob(blob, StoreSource(blob, source))

        assert 1 == len([request for request in registry.asked("POST", "*mount=*") if "/app/" in request.path])


def test_a_refresh_token_is_exchanged_and_never_shown_to_the_registry(desk, access, opened):
    """K074"""
    registry, server = desk.registry, desk.server
    server.refresh = ("rt",)
    config(access, registry.host, identitytoken="rt")

    put_image(opened(registry), "v1", "linux/amd64")

    assert {"POST"} == {request.method for request in server.asked}
    assert not any("rt" in request.headers.get("authorization", "").split() for request in registry.log)


def test_a_rotated_refresh_token_replaces_the_old_one(desk, access, opened):
    registry, server = desk.registry, desk.server
    server.refresh, server.rotates = ("rt",), True
    config(access, registry.host, identitytoken="rt")
    store = opened(registry)
    put(store, b"x")
    server.tokens.clear()

    put(store, b"y")

    assert 2 == len(server.asked)
    assert b"rotated" in server.asked[1].body


def test_a_token_server_that_sends_elsewhere_gets_no_secret_carried_there(desk, access, opened):
    registry, server, elsewhere = desk.registry, desk.server, desk.elsewhere
    server.refresh = ("rt",)
    config(access, registry.host, identitytoken="rt")
    with fake_registry() as thief:
        thief.token_server = server.answer
        moved = {"Location": f"http://{thief.host}/token"}
        elsewhere.token_server = lambda asked: (307, moved, b"")

        with pytest.raises(NetworkError, match="not safe"):
            put(opened(registry), b"x")
        assert [] == thief.log


def test_a_location_on_another_host_takes_no_credentials_there(desk, access, opened):
    """K095: not even a token for the whole registry."""
    registry = desk.registry
    config(access, registry.host, registrytoken="the-registry-token")
    registry.guard = None
    with fake_registry() as storage:
        storage.uploads["u1"] = bytearray()
        where = {"Location": f"http://{storage.host}/v2/app/blobs/uploads/u1"}
        registry.faults = [Fault("POST *", status=202, headers=where)]

        put(opened(registry), b"x")

        assert storage.blobs["app", str(named(b"x").digest)] == b"x"
        assert [] == [request for request in storage.log if "authorization" in request.headers]
    assert any("the-registry-token" in request.headers.get("authorization", "") for request in registry.log)


def test_pages_on_another_host_are_read_without_credentials(desk, access, opened):
    """K130"""
    registry = desk.registry
    config(access, registry.host, registrytoken="the-registry-token")
    registry.guard = None
    with fake_registry() as other:
        other.faults = [Fault("GET *", status=200, body=b'{"tags":["b"]}')]
        link = {"Link": f'<http://{other.host}/v2/app/tags/list>; rel="next"'}
        registry.faults = [Fault("GET *", status=200, body=b'{"tags":["a"]}', headers=link)]

        assert ["a", "b"] == list(opened(registry).tags())
        assert [] == [request for request in other.log if "authorization" in request.headers]


def test_storage_that_wants_a_login_gets_an_anonymous_token_at_most(desk, opened):
    """K087"""
    registry, server = desk.registry, desk.server
    data = content(1000)
    with fake_registry() as storage, fake_registry() as its_tokens:
        server = TokenServer(anonymous=True)
        its_tokens.token_server = server.answer
        put_behind(storage, server, f"http://{its_tokens.host}/token")
        storage.blobs["app", str(named(data).digest)] = data
        store = opened(registry)
        store.has_blob(named(b"the login"))
        registry.faults = [
            Fault(
                "GET */blobs/*",
                status=307,
                headers={"Location": f"http://{storage.host}/v2/app/blobs/{named(data).digest}"},
            )
        ]

        assert data == read(store, data)
        assert [None] == [request.headers.get("authorization") for request in server.asked]


def test_an_anonymous_host_is_read_although_the_password_is_wrong(desk, access, opened):
    """K088: on demand only."""
    registry, server = desk.registry, desk.server
    server.anonymous = True
    config(access, registry.host, username=USER, password="outdated")

    with pytest.raises(AuthError, match=r"config\.json") as caught:
        opened(registry, write=False).head("v1")
    assert "--anonymous" in caught.value.hint
    assert opened(registry, write=False, anonymous=(registry.host,)).head("v1") is None


def test_a_token_answer_may_be_slow_to_come(desk, opened):
    registry, elsewhere = desk.registry, desk.elsewhere
    elsewhere.faults = [Fault("GET /token", stall=True), Fault("GET /token", status=502)]

    assert Put.STORED == put(opened(registry, stall_s=0.3), b"x")


class Dripping:
    """A source that takes `seconds` to give its bytes."""

    origin = None
    is_verified = False

    def __init__(self, data: bytes, seconds: float):
        self._data, self._seconds = data, seconds

    def open(self, offset: int = 0) -> Pieces:
        return Pieces(lambda: self._pieces(offset))

    def _pieces(self, offset: int):
        step = 65_536
        pause = self._seconds * step / len(self._data)
        for at in range(offset, len(self._data), step):
            threading.Event().wait(pause)  # the slowness that is wanted
            yield self._data[at : at + step]


@pytest.mark.slow
def test_tokens_that_live_two_seconds_do_not_stop_a_push_of_ten(desk, opened):
    """K082"""
    registry, server = desk.registry, desk.server
    server.life_s = 2.0
    store = opened(registry)
    blobs = [content(6 * MIB, bytes([number])) for number in range(3)]

    for data in blobs:
        assert Put.STORED == store.put_blob(named(data), Dripping(data, 3.5))
    put_image(store, "v1", "linux/amd64", layers=blobs)

    assert sum(map(len, blobs)) <= registry.accepted <= sum(map(len, blobs)) + 10_000
    assert ("app", "v1") in registry.tags
    assert len(server.asked) >= 4  # for the looks, and for each commit


@pytest.mark.slow
def test_a_proxy_that_asks_for_the_token_after_the_body_gets_shorter_ones(desk, opened):
    """K082: a token that ends before the body does would be refused for ever."""
    registry, server = desk.registry, desk.server
    server.life_s, server.asks_late = 1.5, True
    data = content(5 * MIB)

    assert Put.STORED == opened(registry).put_blob(named(data), Dripping(data, 2.5))

    assert data == registry.blobs["app", str(named(data).digest)]
    assert len(data) == registry.accepted


@pytest.mark.slow
def test_what_short_tokens_teach_is_not_kept_for_the_next_run(desk, opened):
    """K082: a slow line is no fact about the host, so the next process begins with whole streams again."""
    registry, server = desk.registry, desk.server
    server.life_s, server.asks_late = 1.5, True
    data = content(5 * MIB)
    opened(registry).put_blob(named(data), Dripping(data, 2.5))

    next_run = opened(registry).repository.session

    assert known_limits(registry.host, 0) == next_run.remembered.limits(registry.host)


@pytest.mark.slow
def test_a_pinned_part_that_outlives_its_token_says_the_way_out(desk, opened):
    """K082"""
    registry, server = desk.registry, desk.server
    server.life_s, server.asks_late = 1.5, True
    data = content(5 * MIB)
    store = opened(registry, part_bytes=4 * MIB)

    with pytest.raises(AuthError) as caught:
        store.put_blob(named(data), Dripping(data, 2.5))

    assert 4 == caught.value.exit_code
    assert "--part-mib" in caught.value.hint
