"""An archive being read as a store: an OCI layout in a tar, or what `docker save` writes.

Read in place: the tar is listed once and blobs are read from their offsets; what is compressed, or comes from a
pipe, is spooled to a temporary file first. Spec: image-spec image-layout.md; Docker image spec v1.2.
"""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from ocitool.codec.codecs import decompress, sniff
from ocitool.codec.tar_reader import USUAL, TarFile, TarLimits, read_members
from ocitool.errors import LocalIOError, MalformedDocument, NotFound, Unsupported, UsageError, local_io
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest, Tap, is_digest
from ocitool.model.document import MANIFEST_LIMIT, Document, parse
from ocitool.model.files import FileKind, TreeBudget, clean, resolve
from ocitool.model.mediatype import Family
from ocitool.model.numbers import KIB, MIB
from ocitool.model.views import Descriptor, Index, effective_type, view
from ocitool.store.base import (
    FULL_NAME,
    Expect,
    Ingest,
    Pieces,
    Put,
    Source,
    Stored,
    Traits,
    images_among,
    referrers_among,
)
from ocitool.store.layout_index import REF_NAME
from ocitool.store.verify import check_bytes, verified
from ocitool.values import dataclass

PIECE: Final = 256 * KIB
LIMITS: Final = TarLimits(members=200_000, names=64 * MIB, size=2**63)
"""Files and bytes of names; an archive of any size that is there is read."""
STREAM: Final = "-"
_KINDS: Final = {"gzip": mediatype.DOCKER_LAYER_GZIP, "zstd": mediatype.DOCKER_LAYER_ZSTD}


@dataclass(frozen=True, slots=True)
class _Member:
    """A regular file of the tar: where its bytes start, and how many there are."""

    offset: int
    size: int


