"""A real program that no one here wrote: crane, a Go module at a pinned version, for five platforms."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import peers

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.registry]

MODULE, VERSION = "github.com/google/go-containerregistry", "v0.22.1"
SPEC = """\
version = "{version}"
platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "linux/s390x"]
tags = ["{repository}:{{version}}", "{repository}:latest"]
with = ["ca-certificates", "passwd", "tmp"]

[go]
package = "./cmd/crane"
ldflags = "-s -w -X {module}/cmd/crane/cmd.Version={{version}}"

[image]
user = "nonroot"
"""


@pytest.fixture(scope="module")
def source():
    """The module's folder in Go's cache, which is read-only as Go leaves it."""
    try:
        go = peers.find_go()
    except peers.Missing as missing:
        pytest.skip(str(missing))
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{MODULE}@{VERSION}"], capture_output=True, text=True, cwd="/"
    )
    if done.returncode:
        pytest.skip(f"go mod download: {json.loads(done.stdout or '{}').get('Error', done.stderr)}")
    return Path(json.loads(done.stdout)["Dir"])


def test_twelve_lines_and_one_command_publish_crane(source, docker_registry, ocitool, peer, home):
    repository = docker_registry.repository("crane")
    spec = home / "ocitool.toml"
    spec.write_text(SPEC.format(version=VERSION, repository=repository, module=MODULE))
    assert len(spec.read_text().splitlines()) <= 12

    done = ocitool("build", source, "--spec", spec, "--push", timeout=1800)

    assert 0 == done.exit_code, done.stderr
    lines = done.stdout.splitlines()
    digests = {line.partition("@")[2] for line in lines}
    assert [f"{repository}:{VERSION}", f"{repository}:latest"] == [line.partition("@")[0] for line in lines]
    assert 1 == len(digests)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digests.copy().pop())

    subprocess.run(
        [peer("crane"), "validate", "--remote", f"{repository}:{VERSION}"], check=True, capture_output=True
    )
    manifest = json.loads(_crane(peer, "manifest", f"{repository}:latest"))
    assert ["amd64", "arm64", "arm", "riscv64", "s390x"] == [
        entry["platform"]["architecture"] for entry in manifest["manifests"]
    ]
    config = json.loads(_crane(peer, "config", "--platform", "linux/arm/v7", f"{repository}:latest"))
    assert (["/bin/crane"], "nonroot", "v7") == (
        config["config"]["Entrypoint"],
        config["config"]["User"],
        config["variant"],
    )


def test_the_program_in_the_image_is_the_version_that_was_asked_for(source, docker_registry, ocitool, home):
    """Runs after the first test's compilers in the same cache of Go, not of ours."""
    spec = home / "ocitool.toml"
    spec.write_text(SPEC.format(version=VERSION, repository="reg.test/crane", module=MODULE))
    flags = ("build", source, "--spec", spec, "--platform", "linux/amd64,linux/arm64", "-o", f"oci:{home}/img:1")

    done = ocitool(*flags, timeout=1800)

    assert 0 == done.exit_code, done.stderr
    built = sorted((home / ".cache" / "ocitool" / "work").glob("*/*/crane"))
    assert ["linux-amd64", "linux-arm64"] == [path.parent.name for path in built]
    assert f"{VERSION}\n" == subprocess.check_output([built[0], "version"], text=True)
    emulator = shutil.which("qemu-aarch64-static")
    if emulator is not None:
        assert f"{VERSION}\n" == subprocess.check_output([emulator, built[1], "version"], text=True)

    again = ocitool(*flags)
    assert done.stdout == again.stdout
    assert ["unchanged", "unchanged"] == re.findall(r"compile crane for \S+: (\w+)", again.stderr)


def _crane(peer, *words: str) -> str:
    return subprocess.check_output([peer("crane"), *words], text=True, env=os.environ)
