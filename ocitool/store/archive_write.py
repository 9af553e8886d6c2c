"""An archive being written as a store: a tar that is an OCI layout, and one that docker loads where asked.

Written in one pass: blobs as they come, the lists at the end; a file gets its name only when it is complete,
and a pipe or device is written straight.
Spec: image-spec image-layout.md; Docker image spec v1.2.
"""

import json
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from ocitool.errors import NotFound, Unsupported, UsageError, local_io
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, PRETTY, Document, write
from ocitool.model.files import temporary_beside
from ocitool.model.reference import Reference
from ocitool.model.views import Descriptor, Index, Manifest, effective_type, view
from ocitool.store.base import (
    FULL_NAME,
    Expect,
    FullNames,
    Ingest,
    Pieces,
    Put,
    Source,
    Stored,
    Traits,
    no_names,
    referrers_among,
    renamed_to,
)
from ocitool.store.layout_index import REF_NAME
from ocitool.store.verify import opened
from ocitool.values import replace

STREAM: Final = "-"


class ArchiveWriter:
    """An archive being written to a file, to standard output for `-`, or to the `stream` that its path only names.

    `docker` adds manifest.json, so that `docker load` and `podman load` take it; names are then repository
    tags, and it holds one image. `full_names` are the references that a name stands for: each is an entry of its
    own, as BuildKit writes them. Nothing is at `path` before the block ends without an error, and nothing is left
    beside it after one.
    """

    def __init__(
        self, path: str, *, docker: bool, full_names: FullNames = no_names, stream: IO[bytes] | None = None
    ) -> None:
        self.label = f"{'docker' if docker else 'oci'}-archive:{path}"
        referrers = "none" if docker else "scan"
        self.traits = Traits(deletes=False, referrers=referrers, concurrency=1, compares_tags=True, edits=False)
        self._path, self._docker = path, docker
        self._full_names = _familiar if docker else full_names
        self._lock = threading.Lock()
        self._blobs: set[Digest] = set()
        self._documents: dict[Digest, Document] = {}
        self._named: list[tuple[Document, str]] = []
        self._temporary: Path | None = None
        self._target: Path | None = None
        self._file = sys.stdout.buffer if path == STREAM else stream
        self._is_ours = self._file is None

    def head(self, name: str) -> Descriptor | None:
        """The descriptor of what was written so far, by digest."""
        found = next((d for d in self._documents if d == name), None)
        return Descriptor.of(self._documents[found]) if found else None

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:  # noqa: ARG002 - in memory
        """A manifest written before, by digest."""
        if self.head(name) is None:
            raise NotFound(f"no manifest {name} in {self.label}", name=name, where=self.label)
        return self._documents[Digest(name)]

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the blob was written."""
        return descriptor.digest in self._blobs

    def blob_size(self, digest: Digest) -> int | None:  # noqa: ARG002 - refused
        """Raise Unsupported: an archive in the making is not read."""
        raise self._unreadable()

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> Pieces:  # noqa: ARG002 - refused
        """Raise Unsupported: an archive in the making is not read."""
        raise self._unreadable()

    def _unreadable(self) -> Unsupported:
        return Unsupported(f"{self.label} cannot be read while it is written", ability="read")

    def tags(self) -> Iterator[str]:
        """The names so far."""
        return iter([name for _, name in self._named if name])

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """What was written and refers to `digest`."""
        return referrers_among(self._documents.values(), digest)

    def put_blob(self, descriptor: Descriptor, source: Source) -> Put:
        """Append the blob, compared with its digest as it passes; one after the other."""
        with self._lock:
            if descriptor.digest in self._blobs:
                return Put.EXISTED
            with opened(source, descriptor) as pieces:
                self._member(_blob_path(descriptor.digest), descriptor.size, pieces)
            self._blobs.add(descriptor.digest)
            return Put.STORED

    def put_manifest(self, document: Document, *tags: str, expect: Expect | None = None) -> Stored:  # noqa: ARG002
        """Append the bytes, and list them under each name at the end. Raises Unsupported for what docker lacks."""
        document = replace(document, media_type=effective_type(document), served=None)
        if self._docker and isinstance(view(document), Index):
            raise Unsupported(
                "docker-archive holds one platform, this is an index",
                ability="index",
                hint="choose one with --platform, or write oci-archive:",
            )
        with self._lock:
            if document.digest not in self._documents:
                if document.digest not in self._blobs:
                    self._member(_blob_path(document.digest), document.size, iter((document.raw,)))
                    self._blobs.add(document.digest)
                self._documents[document.digest] = document
            self._named += [(document, tag) for tag in tags]
        return Stored(Descriptor.of(document))

    def ingest(self) -> Ingest:
        """Raise Unsupported: a tar needs the size of a member before its bytes."""
        raise Unsupported(f"{self.label} takes no blob of unknown size", ability="ingest")

    def delete(self, name: str) -> None:
        """Raise Unsupported."""
        raise Unsupported(f"{self.label} does not delete {name}", ability="delete")

    def __enter__(self) -> "ArchiveWriter":
        self._output()  # a folder that is not there is told before anything is sent
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the lists and give the file its name; after an error, leave nothing.

        What goes wrong while that is cleaned up is no news: the disk that was full is still full (K240).
        """
        try:
            if error is None:
                self._finish()
        finally:
            if self._file is not None and self._is_ours:
                with suppress(OSError):
                    self._file.close()
            if self._temporary is not None:
                with suppress(OSError):
                    self._temporary.unlink(missing_ok=True)

    # Inside

    def _finish(self) -> None:
        named: set[Digest] = set()
        index: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": []}
        for document, name in self._named:
            named.add(document.digest)
            tag = name.rpartition(":")[2] if self._docker else name
            for full in self._full_names(name) or ("",):
                entry = Descriptor.of(document).to_tree()
                if notes := {key: value for key, value in ((REF_NAME, tag), (FULL_NAME, full)) if value}:
                    entry["annotations"] = notes
                index["manifests"].append(entry)
        referring = (one for one in self._documents.values() if view(one).subject is not None)
        unlisted = [one for one in referring if one.digest not in named and not self._docker]
        index["manifests"] += [Descriptor.of(one).to_tree() for one in unlisted]  # so that a reader finds them
        self._text("index.json", write(index, mediatype.OCI_INDEX, PRETTY).raw)
        self._text("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        if self._docker:
            self._text("manifest.json", json.dumps(self._docker_images()).encode())
        file = self._output()
        try:
            file.write(bytes(1024))
            file.flush()
            if self._temporary is not None:
                os.fsync(file.fileno())
                self._temporary.replace(self._target or self._path)
                self._temporary = None
        except OSError as error:
            raise local_io(error, f"write {self._path}") from error

    def _docker_images(self) -> list[dict[str, Any]]:
        images: dict[Digest, dict[str, Any]] = {}
        for document, name in self._named:
            seen = view(document)
            if not isinstance(seen, Manifest):
                continue
            image = images.setdefault(
                document.digest,
                {
                    "Config": _blob_path(seen.config.digest),
                    "RepoTags": [],
                    "Layers": [_blob_path(layer.digest) for layer in seen.layers],
                },
            )
            if name:
                image["RepoTags"].append(name)
        return list(images.values())

    def _text(self, name: str, data: bytes) -> None:
        self._member(name, len(data), iter((data,)))

    def _member(self, name: str, size: int, pieces: Iterator[bytes]) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o644
        file = self._output()
        try:
            file.write(info.tobuf(tarfile.PAX_FORMAT))
            for piece in pieces:
                file.write(piece)
            file.write(bytes(-size % 512))
        except OSError as error:
            raise local_io(error, f"write {self._path}") from error

    def _output(self) -> IO[bytes]:
        if self._file is None:
            self._target = renamed_to(Path(self._path))
            temporary = temporary_beside(self._target) if self._target is not None else None
            try:
                self._file = temporary.open("xb") if temporary is not None else Path(self._path).open("wb")  # noqa: SIM115
            except OSError as error:
                raise local_io(error, f"write {self._path}") from error
            self._temporary = temporary
        return self._file


def _familiar(name: str) -> tuple[str, ...]:
    """The full reference of a repository tag as docker shows it."""
    try:
        return (str(Reference.parse(name)),) if name else ()
    except UsageError:
        return (name,)


def _blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
