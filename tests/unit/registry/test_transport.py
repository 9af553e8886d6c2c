"""`ocitool.registry.transport`: what cannot be timed over a network."""

import socket

import pytest

from ocitool.registry.transport import Head, TransportError, exchange

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("said", [ANSWER, ANSWER[:5], b"\n"])
def test_an_answer_that_was_there_before_the_request_is_none(pair, said):
    ours, theirs = pair
    theirs.sendall(said)

    with pytest.raises(TransportError, match="before it was asked"):
        exchange(ours, Head("GET", "/", {"host": "x"}), (), 5.0)

    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


@pytest.mark.parametrize(
    ("target", "headers"),
    [("/a b", {"host": "x"}), ("/\r\nX: y", {"host": "x"}), ("/", {"host": "x\r\nX: y"}), ("/", {"x": "ü"})],
)
def test_what_cannot_stand_in_a_head_is_not_sent(pair, target, headers):
    ours, theirs = pair
    with pytest.raises(UnicodeError):
        exchange(ours, Head("GET", target, headers), (), 5.0)

    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
