"""System calls that fail are errors with a number, and with a name where there is one."""

import errno
import os

import pytest

from ocitool.executor import kernel


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
