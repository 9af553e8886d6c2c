"""Contexts that are no folder of this machine: an archive, or a Dockerfile alone, as a stream of bytes.

Nothing of an archive gets a name of its own on this machine: its files are numbered, its links are entries. As in
BuildKit they keep their owners, and `.dockerignore` is not applied: whoever made the archive chose what is in it.
"""

import posixpath
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from ocitool.codec.tar_reader import TarLimits
from ocitool.dockerfile.request import DOCKERFILE_LIMIT, Sent
from ocitool.dockerfile.spool import Spool, is_archive
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.model.files import FileKind, TreeBudget, parent
from ocitool.model.numbers import GIB
from ocitool.pack.entries import Entry
from ocitool.rootfs.files import Layered
from ocitool.tasks import Scope

NAMES: Final = ("Dockerfile", "dockerfile", "Containerfile")
_HEAD: Final = 512
"""Bytes that tell an archive: the first header of a tar."""
_LIMITS: Final = TarLimits(1_000_000, size=16 * GIB)
"""Files and bytes of an archive, guesses at what nobody sends: a bomb must end."""


def receive(
    pieces: Iterable[bytes],
    label: str,
    folder: Path,
    scope: Scope,
    file: Path | None = None,
    *,
    allow_sparse: bool = False,
) -> Sent:
    """The context that a stream holds; the files of an archive are written into `folder`, which stays the caller's.

    `file` names the Dockerfile inside an archive. Raises NotFound if it is not there, UsageError for one beside a
    stream that is a Dockerfile itself and for what cannot be in an image, MalformedDocument for a damaged archive,
    LocalIOError.
    """
    stream = scope.pieces(pieces)
    head = b""
    for piece in stream:
        head += piece
        if len(head) >= _HEAD:
            break
    stream = chain((head,), stream)
    if not is_archive(head):
        if file is not None:
            raise UsageError(
                f"{label} is the Dockerfile, and -f names another",
                hint="leave -f out; of an archive it names a file in it",
            )
        return Sent(_text(stream, label), label)
    try:
        entries = Spool(folder, scope, allow_sparse=allow_sparse).unpacked(stream, _LIMITS)
        files = _complete(entries or ())
    except MalformedDocument as error:
        error.add_note(f"in the archive of {label}")
        raise
    if entries is None:
        raise UsageError(f"{label} is compressed, and holds no tar", hint="send a tar, or the Dockerfile as it is")
    name, entry = _dockerfile(Layered(files), label, file)
    text = _text(entry.content.pieces() if entry.content is not None else (), name)
    return Sent(text, f"{name} of {label}", files)


def _complete(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries after the directories they stand in, which an archive need not have."""
    found: dict[str, Entry] = {}
    budget = TreeBudget()
    for entry in entries:
        above: list[str] = []
        step = entry.path
        while (step := parent(step)) and step not in found:
            budget.add(len(step))
            above.append(step)
        found |= {path: Entry(path, FileKind.DIRECTORY, 0o755) for path in reversed(above)}
        found[entry.path] = entry
    return tuple(found.values())


def _dockerfile(files: Layered, label: str, file: Path | None) -> tuple[str, Entry]:
    """The Dockerfile in an archive, links followed inside it."""
    names = (posixpath.normpath(f"/{file}").lstrip("/"),) if file is not None else NAMES
    for name in names:
        entry = files.get(files.resolve(name))
        if entry is not None and entry.kind is FileKind.FILE:
            return name, entry
    raise NotFound(
        f"no {names[0]} in the archive of {label}", name=names[0], where=label, hint="-f names one in it"
    )


def _text(pieces: Iterable[bytes], label: str) -> bytes:
    return b"".join(_bounded(pieces, label))


def _bounded(pieces: Iterable[bytes], label: str) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > DOCKERFILE_LIMIT:
            raise UsageError(f"{label} has more than {DOCKERFILE_LIMIT} bytes", hint="is this a Dockerfile?")
        yield piece
