"""Files of an artifact, listed and pulled into a folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ocitool.artifact.conventions import TITLE, is_packed_directory
from ocitool.artifact.folder import PullFolder, inside
from ocitool.codec.codecs import decompress
from ocitool.errors import EscapingPath, MalformedDocument, NotFound, Unsupported, local_io
from ocitool.events import Listener, Noted
from ocitool.model.digest import Digest
from ocitool.model.files import ancestors
from ocitool.model.printable import shown
from ocitool.model.views import Descriptor, Index, Manifest, view
from ocitool.rootfs.tree import bounded_members
from ocitool.store.base import PIECE, Reader, called
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass, replace
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """A file of an artifact: its title, which is empty where it has none, and the blob that it is."""

    title: str
    blob: Descriptor
    is_directory: bool = False

    @property
    def label(self) -> str:
        """The title, of a directory with a slash; the digest in brackets where there is none."""
        return f"{self.title}{'/' if self.is_directory else ''}" if self.title else f"({self.blob.digest.short})"

    def to_tree(self) -> dict[str, Any]:
        """The file for JSON output."""
        tree = {"title": self.title, "mediaType": self.blob.media_type, "size": self.blob.size}
        more = {"digest": str(self.blob.digest), "directory": self.is_directory}
        return tree | more | ({"annotations": dict(self.blob.annotations)} if self.blob.annotations else {})


@dataclass(frozen=True, slots=True)
class ArtifactListing:
    """What an artifact holds: its digest, type, config, annotations, and its files in order."""

    digest: Digest
    artifact_type: str
    config: Descriptor
    files: tuple[ArtifactFile, ...]
    manifest: Manifest

    @property
    def named(self) -> tuple[ArtifactFile, ...]:
        """The files that have a title, which are those that are pulled."""
        return tuple(file for file in self.files if file.title)

    def only(self, titles: tuple[str, ...]) -> "ArtifactListing":
        """Only the files of these titles; all of them for none. Raises NotFound."""
        known = [file.title for file in self.named]
        for title in titles:
            if title not in known:
                hint = f"there are {', '.join(map(shown, known[:10]))}" if known else ""
                raise NotFound(f"no file {title!r} in {self.digest}", name=title, hint=hint)
        return replace(self, files=tuple(f for f in self.files if f.title in titles)) if titles else self

    def to_tree(self) -> dict[str, Any]:
        """The listing for JSON output."""
        return {
            "digest": str(self.digest),
            "artifactType": self.artifact_type,
            "config": self.config.to_tree(),
            "annotations": dict(self.manifest.annotations),
            "files": [file.to_tree() for file in self.files],
        }


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was pulled: the folder, the artifact, and the paths written below the folder; `kept` were there."""

    folder: Path
    artifact: ArtifactListing
    written: tuple[str, ...]
    kept: tuple[str, ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """What was pulled, for JSON output."""
        return {
            "digest": str(self.artifact.digest),
            "folder": str(self.folder),
            "written": list(self.written),
            "kept": list(self.kept),
        }


def list_artifact(store: Reader, name: str) -> ArtifactListing:
    """What the manifest under a name lists: one request. Raises Unsupported for an index or an image."""
    document = store.get_manifest(name)
    seen, label = view(document), called(store, name)
    if isinstance(seen, Index):
        raise Unsupported(
            f"{label} is an index, and no artifact",
            ability="artifact",
            hint="ocitool inspect shows what it lists; name one of these by its digest",
        )
    if not isinstance(seen, Manifest):
        raise Unsupported(f"{label} is no artifact: {seen.why}", ability="artifact")
    files = tuple(
        ArtifactFile(
            layer.annotations.get(TITLE, ""), layer, is_packed_directory(layer.media_type, layer.annotations)
        )
        for layer in seen.layers
    )
    if seen.is_image and not any(file.title for file in files):
        raise Unsupported(
            f"{label} is an image, whose layers are no files of an artifact",
            ability="artifact",
            hint=f"ocitool export {label} DIR writes its files",
        )
    return ArtifactListing(document.digest, seen.effective_artifact_type, seen.config, files, seen)


def pull_artifact(
    work: Workspace, store: Reader, listing: ArtifactListing, folder: Path, *, keeps_old: bool = False
) -> Pulled:
    """Write the files that have a title into a folder, each whole and verified; what stands there gives way.

    With `keeps_old` it does not. Every title is looked at before anything is written. Raises EscapingPath for one
    that leads out of the folder, DigestMismatch, LocalIOError; files that were written by then stay.
    """
    paths = _paths(listing)
    _tell_nameless(listing, work.listener)
    with PullFolder(folder) as opened:
        kept = [path for path in paths if keeps_old and opened.has(path)]
        wanted = [(path, file) for path, file in paths.items() if path not in kept]
        width = min(work.transfers, store.traits.concurrency, 4)
        collect(work.scope, lambda one: write_file(store, one[1], one[0], opened, work.scope), wanted, width)
    return Pulled(folder, listing, tuple(path for path, _ in wanted), tuple(kept))


def _paths(listing: ArtifactListing) -> dict[str, ArtifactFile]:
    found: dict[str, ArtifactFile] = {}
    for file in listing.named:
        path = inside(file.title)
        if path in found:
            raise MalformedDocument(f"two files of {listing.digest} have the title {shown(path)[:200]!r}")
        found[path] = file
    for path in found:
        if above := next((one for one in ancestors(path) if one in found and not found[one].is_directory), ""):
            raise EscapingPath(f"{shown(path)[:200]!r} stands below {shown(above)[:200]!r}, which is a file")
    return found


def _tell_nameless(listing: ArtifactListing, listener: Listener) -> None:
    count = len(listing.files) - len(listing.named)
    if count:
        listener(Noted(f"{count} of {len(listing.files)} blobs have no title and were left out", "notice"))


def write_file(store: Reader, file: ArtifactFile, path: str, folder: PullFolder, scope: Scope) -> None:
    """Write one file, or unpack one directory, whose blob is verified before any of it is unpacked."""
    if not file.is_directory:
        with store.open_blob(file.blob) as pieces:
            folder.write(path, scope.pieces(pieces))
        return
    with _spool(store, file.blob, folder.root, scope) as spool:
        tar = decompress(_pieces(spool))
        folder.unpack(bounded_members(tar, file.blob), path, scope)


def _spool(store: Reader, blob: Descriptor, root: Path, scope: Scope) -> IO[bytes]:
    """The verified bytes of a blob in a file without a name, at its beginning."""
    try:
        spool = tempfile.TemporaryFile(dir=root, prefix=".ocitool-")  # noqa: SIM115 - the caller's to close
    except OSError as error:
        raise local_io(error, f"write into {root}") from error
    try:
        with store.open_blob(blob) as pieces:
            for piece in scope.pieces(pieces):
                spool.write(piece)
        spool.seek(0)
    except OSError as error:
        spool.close()
        raise local_io(error, f"write into {root}") from error
    except BaseException:
        spool.close()
        raise
    return spool


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(PIECE), b"")
