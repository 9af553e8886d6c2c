"""The files of a release: the sdist, the wheel made from it, and zip applications with all that they need inside."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ocitool.version import __version__
from tests import peers
from tests.conftest import REPOSITORY

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
EPOCH = "1577836800"
"""The time of every file in what is packed here."""
_GLIBC = ("2_28", "2_17")
_PIP = ("--quiet", "--disable-pip-version-check", "--no-input")


def sdist_and_wheel(into: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that is made from it and from nothing else."""
    _call(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", into, cwd=REPOSITORY)
    sdist = into / f"ocitool-{__version__}.tar.gz"
    _call(
        *(sys.executable, "-m", "pip", "wheel", *_PIP, "--no-deps", "--no-build-isolation", "-w", into, sdist),
        cwd=into,
    )
    return sdist, into / f"ocitool-{__version__}-py3-none-any.whl"


def install_for(python: str, machine: str, wheel: Path, into: Path) -> None:
    """The packages of the wheel and of all that it needs in a folder, for a Python and a machine that need not be here."""
    platforms = (f"manylinux_{glibc}_{machine}" for glibc in _GLIBC)
    foreign = ("--python-version", python, "--implementation", "cp", "--only-binary=:all:", "--no-compile")
    _call(
        *(sys.executable, "-m", "pip", "install", *_PIP, *foreign, "--target", into),
        *(word for name in platforms for word in ("--platform", name)),
        # By its name, since a file's path would be noted in the package's direct_url.json.
        *("--find-links", wheel.parent, f"ocitool=={__version__}"),
        cwd=wheel.parent,
    )


def zip_application(python: str, machine: str, wheel: Path, into: Path) -> Path:
    """`ocitool-VERSION-cp311-linux_x86_64.pyz`, which is the same file whenever it holds the same packages."""
    name = f"ocitool-{__version__}-cp{python.replace('.', '')}-linux_{machine}"
    packages = into / f".{name}"
    install_for(python, machine, wheel, packages)
    preamble = packages / "preamble.py"
    text = Path(__file__).with_name("preamble.py").read_text().replace("@PYTHON@", python)
    preamble.write_text(text.replace("@MACHINE@", machine))
    target = into / f"{name}.pyz"
    _call(
        *(peers.find("shiv"), "--site-packages", packages, "--entry-point", "ocitool.__main__:main"),
        *("--python", f"/usr/bin/env python{python}", "--preamble", preamble, "--output-file", target),
        *("--compressed", "--reproducible"),
        cwd=into,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
    )
    shutil.rmtree(packages)
    return target


def main(words: Sequence[str]) -> None:
    """`make dist`: all files of a release in `dist/`, or in the folder that is named."""
    into = Path(words[0] if words else "dist").resolve()
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    sdist, wheel = sdist_and_wheel(into)
    _call(peers.find("twine"), "check", "--strict", sdist, wheel, cwd=into)
    for python in PYTHONS:
        for machine in MACHINES:
            zip_application(python, machine, wheel, into)
    for path in sorted(into.iterdir()):
        print(f"{path.stat().st_size:>10}  {path.name}")


def _call(*argv: object, cwd: Path, env: dict[str, str] | None = None) -> None:
    subprocess.run([str(word) for word in argv], cwd=cwd, env=env, check=True, stdout=subprocess.DEVNULL)
