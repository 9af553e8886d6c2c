"""K262: SOCKS proxies, with a server that speaks the protocol."""

import socket
import threading
from contextlib import closing, suppress

import pytest

from ocitool.errors import NetworkError
from ocitool.store.remote import RemoteStore
from tests.fakes.certificates import Authority
from tests.fakes.images import put_image
from tests.fakes.registry import fake_registry
from tests.fakes.socks import socks
from tests.fault.conftest import MIB, content, put, read


class Away:
    """A registry whose name nobody here can resolve."""

    host = "reg.test:5000"


@pytest.fixture
def through(access, opened):
    """`through("socks5://…")`: the store of an Away behind that proxy."""

    def call(proxy: str, **changes) -> RemoteStore:
        environ = dict(access.environ) | {"ALL_PROXY": proxy}
        return opened(Away, environ=environ, **({"plain_http": (Away.host,)} | changes))

    return call


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_push_and_pull(through, scheme):
    data = content(3 * MIB)
    with fake_registry() as registry, socks(registry.host) as server:
        digest = put_image(through(f"{scheme}://{server.host}"), "v1", "linux/amd64", layers=[data])
        store = through(f"{scheme}://{server.host}")

        assert registry.tags["app", "v1"] == digest == store.head("v1").digest
        assert data == read(store, data)
        # The proxy resolves the name: what it is elsewhere cannot be known here.
        assert {("reg.test", 5000)} == set(server.asked)


def test_push_over_tls_is_checked_with_the_registry_s_own_name(through, tmp_path):
    authority = Authority(tmp_path / "ca")
    with (
        fake_registry(tls=authority.context(names=("reg.test",))) as registry,
        socks(registry.host) as server,
    ):
        put(through(f"socks5h://{server.host}", plain_http=(), ca_files=(authority.ca,)), b"x")

        assert [b"x"] == list(registry.blobs.values())


def test_a_login_of_the_proxy_is_given(through):
    with fake_registry() as registry, socks(registry.host, login=(b"me", b"p@ss")) as server:
        put(through(f"socks5://me:p%40ss@{server.host}"), b"x")

        assert {(b"me", b"p@ss")} == set(server.logins)


@pytest.mark.parametrize(
    ("login", "how"),
    [
        ("", {"login": (b"me", b"right")}),
        ("me:hunter2@", {"login": (b"me", b"right")}),
        ("", {"refuse": 2}),
        ("", {"refuse": 4}),
    ],
    ids=["no login", "wrong password", "not allowed", "host unreachable"],
)
def test_a_refusal_of_the_proxy_is_told_as_its_own(through, login, how):
    with fake_registry() as registry, socks(registry.host, **how) as server:
        with pytest.raises(NetworkError) as caught:
            put(through(f"socks5://{login}{server.host}"), b"x")

        assert f"the proxy {server.host}" in caught.value.what
        assert "hunter2" not in str(vars(caught.value))
        assert [] == registry.log


def test_a_socks_proxy_that_is_not_there_is_blamed(through):
    with fake_registry() as registry, socks(registry.host) as server:
        place = server.host
    with pytest.raises(NetworkError) as caught:
        put(through(f"socks5://{place}"), b"x")

    assert f"through the proxy {place}" in caught.value.what


def test_a_proxy_that_speaks_something_else_is_told(through):
    """K262"""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        answering = threading.Thread(
            target=answer_each, args=(server, b"HTTP/1.0 400 Bad Request\r\n\r\n"), daemon=True
        )
        answering.start()
        place = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(NetworkError) as caught:
            put(through(f"socks5://{place}"), b"x")

    assert f"the proxy {place} refuses: it does not speak SOCKS5" in caught.value.what
    assert 1 == caught.value.attempts


def test_a_proxy_that_says_nothing_is_not_waited_for_without_an_end(through):
    """K262"""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(NetworkError) as caught:
            put(through(f"socks5://{place}", stall_s=0.1), b"x")

    assert "no answer in time" in caught.value.what
    assert f"through the proxy {place}" in caught.value.what


def answer_each(server, answer):
    """Say the same to everybody, until the server is closed."""
    with suppress(OSError):
        while True:
            with server.accept()[0] as talk:
                talk.recv(1000)
                talk.sendall(answer)
