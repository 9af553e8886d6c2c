"""K262, K263, K235: why there is no connection, in true words, and what is not tried again."""

import datetime as dt
import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress

import pytest

from ocitool.errors import NetworkError, RegistryError
from ocitool.registry.downloads import download
from ocitool.registry.hosts import Access
from ocitool.registry.session import Session
from ocitool.tasks import Scope
from tests.fakes.certificates import Authority
from tests.fakes.registry import fake_registry
from tests.fakes.web import serve_files
from tests.fault.conftest import QUICK, put


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


def refused(opened, registry, **access) -> NetworkError:
    with pytest.raises(NetworkError) as caught:
        put(opened(registry, **access), b"x")
    return caught.value


@pytest.fixture
def handshakes():
    """Counts the handshakes of a server's context."""
    seen = []
    return seen, lambda *_: seen.append(1)


class TestCertificates:
    """K263"""

    def serve(self, authority, handshakes, **how):
        context = authority.context(**how)
        context.sni_callback = handshakes[1]
        return fake_registry(tls=context)

    def test_one_that_has_expired(self, authority, opened, handshakes):
        past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        with self.serve(authority, handshakes, until=past) as registry:
            error = refused(opened, registry, ca_files=(authority.ca,))

        assert ("tls", True) == (error.phase, "certificate has expired" in error.what)
        assert "renewed" in error.hint
        assert "--ca" not in error.hint

    def test_one_that_is_not_valid_yet(self, authority, opened, handshakes):
        future = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        with self.serve(authority, handshakes, since=future) as registry:
            error = refused(opened, registry, ca_files=(authority.ca,))

        assert "clock" in error.hint

    def test_one_of_another_host(self, authority, opened, handshakes):
        with self.serve(authority, handshakes, names=("elsewhere.test",)) as registry:
            error = refused(opened, registry, ca_files=(authority.ca,))

        assert "host name right" in error.hint
        assert "--ca" not in error.hint

    def test_one_of_an_unknown_authority(self, authority, opened, handshakes):
        with self.serve(authority, handshakes) as registry:
            error = refused(opened, registry)

        assert "--ca FILE" in error.hint

    def test_a_server_of_old_tls(self, authority, opened, handshakes, recwarn):
        context = authority.context()
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with fake_registry(tls=context) as registry:
            error = refused(opened, registry, ca_files=(authority.ca,), insecure=(registry.host,))
        recwarn.clear()

        assert ("tls", True) == (error.phase, "no TLS from 1.2 on" in error.what)
        assert "client certificate" not in error.hint


def test_tls_under_plain_http_is_said_and_tried_once(authority, opened):
    """K263"""
    with fake_registry(tls=authority.context()) as registry:
        error = refused(opened, registry, plain_http=(registry.host,))

        assert f"{registry.host} speaks TLS, and --plain-http says that it does not" in error.what
        assert (1, []) == (error.attempts, registry.log)


def test_plain_http_under_tls_is_said(opened):
    """K263"""
    with fake_registry() as registry:
        error = refused(opened, registry, insecure=(registry.host,))

        assert "it does not speak TLS" in error.what
        assert f"--plain-http {registry.host}" in error.hint


# Proxies


