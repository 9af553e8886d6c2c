"""Files of servers that are no registries: bounded, whole, and asked for without any secret."""

import tracemalloc
from dataclasses import replace
from itertools import count

import pytest

from ocitool.errors import MalformedDocument, NetworkError
from ocitool.registry.downloads import Edition, download
from ocitool.registry.session import Session
from ocitool.tasks import Scope
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
