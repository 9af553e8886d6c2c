"""How hosts are reached: TLS and its settings, plain HTTP, proxies, mirrors, names that are wrong."""

import socket
import threading
from contextlib import closing, contextmanager, suppress

import pytest

from ocitool.errors import NetworkError, NotFound, UsageError
from ocitool.events import Noted
from ocitool.registry.hosts import Access
from ocitool.store.base import Put
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.contract.conftest import write_certificates
from tests.fakes.images import put_image
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.tokens import TokenServer, put_behind
from tests.fault.conftest import content, named, put, read
from tests.fault.test_tokens import config


def test_a_loopback_registry_with_tls_is_found_out(secure, opened, authority):
    """Plain HTTP is tried on loopback without asking; a server that wants TLS gets it."""
    assert Put.STORED == put(opened(secure, ca_files=(authority.ca,)), b"x")


def test_an_unknown_authority_is_an_error_that_says_what_to_do(secure, opened):
    with pytest.raises(NetworkError) as caught:
        put(opened(secure), b"x")

    assert "tls" == caught.value.phase
    assert "--ca" in caught.value.hint
    assert [] == secure.log


def test_a_list_is_pushed_where_no_certificate_is_checked(secure, run):
    """The draft had to be read to know its hosts, and the client that read it checked them all."""
    with Opener(Access(insecure=(secure.host,)), Scope()) as opener:
        put_image(opener.open(f"{secure.host}/app:1", write=True)[0], "1", "linux/amd64")

    made = run("manifest", "create", "--insecure", f"{secure.host}/app:list", f"{secure.host}/app:1")
    pushed = run("manifest", "push", "--insecure", f"{secure.host}/app:list")

    assert (0, 0, "") == (made.exit_code, pushed.exit_code, pushed.stderr)


def test_a_host_may_go_unchecked(secure, opened):
    assert Put.STORED == put(opened(secure, insecure=(secure.host,)), b"x")


def test_the_ca_holds_for_the_token_server_and_the_client_key_is_for_the_registry_alone(authority, access, opened):
    """K092"""
    home = access.journal.parent
    with (
        fake_registry(tls=authority.context(wants_client=True)) as registry,
        fake_registry(tls=authority.context(wants_client=False)) as elsewhere,
    ):
        server = TokenServer()
        elsewhere.token_server = server.answer
        put_behind(registry, server, f"https://{elsewhere.host}/token")
        write_certificates(home, registry.host, authority)
        config(access, registry.host)

        put_image(opened(registry), "v1", "linux/amd64")

        assert 1 == len(server.asked)


def test_a_token_server_that_wants_the_client_key_does_not_get_it(authority, access, opened):
    """K092"""
    with (
        fake_registry(tls=authority.context(wants_client=True)) as registry,
        fake_registry(tls=authority.context(wants_client=True)) as elsewhere,
    ):
        put_behind(registry, TokenServer(), f"https://{elsewhere.host}/token")
        write_certificates(access.journal.parent, registry.host, authority)
        config(access, registry.host)

        with pytest.raises(NetworkError) as caught:
            opened(registry).head("v1")

        assert "certificate required" in caught.value.what
        assert "certs.d" in caught.value.hint
        assert [] == elsewhere.log


def test_unchecked_is_the_registry_and_not_its_token_server(authority, access, opened):
    """K092"""
    with fake_registry(tls=authority.context()) as registry, fake_registry(tls=authority.context()) as elsewhere:
        put_behind(registry, TokenServer(), f"https://{elsewhere.host}/token")
        config(access, registry.host)

        with pytest.raises(NetworkError) as caught:
            opened(registry, insecure=(registry.host,)).head("v1")

        assert elsewhere.host in caught.value.what
        assert [] == elsewhere.log


def test_a_registry_behind_a_proxy_that_ends_tls_names_itself_with_http(secure, opened, authority):
    """K099"""
    data = content(5_000_000)
    where = {"Location": "http://{host}/v2/app/blobs/uploads/u1"}
    secure.uploads["u1"] = bytearray()
    secure.faults = [Fault("POST *", edit=where)]

    put(opened(secure, ca_files=(authority.ca,)), data)

    assert data == secure.blobs["app", str(named(data).digest)]


def test_redirects_from_tls_to_http_are_refused(secure, opened, authority):
    secure.faults = [Fault("GET *", status=307, headers={"Location": "http://storage.test/x"}, times=-1)]

    with pytest.raises(NetworkError, match="not safe"):
        read(opened(secure, ca_files=(authority.ca,)), b"x")


@pytest.mark.parametrize("where", ["ftp://x/", "http://[bad/", "http://u:p@x/", "//", "http://x:99999/"])
def test_redirects_to_no_address_are_refused(opened, where):
    with fake_registry() as registry:
        registry.faults = [Fault("GET *", status=307, headers={"Location": where}, times=-1)]

        with pytest.raises(NetworkError):
            read(opened(registry), b"x")


# Proxies