class ArchiveReader:
    """An archive being read: an OCI layout in a tar, or what `docker save` writes. `-` is standard input.

    For docker's form manifests are made up from manifest.json; their digests are ours, for the archive has none.
    """

    traits = Traits(deletes=False, referrers="scan")

    def __init__(self, path: str, *, docker: bool) -> None:
        self.label = f"{'docker' if docker else 'oci'}-archive:{path}"
        self._lock = threading.Lock()
        self._file = _seekable(path)
        try:
            self._members, self._links = _list(self._file, self.label)
            self._manifests: dict[Digest, Document] = {}
            self._named: list[tuple[str, Descriptor]] = []
            self._blobs: dict[Digest, _Member] = {}
            self._hashed: dict[_Member, tuple[Digest, str]] = {}
            self._budget = TreeBudget()
            for name, member in self._members.items():
                algorithm, _, encoded = name.removeprefix("blobs/").partition("/")
                with suppress(MalformedDocument):
                    self._blobs[Digest(f"{algorithm}:{encoded}")] = member
            self._full: list[tuple[str, Descriptor]] = []
            self._load(docker=docker)
        except BaseException:
            self._file.close()
            raise

    # Reading

    def head(self, name: str) -> Descriptor | None:
        """The descriptor under a name or digest, or of the only image for ""."""
        listed = (*self._named, *self._full)
        for known, descriptor in listed:
            if name and name in {known, str(descriptor.digest)}:
                return descriptor
        ending = [(known, descriptor) for known, descriptor in listed if name and known.rpartition(":")[2] == name]
        if len({descriptor.digest for _, descriptor in ending}) > 1:
            names = ", ".join(dict.fromkeys(known for known, _ in ending[:10]))
            raise UsageError(f"{self.label} holds several {name}", hint=f"it holds {names}")
        if ending:
            return ending[0][1]
        if not name:
            images = self._images()
            if len(images) > 1:
                raise UsageError(f"{self.label} holds {len(images)} images", hint=self._offer())
            return images[0] if images else None
        if is_digest(name) and (Digest(name) in self._manifests or Digest(name) in self._blobs):
            return Descriptor.of(self.get_manifest(name))
        return None

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest under a name or digest, or the only one for ""."""
        digest = Digest(name) if is_digest(name) else None
        if digest is None or (digest not in self._manifests and digest not in self._blobs):
            found = self.head(name)
            if found is None:
                raise NotFound(
                    f"no image {name!r} in {self.label}", name=name, where=self.label, hint=self._offer()
                )
            digest = found.digest
        if digest in self._manifests:
            return self._manifests[digest]
        raw = self._small(self._blobs.get(digest), str(digest), limit)
        check_bytes(raw, digest, self.label)
        return Document(raw, effective_type(Document(raw, "")), algorithm=digest.algorithm)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the archive has it, of that size."""
        member = self._blobs.get(descriptor.digest)
        return member is not None and member.size == descriptor.size

    def blob_size(self, digest: Digest) -> int | None:
        """The blob's size in bytes, None if the archive lacks it."""
        member = self._blobs.get(digest)
        return member.size if member is not None else None

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> Pieces:
        """The blob's bytes, verified when read from the start."""
        member = self._blobs.get(descriptor.digest)
        if member is None:
            raise NotFound(
                f"no blob {descriptor.digest} in {self.label}",
                name=str(descriptor.digest),
                where=self.label,
                hint="an archive made with --lacking goes to a place that has what was left out of it",
            )
        if offset:
            return Pieces(lambda: self._read(member, offset))
        return Pieces(lambda: verified(self._read(member), descriptor, self.label))

    def tags(self) -> Iterator[str]:
        """The names in the archive, each once."""
        return iter(dict.fromkeys(name for name, _ in self._named if name))

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """The listed manifests whose subject is `digest`."""
        return referrers_among((self.get_manifest(str(d.digest)) for _, d in self._named), digest)

    # Not writing

    def put_blob(self, descriptor: Descriptor, source: Source) -> Put:  # noqa: ARG002 - refused
        """Raise Unsupported."""
        raise self._read_only()

    def put_manifest(self, document: Document, *tags: str, expect: Expect | None = None) -> Stored:  # noqa: ARG002
        """Raise Unsupported."""
        raise self._read_only()

    def ingest(self) -> Ingest:
        """Raise Unsupported."""
        raise self._read_only()

    def delete(self, name: str) -> None:  # noqa: ARG002 - refused
        """Raise Unsupported."""
        raise self._read_only()

    def _read_only(self) -> Unsupported:
        return Unsupported(
            f"{self.label} is not changed in place", ability="write", hint="copy it to oci:DIR first"
        )

    def __enter__(self) -> "ArchiveReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    # Inside

    def _load(self, *, docker: bool) -> None:
        if docker and "manifest.json" in self._members:
            self._load_docker()
        elif "index.json" in self._members:
            self._load_layout()
        else:
            raise MalformedDocument(f"{self.label} has no {'manifest.json' if docker else 'index.json'}")

    def _load_layout(self) -> None:
        seen = view(Document(self._small(self._members["index.json"], "index.json"), mediatype.OCI_INDEX))
        if not isinstance(seen, Index):
            raise MalformedDocument(f"index.json of {self.label} is no index", where=self.label)
        self._named = [(e.annotations.get(REF_NAME, ""), e) for e in seen.entries]
        self._full = [(full, e) for e in seen.entries if (full := e.annotations.get(FULL_NAME))]

    def _load_docker(self) -> None:
        tree = parse(self._small(self._members["manifest.json"], "manifest.json"))
        if not isinstance(tree, list) or not all(isinstance(image, dict) for image in tree):
            raise MalformedDocument(f"manifest.json of {self.label} is no list of images", where=self.label)
        for image in tree:
            document = self._docker_manifest(image)
            self._manifests[document.digest] = document
            names = image.get("RepoTags") or []
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise MalformedDocument(f"manifest.json of {self.label} has RepoTags that are no list of names")
            self._named += [(name, Descriptor.of(document)) for name in names or [""]]

    def _docker_manifest(self, image: dict[str, Any]) -> Document:
        config, layers = image.get("Config"), image.get("Layers")
        if not isinstance(config, str) or not isinstance(layers, list):
            raise MalformedDocument(f"manifest.json of {self.label} lacks Config or Layers", where=self.label)
        described = [self._describe(layer) for layer in layers]
        return compose.manifest(Family.DOCKER, self._describe(config, mediatype.DOCKER_CONFIG), described)

    def _describe(self, path: object, media_type: str = "") -> Descriptor:
        """Hash a member, once however often it is named, and take it among the blobs."""
        member = self._member(path) if isinstance(path, str) else None
        if member is None:
            raise MalformedDocument(f"{self.label} lacks {str(path)[:200]!r}", where=self.label)
        if member not in self._hashed:
            tap, head = Tap(), b""
            for piece in self._read(member):
                head = head or piece[:6]
                tap.update(piece)
            self._hashed[member] = (tap.digest, _KINDS.get(sniff(head), mediatype.DOCKER_LAYER))
            self._blobs[tap.digest] = member
        digest, layer_type = self._hashed[member]
        return Descriptor(media_type or layer_type, digest, member.size)

    def _member(self, path: str) -> _Member | None:
        """The file that a path of manifest.json names, through links."""
        try:
            name = clean(path)
            return self._members.get(resolve(name, self._links.get, budget=self._budget)) if name else None
        except MalformedDocument:
            return None

    def _small(self, member: _Member | None, name: str, limit: int = MANIFEST_LIMIT) -> bytes:
        if member is None:
            raise NotFound(f"no {name} in {self.label}", name=name, where=self.label)
        if member.size > limit:
            raise MalformedDocument(f"{name} of {self.label} has {member.size} bytes, more than {limit}")
        return b"".join(self._read(member))

    def _read(self, member: _Member, offset: int = 0) -> Iterator[bytes]:
        at, end = member.offset + offset, member.offset + member.size
        while at < end:
            with self._lock:  # one file position for all threads
                self._file.seek(at)
                piece = self._file.read(min(PIECE, end - at))
            if not piece:
                raise MalformedDocument(f"{self.label} ends in the middle of a file", where=self.label)
            at += len(piece)
            yield piece

    def _images(self) -> list[Descriptor]:
        """The entries that are images of their own."""
        return images_among(self._named, lambda entry: self.get_manifest(str(entry.digest)))

    def _offer(self) -> str:
        images = {image.digest for image in self._images()}
        names = [name or str(d.digest) for name, d in self._named if d.digest in images]
        return f"it holds {', '.join(names[:10])}" if names else "it is empty"


