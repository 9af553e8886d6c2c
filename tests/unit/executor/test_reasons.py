import errno
from pathlib import Path

import pytest

from ocitool.executor.reasons import no_emulation, no_namespace, no_runtime


def told(step, number, **settings):
    error = no_namespace(
        {"failed": step, "errno": number, "at": "mount overlay on /mnt"},
        Path("/store"),
        lambda name: settings.get(name, ""),
    )
    assert error.exit_code == 9
    assert "--no-run" in error.hint or "--cache-dir" in error.hint
    return f"{error.what} | {error.hint}"


@pytest.mark.parametrize(
    ("step", "number", "settings", "words"),
    [
        ("user namespace", errno.ENOSPC, {"max": "0"}, "max_user_namespaces is 0"),
        ("user namespace", errno.EPERM, {"clone": "0"}, "unprivileged_userns_clone is 0"),
        ("user namespace", errno.EPERM, {}, "seccomp profile"),
        ("user namespace", errno.EINVAL, {}, "no user namespace"),
        ("id map", errno.EPERM, {"apparmor": "1"}, "AppArmor"),
        ("mount namespace", errno.EPERM, {"apparmor": "1"}, "apparmor_restrict_unprivileged_userns=0"),
        ("mount namespace", errno.EPERM, {}, "mount namespace was refused"),
        ("file system", errno.EPERM, {"apparmor": "1"}, "apparmor_restrict_unprivileged_userns=0"),
    ],
)
def test_what_keeps_namespaces_from_being_made_is_told_apart(step, number, settings, words):
    assert words in told(step, number, **settings)


def test_a_runtime_that_is_not_there_is_named():
    error = no_runtime({})

    assert "no OCI runtime" in error.what
    assert "install runc or crun" in error.hint


def test_each_runtime_that_does_not_work_says_why():
    error = no_runtime({"runc": "old", "crun": "cgroups in hybrid mode not supported"})

    assert "runc: old; crun: cgroups in hybrid mode not supported" in error.what


@pytest.mark.parametrize(
    ("answer", "release", "words"),
    [
        ({"why": "emulator"}, "6.8.0", "no qemu-aarch64-static in PATH"),
        ({"why": "binfmt", "errno": errno.EPERM}, "6.1.0-13-amd64", "Linux 6.1.0-13-amd64 lets only root"),
        ({"why": "binfmt", "errno": errno.EPERM}, "6.7", "cannot be registered"),
        ({"why": "program", "by": "/q"}, "6.8", "/q fails"),
    ],
)
def test_what_keeps_a_platform_from_running_is_told_apart(answer, release, words):
    assert words in no_emulation("linux/arm64", "aarch64", answer, release).what


def test_a_folder_that_overlayfs_cannot_use_is_told_apart_from_a_mount_that_is_refused():
    error = no_namespace({"failed": "file system", "errno": errno.ENOTSUP, "at": "/store/x"}, Path("/store"))

    assert "the folder /store cannot hold layers for overlayfs (/store/x: " in error.what
    assert "--cache-dir" in error.hint
