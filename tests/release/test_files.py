"""Each file of a release, installed as people install it, builds and pushes the demo."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ocitool.version import __version__
from tests import peers
from tests.conftest import REPOSITORY
from tests.peers.engines import sh
from tests.release import files

pytestmark = [
    pytest.mark.interop,
    pytest.mark.registry,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.xdist_group("release"),
]
HELLO = REPOSITORY / "testdata/src-go/hello"
INSTALL_S = 1200  # downloads
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The sdist, the wheel and the zip application for this machine, by what they are."""
    into = tmp_path_factory.mktemp("made")
    sdist, wheel = files.sdist_and_wheel(into)
    try:
        zipped = files.zip_application(PYTHON, platform.machine(), wheel, into)
    except peers.Missing as missing:
        pytest.skip(str(missing))
    return {"sdist": sdist, "wheel": wheel, "pyz": zipped}


@pytest.fixture
def env(home):
    """A home of its own, the index that pip uses here for uv as well, and a Go compiler but nothing of ours on PATH."""
    path = home / "path"
    path.mkdir()
    (path / "go").symlink_to(peers.find_go())
    index = sh(sys.executable, "-m", "pip", "config", "debug")
    told = next((line.split(": ", 1)[1] for line in index.splitlines() if "index-url:" in line), "")
    uv = {"UV_DEFAULT_INDEX": told, "UV_NATIVE_TLS": "1"} if told else {}
    ours = f"{path}:/usr/bin:/bin"
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | uv | {"PATH": ours}


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_twine_finds_no_fault(made, peer, kind):
    assert "PASSED" in sh(peer("twine"), "check", "--strict", made[kind])


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_uv_installs_it(made, peer, env, home, docker_registry, kind):
    sh(peer("uv"), "tool", "install", "--python", sys.executable, made[kind], env=env, cwd=home, timeout=INSTALL_S)

    builds_and_pushes([home / ".local/bin/ocitool"], env, home, docker_registry)


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_pipx_installs_it(made, peer, env, home, docker_registry, kind):
    sh(peer("pipx"), "install", "--python", sys.executable, made[kind], env=env, cwd=home, timeout=INSTALL_S)

    builds_and_pushes([home / ".local/bin/ocitool"], env, home, docker_registry)


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_the_latest_pip_installs_it_with_a_compiler(made, env, home, docker_registry, kind):
    sh(sys.executable, "-m", "venv", home / "venv", env=env)
    pip = [home / "venv/bin/python", "-m", "pip", "install", "-q"]
    sh(*pip, "--upgrade", "pip", env=env)
    sh(*pip, f"{made[kind]}[go]", env=env, timeout=INSTALL_S)
    (home / "path/go").unlink()

    builds_and_pushes([home / "venv/bin/ocitool"], env, home, docker_registry)


def test_the_zip_application_needs_a_python_alone(made, env, home, docker_registry):
    shutil.copy(made["pyz"], home / "ocitool.pyz")

    builds_and_pushes([sys.executable, home / "ocitool.pyz"], env, home, docker_registry)


def test_the_same_packages_make_the_same_zip_application(made, tmp_path):
    again = files.zip_application(PYTHON, platform.machine(), made["wheel"], tmp_path)

    assert made["pyz"].name == f"ocitool-{__version__}-cp{PYTHON.replace('.', '')}-linux_{platform.machine()}.pyz"
    assert made["pyz"].read_bytes() == again.read_bytes()


def test_a_zip_application_of_another_python_says_so(made, env, home):
    other = "3.12" if PYTHON != "3.12" else "3.13"
    foreign = files.zip_application(other, "aarch64", made["wheel"], home)

    done = subprocess.run([sys.executable, foreign, "--version"], env=env, capture_output=True, text=True)

    assert 9 == done.returncode
    assert f"error: this file is for Python {other} on linux aarch64" in done.stderr
    assert "Traceback" not in done.stderr


def builds_and_pushes(command: list[Path | str], env, home: Path, registry) -> None:
    """Hold an installed command to its version and to a push of two platforms."""
    assert f"ocitool {__version__}\n" == sh(*command, "--version", env=env, cwd=home)
    reference = f"{registry.repository('hello')}:1"

    said = sh(*command, "build", HELLO, "--platform", "linux/amd64,linux/arm64", "-t", reference, "--push",
              env=env, cwd=home)  # fmt: skip

    assert said.startswith(f"{reference}@sha256:")
    sh(*command, "check", reference, "--deep", "--expect", "linux/amd64,linux/arm64", env=env, cwd=home)
