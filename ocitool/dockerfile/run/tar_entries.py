"""Entries of a tar that is kept uncompressed, their contents read out of it when they are asked for."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ocitool.codec.tar_reader import TarFile, read_members
from ocitool.errors import LocalIOError, local_io
from ocitool.model.digest import Digest
from ocitool.model.files import WHITEOUT, FileKind
from ocitool.model.numbers import KIB
from ocitool.pack.entries import Entry, NoFile
from ocitool.pack.layer import StoredTar
from ocitool.values import dataclass

_PIECE: Final = 256 * KIB


@dataclass(frozen=True, slots=True)
class TarSlice(NoFile):
    """A file of a tar that is kept uncompressed: `size` bytes from `start` on."""

    tar: Digest
    path: Path
    start: int
    size: int

    @property
    def identity(self) -> str:
        """The tar's digest and the place in it."""
        return f"{self.tar}@{self.start}"

    def pieces(self) -> Iterator[bytes]:
        """The bytes. Raises LocalIOError."""
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(self.start)
                left = self.size
                while left:
                    piece = file.read(min(_PIECE, left))
                    if not piece:
                        raise LocalIOError(f"{self.path} is shorter than it was", path=str(self.path))
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise local_io(error, f"read {self.path}") from error


def tar_entries(path: Path, tar: StoredTar) -> tuple[Entry, ...]:
    """The entries of a stored tar in its order, whiteouts among them; contents are read when they are asked for.

    Raises LocalIOError, MalformedDocument for a damaged one, UsageError for a file that no layer can hold.
    """
    found: list[Entry] = []
    try:
        with path.open("rb") as file:
            for member in read_members(TarFile(file)):
                if not member.path:
                    continue
                is_file = member.kind is FileKind.FILE and not posixpath.basename(member.path).startswith(WHITEOUT)
                found.append(
                    Entry(
                        member.path,
                        member.kind,
                        member.mode,
                        member.uid,
                        member.gid,
                        member.mtime,
                        TarSlice(tar.diff_id, path, member.start, member.size) if is_file else None,
                        member.link,
                        member.xattrs,
                        member.device,
                    )
                )
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    return tuple(found)
