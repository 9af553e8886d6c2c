"""Debian's rustc and cargo, unpacked into the peers' cache beside whatever Rust this machine has.

The version is the oldest that apt offers: that of the release itself, which has standard libraries for every
architecture; those of later updates are there for a few.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ocitool.errors import OcitoolError
from ocitool.model.platform import Platform
from ocitool.tasks import Scope
from ocitool.toolchains.debian import unpack_packages
from tests import peers

_TRIPLET = "x86_64-linux-gnu"
_STD = ("libstd-rust", "-dev")
_PROGRAM = """#!/bin/sh
LD_LIBRARY_PATH={libraries} exec {program} "$@"
"""


@dataclass(frozen=True, slots=True)
class DebianRust:
    """A folder with `cargo` and `rustc`, and the package of the standard library that belongs to them."""

    programs: Path
    std: str
    sysroots: Path


def debian_rust() -> DebianRust:
    """Unpacked if need be. Raises Missing."""
    if shutil.which("apt-cache") is None or os.uname().machine != "x86_64":
        raise peers.Missing("Debian's Rust is unpacked on an amd64 with apt")
    found = ("", "")
    for suffix in ("-web", ""):
        said = subprocess.run(
            ["apt-cache", "madison", f"rustc{suffix}"], capture_output=True, text=True, check=False
        )
        versions = re.findall(rf"^\s*rustc{suffix} \| (\S+)", said.stdout, re.MULTILINE)
        found = (suffix, versions[-1]) if versions and not found[1] else found
    suffix, version = found
    if not version:
        raise peers.Missing("apt offers no rustc here: apt-get update may help")
    cache = peers.cache_root() / "debian-rust"
    names = tuple(f"{name}{suffix}{end}={version}" for name, end in (("rustc", ""), ("cargo", ""), _STD))
    try:
        root = unpack_packages(
            names, Platform.parse("linux/amd64"), cache, os.environ, scope=Scope(), listener=lambda event: None
        )
    except OcitoolError as error:
        raise peers.Missing(str(error)) from error
    std = f"libstd-rust{suffix}-dev={version}"
    return DebianRust(_programs(root), std, cache / "sysroots")


def _programs(root: Path) -> Path:
    """Wrappers that find the libraries of the packages; those that this machine has are its own."""
    folder, libraries = root / "programs", root / "libraries"
    if not folder.is_dir():
        libraries.mkdir(exist_ok=True)
        for place in ("lib", "usr/lib"):
            for path in (root / place / _TRIPLET).glob("*.so*"):
                if not (Path("/", place, _TRIPLET) / path.name).exists() and not (libraries / path.name).exists():
                    (libraries / path.name).symlink_to(path.resolve())
        folder.mkdir()
        for name in ("cargo", "rustc"):
            (folder / name).write_text(
                _PROGRAM.format(libraries=libraries, program=root / "usr/bin" / name), "utf-8"
            )
            (folder / name).chmod(0o755)
    return folder
