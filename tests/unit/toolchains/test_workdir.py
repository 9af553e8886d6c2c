import os
import subprocess
import sys

import pytest

from ocitool.errors import LocalIOError
from ocitool.toolchains.workdir import temporary_folder

HOLD = """
import sys, time
from pathlib import Path
from ocitool.toolchains.workdir import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_a_folder_is_gone_after_its_block(tmp_path):
    with temporary_folder(tmp_path / "work") as folder:
        (folder / "f").write_text("x")

    assert [] == os.listdir(tmp_path / "work")


def test_k258_a_killed_process_leaves_nothing_for_long(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with other:
        name = os.path.basename(other.stdout.readline().strip())
        with temporary_folder(tmp_path) as folder:
            while_alive = {name, folder.name}
            assert while_alive == set(os.listdir(tmp_path))
        other.kill()
    assert [name] == os.listdir(tmp_path)

    with temporary_folder(tmp_path) as folder:
        assert [folder.name] == os.listdir(tmp_path)


def test_what_is_made_at_this_moment_and_what_is_not_ours_stays(tmp_path):
    for name in ("ocitool-fresh", "ocitool-old", "0123abc"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "ocitool-old", (1, 1))

    with temporary_folder(tmp_path) as folder:
        assert {"ocitool-fresh", "0123abc", folder.name} == set(os.listdir(tmp_path))


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "f").write_text("")

    with pytest.raises(LocalIOError), temporary_folder(tmp_path / "f" / "work"):
        pass


def test_without_a_place_a_folder_is_where_the_system_has_such(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "ocitool-old").mkdir()
    os.utime(tmp_path / "ocitool-old", (1, 1))

    with temporary_folder(None) as folder:
        assert tmp_path == folder.parent

    assert ["ocitool-old"] == os.listdir(tmp_path)
