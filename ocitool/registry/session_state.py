"""A session's knowledge of content: blobs that are there, mounts that were denied, sizes hosts take.

What hosts take is also kept in a file, so that the next process need not be refused first; and so are the places
of blobs, so that the next repository can mount them.
"""

import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ocitool.model.digest import Digest
from ocitool.model.files import temporary_in
from ocitool.model.numbers import MIB
from ocitool.registry.hosts import UploadLimits, known_limits, limits_from

_REPOSITORY: Final = r"[a-z0-9][a-z0-9._/-]{0,254}"
_PLACES_LIMIT: Final = 4 * MIB
PLACES: Final = 5000
"""Blobs of one host whose places are kept; a guess at what is read in no time."""
KEPT_S: Final = 7 * 24 * 3600
"""Hosts change what they take, and a refusal can have been somebody else's."""


class Remembered:
    """Facts that save requests. A `place` is a host and a repository. Safe from several threads.

    `folder` keeps what hosts take, None for this session alone; `part_bytes` is the user's wish, which wins.
    """

    def __init__(self, part_bytes: int = 0, folder: Path | None = None) -> None:
        self._part_bytes = part_bytes
        self._folder = None if part_bytes else folder
        self._lock = threading.Lock()
        self._present: set[tuple[str, Digest]] = set()
        self._sending: dict[tuple[str, Digest], threading.Lock] = {}
        self._denied: set[tuple[str, str]] = set()
        self._limits: dict[str, UploadLimits] = {}
        self._passing: set[str] = set()
        self._named: set[tuple[str, str]] = set()
        self._lying: set[str] = set()
        self._asked_twice: set[str] = set()
        self._without_referrers: set[str] = set()

    def is_present(self, place: str, digest: Digest) -> bool:
        """Whether the blob was seen or put there."""
        with self._lock:
            return (place, digest) in self._present

    def set_present(self, place: str, digest: Digest, *, present: bool = True) -> None:
        """Remember that the blob is there, or that it turned out not to be."""
        with self._lock:
            (self._present.add if present else self._present.discard)((place, digest))

    def is_named(self, place: str, name: str) -> bool:
        """Whether a manifest was read or written under a tag or digest there."""
        with self._lock:
            return (place, name) in self._named

    def set_named(self, place: str, *names: str, present: bool = True) -> None:
        """Remember that there is a manifest under these names, or that it was removed."""
        with self._lock:
            for name in names:
                (self._named.add if present else self._named.discard)((place, name))

    def head_lies(self, host: str) -> bool:
        """Whether a host answered a HEAD with 404 and a GET with what was asked for (K217)."""
        with self._lock:
            return host in self._lying

    def set_head_lies(self, host: str) -> bool:
        """Ask that host by GET from now on; whether that is news."""
        with self._lock:
            is_news = host not in self._lying
            self._lying.add(host)
            return is_news

    def asks_twice(self, host: str) -> bool:
        """Whether this is the first absent name of a host that is looked for twice."""
        with self._lock:
            is_first = host not in self._asked_twice
            self._asked_twice.add(host)
            return is_first

    def lacks_referrers(self, place: str) -> bool:
        """Whether a place was found to have no endpoint that lists referrers."""
        with self._lock:
            return place in self._without_referrers

    def set_lacks_referrers(self, place: str) -> None:
        """Do not ask that again."""
        with self._lock:
            self._without_referrers.add(place)

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

    def limits(self, host: str) -> UploadLimits:
        """What a host takes in one request of an upload, as far as it is known."""
        with self._lock:
            if host not in self._limits:
                self._limits[host] = self._kept(host) or known_limits(host, self._part_bytes)
            return self._limits[host]

    def learn(self, host: str, limits: UploadLimits, *, lasts: bool = True) -> None:
        """Remember what a host turned out to take.

        What does not last is a fact about this session (a slow line, short tokens) and not about the host: neither
        it nor what is learned on top of it is kept for the next process.
        """
        with self._lock:
            self._limits[host] = limits
            if not lasts:
                self._passing.add(host)
            path = self._path(host)
            if path is not None and host not in self._passing:
                with suppress(OSError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(json.dumps(dataclasses.asdict(limits)))

    def has_learned(self, host: str) -> bool:
        """Whether what is known of a host was learned from its refusals."""
        return self.limits(host) != known_limits(host, self._part_bytes)

    def _kept(self, host: str) -> UploadLimits | None:
        path = self._path(host)
        if path is None:
            return None
        try:
            fresh = time.time() - path.stat().st_mtime < KEPT_S
            return limits_from(json.loads(path.read_text())) if fresh else None
        except (OSError, ValueError, RecursionError):
            return None

    def _path(self, host: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"limits-{_file_name(host)}.json"


class KnownPlaces:
    """Repositories in which blobs were seen or put, kept for later runs: one for each blob, the newest.

    Nobody is believed: a mount from there is tried, and a place that has the blob no more is forgotten. Safe from
    several threads; of several processes the last one wins. Without a folder nothing is known.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, str]] = {}
        self._news: dict[str, dict[str, str | None]] = {}

    def of(self, host: str, digest: Digest) -> str:
        """The repository of a host that was last seen to have a blob; empty where none is known."""
        if self._folder is None:
            return ""
        with self._lock:
            if host not in self._known:
                self._known[host] = self._read(host)
            place = self._known[host].get(str(digest), "")
        return place if re.fullmatch(_REPOSITORY, place) else ""

    def add(self, host: str, digest: Digest, repository: str) -> None:
        """Remember a place; an empty one forgets what is known."""
        with self._lock:
            self._news.setdefault(host, {})[str(digest)] = repository

    def save(self) -> None:
        """Keep what is new for later runs, if that can be written."""
        with self._lock:
            news, self._news = self._news, {}
        if self._folder is None:
            return
        for host, places in news.items():
            held = {digest: place for digest, place in self._read(host).items() if digest not in places}
            lines = [f"{digest} {place}\n" for digest, place in {**held, **places}.items() if place]
            path, temporary = self._path(host), temporary_in(self._folder)
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                try:
                    temporary.write_text("".join(lines[-PLACES:]), encoding="utf-8")
                    temporary.replace(path)
                finally:
                    temporary.unlink(missing_ok=True)

    def _read(self, host: str) -> dict[str, str]:
        try:
            with self._path(host).open(encoding="utf-8") as file:
                text = file.read(_PLACES_LIMIT)
        except (OSError, ValueError):
            return {}
        found = (line.split(" ") for line in text.splitlines())
        return {words[0]: words[1] for words in found if len(words) == 2}

    def _path(self, host: str) -> Path:
        return (self._folder or Path()) / _file_name(host)


def _file_name(host: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in host)
