"""Files of servers that are no registries: bounded, whole, and asked for without any secret."""

import tracemalloc
from dataclasses import replace
from itertools import count

import pytest

from ocitool.errors import DigestMismatch, MalformedDocument, NetworkError
from ocitool.registry.downloads import Edition, download
from ocitool.registry.session import Session
from ocitool.tasks import Scope
from tests.fakes.certificates import Authority
from tests.fakes.web import serve_files


@pytest.fixture
def web():
    with serve_files() as server:
        yield server


@pytest.fixture
def session(access):
    with Session(replace(access, stall_s=5.0), Scope()) as one:
        yield one


def test_a_body_without_an_end_is_left_at_the_limit(session, web):
    """No more than the limit arrives, and no more than a few pieces of it are in memory."""
    url = web.put("/a", bytes(65536), is_endless=True)
    limit, got, sizes = 32 * 1024**2, 0, count()

    tracemalloc.start()
    with (
        pytest.raises(MalformedDocument, match=rf"/a has more than {limit} bytes"),
        download(session, url, limit=limit) as file,
    ):
        for piece in file.pieces:
            got += len(piece)
            next(sizes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert limit - 2 * 256 * 1024 < got <= limit
    assert peak < 8 * 1024**2


def test_a_size_beyond_the_limit_is_enough(session, web):
    url = web.put("/a", bytes(1001))

    with pytest.raises(MalformedDocument), download(session, url, limit=1000):
        pass
    with download(session, url, limit=1001) as file:
        assert 1001 == sum(map(len, file.pieces))


def test_a_server_that_always_breaks_off_is_given_up(session, web):
    """Breaks after progress are as good as the first; those without end it."""
    data = bytes(range(256)) * 4000
    url = web.put("/a", data, cuts=[100_000, *[0] * 20])

    with (
        pytest.raises(NetworkError, match="the connection broke while reading, cannot download"),
        download(session, url) as file,
    ):
        b"".join(file.pieces)


def test_a_known_edition_is_not_sent_again(session, web):
    url = web.put("/a", b"x")
    with download(session, url) as file:
        edition = file.edition
        assert b"x" == b"".join(file.pieces)

    with download(session, url, edition) as file:
        assert file is None
    with download(session, url, Edition('"other"')) as file:
        assert b"x" == b"".join(file.pieces)


def test_an_answer_that_nobody_asked_for_is_a_refusal(session, web):
    """304 to a request without a condition."""
    url = web.put("/a", statuses=[304])

    with pytest.raises(Exception, match="answered 304"), download(session, url):
        pass


def test_addresses_are_written_as_servers_read_them(session, web):
    web.put("/a%20b/%C3%A9", b"x")

    with download(session, f"{web.url}/a b/é") as file:
        assert b"x" == b"".join(file.pieces)


def test_a_private_authority_is_trusted_and_no_client_certificate_is_shown(access, tmp_path):
    """certs.d of the host gives the CA; the certificate beside it is for a registry there."""
    authority = Authority(tmp_path / "ca")
    client = authority.client()
    for wants_client in (False, True):
        with serve_files(authority.context(wants_client=wants_client)) as web:
            url = web.put("/a", b"x")
            certs = tmp_path / ".config" / "containers" / "certs.d" / web.host
            certs.mkdir(parents=True)
            (certs / "ca.crt").write_bytes(authority.ca.read_bytes())
            (certs / "client.cert").write_bytes(client.cert.read_bytes())
            (certs / "client.key").write_bytes(client.key.read_bytes())
            with Session(access, Scope()) as session:
                if not wants_client:
                    with download(session, url) as file:
                        assert b"x" == b"".join(file.pieces)
                    continue
                with pytest.raises(NetworkError) as caught, download(session, url):
                    pass
            assert "a client certificate is for registries alone" in caught.value.hint


def test_an_unknown_authority_is_not_trusted(access, tmp_path):
    with (
        serve_files(Authority(tmp_path / "ca").context()) as web,
        Session(access, Scope()) as session,
        pytest.raises(NetworkError, match="no secure connection to"),
        download(session, web.put("/a", b"x")),
    ):
        pass
    assert [] == web.asked


def test_https_is_never_left_for_http(access, tmp_path):
    authority = Authority(tmp_path / "ca")
    with (
        serve_files(authority.context()) as web,
        Session(replace(access, ca_files=(authority.ca,)), Scope()) as session,
    ):
        url = web.put("/a", location="http://host.example/a")

        with pytest.raises(NetworkError, match=r"redirects to http://host\.example/a, which is not safe"):
            with download(session, url):
                pass


@pytest.mark.parametrize("how", ["shorter", "another range"])
def test_a_file_that_is_another_after_a_break_is_told(session, web, how):
    data = bytes(range(256)) * 4000
    lie = {"Content-Range": "bytes 0-99/256000"} if how == "another range" else {}
    url = web.put("/a", data, cuts=[600_000], headers=lie, ranges=bool(lie))

    with download(session, url) as file:
        pieces = iter(file.pieces)
        next(pieces)
        web.pages["/a"].data = data if lie else data[:1000]
        with pytest.raises(DigestMismatch, match="/a changed while it was downloaded") as caught:
            list(pieces)

    assert "let whatever writes it finish first" == caught.value.hint
