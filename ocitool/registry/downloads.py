"""Downloads: one that goes on where it broke off, and files of servers that are no registries."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from ocitool.errors import AuthError, DigestMismatch, MalformedDocument, NetworkError, NotFound, UsageError
from ocitool.model.digest import new_hash
from ocitool.model.numbers import GIB
from ocitool.registry import numbers
from ocitool.registry.error_response import redact
from ocitool.registry.hosts import resolved
from ocitool.registry.request import Request, Response
from ocitool.registry.retry import Patience
from ocitool.tasks import Scope
from ocitool.values import dataclass, field

if TYPE_CHECKING:
    from ocitool.registry.session import Session

OpenAt = Callable[[int], AbstractContextManager[Iterator[bytes]]]
"""Asks for the content from an offset on; entering sends the request."""
LIMIT: Final = 16 * GIB
"""Bytes of a file that are taken: a guess at what nobody puts into an image, against bodies without an end."""
_OLD_S: Final = 60
"""How long before the answer a file must have changed last, so that its time tells it from a newer one."""


def resuming(
    first: Iterator[bytes], open_at: OpenAt, offset: int, patience: Patience, scope: Scope
) -> Iterator[bytes]:
    """The pieces of `first`, which begins at `offset`, and after a break those of a new request from there on.

    Failures count only since the last byte that arrived. Raises NetworkError, or what asking again raises.
    """
    at = offset
    pieces: Iterator[bytes] | None = first
    again: AbstractContextManager[Iterator[bytes]] | None = None
    try:
        while True:
            try:
                if pieces is None:
                    again = open_at(at)
                    pieces = again.__enter__()
                for piece in pieces:
                    at += len(piece)
                    patience.progressed()
                    yield piece
            except NetworkError as error:
                pieces = None
                _leave(again)
                again = None
                scope.sleep(patience.wait_after(error))
            else:
                return
    finally:
        _leave(again)


def _leave(opened: AbstractContextManager[Iterator[bytes]] | None) -> None:
    if opened is not None:
        opened.__exit__(None, None, None)


@dataclass(frozen=True, slots=True)
class Edition:
    """What a server says to tell a file from what it was or will be: an entity tag, a time; empty where nothing."""

    etag: str = ""
    modified: str = ""

    @property
    def conditions(self) -> dict[str, str]:
        """Headers that ask for the file only if it is another one by now."""
        if self.etag:
            return {"if-none-match": self.etag}
        return {"if-modified-since": self.modified} if self.modified else {}

    @property
    def range_condition(self) -> dict[str, str]:
        """The header that asks for a part only if the file is still this one."""
        validator = self.etag or self.modified
        return {"if-range": validator} if validator else {}


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a server has begun to send.

    `size` is 0 where the server does not say it. `modified_s` are seconds since 1970, None without a usable
    Last-Modified. `pieces` gives the whole file once, in pieces of at most 1 MiB, asking for the rest when the
    connection breaks: raises NetworkError, MalformedDocument beyond the limit, what a refusal raises.
    """

    url: str
    size: int
    edition: Edition
    modified_s: int | None
    pieces: Iterator[bytes] = field(repr=False)


@contextmanager
def download(
    session: "Session", url: str, known: Edition | None = None, *, limit: int = LIMIT
) -> Iterator[Download | None]:
    """The file at an http(s) URL, read inside the block; None if it is still the `known` edition.

    No credentials are sent, whoever the server is; redirects are followed as everywhere, five at most. Raises
    UsageError for what is no such URL or holds a user, NotFound, AuthError, RegistryError, NetworkError,
    MalformedDocument for a file of more than `limit` bytes.
    """
    url = quote(url, safe="%/:=&?~#+!$,;'@()*[]", errors="replace")
    if not resolved(url, url):
        raise UsageError(f"not the URL of a file: {redact(url)!r}", hint=_why(url))
    ok, headers = ((200, 304), known.conditions) if known is not None and known.conditions else ((200,), {})
    with _asked(session, _request(url, ok, headers)) as (answer, first):
        if answer.status == 304:
            yield None
            return
        size = numbers.size(answer.headers) or 0
        if size > limit:
            raise _too_large(url, limit)
        edition = _edition(answer)
        yield Download(url, size, edition, _modified_s(answer), _Body(session, url, edition, limit).pieces(first))


