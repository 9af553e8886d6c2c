"""Messages between the build and its helper."""

import socket
import struct

import pytest

from ocitool.errors import BuildError, OcitoolError
from ocitool.executor.wire import MAX_MESSAGE, error_message, raise_error, receive, send


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_messages_come_in_order_and_end_with_the_socket(pair):
    send(pair[0], {"a": "\udc80"})
    send(pair[0], {})
    pair[0].close()

    assert [{"a": "\udc80"}, {}, None, None] == [receive(pair[1]) for _ in range(4)]


@pytest.mark.parametrize(
    "data", [b"\0\0", struct.pack("!I", 5) + b"{}", struct.pack("!I", MAX_MESSAGE + 1) + b"{}"]
)
def test_half_a_message_is_none(pair, data):
    pair[0].sendall(data)
    pair[0].shutdown(socket.SHUT_WR)

    assert receive(pair[1]) is None


def test_an_error_arrives_as_what_it_was():
    with pytest.raises(BuildError, match="no") as raised:
        raise_error(error_message(BuildError("no", hint="do")))
    with pytest.raises(OcitoolError, match="what"):
        raise_error({"error": {"kind": "NoSuch", "what": "what", "hint": ""}})

    assert "do" == raised.value.hint
    raise_error({"done": True})
