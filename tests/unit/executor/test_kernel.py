"""System calls: what fails is an error with a number, and what is asked of the kernel is so."""

import errno
import os
import subprocess
import sys

import pytest

from ocitool.executor import kernel
from tests.conftest import process_environment


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda _: kernel.unshare(1), errno.EINVAL),
        (lambda file: kernel.enter(file, kernel.NEW_IPC), errno.EINVAL),
        (lambda _: kernel.mount("none", "/nowhere", "tmpfs"), errno.ENOENT),
        (lambda _: kernel.unmount("/nowhere"), errno.ENOENT),
    ],
    ids=["unshare", "setns", "mount", "umount"],
)
def test_a_call_that_fails_is_an_error(call, number):
    if os.getuid():
        pytest.skip("others than root may not mount at all")
    with open(os.devnull, "rb") as file, pytest.raises(OSError) as caught:
        call(file.fileno())

    assert number == caught.value.errno


def test_the_memory_of_a_process_is_hidden_and_shown_again():
    """As PR_GET_DUMPABLE (3) of prctl(2) says."""
    said = (
        "import ctypes; from ocitool.executor.kernel import hide_memory as hide\n"
        "def say(): print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
        "say(); hide(); say(); hide(is_hidden=False); say()"
    )

    done = subprocess.run(
        [sys.executable, "-c", said], env=process_environment(), capture_output=True, text=True, check=True
    )

    assert "1 0 1" == " ".join(done.stdout.split())


@pytest.mark.parametrize(("work", "code"), [(lambda: 5, 0), (lambda: os.stat("/none"), 1)], ids=["done", "raised"])
def test_a_process_that_is_made_ends_with_its_work(work, code):
    _, status = os.waitpid(kernel.fork(work), 0)

    assert code == os.waitstatus_to_exitcode(status)


def test_only_small_files_are_read_in_a_tree(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out").symlink_to("/etc/hostname")
    root = os.open(tmp_path, os.O_PATH)

    found = [kernel.read_in_root(root, name, 5) for name in ("file", "folder", "pipe", "out", "none")]
    above = kernel.read_in_root(root, "file", 4)
    os.close(root)

    assert ([b"12345", None, None, None, None], None) == (found, above)
