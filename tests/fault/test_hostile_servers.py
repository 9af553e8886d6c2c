"""Servers that lie about lengths, never end, answer too early or say what nobody asked: an error, and no more.

Each hostile answer must end in an error of ours (or in the answer that it rightly is), after bounded bytes, and its
connection must not carry the next request.
"""

import itertools
import re
import socket
import threading
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest

from ocitool.errors import AuthError, Cancelled, MalformedDocument, NetworkError, RegistryError
from ocitool.registry.hosts import Access
from ocitool.registry.request import Request, at_hand
from ocitool.registry.session import Session
from ocitool.tasks import Retry, Scope
from tests.fakes.certificates import Authority
from tests.fakes.registry import fake_registry
from tests.fakes.tunnel import tunnel
from tests.fakes.wire import GOOD, answers, good, wire
from tests.fault.conftest import MIB, content, read
from tests.fault.conftest import put as put_blob

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MOST = 8 * MIB
"""Far more than is read of anything here, with what sockets buffer."""


@pytest.fixture
def session(tmp_path):
    """One try for each request, and a silent server is given up soon."""
    access = Access(retry=Retry(attempts=1), environ={"HOME": str(tmp_path)}, stall_s=30.0)
    with Session(access, Scope()) as opened:
        yield opened


@contextmanager
def met(session, script):
    """A server that the session knows already, since a first failure on loopback asks whether TLS is spoken."""
    with wire(answers(GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")), script) as server:
        session.send(get(server))
        assert server.ended.acquire(timeout=60)
        yield server


def get(server, method="GET", **more):
    return Request(method, server.url, server.host, "read", **({"limit": MIB} | more))


def length(text: bytes) -> bytes:
    return OK + b"Content-Length: " + text + b"\r\n\r\nbody"


BROKEN = {
    "longer than its body": length(b"10"),
    "longer than anything": length(b"18446744073709551615"),
    "too many digits": length(b"1" * 30),
    "negative": length(b"-4"),
    "signed": length(b"+4"),
    "with an underscore": length(b"0_4"),
    "hexadecimal": length(b"0x4"),
    "of other digits": length("٤".encode()),
    "no number": length(b"four"),
    "empty": length(b""),
    "two that differ": OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
    "two that differ in one line": length(b"4, 5"),
    "unknown framing": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "no answer": b"",
    "half a head": OK + b"Content-Len",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a NUL in a header": OK + b"A: \0\r\n\r\n",
    "a header without a name": OK + b": x\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "chunks without an end": CHUNKED + b"4\r\nbody\r\n",
    "a chunk that is short": CHUNKED + b"ff\r\nbody",
    "a chunk that is long": CHUNKED + b"2\r\nbody\r\n0\r\n\r\n",
    "a chunk of no size": CHUNKED + b"x\r\nbody\r\n0\r\n\r\n",
    "a chunk of a negative size": CHUNKED + b"-4\r\nbody\r\n0\r\n\r\n",
    "a chunk of a signed size": CHUNKED + b"+4\r\nbody\r\n0\r\n\r\n",
    "a chunk with an underscore": CHUNKED + b"0_4\r\nbody\r\n0\r\n\r\n",
    "a chunk beyond all numbers": CHUNKED + b"f" * 40 + b"\r\nbody\r\n0\r\n\r\n",
    "a chunk of 2^64 bytes": CHUNKED + b"f" * 16 + b"\r\nbody",
    "a trailer that is none": CHUNKED + b"4\r\nbody\r\n0\r\n\0\r\n\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_none_is_a_broken_connection(session, answer):
    with met(session, answers(answer)) as server:
        with pytest.raises(NetworkError) as caught:
            session.send(get(server))

        assert "read" == caught.value.phase
        assert b"good" == session.send(get(server)).body
        assert 3 == len(server.talks)


ENDLESS = {
    "a head": (OK, b"X-More: and more\r\n" * 100),
    "a line of a head": (OK + b"X: ", b"x" * 4096),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 4096),
    "interim answers": (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
    "interim answers with heads": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 100),
    "the size of a chunk": (CHUNKED, b"0" * 4096),
    "an extension of a chunk": (CHUNKED + b"4", b";x=y" * 1000),
    "extensions of small chunks": (CHUNKED, b"1;" + b"x" * 1000 + b"\r\nb\r\n"),
    "chunks of one byte": (CHUNKED, b"1\r\nb\r\n" * 1000),
    "trailers": (CHUNKED + b"0\r\n", b"X-More: and more\r\n" * 100),
}


@pytest.mark.parametrize(("begin", "more"), ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_given_up(session, begin, more):
    def script(talk):
        talk.hear()
        talk.say(begin)
        talk.say_for_ever(more)

    with met(session, script) as server:
        with pytest.raises(NetworkError) as caught:
            session.send(get(server, limit=1000 * MIB))
        assert server.ended.acquire(timeout=60)

        assert "read" == caught.value.phase
        assert MOST > server.talks[1].sent
        assert b"good" == session.send(get(server)).body


@pytest.mark.parametrize("head", [OK + b"\r\n", CHUNKED, OK + b"Content-Length: 99999999999\r\n\r\n"])
def test_a_body_without_an_end_is_read_to_its_limit(session, head):
    def script(talk):
        talk.hear()
        talk.say(head)
        piece = b"b" * 65_536
        talk.say_for_ever(b"10000\r\n" + piece + b"\r\n" if head is CHUNKED else piece)

    with met(session, script) as server:
        with pytest.raises(MalformedDocument, match="more than 1048576 bytes"):
            session.send(get(server))
        assert server.ended.acquire(timeout=60)

        assert MOST > server.talks[1].sent
        assert b"good" == session.send(get(server)).body


def test_a_head_that_drips_has_one_timeout_for_all_of_it(tmp_path):
    """Each byte comes in time, and the head never does."""
    gone = threading.Event()

    def script(talk):
        talk.hear()
        for byte in itertools.chain(OK, itertools.cycle(b"X")):
            talk.say(bytes([byte]))
            gone.wait(0.01)

    access = Access(retry=Retry(attempts=1), environ={"HOME": str(tmp_path)}, stall_s=0.3)
    with Session(access, Scope()) as session, met(session, script) as server:
        with pytest.raises(NetworkError, match="no answer in time"):
            session.send(get(server))
        gone.set()

        assert server.ended.acquire(timeout=60)


WHOLE = {
    "a length said twice alike": OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\ngood",
    "chunks": CHUNKED + b"2;x=y\r\ngo\r\n2\r\nod\r\n0\r\nX: y\r\n\r\n",
    "no length and an end": OK + b"\r\ngood",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood",
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + GOOD,
    "a length that chunks contradict": OK
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "more than its length": GOOD + b"evil",
    "an answer that nobody asked for": GOOD + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "more after the last chunk": CHUNKED
    + b"4\r\ngood\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
}
KEPT = {"a length said twice alike", "chunks", "interim answers"}


@pytest.mark.parametrize("name", WHOLE)
def test_the_next_answer_is_none_of_what_came_before_it_was_asked(session, name):
    def script(talk):
        talk.hear()
        talk.say(WHOLE[name])
        if name != "no length and an end":
            good(talk)

    with wire(script) as server:
        first, second = session.send(get(server)).body, session.send(get(server)).body

        assert (b"good", b"good") == (first, second)
        assert (1 if name in KEPT else 2) == len(server.talks)


@pytest.mark.parametrize(
    ("method", "status", "ok"), [("HEAD", b"200 OK", 200), ("GET", b"204 No Content", 204), ("GET", b"304 x", 304)]
)
@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"], ids=["none", "some"])
def test_what_has_no_body_has_none_whatever_is_sent(session, method, status, ok, body):
    def script(talk):
        talk.hear()
        talk.say(b"HTTP/1.1 " + status + b"\r\nContent-Length: 46\r\n\r\n" + body)
        good(talk)

    with wire(script) as server:
        assert b"" == session.send(get(server, method, ok=(ok,))).body
        assert b"good" == session.send(get(server)).body
        assert (2 if body else 1) == len(server.talks)


@pytest.mark.parametrize("after", [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", GOOD, b""])
def test_what_is_said_or_ended_between_two_requests_belongs_to_neither(session, after):
    """A connection that was kept, and that the server has ended or uses for what nobody asked, is not used."""
    answered, said = threading.Event(), threading.Event()

    def script(talk):
        talk.hear()
        talk.say(GOOD)
        answered.wait(60)
        talk.say(after)
        talk.connection.shutdown(socket.SHUT_WR)
        said.set()
        good(talk)

    with wire(script) as server:
        session.send(get(server))
        answered.set()
        assert said.wait(60)

        assert b"good" == session.send(get(server)).body
        assert [1, 1] == [len(talk.heads) for talk in server.talks]


def test_a_server_that_only_listens_any_more_gives_no_answer(session):
    def script(talk):
        talk.hear()
        talk.connection.shutdown(socket.SHUT_WR)
        talk.hear()

    with met(session, script) as server, pytest.raises(NetworkError, match="the connection broke"):
        session.send(get(server))


# While a body is sent


def put(server, size=256 * MIB):
    def pieces():
        for _ in range(size // MIB):
            yield bytes(MIB)

    class Body:
        def __enter__(self):
            return pieces()

        def __exit__(self, *_):
            pass

    return get(server, "PUT", ok=(201,), body=Body, size=size, repeatable=False)


@pytest.mark.parametrize("stays", [True, False], ids=["stays", "hangs up"])
@pytest.mark.parametrize("status", [401, 413, 507])
def test_a_refusal_of_a_body_ends_its_sending(session, status, stays):
    """The server reads no byte of the body, so a client that sends on would wait for ever."""
    enough = threading.Event()

    def script(talk):
        talk.hear()
        talk.say(f"HTTP/1.1 {status} no\r\nContent-Length: 2\r\n\r\nno".encode())
        if stays:
            enough.wait(60)

    with met(session, script) as server:
        with pytest.raises((AuthError, RegistryError, NetworkError)) as caught:
            session.send(put(server))
        enough.set()

        assert stays is False or status == getattr(caught.value, "status", 0)
        assert 64 * MIB > session.traffic.bytes_sent
        assert b"good" == session.send(get(server)).body
        assert 3 == len(server.talks)


def test_an_interim_answer_does_not_end_a_body_and_one_that_takes_it_waits_for_its_end(session):
    size = 8 * MIB

    def script(talk):
        talk.hear()
        talk.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        got = len(talk.rest)
        while got < size:
            got += len(talk.connection.recv(65_536))
        taken.append(got)

    taken = []
    with met(session, script) as server:
        session.send(put(server, size))
        assert server.ended.acquire(timeout=60)

    assert [size] == taken


def test_a_short_request_is_one_segment_with_its_body(session):
    arrived = []

    def script(talk):
        arrived.append(talk.connection.recv(65_536))
        talk.say(GOOD)

    with met(session, script) as server:
        session.send(get(server, "PUT", body=lambda: at_hand(b"a manifest"), size=10))

    assert re.search(rb"(?i)content-length: 10\r\n(.+\r\n)*\r\na manifest$", arrived[0])


# Cancelling: nothing here would end by itself


def cancelled(access, request, until):
    """What a thread that sends a request raises when its scope is cancelled."""
    scope, raised = Scope(), []

    def work():
        with Session(access, scope) as session:
            try:
                session.send(request)
            except Cancelled as error:
                raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until()
    scope.cancel()
    thread.join(60)
    return raised


PATIENT = Access(environ={}, stall_s=1000.0)


@pytest.mark.parametrize("answer", [b"", OK, OK + b"Content-Length: 10\r\n\r\nbody", CHUNKED + b"4\r\nbo"])
def test_a_cancel_ends_a_read(answer):
    said = threading.Event()

    def script(talk):
        talk.hear()
        talk.say(answer)
        said.set()
        talk.hear()

    with wire(script) as server:
        assert 1 == len(cancelled(PATIENT, get(server), lambda: said.wait(60)))


def test_a_cancel_ends_a_write():
    heard = threading.Event()

    def script(talk):
        if talk.hear().startswith(b"PUT"):
            heard.set()
            hold.wait(60)
        else:
            talk.say(GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    hold = threading.Event()
    with wire(script, script) as server:
        assert 1 == len(cancelled(PATIENT, put(server), lambda: heard.wait(60)))
        hold.set()


def test_a_cancel_ends_a_handshake():
    met = threading.Event()

    def script(talk):
        talk.connection.recv(1)
        met.set()
        talk.connection.recv(65_536)
        talk.hear()

    with wire(script) as server:
        request = Request("GET", f"https://{server.host}/v2/", server.host, "read")
        access = Access(environ={}, stall_s=1000.0, insecure=(server.host,))
        assert 1 == len(cancelled(access, request, lambda: met.wait(60)))


def test_a_cancel_ends_a_connect():
    """A server whose queue is full answers no knock."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server:
        place = server.getsockname()
        with closing(socket.create_connection(place)):
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(place)
            host = f"127.0.0.1:{place[1]}"
            request = Request("GET", f"http://{host}/v2/", host, "read")
            found = cancelled(PATIENT, request, lambda: threading.Event().wait(0.3))
            for one in waiting:
                one.close()

    assert 1 == len(found)


# Through a proxy that speaks TLS


@pytest.mark.parametrize(("host", "port"), [("reg.test:5000", ""), ("reg.test", ":443")])
def test_tls_goes_through_the_tls_of_a_proxy(tmp_path, opened, host, port):
    authority, data = Authority(tmp_path / "ca"), content(3 * MIB)

    with (
        fake_registry(tls=authority.context(names=("reg.test",))) as registry,
        tunnel(registry.host, authority.context()) as proxy,
    ):
        environ = {"HOME": str(tmp_path), "HTTPS_PROXY": f"https://me:p%40ss@{proxy.host}"}
        store = opened(SimpleNamespace(host=host), environ=environ, ca_files=(authority.ca,))
        put_blob(store, data)

        assert data == read(store, data)
        assert {(f"CONNECT {host}{port} HTTP/1.1", "Basic bWU6cEBzcw==")} == set(proxy.asked)
        assert {host} == {request.headers["host"] for request in registry.log}
