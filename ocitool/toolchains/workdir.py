"""Where compilers write: a folder of this machine's store for each source folder, held by one build at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ocitool.errors import local_io
from ocitool.model.digest import Digest


@dataclass(frozen=True, slots=True)
class Workdir:
    """A folder for outputs. It outlives the build, so that what is unchanged need not be made again."""

    folder: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the folder alone; another build of the same sources waits. Raises LocalIOError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("a")
        except OSError as error:
            raise local_io(error, f"write into {self.folder}") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def workplace(root: Path, source: Path) -> Workdir:
    """The workplace under a cache root for a source folder; one that a build has there for itself is its own."""
    if source.absolute().is_relative_to(root.absolute() / "work"):
        return Workdir(source)
    return Workdir(root / "work" / Digest.of(str(source.absolute()).encode()).hex[:24])
