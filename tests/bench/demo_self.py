"""`make demo-self`: the project's own image, made by itself for several platforms, and a look at it.

The image holds a virtual environment's packages for each platform (wheels for that platform where there are
any) under /opt/ocitool, over the base that BASE names: `make demo-self BASE=docker.io/library/python:3.12-slim`
gives one that runs. Without a base it holds the files alone, to be taken by `COPY --from`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ocitool import __version__

WHEELS = {"linux/amd64": ("amd64", "x86_64"), "linux/arm64": ("arm64", "aarch64")}


def main(ocitool: str) -> None:
    """Download the wheels, build, inspect."""
    base = os.environ.get("BASE", "")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for arch, machine in WHEELS.values():
            install(root / arch, machine)
        argv = [ocitool, "build", str(root), "--toolchain", "prebuilt", "--copy", "{arch}:/opt/ocitool/"]
        argv += ["--platform", ",".join(WHEELS), "--env", "PYTHONPATH=/opt/ocitool", "--no-git-labels"]
        argv += [
            "--entrypoint",
            '["python3", "-m", "ocitool"]',
            "--label",
            f"org.opencontainers.image.version={__version__}",
        ]
        argv += ["--base", base] if base else []
        subprocess.run([*argv, "-o", "oci:demo-out/self:latest"], check=True)
    subprocess.run([ocitool, "inspect", "oci:demo-out/self:latest"], check=True)


def install(target: Path, machine: str) -> None:
    """The package and what it needs, as wheels for Python 3.12 on a machine."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (28, 17)] + [f"manylinux2014_{machine}"]
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(target.parent / "own"), "."], check=True)
    (own,) = (target.parent / "own").glob("ocitool-*.whl")
    wanted = ["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp", "--no-compile"]
    wanted += [word for platform in platforms for word in ("--platform", platform)]
    subprocess.run([*pip, "install", "--target", str(target), *wanted, str(own)], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
