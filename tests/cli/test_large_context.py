"""A large context for two platforms: read once, in bounded memory, and an unchanged one neither read nor sent."""

import json
import random
import subprocess
import sys

import pytest

from tests.conftest import process_environment

MIB = 1024**2
LIMIT_MIB = 150

# The interpreter counts the files that are opened, the kernel the bytes that are read.
SCRIPT = """
import json, os, sys
from pathlib import Path
root, *argv = sys.argv[1:]
opened = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and os.fsdecode(arguments[0]).startswith(root + "/d"):
        opened.add(arguments[0])
sys.addaudithook(hook)
from ocitool.cli import main
code = main(argv)
def told(file, word):
    return next(int(line.split()[1]) for line in Path(file).read_text().splitlines() if line.startswith(word))
print(json.dumps([code, len(opened), told("/proc/self/io", "rchar"), told("/proc/self/status", "VmHWM") // 1024]))
"""


def make_context(root, files: int, size: int) -> None:
    """So many files of several sizes in a hundred folders, together about so many bytes that gzip cannot shrink."""
    chance = random.Random(7)
    block = chance.randbytes(MIB)
    for number in range(files):
        folder = root / f"d{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        length = size // files * chance.choice((1, 2, 4, 9)) // 4
        at = chance.randrange(MIB - length)
        (folder / f"f{number}").write_bytes(b"%d\n" % number + block[at : at + length])
    (root / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY . /srv\nENV A=$TARGETARCH\n")


@pytest.mark.slow
@pytest.mark.registry
@pytest.mark.parametrize(("files", "size_mib"), [(5_000, 100), pytest.param(50_000, 2048, marks=pytest.mark.long)])
def test_a_large_context(docker_registry, tmp_path, files, size_mib):
    root = tmp_path / "context"
    make_context(root, files, size_mib * MIB)
    size = sum(path.stat().st_size for path in root.glob("d*/*"))
    reference = f"{docker_registry.repository('context')}:1"

    def build():
        argv = ["build", root, "--platform", "linux/amd64,linux/arm64", "-t", reference, "--push", "--json"]
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, root, *argv, "--cache-dir", tmp_path / "cache"],
            env=process_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        text, _, counts = done.stdout.strip().rpartition("\n")
        return json.loads(text)["data"], json.loads(counts)

    first, (code, opened, read, peak_mib) = build()
    assert (0, files) == (code, opened)
    assert 1 == len(first["layers"])
    sent = first["layers"][0]["size"]
    # The files once, the layer once to send it, and a little for the program itself.
    assert size + sent <= read <= size + sent + 24 * MIB
    assert peak_mib <= LIMIT_MIB

    second, (code, opened, read, peak_mib) = build()
    assert (0, 0, 0) == (code, opened, second["sent"])
    assert first["digest"] == second["digest"]
    assert read <= 24 * MIB
    assert peak_mib <= LIMIT_MIB
