"""The files of an image written to a folder or a tar."""

from collections.abc import Iterator
from pathlib import Path

from ocitool.model.digest import Digest
from ocitool.rootfs.extract import Contents, contents, export_tar
from ocitool.rootfs.folder import export_folder
from ocitool.rootfs.merged import MergedFiles
from ocitool.store.base import write_whole
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: how many files, and their bytes.

    `left_out` are devices and links to nothing, `without_xattrs` files whose extended attributes could not be kept.
    """

    digest: Digest
    files: int
    size: int
    left_out: tuple[str, ...] = ()
    without_xattrs: tuple[str, ...] = ()


def export(files: MergedFiles, place: Path, what: Contents | None = None) -> Exported:
    """Write the files into a folder that is new or empty, or into a file whose name ends with .tar.

    Raises UsageError for a folder that is not empty, LocalIOError, and what reading layers raises; nothing of
    ours is left after an error.
    """
    what = what or contents(files.tree)
    without: tuple[str, ...] = ()
    if place.name.endswith(".tar") and not place.is_dir():
        write_whole(tar_of(files, what), place)
    else:
        without = export_folder(
            files.store, files.manifest, files.tree, what, place, scope=files.scope
        ).without_xattrs
    return Exported(files.digest, what.count, what.size, what.left_out, without)


def tar_of(files: MergedFiles, what: Contents) -> Iterator[bytes]:
    """The tar of the files in pieces; the same bytes for the same image."""
    return export_tar(files.store, files.manifest, files.tree, what, scope=files.scope)
