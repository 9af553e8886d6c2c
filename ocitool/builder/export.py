"""The result of a build as plain files: what `-o type=local` and `-o type=tar` of buildx write."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ocitool.builder.pipeline import Built
from ocitool.errors import Unsupported, UsageError, local_io
from ocitool.events import Noted
from ocitool.graph.copy import CopyReport, put_snapshot
from ocitool.image.assemble import Image
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Manifest
from ocitool.rootfs.extract import ExportPart, contents, export_together
from ocitool.rootfs.folder import export_folder
from ocitool.rootfs.tree import read_tree
from ocitool.store.base import write_whole
from ocitool.workspace import Workspace


def folder_of(platform: Platform) -> str:
    """What a platform's folder is called: `linux_arm_v7`."""
    return str(platform).replace("/", "_")


def folders(place: Path, platforms: Sequence[Platform], *, split: bool | None) -> tuple[Path, ...]:
    """The folder of each platform: `place` itself for one, `place/linux_arm64` where there are several.

    Raises Unsupported for several platforms in one folder, whose files would take each other's place.
    """
    if split or (split is None and len(platforms) > 1):
        return tuple(place / folder_of(platform) for platform in platforms)
    if len(platforms) > 1:
        raise Unsupported(
            f"the files of {len(platforms)} platforms do not go into one folder {place}",
            ability="platform-split=false",
            hint="leave platform-split=false out, or choose one with --platform",
        )
    return (place,)


def check_free(place: Path, platforms: Sequence[Platform], *, is_tar: bool, split: bool | None) -> None:
    """Raise, before any work, where `export_files` would refuse: a folder that is not empty, a tar that is one."""
    if is_tar:
        if os.path.isdir(place):  # noqa: PTH112 - which has no error for a folder that is closed to us
            raise UsageError(
                f"{place} is a folder, and a tar is a file", hint=f"name a file, as in {place}/root.tar"
            )
        return
    for folder in folders(place, platforms, split=split):
        try:
            is_taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        except OSError as error:
            raise local_io(error, f"write into {folder}") from error
        if is_taken:
            raise UsageError(f"{folder} is there and not empty", hint="name a new folder, or empty it before")


def export_files(
    built: Built,
    place: Path,
    workspace: Workspace,
    *,
    is_tar: bool,
    split: bool | None,
) -> CopyReport:
    """Write the root file system of each platform; a tar goes to standard output where its place is `-`.

    A tar has a folder for each platform where there are several, whatever `split` says, as buildx makes it.
    Layers of the base come into this machine's store first: each is read twice. Raises as `check_free`,
    `rootfs.extract` and `rootfs.folder` do.
    """
    report = put_snapshot(
        built.snapshot,
        workspace.machine.content,
        source_of=built.source_of,
        scope=workspace.scope,
        width=workspace.transfers,
        listener=workspace.listener,
    )
    platforms = [image.platform for image in built.images]
    if is_tar:
        _write_tar(built.images, place, workspace)
    else:
        for image, target in zip(built.images, folders(place, platforms, split=split), strict=True):
            part = _part(image, workspace)
            _make(target.parent)
            content = workspace.machine.content
            export_folder(content, part.manifest, part.tree, part.what, target, scope=workspace.scope)
    return report


def _part(image: Image, workspace: Workspace, folder: str = "") -> ExportPart:
    """What of an image is written; what is not is told."""
    content = workspace.machine.content
    manifest = Manifest(image.manifest, Descriptor.of(image.config), image.layers)
    tree = read_tree(content, manifest, workspace.machine.memo, scope=workspace.scope)
    what = contents(tree)
    if what.left_out:
        workspace.listener(Noted(f"{len(what.left_out)} devices or links to nothing of {image.platform} left out"))
    return ExportPart(manifest, tree, what, folder)


def _write_tar(images: Sequence[Image], target: Path, workspace: Workspace) -> None:
    by_folder = {folder_of(image.platform) if len(images) > 1 else "": image for image in images}
    parts = (_part(by_folder[folder], workspace, folder) for folder in sorted(by_folder))
    tar = export_together(workspace.machine.content, parts, scope=workspace.scope)
    if str(target) == "-":
        sys.stdout.flush()
        for piece in tar:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    else:
        _make(target.parent)
        write_whole(tar, target)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise local_io(error, f"write into {folder}") from error
