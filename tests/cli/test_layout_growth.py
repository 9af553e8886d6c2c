"""Layouts of many tags: reads and writes of index.json by whole commands do not grow with the tags (K266)."""

import json
import subprocess
import sys

import pytest

from ocitool.store.layout import LayoutStore
from tests.conftest import REPOSITORY, process_environment
from tests.fakes.images import put_image


@pytest.fixture
def counted(home):
    """`counted("check", …)`: what a run of the command line did with files called index.json."""

    def run(*argv):
        command = [sys.executable, "-m", "tests.fakes.counted", "index.json", *map(str, argv)]
        done = subprocess.run(command, cwd=REPOSITORY, env=process_environment(), capture_output=True, check=True)
        told = json.loads(done.stdout)
        assert told["exit_code"] == 0, told["stderr"]
        return told["reads"], told["writes"]

    return run


@pytest.fixture(params=[10, 150])
def layout(tmp_path, request):
    """A layout of so many tags, each an image of its own."""
    store = LayoutStore(tmp_path / "in", create=True, durable=False)
    with store.batch():
        for number in range(request.param):
            put_image(store, f"t{number}", "linux/amd64", note=str(number))
    return f"oci:{tmp_path}/in"


def test_check_of_every_tag_reads_once(counted, layout):
    assert (1, 0) == counted("check", layout, "--all-tags")


def test_copy_of_every_tag_writes_once(counted, layout, tmp_path):
    """The source is read once; the new layout begins with an empty index, which is looked at and replaced."""
    reads, writes = counted("copy", layout, f"oci:{tmp_path}/out", "--all-tags")

    assert writes == 2
    assert reads <= 3
    assert set(LayoutStore(tmp_path / "in").tags()) == set(LayoutStore(tmp_path / "out").tags())


def test_copy_over_every_tag_keeps_all_that_was_there_in_one_write(counted, layout, tmp_path, home):
    """One write of the layout, and two of the backup that begins."""
    counted("copy", layout, f"oci:{tmp_path}/out", "--all-tags")
    other = LayoutStore(tmp_path / "other", create=True)
    tags = list(LayoutStore(tmp_path / "in").tags())
    with other.batch():
        for tag in tags:
            put_image(other, tag, "linux/arm64", note=tag)

    reads, writes = counted("copy", f"oci:{tmp_path}/other", f"oci:{tmp_path}/out", "--all-tags", "--replace")

    assert writes == 3
    assert reads <= 7
    assert len(tags) == len(LayoutStore(home / ".cache/ocitool/backup").entries())


def test_one_copy_writes_once(counted, layout):
    """Read by source and target, when the plan is made and carried out, however many tags there are."""
    reads, writes = counted("copy", f"{layout}:t1", f"{layout}:new")

    assert writes == 1
    assert reads <= 4


def test_inspect_reads_once(counted, layout):
    assert (1, 0) == counted("inspect", f"{layout}:t1")
