"""`ocitool.registry.socks`: what a proxy may answer, word by word."""

import pytest

from ocitool.registry.connections import ProxyError
from ocitool.registry.socks import _Talk

TARGET = b"\x03\x08reg.test\x01\xbb"


class Stream:
    """A connection on which these bytes come; `said` is what was written."""

    def __init__(self, answers: bytes) -> None:
        self.answers, self.said = answers, b""

    def settimeout(self, seconds):
        assert seconds > 0

    def recv(self, size):
        piece, self.answers = self.answers[:size], self.answers[size:]
        return piece

    def sendall(self, data):
        self.said += data


@pytest.mark.parametrize(
    ("answers", "said", "lasts"),
    [
        (b"HTTP/1.1 400", "it does not speak SOCKS5", True),
        (b"\x05\x00\x04\x00\x00\x01", "it does not speak SOCKS5", True),
        (b"\x05", "it closed the connection", False),
        (b"\x05\x00\x05", "it closed the connection", False),
        (b"\x05\x00\x05\xaa\x00\x01", "reply 170", False),
    ],
)
def test_an_answer_that_is_none_is_told(answers, said, lasts):
    with pytest.raises(ProxyError, match=said) as caught:
        _Talk(Stream(answers), 1.0).begin(b"", b"", TARGET)

    assert lasts == caught.value.lasts


def test_the_whole_conversation():
    stream = Stream(b"\x05\x02" + b"\x01\x00" + b"\x05\x00\x00\x01" + bytes(6) + b"TLS")

    _Talk(stream, 1.0).begin(b"me", b"pw", TARGET)

    assert b"\x05\x02\x00\x02" + b"\x01\x02me\x02pw" + b"\x05\x01\x00" + TARGET == stream.said
    assert b"TLS" == stream.answers