@contextmanager
def proxy(answer: bytes, tls: ssl.SSLContext | None = None):
    """Says the same to everybody; host:port, and the first lines it got."""
    lines = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def work():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with (
                    suppress(OSError),
                    tls.wrap_socket(connection, server_side=True) if tls else connection as talk,
                ):
                    lines.append(talk.recv(65_536).split(b"\r\n")[0].decode())
                    talk.sendall(answer)

        threading.Thread(target=work, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", lines


class Away:
    """A registry that can be reached by a proxy alone."""

    host = "reg.test"


NO_LOGIN = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_login_that_a_proxy_wants_is_told_as_the_proxys(access, opened):
    """K262: and not tried again."""
    with proxy(NO_LOGIN) as (place, lines):
        error = refused(opened, Away, environ=dict(access.environ) | {"HTTPS_PROXY": f"http://u:hunter2@{place}"})

    assert f"the proxy {place} answered 407" in error.what
    assert "user:password@host" in error.hint
    assert 1 == len(lines)
    assert "hunter2" not in str(vars(error))


def test_a_login_that_a_proxy_wants_of_plain_http_too(access, opened):
    """K262"""
    with proxy(NO_LOGIN) as (place, lines):
        environ = dict(access.environ) | {"HTTP_PROXY": f"http://{place}"}
        with pytest.raises(RegistryError) as caught:
            put(opened(Away, environ=environ, plain_http=("reg.test",)), b"x")

    assert "the proxy on the way to reg.test answered 407" in caught.value.what
    assert 1 == len(lines)


def test_a_proxy_that_is_not_there_is_blamed_and_not_the_host(access, opened):
    """K262"""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
    error = refused(opened, Away, environ=dict(access.environ) | {"HTTPS_PROXY": f"http://{place}"})

    assert f"through the proxy {place}" in error.what
    assert f"is the proxy {place} right" in error.hint


def test_a_proxy_behind_tls_is_covered_by_ca(access, opened, authority):
    """K262: its 407 arrives, so its certificate was trusted; without the CA it is not."""
    with proxy(NO_LOGIN, authority.context()) as (place, _):
        environ = dict(access.environ) | {"HTTPS_PROXY": f"https://{place}"}
        trusted = refused(opened, Away, environ=environ, ca_files=(authority.ca,))
        unknown = refused(opened, Away, environ=environ)

    assert ("proxy", "tls") == (trusted.phase, unknown.phase)


@pytest.mark.parametrize("value", ["ftp://p.test", "http://[bad", "socks4://p.test"])
def test_a_proxy_that_cannot_be_is_one_line(run, monkeypatch, value):
    """K262"""
    monkeypatch.setenv("ALL_PROXY", value)
    done = run("tags", "reg.test/app")

    assert (2, True) == (done.exit_code, done.stderr.startswith("error: ALL_PROXY "))
    assert ["error", "hint", "see"] == [line.partition(":")[0] for line in done.stderr.splitlines()]


# Redirects


def test_a_download_is_not_led_from_outside_to_this_machine(tmp_path):
    """K257: `ADD https://…` answered by a redirect to loopback. The outside is reached by a proxy of the test."""
    with serve_files() as web:
        secret = web.put("/secret", b"of this machine")
        answer = f"HTTP/1.1 307 x\r\nLocation: {secret}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        with proxy(answer) as (place, _):
            access = Access(retry=QUICK, environ={"HOME": str(tmp_path), "HTTP_PROXY": f"http://{place}"})
            with (
                Session(access, Scope()) as session,
                pytest.raises(NetworkError, match="not safe"),
                download(session, "http://files.test/x"),
            ):
                pass

        assert [] == web.asked


def test_an_upload_is_not_led_from_outside_to_this_machine(access, opened):
    """K257: a Location, which is no redirect."""
    with fake_registry() as inner:
        answer = (
            f"HTTP/1.1 202 x\r\nLocation: http://{inner.host}/containers/create\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        with proxy(answer) as (place, lines):
            environ = dict(access.environ) | {"HTTP_PROXY": f"http://{place}"}
            store = opened(Away, environ=environ, plain_http=("reg.test",))
            with pytest.raises(NetworkError, match="not safe"):
                store.repository.patch_upload(store.repository.start_upload().location(), None, 0)

        assert [] == inner.log
        assert len(lines) == 1


# Logging in


def test_login_to_a_plain_registry_gives_the_hint_that_tags_gives(run, monkeypatch):
    """K235"""
    with fake_registry() as registry:
        registry.host = registry.host.replace("127.0.0.1", "localhost")
        flags = ("--insecure", registry.host)  # which says that loopback is no plain HTTP
        login = run("login", registry.host, "-u", "u", "--password-stdin", *flags, stdin=b"p\n")
        tags = run("tags", f"{registry.host}/app", *flags)

    assert 5 == login.exit_code == tags.exit_code
    assert login.stderr.splitlines()[-1] == tags.stderr.splitlines()[-1]
    assert f"--plain-http {registry.host}" in login.stderr


def test_a_password_on_the_command_line_is_taken_with_a_warning(run, home):
    """K235"""
    with fake_registry() as registry:
        done = run("login", registry.host, "-u", "u", "-p", "hunter2")
        both = run("login", registry.host, "-u", "u", "-p", "hunter2", "--password-stdin")

    assert 0 == done.exit_code, done.stderr
    assert "use --password-stdin" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert 2 == both.exit_code


def test_a_wrong_password_is_told_in_the_registrys_words(run, home):
    """K229"""
    with fake_registry() as registry:
        registry.basic = "Basic x"
        done = run("login", registry.host, "-u", "u", "--password-stdin", stdin=b"p\n")

    assert 4 == done.exit_code
    assert "OCITOOL_USERNAME" not in done.stderr
    assert "check the user name and the password" in done.stderr