class _Body:
    """A body on its way: what has passed is hashed, so that another body can be told from the rest of this one."""

    def __init__(self, session: "Session", url: str, edition: Edition, limit: int) -> None:
        self._session, self._url, self._edition, self._limit = session, url, edition, limit
        self._passed = new_hash("sha256")

    def pieces(self, first: Iterator[bytes]) -> Iterator[bytes]:
        """All of it."""
        patience, scope = Patience(self._session.access.retry), self._session.scope
        size = 0
        for piece in resuming(first, self._open_at, 0, patience, scope):
            size += len(piece)
            if size > self._limit:
                raise _too_large(self._url, self._limit)
            self._passed.update(piece)
            yield piece

    @contextmanager
    def _open_at(self, offset: int) -> Iterator[Iterator[bytes]]:
        """The body from an offset on; a server that sends all of it must begin with what has passed."""
        condition = self._edition.range_condition
        headers = {"range": f"bytes={offset}-", **condition} if condition else {}
        request = _request(self._url, (200, 206) if headers else (200,), headers)
        with _asked(self._session, request) as (answer, pieces):
            is_rest = answer.status == 206
            if is_rest and not answer.headers.get("content-range", "").startswith(f"bytes {offset}-"):
                raise self._changed()
            yield pieces if is_rest else self._rest(pieces, offset)

    def _rest(self, pieces: Iterator[bytes], offset: int) -> Iterator[bytes]:
        """What comes after the beginning, which must be what it was."""
        again, left = new_hash("sha256"), offset
        for piece in pieces:
            head, tail = piece[:left], piece[left:]
            if left:
                again.update(head)
                left -= len(head)
                if not left and again.digest() != self._passed.digest():
                    raise self._changed()
            if tail:
                yield tail
        if left:
            raise self._changed()

    def _changed(self) -> DigestMismatch:
        return DigestMismatch(
            f"{redact(self._url)} changed while it was downloaded",
            where=self._url,
            hint="let whatever writes it finish first",
        )


def _request(url: str, ok: tuple[int, ...], headers: Mapping[str, str]) -> Request:
    home = urlsplit(url).netloc
    return Request("GET", url, home, f"download {redact(url)}", ok=ok, headers=headers, is_public=True)


@contextmanager
def _asked(session: "Session", request: Request) -> Iterator[tuple[Response, Iterator[bytes]]]:
    """The answer and its body; a refusal says what to do about a file instead of what to do about a registry."""
    try:
        with session.stream(request) as opened:
            yield opened
    except AuthError as error:
        error.hint = "nothing is sent that could open it: download it before the build, and COPY it"
        raise
    except NotFound as error:
        error.hint = "is the address right?"
        raise
    except NetworkError as error:
        if error.phase == "tls" and ("--ca" in error.hint or "client" in error.hint):
            error.hint = "trust its CA with --ca FILE; a client certificate is for registries alone"
        raise


def _why(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        return "a user or password in it would be kept in the image: download it before the build, and COPY it"
    return "write http:// or https://, a host and a path, other letters as %XX"


def _modified_s(answer: Response) -> int | None:
    return numbers.moment_s(answer.headers.get("last-modified", ""))


def _edition(answer: Response) -> Edition:
    """The strong validators of an answer: a weak tag, or a time that may be of several files, tells nothing."""
    etag = answer.headers.get("etag", "")
    if re.fullmatch(r'"[\x21\x23-\x7e]{1,1000}"', etag):
        return Edition(etag)
    modified, now = _modified_s(answer), numbers.moment_s(answer.headers.get("date", ""))
    if modified is None or now is None or now - modified < _OLD_S:
        return Edition()
    from email.utils import formatdate

    return Edition(modified=formatdate(modified, usegmt=True))


def _too_large(url: str, limit: int) -> MalformedDocument:
    return MalformedDocument(
        f"{redact(url)} has more than {limit} bytes", where=url, hint="is it a file, or a stream without an end?"
    )