def _seekable(path: str) -> IO[bytes]:
    """The archive as a file that can be sought, uncompressed; a temporary one where it has to be."""
    try:
        if path == STREAM:
            return _spooled(sys.stdin.buffer)
        with ExitStack() as opened:
            source = opened.enter_context(Path(path).open("rb"))
            if sniff(source.read(6)) != "none":
                source.seek(0)
                return _spooled(source)
            source.seek(0)
            opened.pop_all()
            return source
    except FileNotFoundError:
        raise NotFound(f"no archive {path}", name=path) from None
    except OSError as error:
        raise local_io(error, f"read the archive {path}") from error


def _spooled(source: IO[bytes]) -> IO[bytes]:
    """The bytes of `source`, uncompressed, in a temporary file that has no name."""
    size = 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in iter(lambda: source.read(PIECE), b""):
            size += len(piece)
            yield piece

    with ExitStack() as opened:
        spooled = opened.enter_context(tempfile.TemporaryFile())
        written = 0
        for piece in decompress(pieces()):
            written += len(piece)
            if written > USUAL.of_packed(size).size:
                raise MalformedDocument(f"an archive of {size} bytes unpacks to more than {written - len(piece)}")
            spooled.write(piece)
        spooled.seek(0)
        opened.pop_all()
        return spooled


def _list(file: IO[bytes], label: str) -> tuple[dict[str, _Member], dict[str, str]]:
    """The regular files and the symbolic links of a tar by their names; bodies are passed over."""
    members: dict[str, _Member] = {}
    links: dict[str, str] = {}
    try:
        for one in read_members(TarFile(file), limits=LIMITS, drain=False):
            if one.kind is FileKind.FILE and one.extents is None:
                members[one.path] = _Member(one.start, one.size)
            elif one.kind is FileKind.SYMLINK:
                links[one.path] = one.link
            elif one.kind is FileKind.HARDLINK and one.link in members:
                members[one.path] = members[one.link]
    except MalformedDocument as error:
        raise MalformedDocument(f"{label} is no tar archive: {error.what}", where=label) from None
    except OSError as error:
        raise LocalIOError(f"cannot read {label}: {(error.strerror or str(error)).lower()}") from error
    return members, links
