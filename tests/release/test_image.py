"""The own image, pulled from a registry and run without rights on a file system that cannot be written, on both machines."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ocitool.version import __version__
from tests import peers
from tests.conftest import REPOSITORY
from tests.peers.engines import podman, run_root, sh
from tests.peers.registries import held
from tests.release import files, image

# One worker, and not beside other users of podman: it numbers its locks in one piece of shared memory.
pytestmark = [
    pytest.mark.interop,
    pytest.mark.registry,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.xdist_group("engines"),
]
BOTH = "linux/amd64,linux/arm64"


@pytest.fixture(scope="module")
def reference(docker_registry):
    """The image, built and pushed as `make image` does."""
    name = f"{docker_registry.repository('ocitool')}:{__version__}"
    try:
        image.main(["-t", name, "--push", "--sbom"])
    except peers.Missing as missing:
        pytest.skip(str(missing))
    return name


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The demo, compiled for both machines."""
    folder = tmp_path_factory.mktemp("programs")
    folder.chmod(0o755)  # the image's user is somebody else
    for arch in ("amd64", "arm64"):
        sh(peers.find_go(), "build", "-trimpath", "-o", folder / arch / "hello", ".",
           cwd=REPOSITORY / "testdata/src-go/hello",
           env={**os.environ, "GOARCH": arch, "CGO_ENABLED": "0"})  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def start(peer, tmp_path_factory):
    """`start(reference, "arm64", folder, *words)`: the image's program, or another one, with a folder as its own."""
    runs_in = run_root()
    run = podman(peer("podman"), tmp_path_factory.mktemp("podman"), runs_in)

    def call(reference: str, arch: str, folder: Path, *words: str, program: str = "/usr/local/bin/ocitool") -> str:
        options = ["--arch", arch, "--read-only", "--cap-drop=all", f"--volume={folder}:/work:ro"]
        options.append("--env=SHIV_ROOT=/tmp")
        inside = [program]
        if arch != {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]:
            emulator = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}[arch]
            options.append(f"--volume={peer(emulator)}:/emulator:ro")
            inside = ["/emulator", f"/usr/bin/python{image.PYTHON}", *inside]
        return run("run", *options, f"--entrypoint={inside[0]}", reference, *inside[1:], *words)

    yield call
    shutil.rmtree(runs_in, ignore_errors=True)


@pytest.mark.parametrize("arch", image.MACHINES)
def test_it_builds_and_pushes_on_each_machine(reference, programs, start, docker_registry, arch):
    name = f"{docker_registry.repository('hello')}:1"

    assert f"ocitool {__version__}\n" == start(reference, arch, programs, "--version")
    said = start(reference, arch, programs, "build", "--toolchain=prebuilt", "--copy={arch}/hello:/bin/",
                 f"--platform={BOTH}", "-t", name, "--push")  # fmt: skip

    assert f"{name}@{held(name)[0]}\n" == said
    assert BOTH.split(",") == held(name)[1]


def test_the_zip_application_of_another_machine_builds_and_pushes(
    reference, programs, start, docker_registry, peer, tmp_path
):
    """Its Python is the one of the image, its packages are its own."""
    peer("shiv")
    arch, machine = ("amd64", "x86_64") if os.uname().machine == "aarch64" else ("arm64", "aarch64")
    name = f"{docker_registry.repository('hello')}:1"
    _, wheel = files.sdist_and_wheel(tmp_path)
    zipped = files.zip_application(image.PYTHON, machine, wheel, tmp_path)
    shutil.copy(zipped, programs / "ocitool.pyz")

    said = start(reference, arch, programs, "build", "--toolchain=prebuilt", "--copy={arch}/hello:/bin/",
                 f"--platform={BOTH}", "-t", name, "--push", program="/work/ocitool.pyz")  # fmt: skip

    assert f"{name}@{held(name)[0]}\n" == said


def test_it_runs_as_nobody_is_whole_and_says_what_is_inside(reference, ocitool):
    checked = ocitool("check", reference, "--deep", "--expect", BOTH)
    config = json.loads(ocitool("config", "get", reference, "--platform", "linux/arm64").stdout)
    listed = ocitool("files", reference, "--platform", "linux/arm64").stdout.splitlines()

    assert 0 == checked.exit_code, checked.stdout
    assert "65532" == config["config"]["User"]
    known = {path.rpartition("/")[2] for path in listed if path.startswith("var/lib/dpkg/status.d/")}
    assert set(image.PACKAGES) == known - {""}
    modules = f"usr/local/lib/python{image.PYTHON}/dist-packages/ocitool"
    assert f"{modules}/__pycache__/client.cpython-311.pyc" in listed, "who runs the image can write none"


def test_a_layout_is_made_where_no_words_are(monkeypatch):
    asked = []
    monkeypatch.setattr(image, "build", lambda ocitool, words: asked.append(words))

    image.main([])

    assert [("-o", f"oci:dist/image:{__version__}")] == asked
    assert subprocess.run(["git", "check-ignore", "-q", "dist"], cwd=REPOSITORY).returncode == 0
