"""The upload journal: sessions that were open when a process died, so that the next one can go on.

One small file an upload, locked while its process lives, removed when the blob is stored. It holds the
registry's Location, which can be as good as a permission to write that one blob: it is private (mode 0600).
Everything in it is safe to lose, so trouble with the disk is no trouble for an upload.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ocitool.model.digest import Digest
from ocitool.model.numbers import KIB
from ocitool.registry.hosts import resolved
from ocitool.values import dataclass

KEPT_S: Final = 7 * 24 * 3600
"""Registries purge sessions after a week at the latest (distribution's default)."""
_LIMIT: Final = 64 * KIB


@dataclass(frozen=True, slots=True)
class Cut:
    """An upload of an earlier process: where its session was, and how much the registry had acknowledged."""

    location: str
    offset: int


class UploadRecord:
    """The place of one upload in the journal; without a file it forgets everything at once."""

    def __init__(self, descriptor: int | None, path: Path | None, place: str, digest: Digest, size: int) -> None:
        self._file = descriptor
        self._path = path
        self._about = {"place": place, "digest": str(digest), "size": size}

    def recall(self) -> Cut | None:
        """The session an earlier process left; None if there is none for this very content."""
        if self._file is None:
            return None
        try:
            tree = json.loads(os.pread(self._file, _LIMIT, 0))
            cut = Cut(str(tree["location"]), int(tree["offset"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        is_same = all(tree.get(key) == value for key, value in self._about.items())
        return cut if is_same and resolved(cut.location, "") else None

    def note(self, location: str, offset: int) -> None:
        """Remember how far the session at `location` is."""
        if self._file is None:
            return
        data = json.dumps({**self._about, "location": location, "offset": offset}).encode()
        with suppress(OSError):
            # One write, then cut: who is killed in between leaves a text that does not parse.
            os.pwrite(self._file, data, 0)
            os.ftruncate(self._file, len(data))

    def forget(self) -> None:
        """There is nothing to go on with."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
        self.leave()

    def leave(self) -> None:
        """Let go of the file; what was noted stays."""
        if self._file is not None:
            os.close(self._file)
        self._file = self._path = None


class UploadJournal:
    """The entries in a folder; with None there is no journal."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextmanager
    def entry(self, place: str, digest: Digest, size: int) -> Iterator[UploadRecord]:
        """The entry for a blob on its way to `place` (host and repository).

        While another process sends the same blob to the same place, this one gets an entry that holds nothing, so
        that two never write into one session.
        """
        self._sweep()
        found = self._open(place, digest)
        entry = (
            UploadRecord(*found, place, digest, size) if found else UploadRecord(None, None, place, digest, size)
        )
        try:
            yield entry
        finally:
            entry.leave()

    def _sweep(self) -> None:
        """Remove entries that are older than any registry keeps a session."""
        if self._folder is None or not self._folder.is_dir():
            return
        with suppress(OSError):
            for path in self._folder.iterdir():
                if time.time() - path.stat().st_mtime > KEPT_S:
                    path.unlink(missing_ok=True)

    def _open(self, place: str, digest: Digest) -> tuple[int, Path] | None:
        if self._folder is None:
            return None
        path = self._folder / Digest.of(f"{place}\0{digest}".encode()).hex
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:  # not removed by the process that held it until now
                return descriptor, path
        except OSError:
            pass
        os.close(descriptor)
        return None
