"""One exchange of HTTP/1.1 over a connection: heads by h11, bodies beside it.

h11 writes and reads heads, and undoes chunks. A body of a known length passes it by: what the socket gives is
collected in one buffer, and what a source gives goes into the socket. Whatever the other side says has a bound of
bytes, of work and of time.
"""

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, Final, Protocol

import h11

from ocitool.model.numbers import KIB, MIB
from ocitool.model.pieces import gathered
from ocitool.values import dataclass, field

PIECE: Final = 256 * KIB
_WHOLE: Final = MIB
"""A piece that the kernel collects: sixteen threads that take turns pay for each one."""
_READ: Final = 64 * KIB
_HEAD_LIMIT: Final = 100 * KIB
"""Bytes of a head, of the line before a chunk, of the fields after the last one."""
_INTERIM_LIMIT: Final = 100
"""Answers of 1xx before the one that counts; a guess far above what servers say while they work."""
_FRAMING_LIMIT: Final = 64 * KIB
"""How many more bytes may stand around chunks than within them: chunks of one byte cost more than they bring."""
_FILLING_S: Final = 0.1
"""How long a piece that has begun is filled."""
_FILLING: Final = struct.pack("@ll", 0, int(_FILLING_S * 1e6))
"""The same as a timeval."""
_SLOW_S: Final = 1.0
"""Who takes so long for a piece, to keep to a rate for one, gets small ones: the server would wait for longer."""


