"""A project of thousands of small files: each is opened once by the first build, none by the next."""

import json
import subprocess
import sys

import pytest

from tests.amounts import amount
from tests.conftest import process_environment

pytestmark = pytest.mark.slow
FOLDERS = amount(60, 500)

# Every file that Python opens, counted by the interpreter itself.
SCRIPT = """
import collections, json, os, sys
root, *argv = sys.argv[1:]
opened = collections.Counter()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path = os.fsdecode(arguments[0])
        if path.startswith(root + os.sep):
            opened[path] += 1
sys.addaudithook(hook)
from ocitool.cli import main
code = main(argv)
print(json.dumps([code, len(opened), max(opened.values(), default=0)]))
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    for folder in range(FOLDERS):
        (root / f"d{folder}").mkdir(parents=True)
        for number in range(100):
            (root / f"d{folder}" / f"f{number}").write_bytes(b"%d of %d\n" % (number, folder) * 20)
    return root


def test_an_unchanged_project_is_not_read(project, home):
    def build():
        done = subprocess.run(
            [
                *(sys.executable, "-c", SCRIPT, str(project), "build", str(project), "--toolchain", "prebuilt"),
                *("--copy", ".:/srv", "--platform", "linux/amd64,linux/arm64", "-t", "many:1", "--quiet"),
            ],
            env=process_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        image, counts = done.stdout.splitlines()
        return image, json.loads(counts)

    first, counts = build()
    assert [0, 100 * FOLDERS, 1] == counts

    assert (first, [0, 0, 0]) == build()

    (project / "d7" / "f7").write_bytes(b"7 of 7\n" * 20)
    assert (first, [0, 100 * FOLDERS, 1]) == build()

    (project / "d7" / "f7").write_bytes(b"8 of 7\n" * 20)
    changed, counts = build()
    assert changed != first
    assert 100 * FOLDERS == counts[1]
