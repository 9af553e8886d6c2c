"""Pushes one file as a blob, as a process that can be killed: `python -m tests.fakes.push REF FILE JOURNAL COUNT`.

Every piece that is given to the transport is counted in the file COUNT. Prints traffic and notices as JSON.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ocitool.model.digest import Digest, Tap
from ocitool.model.mediatype import OCTETS
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import Access
from ocitool.store.base import Pieces, read_file
from ocitool.store.locate import Opener
from ocitool.tasks import Scope


class Counted:
    """A file's bytes; how many have passed stands in another file, also after a kill."""

    origin = None
    is_verified = False

    def __init__(self, path: Path, count: Path):
        self._path = path
        self._count = os.open(count, os.O_RDWR | os.O_CREAT)
        self._passed = 0

    def open(self, offset: int = 0) -> Pieces:
        return Pieces(lambda: self._pieces(offset))

    def _pieces(self, offset: int) -> Iterator[bytes]:
        for piece in read_file(self._path, offset):
            self._passed += len(piece)
            os.pwrite(self._count, f"{self._passed:20}".encode(), 0)
            yield piece


def main(reference: str, file: str, journal: str, count: str) -> None:
    path, tap, heard = Path(file), Tap(), []
    for piece in read_file(path):
        tap.update(piece)
    descriptor = Descriptor(OCTETS, Digest(tap.digest), tap.size)
    with Opener(Access(journal=Path(journal)), Scope(), heard.append) as opener:
        store, _ = opener.open(reference, write=True)
        put = store.put_blob(descriptor, Counted(path, Path(count)))
        notices = [event.text for event in heard if getattr(event, "severity", "") == "notice"]
        print(
            json.dumps(
                {"put": put.value, "notices": notices, **asdict(opener.traffic), "digest": descriptor.digest}
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
