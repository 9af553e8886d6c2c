"""httpx over a session: requests that no method makes, over its connections and by its rules.

The only home of httpx, and loaded where a program asks for such a client.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import httpx

from ocitool.errors import UsageError
from ocitool.registry.hosts import Origin
from ocitool.registry.request import Request
from ocitool.registry.retry import RETRIED
from ocitool.registry.session import Session

_ANSWERS: Final = tuple(status for status in range(200, 600) if status not in RETRIED)
"""What is given to the program; the others are tried again, and are errors when that does not help."""
_MANIFEST: Final = re.compile(r"^/v2/.+/manifests/")
_OWN: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "user-agent"}
)
"""Headers that are of the connection, and are written below."""
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def httpx_client(session: Session, home: str, scopes: tuple[str, ...]) -> httpx.Client:
    """A client for one registry, `home` its `host:port`, whose tokens have to allow `scopes`.

    What its environment says of proxies and certificates is read by the session, not by httpx.
    """
    transport = SessionTransport(session, home, scopes)
    return httpx.Client(transport=transport, base_url=session.base(home), trust_env=False)


class SessionTransport(httpx.BaseTransport):
    """httpx's interface for what carries requests, over a session."""

    def __init__(self, session: Session, home: str, scopes: tuple[str, ...]) -> None:
        self._session, self._home, self._scopes = session, home, scopes

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the registry, logged in, tried again, redirected as the session does.

        The body of the answer is read as httpx asks for it. Raises UsageError for another host and for what would
        write a manifest, and what a session raises: an OcitoolError.
        """
        url = str(request.url)
        if request.method not in _REPEATABLE and _MANIFEST.search(request.url.path):
            raise UsageError(
                f"{request.method} {request.url.path}: plans write tags and manifests, and can be undone",
                hint="repository(…).put_manifest, copy and delete make them",
            )
        if Origin.of(url) != Origin.of(f"{request.url.scheme}://{self._home}"):
            raise UsageError(
                f"{request.url.netloc.decode()}: this client is for {self._home}",
                hint="open one for that registry: its logins are others",
            )
        size = int(request.headers.get("content-length") or 0)
        if "transfer-encoding" in request.headers:  # registries want to know how much comes (K100)
            size = len(request.read())

        @contextmanager
        def body() -> Iterator[Iterator[bytes]]:
            yield iter(request.stream)  # type: ignore[arg-type]  # a synchronous client has no other streams

        asked = Request(
            request.method,
            url,
            self._home,
            f"{request.method} {request.url.path}",
            ok=_ANSWERS,
            headers={name: value for name, value in request.headers.items() if name.lower() not in _OWN},
            scopes=self._scopes,
            body=body if size else None,
            size=size,
            repeatable=request.method in _REPEATABLE,
        )
        with ExitStack() as stack:
            answer, pieces = stack.enter_context(self._session.stream(asked))
            stream = _Body(pieces, stack.pop_all())
        headers = {name: value for name, value in answer.headers.items() if name != "transfer-encoding"}
        return httpx.Response(answer.status, headers=headers, stream=stream, request=request)


class _Body(httpx.SyncByteStream):
    """The body of an answer; the connection is given back when it is closed."""

    def __init__(self, pieces: Iterator[bytes], stack: ExitStack) -> None:
        self._pieces, self._stack = pieces, stack

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Give the connection back."""
        self._stack.close()
