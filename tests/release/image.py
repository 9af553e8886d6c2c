"""The project's own image, built by itself: Debian's Python, the wheel and all that it needs, for amd64 and arm64.

Every package is fetched and checked by apt, laid out as files and never installed, so neither root nor an emulator
is needed. `ocitool build --toolchain prebuilt` reads their headers, packs and writes them (ADR 0129).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ocitool.version import __version__
from tests.conftest import REPOSITORY
from tests.peers import debian
from tests.release.files import install_for, sdist_and_wheel

PYTHON = "3.11"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
PACKAGES = (
    "base-files busybox-static gcc-12-base libbz2-1.0 libc6 libexpat1 libffi8 libgcc-s1 liblzma5 libpython3.11-minimal "
    "libpython3.11-stdlib libsqlite3-0 libssl3 libuuid1 python3.11-minimal zlib1g"
).split()
"""What goes into the image: the interpreter, the libraries that its modules load, a shell for pipelines' scripts."""
APPLETS = "cat chmod cp env grep id ls mkdir mv printf rm sed sh sleep tail tee test true uname wc".split()
PROGRAM = f"""#!/usr/bin/python{PYTHON}
from ocitool.__main__ import main

main()
"""
_OF_PACKAGE = {"base-files": ("./etc/debian_version", "./etc/os-release", "./usr/lib/os-release")}
"""What is taken of a package where that is not all."""
_LEFT_OUT = ("[!d]*", "doc/*/[!c]*", "doc/*/changelog*")
"""What is taken of no package: of documentation, the copyright alone is."""
_MERGED = ("bin", "lib", "lib64", "sbin")


def lay_out(arch: str, wheel: Path, root: Path) -> None:
    """What the image has below its root, in a folder."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    status = root / "var/lib/dpkg/status.d"  # as images without dpkg have it, for whoever asks what is inside
    status.mkdir(parents=True)
    for package in debian.fetch(arch, *PACKAGES):
        name = package.name.partition("_")[0]
        if name in PACKAGES:
            _unpack(package, root, _OF_PACKAGE.get(name, ()))
            control = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, check=True).stdout
            (status / name).write_bytes(control)
    for name in APPLETS:
        (root / "usr/bin" / name).symlink_to("busybox")
    (root / "usr/bin/python3").symlink_to(f"python{PYTHON}")
    packages = root / f"usr/local/lib/python{PYTHON}/dist-packages"
    install_for(PYTHON, MACHINES[arch], wheel, packages)
    shutil.rmtree(packages / "bin", ignore_errors=True)
    program = root / "usr/local/bin/ocitool"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)


def _unpack(package: Path, root: Path, only: Sequence[str]) -> None:
    words = ["tar", "-x", "-C", root, "--keep-directory-symlink", "--no-same-owner", "--no-same-permissions"]
    words += [f"--exclude=./usr/share/{name}" for name in _LEFT_OUT]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as packed:
        subprocess.run([*words, *only], stdin=packed.stdout, check=True)
    if packed.returncode:
        raise subprocess.CalledProcessError(packed.returncode, packed.args)


def _compile(folder: Path) -> None:
    """Leave compiled modules, which whoever runs the image cannot write.

    The Python inside makes them: it starts here where its libraries are named, and what it compiles fits both machines.
    """
    own = folder / {machine: arch for arch, machine in MACHINES.items()}[os.uname().machine]
    loader = next(own.glob("usr/lib*/ld-linux*"))
    libraries = f"{own}/usr/lib/{os.uname().machine}-linux-gnu"
    python = [loader, "--library-path", libraries, own / f"usr/bin/python{PYTHON}"]
    for arch in MACHINES:
        root = folder / arch
        words = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", root, "-p", "/"]
        places = [root / f"usr/lib/python{PYTHON}", root / f"usr/local/lib/python{PYTHON}"]
        environment = {"PYTHONHOME": f"{own}/usr", "PYTHONHASHSEED": "0"}
        subprocess.run([*python, *words, *places], check=True, env=environment)


def build(ocitool: Path, words: Sequence[str]) -> None:
    """Lay out the files for each machine, and build: `words` tell where the image goes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "wheel").mkdir()
        _, wheel = sdist_and_wheel(folder / "wheel")
        for arch in MACHINES:
            lay_out(arch, wheel, folder / "root" / arch)
        _compile(folder / "root")
        platforms = ",".join(f"linux/{arch}" for arch in MACHINES)
        image = ["--with", "ca-certificates,passwd,tmp", "--user", "65532", "--env", "PATH=/usr/local/bin:/usr/bin"]
        image += ["--entrypoint", '["/usr/local/bin/ocitool"]', "--workdir", "/work", "--no-git-labels"]
        image += [f"--label=org.opencontainers.image.{name}={value}" for name, value in _labels().items()]
        argv = [ocitool, "build", folder / "root", "--toolchain", "prebuilt", "--platform", platforms]
        subprocess.run([*argv, "--copy", "{arch}:/", *image, *words], check=True)


def _labels() -> dict[str, str]:
    told = {"title": "ocitool", "version": __version__, "licenses": "Apache-2.0"}
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return told | ({"revision": asked.stdout.strip()} if asked.returncode == 0 else {})


def main(words: Sequence[str]) -> None:
    """`make image ARGS='-t REF --push --sbom'`; without words, the layout `dist/image`."""
    build(Path(sys.executable).with_name("ocitool"), words or ("-o", f"oci:dist/image:{__version__}"))
