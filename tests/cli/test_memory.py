"""Memory is bounded whatever the layer's size."""

import json
import os
import random
import subprocess
import sys

import pytest

from tests.conftest import process_environment

MIB = 1024**2
LIMIT = 128 * MIB


def large_file(path, size: int) -> None:
    """A file that gzip can shrink a little: a random block, again and again with one byte changed."""
    block = bytearray(random.Random(7).randbytes(4 * 1024 * 1024))
    with path.open("wb") as file:
        for number in range(size // len(block)):
            block[number % len(block)] ^= 0xFF
            file.write(block)


@pytest.mark.slow
@pytest.mark.registry
@pytest.mark.parametrize("mib", [256, *(pytest.param(mib, marks=pytest.mark.long) for mib in (2048, 4096))])
def test_a_large_file_is_packed_and_pushed_in_128_mib(docker_registry, tmp_path, mib):
    large_file(tmp_path / "large", mib * MIB)
    reference = f"{docker_registry.repository('large')}:1"
    argv = [
        "--toolchain",
        "prebuilt",
        "--copy",
        "large:/data/",
        "--platform",
        "linux/amd64",
        "-t",
        reference,
        "--push",
    ]
    measure = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )

    done = subprocess.run(
        [
            *(sys.executable, "-c", measure, sys.executable, "-m", "ocitool", "build", str(tmp_path), *argv),
            *("--cache-dir", str(tmp_path / "cache"), "--jobs", "2", "--json"),
        ],
        env=process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    text, _, peak = done.stdout.strip().rpartition("\n")
    assert json.loads(text)["data"]["sent"] > mib * MIB // 2
    assert int(peak) * 1024 <= LIMIT
    os.unlink(tmp_path / "large")
