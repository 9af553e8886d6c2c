"""A disk that is full while an archive or layout is written: exit code 10, nothing left, and the first error told (K240)."""

import os
import random
import subprocess
import tempfile
from pathlib import Path

import pytest

MIB = 1024 * 1024


@pytest.fixture
def small(peer):
    """A disk of 4 MiB, outside of the runner's folder: what a killed run leaves mounted stops no other run."""
    command = peer("mount")
    place = Path(tempfile.mkdtemp(prefix="ocitool-small-"))
    done = subprocess.run(
        [command, "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False, text=True
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield place
        subprocess.run(["umount", place], check=True)  # nothing in it is still open
    finally:
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
        place.rmdir()


@pytest.fixture
def image(run, tmp_path):
    """`image(8)`: a layout with an image of so many MiB that do not compress."""

    def make(mib):
        source = tmp_path / f"source-{mib}"
        source.mkdir()
        (source / "data").write_bytes(random.Random(mib).randbytes(mib * MIB))
        argv = ("--toolchain", "prebuilt", "--copy", "data:/", "--platform", "linux/amd64")
        done = run("build", source, *argv, "-t", "app:1", "-o", f"oci:{tmp_path}/layout-{mib}:1")
        assert done.exit_code == 0, done.stderr
        return f"oci:{tmp_path}/layout-{mib}:1"

    return make


def left(place: Path) -> list[str]:
    return sorted(name for _, _, files in os.walk(place) for name in files if name.startswith((".", "out")))


@pytest.mark.parametrize("scheme", ["oci-archive", "docker-archive", "oci"])
@pytest.mark.parametrize("mib", [8, 4], ids=["far too large", "by a little"])
def test_copy(run, small, image, scheme, mib):
    source = image(mib)

    done = run("copy", source, f"{scheme}:{small}/out" + (":app:1" if scheme == "docker-archive" else ""))

    assert 10 == done.exit_code, done.stderr
    assert "no space left on device" in done.stderr
    assert "hint: free some space" in done.stderr
    assert "internal error" not in done.stderr
    assert [] == [name for name in left(small) if name != "oci-layout"]


@pytest.mark.parametrize("scheme", ["oci-archive", "docker-archive"])
def test_build(run, small, image, tmp_path, scheme):
    image(8)

    done = run(
        *("build", tmp_path / "source-8", "--toolchain", "prebuilt", "--copy", "data:/"),
        *("--platform", "linux/amd64", "-t", "app:1", "-o", f"{scheme}:{small}/out"),
    )

    assert 10 == done.exit_code, done.stderr
    assert "no space left on device" in done.stderr
    assert [] == left(small)


def test_an_older_archive_stays(run, small, image):
    (small / "out").write_bytes(b"older")

    assert 10 == run("copy", image(8), f"oci-archive:{small}/out").exit_code
    assert b"older" == (small / "out").read_bytes()
    assert ["out"] == left(small)


def test_the_store_of_this_machine(run, small, image, tmp_path):
    """What was compiled and packed is gone as well, and nothing half is there for the next run."""
    image(8)

    done = run(
        *("build", tmp_path / "source-8", "--toolchain", "prebuilt", "--copy", "data:/"),
        *("--platform", "linux/amd64", "-t", "app:1", "--cache-dir", small / "cache"),
    )

    assert 10 == done.exit_code, done.stderr
    assert [] == [name for name in left(small) if name.startswith(".ingest")]


@pytest.mark.parametrize("output", ["type=tar,dest={}/out", "type=local,dest={}/out"])
def test_files_of_a_build(run, small, image, tmp_path, output):
    image(8)

    done = run(
        *("build", tmp_path / "source-8", "--toolchain", "prebuilt", "--copy", "data:/"),
        *("--platform", "linux/amd64", "-o", output.format(small)),
    )

    assert 10 == done.exit_code, done.stderr
    assert "no space left on device" in done.stderr
    assert [] == [name for name in left(small) if name.startswith(".")]
