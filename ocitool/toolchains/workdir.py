"""Where compilers write: a folder of this machine's store for each source folder, held by one build at a time."""

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from ocitool.errors import local_io
from ocitool.model.digest import Digest
from ocitool.values import dataclass

_PREFIX: Final = "ocitool-"
_ALIVE: Final = ".alive"
_NEW_S: Final = 3600
"""Seconds after which a folder without a lock is taken for one whose maker was killed."""


@dataclass(frozen=True, slots=True)
class OutputFolder:
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


def workplace(root: Path, source: Path) -> OutputFolder:
    """The workplace under a cache root for a source folder; one that a build has there for itself is its own."""
    if source.absolute().is_relative_to(root.absolute() / "work"):
        return OutputFolder(source)
    return OutputFolder(root / "work" / Digest.of(str(source.absolute()).encode()).hex[:24])


@contextmanager
def temporary_folder(above: Path | None) -> Iterator[Path]:
    """A folder in `above`, or where the system has such, that is gone when the block ends.

    Those of processes that were killed go now (K258). Raises LocalIOError.
    """
    import tempfile  # and random numbers, which a build without such a folder needs nowhere

    with ExitStack() as opened:
        try:
            if above is not None:
                above.mkdir(parents=True, exist_ok=True)
                _sweep(above)
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, dir=above)))
            lock = opened.enter_context((folder / _ALIVE).open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise local_io(error, f"write into {above or tempfile.gettempdir()}") from error
        yield folder


def _sweep(above: Path) -> None:
    for folder in above.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if (folder / _ALIVE).exists():
                with (folder / _ALIVE).open("a") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            elif time.time() - folder.stat().st_mtime < _NEW_S:
                continue
            shutil.rmtree(folder)