@contextmanager
def logging_proxy():
    """A proxy that carries nothing: host:port, and the request lines it got."""
    lines = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def work():
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        lines.append(connection.recv(65536).split(b"\r\n")[0].decode())
                        connection.sendall(
                            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        )

        threading.Thread(target=work, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", lines


def test_loopback_never_goes_through_a_proxy(access, opened):
    """K091"""
    with fake_registry() as registry, logging_proxy() as (proxy, lines):
        environ = dict(access.environ) | {"HTTP_PROXY": f"http://{proxy}", "HTTPS_PROXY": f"http://{proxy}"}

        put(opened(registry, environ=environ), b"x")

        assert [] == lines


@pytest.mark.parametrize(
    ("no_proxy", "carried"), [("", True), (".test", False), ("reg.test:5000", False), ("other.test", True)]
)
def test_a_proxy_is_asked_for_what_no_proxy_does_not_name(access, opened, no_proxy, carried):
    """K091"""
    with logging_proxy() as (proxy, lines):
        environ = dict(access.environ) | {"https_proxy": f"http://u:hunter2@{proxy}", "no_proxy": no_proxy}

        class Away:
            host = "reg.test:5000"

        with pytest.raises(NetworkError) as caught:
            opened(Away, environ=environ).head("v1")

        assert carried == bool(lines)
        assert not carried or lines[0].startswith("CONNECT reg.test:5000")
        assert "hunter2" not in str(vars(caught.value))


# registries.conf


def redirect(access, text: str) -> dict[str, str]:
    path = access.journal.parent / "registries.conf"
    path.write_text(text)
    return dict(access.environ) | {"CONTAINERS_REGISTRIES_CONF": str(path)}


@pytest.fixture
def mirrored(access):
    """An origin with an image, an empty mirror before it, and the environment that says so."""
    with fake_registry() as origin, fake_registry() as mirror:
        environ = redirect(
            access,
            f'[[registry]]\nprefix="{origin.host}"\n[[registry.mirror]]\nlocation="{mirror.host}/cache"\n',
        )
        yield origin, mirror, environ


def test_a_mirror_is_read_first(mirrored, opened):
    origin, mirror, environ = mirrored
    digest = put_image(opened(mirror, "cache/app"), "v1", "linux/amd64", layers=[b"layer"])

    store = opened(origin, write=False, environ=environ)

    assert digest == store.head("v1").digest
    assert b"layer" == read(store, b"layer")
    assert [] == origin.log


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault("* *", status=500, times=-1),
        Fault("* *", reset=True, times=-1),
        Fault("* *", status=403, times=-1),
        Fault("GET *", corrupt=True, times=-1),
    ],
)
def test_what_a_mirror_lacks_refuses_or_spoils_comes_from_the_origin(mirrored, opened, fault):
    origin, mirror, environ = mirrored
    digest = put_image(opened(origin), "v1", "linux/amd64", layers=[b"layer"])
    if fault is not None:
        put_image(opened(mirror, "cache/app"), "v1", "linux/amd64", layers=[b"layer"])
        mirror.faults = [Fault(**vars(fault))]
    store = opened(origin, write=False, environ=environ)

    assert digest == store.get_manifest("v1").digest
    assert digest == store.head("v1").digest
    assert store.has_blob(named(b"layer"))


def test_absent_everywhere_is_absent(mirrored, opened):
    origin, _, environ = mirrored
    store = opened(origin, write=False, environ=environ)

    assert store.head("v1") is None
    with pytest.raises(NotFound) as caught:
        store.get_manifest("v1")
    assert origin.host in caught.value.what


def test_writes_go_to_the_origin(mirrored, opened):
    origin, mirror, environ = mirrored

    put_image(opened(origin, environ=environ), "v1", "linux/amd64")

    assert [] == mirror.log
    assert ("app", "v1") in origin.tags


def test_blocked_names_are_refused_before_a_request(access, opened):
    with fake_registry() as registry:
        environ = redirect(access, f'[[registry]]\nprefix="{registry.host}/app"\nblocked=true\n')

        with pytest.raises(UsageError, match="blocked"):
            opened(registry, environ=environ)
        assert [] == registry.log


@pytest.mark.parametrize("has_tls", [True, False])
def test_an_insecure_location_is_reached_either_way(access, opened, authority, has_tls):
    with fake_registry(tls=authority.context() if has_tls else None) as registry:
        environ = redirect(access, f'[[registry]]\nlocation="{registry.host}"\ninsecure=true\n')

        assert Put.STORED == put(opened(registry, environ=environ), b"x")


def test_warnings_of_a_registry_are_shown_once(opened):
    heard = []
    with fake_registry() as registry:
        registry.faults = [Fault("* *", edit={"Warning": '299 - "this registry \\"closes\\" soon"'}, times=-1)]

        put_image(opened(registry, listener=heard.append), "v1", "linux/amd64")

    warnings = [event.text for event in heard if isinstance(event, Noted) and event.severity == "warning"]
    assert 1 == len(warnings)
    assert 'this registry "closes" soon' in warnings[0]


@pytest.mark.parametrize(("rule", "by_tag", "by_digest"), [("digest-only", False, True), ("tag-only", True, False)])
def test_a_mirror_is_not_asked_for_names_that_it_does_not_serve(access, opened, rule, by_tag, by_digest):
    """K253"""
    with fake_registry() as origin, fake_registry() as mirror:
        text = f'[[registry]]\nprefix="{origin.host}"\n[[registry.mirror]]\nlocation="{mirror.host}/cache"\n'
        environ = redirect(access, f'{text}pull-from-mirror="{rule}"\n')
        digest = put_image(opened(origin), "v1", "linux/amd64", layers=[b"layer"])
        put_image(opened(mirror, "cache/app"), "v1", "linux/amd64", layers=[b"layer"])
        mirror.log.clear()
        store = opened(origin, write=False, environ=environ)

        assert digest == store.head("v1").digest == store.get_manifest("v1").digest
        assert by_tag == bool(mirror.log)
        mirror.log.clear()
        assert digest == store.head(str(digest)).digest
        assert b"layer" == read(store, b"layer")
        assert by_digest == bool(mirror.log)


def test_a_mirror_that_lacks_a_name_is_asked_once(mirrored, opened):
    """K253, K217: the next place is asked anyway."""
    origin, mirror, environ = mirrored
    put_image(opened(origin), "v1", "linux/amd64")
    store = opened(origin, write=False, environ=environ)

    assert store.head("v1") is not None
    assert ["HEAD"] == [one.method for one in mirror.log]
