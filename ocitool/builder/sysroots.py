"""The sysroots of a build: folders, images pulled into this machine's store, and Debian's packages."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocitool.builder.request import BuildRequest
from ocitool.errors import Unsupported, local_io
from ocitool.events import Noted
from ocitool.image.base import open_base
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec
from ocitool.rootfs.extract import contents
from ocitool.rootfs.folder import export_folder
from ocitool.rootfs.tree import read_tree
from ocitool.toolchains.compilers import debian_folder
from ocitool.toolchains.debian import unpack_packages, unpacked_versions
from ocitool.toolchains.options import SysrootOptions
from ocitool.toolchains.sysroot import Sysroot, libc_of, stray_links, tame
from ocitool.toolchains.workdir import OutputFolder
from ocitool.workspace import Workspace


def find_sysroots(
    spec: BuildSpec, platforms: Sequence[Platform], request: BuildRequest, workspace: Workspace
) -> Mapping[Platform, Sysroot]:
    """The sysroot of each platform that has one; images and packages are unpacked into this machine's store once.

    Raises Unsupported for a folder that is not there, and what reading an image or apt raises.
    """
    found = {}
    for platform in platforms:
        options = spec.part(platform).sysroot
        if options.is_there:
            with OutputFolder(workspace.machine.root / "sysroots").held():
                folder, identity = _folder(options, platform, request, workspace)
                links = _links(folder, debian_folder(platform), workspace) if options.path else None
            libc = libc_of(folder, debian_folder(platform))
            found[platform] = Sysroot(folder, libc, identity, links)
    return found


def _folder(
    options: SysrootOptions, platform: Platform, request: BuildRequest, workspace: Workspace
) -> tuple[Path, str]:
    """The sysroot's folder, and what tells its content from any other; empty where it may change."""
    cache = workspace.machine.root
    if options.image:
        return _image(options.image, platform, workspace)
    if options.packages:
        folder = unpack_packages(
            options.packages,
            platform,
            cache,
            request.environ,
            scope=workspace.scope,
            listener=workspace.listener,
            dependencies=options.dependencies,
        )
        versions = unpacked_versions(folder)
        asked = {name.partition("=")[0] for name in options.packages}
        told = " ".join(f"{name}={version}" for name, version in versions.items() if name in asked)
        workspace.listener(Noted(f"sysroot of {platform}: {told}", "note"))
        return folder, folder.name
    words = {"{os}": platform.os, "{arch}": platform.architecture, "{variant}": platform.variant}
    text = options.path
    for word, value in words.items():
        text = text.replace(word, value)
    folder = (request.source / text).absolute()
    if not folder.is_dir():
        raise Unsupported(
            f"no sysroot {folder} for {platform}",
            ability=str(folder),
            hint='correct path in [sysroot], or take packages = ["NAME-dev"] or image = "REF"',
        )
    return folder, ""


def _links(folder: Path, triplet: str, workspace: Workspace) -> Path | None:
    """A folder with links of the same names for those of the user's folder that lead out of it; None for none."""
    stray = stray_links(folder, triplet)
    if not stray:
        return None
    links = workspace.machine.root / "sysroots" / f"links-{Digest.of(str(folder).encode()).hex[:24]}"
    try:
        shutil.rmtree(links, ignore_errors=True)
        links.mkdir(parents=True)
        for name, real in stray.items():
            (links / name).symlink_to(real)
    except OSError as error:
        raise local_io(error, f"write into {links}") from error
    return links


def _image(name: str, platform: Platform, workspace: Workspace) -> tuple[Path, str]:
    store, reference, _ = workspace.open_source(name)
    image = open_base(store, reference).image(platform, workspace.listener)
    identity = image.manifest.document.digest.hex
    folder = workspace.machine.root / "sysroots" / f"image-{identity[:24]}"
    if folder.is_dir():
        return folder, identity
    workspace.listener(Noted(f"unpacking {name} for {platform}, once", "notice"))
    making = folder.with_suffix(".new")
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.parent.mkdir(parents=True, exist_ok=True)
        tree = read_tree(
            image.store, image.manifest, workspace.machine.memo, scope=workspace.scope, width=workspace.width
        )
        export_folder(image.store, image.manifest, tree, contents(tree), making, scope=workspace.scope)
        tame(making)
        making.rename(folder)
    except OSError as error:
        raise local_io(error, f"unpack {name} into {folder}") from error
    return folder, identity
