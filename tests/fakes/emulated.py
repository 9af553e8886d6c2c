"""Programs of other platforms, run by qemu-user: an image's file system in a folder, and what a program says."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ocitool.model.platform import Platform

_QEMU = {
    "amd64": "x86_64", "386": "i386", "arm": "arm", "arm64": "aarch64", "riscv64": "riscv64", "ppc64le": "ppc64le",
    "s390x": "s390x", "loong64": "loongarch64", "mips64le": "mips64el",
}  # fmt: skip


def qemu(platform: str) -> str:
    """The emulator for a platform, or a skip that says what is missing."""
    name = f"qemu-{_QEMU[Platform.parse(platform).architecture]}-static"
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def say(root: Path, platform: str, *argv: str, stdin: bytes = b"") -> str:
    """What the program of an image unpacked in `root` prints; its loader and libraries are those of the image."""
    done = subprocess.run(
        [qemu(platform), "-L", str(root), str(root / argv[0].lstrip("/")), *argv[1:]],
        env={"PATH": "/usr/bin:/bin"},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr.decode()
    return done.stdout.decode()