class Stream(Protocol):
    """What is used of a socket, of TLS over one, and of TLS within that."""

    def recv(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """How many bytes were put into the buffer; 0 at the end."""

    def send(self, data: memoryview, /) -> int:
        """How many bytes were taken."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""

    def settimeout(self, seconds: float, /) -> None:
        """How long each of these may wait."""

    def fileno(self) -> int:
        """What to poll."""


class TransportError(Exception):
    """A connection failed in its `phase`: connect, write or read. `is_late` where time ran out."""

    def __init__(self, phase: str, what: str, *, is_late: bool = False) -> None:
        super().__init__(what)
        self.phase, self.is_late = phase, is_late

    @classmethod
    def by(cls, phase: str, error: Exception) -> "TransportError":
        """What a socket or another phase tells."""
        is_late = isinstance(error, TimeoutError) or getattr(error, "is_late", False)
        return cls(phase, str(error) or type(error).__name__, is_late=is_late)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request; `headers` hold Host, and Content-Length where a body follows."""

    method: str
    target: str
    headers: Mapping[str, str] = field(hash=False)


def exchange(stream: Stream, head: Head, pieces: Iterable[bytes], timeout_s: float) -> "Answer":
    """Send a request and read the head of its answer.

    `timeout_s` bounds each wait for the other side, and a head from its first byte to its last. A refusal that
    arrives before all of the body has gone ends the sending. Raises TransportError, what `pieces` raises, and
    UnicodeError for what cannot stand in a head.
    """
    talk = _Talk(stream, timeout_s)
    try:
        request = h11.Request(method=head.method, target=head.target, headers=list(head.headers.items()))
    except h11.LocalProtocolError as error:
        raise UnicodeError(str(error)) from error
    answer = talk.send(request, pieces)
    return Answer(talk, answer, has_body=_has_body(head.method, answer.status_code))


def _has_body(method: str, status: int) -> bool:
    is_tunnel = method == "CONNECT" and 200 <= status < 300
    return method != "HEAD" and status not in {204, 304} and not is_tunnel


class Answer:
    """An answer whose body is still to come; header names are lower case.

    `is_reusable` tells, once the body has ended, whether the connection may carry another request.
    """

    def __init__(self, talk: "_Talk", head: h11.Response, *, has_body: bool) -> None:
        self.status = head.status_code
        self.reason = _text(head.reason)
        self.headers = [(name.decode("ascii"), _text(value)) for name, value in head.headers]
        self.is_reusable = False
        said = dict(self.headers)
        length = said.get("content-length", "")
        is_chunked = "transfer-encoding" in said
        self._talk = talk
        self._is_framed = has_body and (is_chunked or not length)
        self._length = int(length) if has_body and length else 0
        # A length beside chunks says that somebody on the way is wrong (RFC 9112, section 6.3).
        has_end = not self._is_framed or (is_chunked and not length)
        asks_to_close = any(name == "connection" and "close" in value.lower() for name, value in self.headers)
        self._is_kept = has_end and talk.is_sent and head.http_version == b"1.1" and not asks_to_close
        if not has_body or not (self._is_framed or self._length):
            self._end(talk.rest)

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most 1 MiB. Raises TransportError, after what came before the break."""
        if self._is_framed:
            yield from self._talk.unframed()
            self._end(self._talk.rest)
        elif self._length:
            first, rest = self._talk.rest[: self._length], self._talk.rest[self._length :]
            if first:
                yield first
            yield from self._talk.counted(self._length - len(first))
            self._end(rest)

    def _end(self, rest: bytes) -> None:
        """The connection is of use where nothing follows that was not asked for."""
        self.is_reusable = self._is_kept and not rest
        self._length = 0


class _Talk:
    """Both directions of one request and its answer."""

    def __init__(self, stream: Stream, timeout_s: float) -> None:
        self._stream = stream
        self._plain = stream if type(stream) is socket.socket else None
        self._timeout_s = timeout_s
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self._interim = 0
        self._poll = select.poll()
        self._early: h11.Response | None = None
        self._has_begun = False
        self.is_sent = False
        stream.settimeout(timeout_s)

    @property
    def rest(self) -> bytes:
        """What has arrived behind all that h11 was asked for."""
        return self._h11.trailing_data[0]

    # Sending

    def send(self, request: h11.Request, pieces: Iterable[bytes]) -> h11.Response:
        """The answer's head; `is_sent` if the whole request has gone before it."""
        self._poll.register(self._stream, select.POLLIN | select.POLLOUT)
        # Small pieces go together, so that a short request is one segment.
        for data in gathered(chain((self._h11.send(request) or b"",), pieces), _READ):
            try:
                self._write(data)
            except TimeoutError as error:
                raise TransportError.by("write", error) from error
            except OSError:
                break  # who hangs up in the middle may have said why
            if self._is_refused:
                break
        else:
            self.is_sent = self._early is None
        self._stream.settimeout(self._timeout_s)
        return self._early or self.head()

    @property
    def _is_refused(self) -> bool:
        return self._early is not None and self._early.status_code >= 300

    def _write(self, data: bytes) -> None:
        """Send it all, or until a refusal comes."""
        view = memoryview(data)
        if self._plain is not None:
            self._plain.settimeout(0)  # what is polled here need not be polled once more
        while view and not self._is_refused:
            events = self._poll.poll(self._timeout_s * 1000)
            if not events:
                raise TimeoutError("nothing is taken")
            if self._early is None and events[0][1] & ~select.POLLOUT:
                self._listen()
            elif events[0][1] & select.POLLOUT:
                with suppress(BlockingIOError):
                    view = view[self._stream.send(view) :]
                    self._has_begun = True

    def _listen(self) -> None:
        """Take what is said while we speak."""
        self._stream.settimeout(0)
        try:
            data = self._stream.recv(_READ)
        except OSError as error:
            if isinstance(error, BlockingIOError) or type(error).__name__ == "SSLWantReadError":
                return
            raise TransportError.by("read", error) from error  # an alert of TLS is told once
        finally:
            self._stream.settimeout(self._timeout_s)
        if not self._has_begun:
            raise TransportError("read", "it answered before it was asked")
        self._h11.receive_data(data)
        self._early = self._head_at_hand()
        if self._early is not None:
            self._poll.modify(self._stream, select.POLLOUT)

    # Receiving

    def head(self) -> h11.Response:
        """The head of the answer that counts."""
        ends_s = 0.0
        while True:
            before = self._interim
            found = self._head_at_hand()
            if found is not None:
                return found
            if self._interim > before:  # who says that it works on it may go on to
                ends_s = time.monotonic() + self._timeout_s
            self._feed(ends_s)
            ends_s = ends_s or time.monotonic() + self._timeout_s

    def _head_at_hand(self) -> h11.Response | None:
        while (event := self._event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Response):
                return event
            self._interim += 1
            if self._interim > _INTERIM_LIMIT:
                raise TransportError("read", "it says 1xx without an end")
        return None

    def counted(self, length: int) -> Iterator[bytes]:
        """So many bytes, past h11; a short piece where more takes long, and where the connection breaks."""
        self._stream.settimeout(self._timeout_s)
        if self._plain is not None and _fills_for_a_while(self._plain):
            yield from self._collected(self._plain, length)
            return
        buffer = memoryview(bytearray(min(PIECE, length)))
        while length:
            filled, error = self._fill(buffer[:length])
            if filled:
                length -= filled
                yield bytes(buffer[:filled])
            if error is not None:
                raise error

    def _collected(self, plain: socket.socket, length: int) -> Iterator[bytes]:
        """As `counted`; the kernel collects a piece, so that threads take turns for it and not for each packet."""
        plain.settimeout(None)
        ends_s, slowest_s = time.monotonic() + self._timeout_s, 0.0
        most = PIECE  # an error, and what is not wanted to its end, is told in the first piece
        while length:
            try:
                piece = plain.recv(min(most, length), socket.MSG_WAITALL)
            except BlockingIOError:
                if time.monotonic() >= ends_s:
                    raise TransportError("read", "timed out", is_late=True) from None
                continue
            except OSError as error:
                raise TransportError.by("read", error) from error
            if not piece:
                raise TransportError("read", "it ended before its body did")
            length -= len(piece)
            came_s = time.monotonic()
            yield piece
            went_s = time.monotonic()
            slowest_s = max(slowest_s, went_s - came_s)
            most = _WHOLE if slowest_s < _SLOW_S else PIECE
            ends_s = went_s + self._timeout_s

    def _fill(self, buffer: memoryview) -> tuple[int, TransportError | None]:
        filled, ends_s = 0, 0.0
        try:
            while filled < len(buffer) and not 0.0 < ends_s <= time.monotonic():
                count = self._stream.recv_into(buffer[filled:])
                if not count:
                    return filled, TransportError("read", "it ended before its body did")
                filled += count
                ends_s = ends_s or time.monotonic() + _FILLING_S
        except OSError as error:
            return filled, TransportError.by("read", error)
        return filled, None

    def unframed(self) -> Iterator[bytes]:
        """What is within chunks, or all that comes until the connection ends."""
        piece, passed, around = bytearray(), 0, len(self.rest)
        ends_s = time.monotonic() + self._timeout_s
        while not isinstance(event := self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                piece += event.data
                continue
            if piece:
                passed += len(piece)
                yield bytes(piece)
                piece.clear()
                ends_s = time.monotonic() + self._timeout_s
            if around > 2 * passed + _FRAMING_LIMIT:
                raise TransportError("read", "it sends chunks with next to nothing in them")
            around += self._feed(ends_s)
        if piece:
            yield bytes(piece)

    def _event(self) -> Any:  # noqa: ANN401 - as h11 has it
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise TransportError("read", str(error)) from error

    def _feed(self, ends_s: float = 0.0) -> int:
        """Give h11 what comes next, within the timeout or until a time; how much that was."""
        try:
            if ends_s:
                left_s = ends_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError("it takes too long")
                self._stream.settimeout(left_s)
            data = self._stream.recv(_READ)
        except OSError as error:
            raise TransportError.by("read", error) from error
        self._h11.receive_data(data)
        return len(data)


def _fills_for_a_while(plain: socket.socket) -> bool:
    """Let no call for bytes wait longer than a piece is filled.

    False where a timeval is another one: 32-bit systems may have a time of 64 bits, and a socket that was reset may
    take no options at all.
    """
    try:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _FILLING)
    except OSError:
        return False
    return True


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
