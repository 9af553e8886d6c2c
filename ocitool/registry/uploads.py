"""The upload of one blob: mount, or look and send; and what to do when something breaks on the way.

Small blobs go with the closing PUT, larger ones in one streamed PATCH before an empty PUT. A session that broke is
asked how far it came and continued there; where it is gone, a new one starts, a bounded number of times.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import Enum
from functools import partial
from typing import Final, TypeAlias

from ocitool.errors import DigestMismatch, NetworkError, NotFound, OcitoolError, RegistryError
from ocitool.model.views import Descriptor
from ocitool.registry.http import Answer
from ocitool.registry.repository import Repository

WHOLE: Final = 4 * 1024 * 1024
"""Blobs up to this size travel in the closing PUT: one request less, little to send twice."""
ROUNDS: Final = 5


class Uploaded(Enum):
    """How a blob came to be in a repository."""

    EXISTED = "existed"
    MOUNTED = "mounted"
    SENT = "sent"


OpenAt: TypeAlias = Callable[[int], AbstractContextManager[Iterator[bytes]]]
"""Opens a blob's bytes at an offset; from 0 they are compared with the digest as they pass."""


def upload(repository: Repository, descriptor: Descriptor, open_at: OpenAt, mount_from: str = "") -> Uploaded:
    """Make the blob be there: mounted from `mount_from` (a repository of this registry), found, or sent.

    What `open_at` raises passes through; nothing is visible then.
    """
    location = None
    if mount_from:
        answer = repository.start_upload(descriptor.digest, mount_from)
        if answer.status == 201:
            return Uploaded.MOUNTED
        location = answer.location() if answer.status == 202 else None
    if repository.has_blob(descriptor.digest):
        return Uploaded.EXISTED
    _Upload(repository, descriptor, open_at).run(location)
    return Uploaded.SENT


class _Upload:
    """One blob on its way; `offset` is what the server has acknowledged of the session at `location`."""

    def __init__(self, repository: Repository, descriptor: Descriptor, open_at: OpenAt) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._open_at = open_at

    def run(self, location: str | None) -> None:
        offset, streamed = 0, self._descriptor.size > WHOLE
        for attempt in range(1, ROUNDS + 1):
            last = attempt == ROUNDS
            try:
                if location is None:
                    location, offset = self._start(), 0
                if not streamed:
                    self._finish(location, with_body=True)
                    return
                if offset < self._descriptor.size or not self._descriptor.size:
                    answer = self._repository.patch_upload(
                        location, partial(self._open_at, offset), self._descriptor.size - offset
                    )
                    location, offset = self._next(answer, location), self._descriptor.size
                self._finish(location, with_body=False)
            except NetworkError as error:
                if last:
                    raise
                self._pause(error, attempt)
                location, offset = self._resume(location)
            except (NotFound, RegistryError) as error:
                if self._settled():
                    return
                if last or not _worth_another(error):
                    raise
                self._pause(error, attempt)
                location, offset, streamed = None, 0, True
            else:
                return

    def _start(self) -> str:
        answer = self._repository.start_upload()
        return self._next(answer, "")

    def _next(self, answer: Answer, location: str) -> str:
        """The newest Location; the one in use where the server sends none."""
        found = answer.location() or location
        if not found:
            raise RegistryError(
                f"{self._repository.label} opened an upload without saying where",
                status=answer.status,
                url=answer.url,
            )
        return found

    def _finish(self, location: str, *, with_body: bool) -> None:
        try:
            if with_body:
                answer = self._repository.finish_upload(
                    location, self._descriptor.digest, partial(self._open_at, 0), self._descriptor.size
                )
            else:
                answer = self._repository.finish_upload(location, self._descriptor.digest)
        except (NetworkError, NotFound):
            # A commit can outlast its answer (K106): the blob itself tells whether it was stored.
            if not self._settled():
                raise
            return
        if answer.status == 202 and not self._settled():  # accepted is not stored
            raise NotFound(f"{self._repository.label} took {self._descriptor.digest.short} and does not have it")

    def _settled(self) -> bool:
        return self._repository.has_blob(self._descriptor.digest)

    def _resume(self, location: str | None) -> tuple[str | None, int]:
        """Where to go on after a broken connection: the session's own word, or a new session."""
        if location is None:
            return None, 0
        try:
            answer = self._repository.upload_status(location)
        except OcitoolError:
            return None, 0
        at = acknowledged(answer.headers.get("range", ""))
        if at is None or at > self._descriptor.size:
            return None, 0
        return self._next(answer, location), at

    def _pause(self, error: OcitoolError, attempt: int) -> None:
        wait = getattr(error, "retry_after_s", None)
        session = self._repository.session
        session.scope.sleep(wait if wait is not None else session.access.retry.delay(attempt, elapsed_s=0.0) or 0.0)


def acknowledged(text: str) -> int | None:
    """The number of bytes a Range header of an upload says the server has; None if it does not say.

    `0-0` after a broken first part means an empty session on the servers that send it (K109).
    """
    match = re.fullmatch(r"(?:bytes=)?\s*0-(\d{1,18})", text.strip())
    if match is None:
        return None
    last = int(match.group(1))
    return last + 1 if last else 0


def _worth_another(error: OcitoolError) -> bool:
    """Whether a new session may succeed: for sessions that died, methods not taken, and passing trouble."""
    if isinstance(error, DigestMismatch):
        return False
    if isinstance(error, NotFound):
        return True
    status = getattr(error, "status", 0)
    if isinstance(error, RegistryError) and error.has("NAME_UNKNOWN", "NAME_INVALID", "DENIED", "UNSUPPORTED"):
        return False
    return status in {400, 404, 408, 409, 413, 416, 429, 500, 502, 503, 504}
