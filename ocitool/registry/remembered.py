"""What one session has learned about content: blobs that are there, mounts that were denied, sizes hosts take."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ocitool.model.digest import Digest
from ocitool.registry.hosts import Limits, known_limits


class Remembered:
    """Facts that save requests. A `place` is a host and a repository. Safe from several threads."""

    def __init__(self, part_bytes: int = 0) -> None:
        self._part_bytes = part_bytes
        self._lock = threading.Lock()
        self._present: set[tuple[str, Digest]] = set()
        self._sending: dict[tuple[str, Digest], threading.Lock] = {}
        self._denied: set[tuple[str, str]] = set()
        self._limits: dict[str, Limits] = {}

    def is_present(self, place: str, digest: Digest) -> bool:
        """Whether the blob was seen or put there."""
        with self._lock:
            return (place, digest) in self._present

    def set_present(self, place: str, digest: Digest, *, present: bool = True) -> None:
        """Remember that the blob is there, or that it turned out not to be."""
        with self._lock:
            (self._present.add if present else self._present.discard)((place, digest))

    @contextmanager
    def sending(self, place: str, digest: Digest) -> Iterator[None]:
        """One thread at a time puts a blob at a place, so that its bytes are not sent twice at once."""
        with self._lock:
            lock = self._sending.setdefault((place, digest), threading.Lock())
        with lock:
            yield

    def may_mount(self, source: str, target: str) -> bool:
        """Whether no mount from `source` into `target` was denied."""
        with self._lock:
            return (source, target) not in self._denied

    def mount_denied(self, source: str, target: str) -> None:
        """Do not try that again (K116)."""
        with self._lock:
            self._denied.add((source, target))

    def limits(self, host: str) -> Limits:
        """What a host takes in one request of an upload, as far as it is known."""
        with self._lock:
            return self._limits.setdefault(host, known_limits(host, self._part_bytes))

    def learn(self, host: str, limits: Limits) -> None:
        """Remember what a host turned out to take."""
        with self._lock:
            self._limits[host] = limits
