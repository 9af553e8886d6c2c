"""What the client itself does for a request and for bytes: steps of the interpreter, memory, not time."""

import hashlib
import http.client
import re
import time
import tracemalloc

import pytest

from ocitool.registry.hosts import Access
from ocitool.registry.repository import Repository
from ocitool.registry.request import Request, at_hand
from ocitool.registry.session import Session
from ocitool.tasks import Scope
from tests.fakes.effort import effort
from tests.fakes.wire import wire
from tests.fault.conftest import MIB

HEADERS = {"Accept": "application/vnd.oci.image.index.v1+json", "Accept-Encoding": "identity", "User-Agent": "x"}
ANSWER = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\nContent-Length: {size}\r\n"
    f"Docker-Content-Digest: sha256:{'a' * 64}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n"
    "X-Content-Type-Options: nosniff\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\n\r\n"
)


def registry(talk) -> None:
    """Any manifest for a HEAD, so many MiB for GET /MIB, and whatever a PUT brings."""
    while head := talk.hear():
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        left = int(length[1]) - len(talk.rest) if length else 0
        talk.rest = b""
        while left > 0:
            left -= len(talk.connection.recv(min(left, MIB)))
        wanted = re.match(rb"GET /(\d+) ", head)
        count = int(wanted[1]) if wanted else 0
        talk.say(ANSWER.format(size=1000 if head.startswith(b"HEAD") else count * MIB).encode())
        for _ in range(count):
            talk.say(bytes(MIB))


@pytest.fixture
def server():
    with wire(*[registry] * 8) as running:
        yield running


@pytest.fixture
def session(tmp_path):
    with Session(Access(environ={"HOME": str(tmp_path)}), Scope()) as opened:
        yield opened


def test_a_small_request_is_little_more_than_http_client_s(server, session):
    """All of a HEAD: its pace, its login, its URL, its parsing, its descriptor."""
    bare, repository = http.client.HTTPConnection(server.host), Repository(session, server.host, "app")

    def ask():
        bare.request("HEAD", "/v2/app/manifests/v1", headers=HEADERS)
        bare.getresponse().read()

    ask()
    for _ in range(5):  # the classes of values are compiled by then
        repository.head_manifest("v1")

    assert 2.5 * effort(ask) > effort(repository.head_manifest, "v1")
    bare.close()


def receive(server, session, count: int) -> str:
    seen = hashlib.sha256()
    with session.stream(Request("GET", f"{server.url[:-4]}/{count}", server.host, "read")) as (_, pieces):
        for piece in pieces:
            assert len(piece) <= MIB
            seen.update(piece)
    return seen.hexdigest()


def send(server, session, count: int) -> None:
    pieces = [bytes(256 << 10)] * 4 * count

    class Body:
        def __enter__(self):
            return iter(pieces)

        def __exit__(self, *_):
            pass

    url = f"{server.url[:-4]}/x"
    session.send(Request("PUT", url, server.host, "write", body=Body, size=count * MIB))


@pytest.mark.parametrize(("carry", "pieces"), [(receive, 1), (send, 4)])
def test_bytes_cost_steps_by_the_piece(server, session, carry, pieces):
    """Some twenty functions for each of the pieces of a MiB: what arrives is collected, what is sent comes in four."""
    session.send(Request("HEAD", server.url, server.host, "read"))

    few, many = effort(carry, server, session, 1), effort(carry, server, session, 33)

    assert 32 * pieces * 600 > many - few > 32 * pieces * 50


@pytest.mark.parametrize("carry", [receive, send])
def test_memory_does_not_grow_with_a_body(server, session, carry):
    carry(server, session, 1)
    peaks = []
    for count in (4, 64):
        tracemalloc.start()
        carry(server, session, count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[0] + MIB > peaks[1]


def test_bodies_arrive_where_the_kernel_does_not_wait_for_a_while(server, session, monkeypatch):
    """As on 32-bit systems whose time has 64 bits: the option is there and its value of another size."""
    monkeypatch.setattr("socket.SO_RCVTIMEO", 9999)

    assert hashlib.sha256(bytes(5 * MIB)).hexdigest() == receive(server, session, 5)


def test_who_is_slow_gets_small_pieces(server, session, monkeypatch):
    """Under a rate the other side is kept waiting for no more than that."""
    clock, late = time.monotonic, [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock() + late[0])
    largest = []
    for delay in (0.0, 1.0):
        sizes = []
        with session.stream(Request("GET", f"{server.url[:-4]}/5", server.host, "read")) as (_, pieces):
            for piece in pieces:
                sizes.append(len(piece))
                late[0] += delay
        largest.append(max(sizes))

    assert [MIB, MIB // 4] == largest


def test_what_arrives_is_what_was_sent(server, session):
    assert hashlib.sha256(bytes(5 * MIB)).hexdigest() == receive(server, session, 5)
    assert session.traffic.bytes_received == 5 * MIB
    assert (
        b""
        == session.send(
            Request("PUT", f"{server.url[:-4]}/x", server.host, "write", body=lambda: at_hand(b"x"), size=1)
        ).body
    )
