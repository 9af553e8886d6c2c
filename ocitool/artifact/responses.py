"""Answers of our connections as the `requests.Response` that programs for oras-py read."""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Final

import requests

from ocitool.errors import MalformedDocument
from ocitool.model.numbers import MIB

WHOLE_LIMIT: Final = 256 * MIB
"""Most bytes of an answer that is read at once; a guess at what nobody wants in memory."""

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class StreamedBody:
    """The body of an answer as the file that requests reads, in pieces, and closed once."""

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        self._pieces, self._close, self._rest = pieces, close, b""
        self.closed = False

    def read(self, size: int = -1, decode_content: bool | None = None) -> bytes:  # noqa: ARG002, FBT001 - urllib3's
        """At most `size` bytes; all that is left without one."""
        if size is None or size < 0:
            whole, self._rest = self._rest + b"".join(self._pieces), b""
            return whole
        if not self._rest:
            self._rest = next(self._pieces, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def stream(self, size: int = 65536, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001
        """The body in pieces of at most `size` bytes."""
        while piece := self.read(size, decode_content):
            yield piece

    def close(self) -> None:
        """Give the connection back."""
        if not self.closed:
            self.closed = True
            self._close()

    release_conn = close


def respond(
    method: str, url: str, status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> requests.Response:
    """An answer that is at hand."""
    answer = requests.Response()
    answer.status_code, answer.url, answer.reason = status, url, _REASONS.get(status, "")
    answer.headers.update(headers or {})
    answer._content = body  # noqa: SLF001 - requests has no other way to make one
    answer.request = requests.Request(method, url).prepare()
    return answer


def respond_in_pieces(answer: requests.Response, body: StreamedBody) -> requests.Response:
    """The answer with a body that is read when somebody wants it."""
    answer._content, answer._content_consumed = False, False  # noqa: SLF001 - as above
    answer.raw = body
    return answer


def whole(body: StreamedBody, url: str, *, limit: int = WHOLE_LIMIT) -> bytes:
    """The body at once. Raises MalformedDocument for more than `limit` bytes."""
    found = bytearray()
    try:
        for piece in body.stream():
            found += piece
            if len(found) > limit:
                raise MalformedDocument(
                    f"the answer of {url} has more than {limit} bytes",
                    hint="ask with stream=True, or use download_blob",
                )
    finally:
        body.close()
    return bytes(found)
