"""Files and directories as the blobs of an artifact: hashed where they are, or packed into this machine's store."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ocitool.artifact.conventions import (
    CONTENT_DIGEST,
    DIRECTORY_TYPE,
    FILE_TYPE,
    TITLE,
    UNPACK,
    AnnotationFile,
    split_type,
)
from ocitool.codec.codecs import parse_codec
from ocitool.errors import NotFound, UsageError, local_io
from ocitool.model.files import clean, from_system
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Entry, scan
from ocitool.pack.layer import pack_layer
from ocitool.store.base import DiskSource, Source, StoreSource
from ocitool.store.verify import hash_file
from ocitool.values import dataclass, field
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file or directory on its way into an artifact: the path that was given, its title, and its type."""

    path: Path
    title: str
    media_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)


@dataclass(frozen=True, slots=True)
class ArtifactBlob:
    """A blob of an artifact: how the manifest lists it, and where its bytes come from."""

    descriptor: Descriptor
    source: Source


def name_files(words: tuple[str, ...], annotations: AnnotationFile) -> tuple[NamedFile, ...]:
    """What `PATH[:TYPE]` words mean. The title is the path as it is written; of one that leads elsewhere its name.

    Raises UsageError for two of one title, and NotFound where there is nothing.
    """
    found: dict[str, NamedFile] = {}
    for word in words:
        text, media_type = split_type(word)
        path = Path(text)
        if not os.path.lexists(path):
            hint = "a media type has one slash: PATH:TYPE/SUBTYPE" if ":" in word else ""
            raise NotFound(f"no file {text}", name=text, where=str(Path.cwd()), hint=hint)
        title = title_of(path)
        if title in found:
            raise UsageError(
                f"{found[title].path} and {path} would both be {title}",
                hint="push them under different names; a path within the current folder is kept whole",
            )
        found[title] = NamedFile(path, title, media_type, annotations.of(text))
    return tuple(found.values())


def title_of(path: Path) -> str:
    """The title of a file, in the form of `model.files`: relative as it is, else only the last part."""
    text = from_system(str(path))
    inside = None if text.startswith("/") else clean(text)
    return inside or from_system(path.resolve().name) or "root"


def blob_of(file: NamedFile, work: Workspace, *, epoch: int) -> ArtifactBlob:
    """The file as a blob, read once to be hashed; a directory is packed into this machine's store.

    Its tar depends on names, modes and contents alone. Raises LocalIOError, UsageError for what is neither a file
    nor a directory, and as packing does.
    """
    try:
        status = file.path.stat()
    except OSError as error:
        raise local_io(error, f"read {file.path}") from error
    if stat.S_ISDIR(status.st_mode):
        return _directory(file, work, epoch)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{file.path} is no file and no directory", hint="write what it gives into a file first")
    digest, size = hash_file(file.path, work.scope)
    said = {TITLE: file.title, **file.annotations}
    return ArtifactBlob(
        Descriptor(file.media_type or FILE_TYPE, digest, size, annotations=said), DiskSource(file.path)
    )


def _directory(file: NamedFile, work: Workspace, epoch: int) -> ArtifactBlob:
    store = work.machine.content
    entries: tuple[Entry, ...] = scan(file.path, file.title)
    layer = pack_layer(
        entries,
        store,
        parse_codec("gzip"),
        epoch=epoch,
        scope=work.scope,
        width=work.width,
        memo=work.machine.memo,
        listener=work.listener,
        label=file.title,
    )
    said = {TITLE: file.title, CONTENT_DIGEST: str(layer.diff_id), UNPACK: "true", **file.annotations}
    descriptor = Descriptor(file.media_type or DIRECTORY_TYPE, layer.digest, layer.size, annotations=said)
    return ArtifactBlob(descriptor, StoreSource(descriptor, store))
