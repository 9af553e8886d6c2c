"""`kill -9` in the middle of a large upload, and what the next run does, on both real registries."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.amounts import amount
from tests.conftest import REPOSITORY, process_environment

pytestmark = [pytest.mark.registry, pytest.mark.slow]

MIB = 1024 * 1024
SIZE = amount(128, 2048) * MIB


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A file in which no two mebibytes are equal."""
    path = tmp_path_factory.mktemp("large") / "blob"
    block = bytearray(bytes(range(256)) * 4096)
    with path.open("wb") as file:
        for number in range(SIZE // MIB):
            block[:8] = number.to_bytes(8, "big")
            file.write(block)
    return path


@pytest.fixture
def push(tmp_path, large, home):
    """`push(reference, run)`: the process that pushes the file, and where it counts what it gave away."""

    def start(reference: str, run: str) -> tuple["subprocess.Popen[bytes]", Path]:
        count = tmp_path / run
        argv = [sys.executable, "-m", "tests.fakes.push", reference, large, tmp_path / "journal", count]
        process = subprocess.Popen(argv, cwd=REPOSITORY, env=process_environment(), stdout=subprocess.PIPE)
        return process, count

    return start


def uploaded(registry) -> int:
    """The bytes of the upload sessions that the registry has on its disk."""
    sizes = [0]
    for path in registry.root.glob("docker/registry/v2/repositories/*/app/_uploads/*/data"):
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return max(sizes)


def killed_half_way(push, registry, reference: str) -> int:
    """Kill a push when the registry has a third of it; returns how many bytes it had given away."""
    process, count = push(reference, "first")
    deadline = time.monotonic() + 120
    while uploaded(registry) < SIZE // 3:
        assert process.poll() is None, "the push ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)  # the only way to see how far somebody else is
    process.kill()
    process.communicate()
    return int(count.read_text())


def finished(push, reference: str) -> dict[str, object]:
    process, _ = push(reference, "second")
    out, _ = process.communicate(timeout=300)
    assert 0 == process.returncode
    return json.loads(out)


def test_distribution_3_gets_at_most_16_mib_twice(push, distribution_v3):
    reference = distribution_v3.repository()
    given = killed_half_way(push, distribution_v3, reference)

    second = finished(push, reference)

    assert "stored" == second["put"]
    assert given + second["bytes_sent"] - SIZE <= 16 * MIB
    assert any("going on" in notice for notice in second["notices"])


def test_docker_registry_has_dropped_the_session_and_gets_one_clean_restart(push, docker_registry):
    """2.8 signs the offset into the Location and answers 404 for a session that was cut."""
    reference = docker_registry.repository()
    killed_half_way(push, docker_registry, reference)

    second = finished(push, reference)

    assert "stored" == second["put"]
    assert SIZE == second["bytes_sent"]
    (notice,) = second["notices"]
    assert "dropped the upload" in notice
    assert "404" in notice
