"""The same digest from anywhere: other folder, cache, umask, zone, locale, order of files, number of jobs."""

import os
import re

import pytest

from tests.fakes.programs import Elf

GOLDEN = "sha256:ce78c93d53f19ad0047f16bfe0b317ad96914c4bf60cdba03865ec4fd18b90b8"
"""The index of the project below. It changes with the codec's library (deflate) and with nothing of a machine."""

SPEC = """
platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
toolchain = "prebuilt"
with = ["passwd", "tmp"]
files = ["data:/srv/data", "out/{arch}/app:/bin/"]
[image]
user = "nonroot"
env = { MODE = "fast" }
labels = { b = "2", a = "1" }
expose = ["8080"]
"""


def write_project(folder, order):
    """The project's files, made in the order that is given, with a line of noise compressible and not."""
    programs = {"amd64": Elf(62), "arm64": Elf(183), "arm": Elf(40, 32)}
    files = {f"out/{name}/app": (elf.build() + bytes(range(256)) * 5000, 0o755) for name, elf in programs.items()}
    files |= {f"data/{n:03}/{n}.txt": (f"number {n}\n".encode() * n, 0o644) for n in range(40)}
    files["data/tool"] = (b"#!/bin/sh\necho\n", 0o700)
    files["ocitool.toml"] = (SPEC.encode(), 0o600)
    for path in order(files):
        content, mode = files[path]
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        (folder / path).chmod(mode)
    (folder / "data" / "link").symlink_to("tool")
    return folder


CIRCUMSTANCES = {
    "one job": (0o022, list, {}, ("--jobs", "1")),
    "eight jobs": (0o022, list, {}, ("--jobs", "8")),
    "another user's habits": (
        0o077,
        lambda files: sorted(files, reverse=True),
        {"TZ": "Asia/Tokyo", "LC_ALL": "C"},
        (),
    ),
    "open umask": (
        0o000,
        lambda files: sorted(files, key=hash),
        {"TZ": "America/St_Johns", "LANG": "tr_TR.UTF-8"},
        (),
    ),
}


@pytest.mark.parametrize(("umask", "order", "env", "flags"), CIRCUMSTANCES.values(), ids=CIRCUMSTANCES)
def test_the_digest_is_the_golden_one(tmp_path, ocitool, umask, order, env, flags):
    old = os.umask(umask)
    try:
        project = write_project(tmp_path / f"clone-{umask}", order)
        done = ocitool("build", project, "-o", f"oci:{tmp_path}/img:1", "--format", "oci", *flags, env=env)
    finally:
        os.umask(old)

    assert 0 == done.exit_code, done.stderr
    assert GOLDEN == done.stdout.strip().partition("@")[2]


def test_another_epoch_is_another_digest(tmp_path, ocitool):
    project = write_project(tmp_path / "clone", list)
    flags = ("build", project, "-o", f"oci:{tmp_path}/img:1", "--format", "oci")

    done = [ocitool(*flags, env={"SOURCE_DATE_EPOCH": "1700000000"}).stdout for _ in range(2)]

    assert done[0] == done[1]
    assert GOLDEN not in done[0]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", done[0].strip().partition("@")[2])
