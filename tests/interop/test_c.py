"""Real C and C++ compilers: the seed's six platforms from sources to a registry, run under qemu-user."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.compilers import find_zig
from tests.fakes.compilers import put_zig, starts
from tests.fakes.emulated import say

HELLO = Path(__file__).parents[2] / "testdata" / "src-cpp" / "hello"
SIX = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "linux/ppc64le", "linux/s390x")
pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _compiler():
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        pytest.skip(f"{missing}: {missing.hint}")


def test_the_hello_of_six_platforms_is_pushed_and_runs(run, home, docker_registry):
    name = f"{docker_registry.repository()}:1"

    done = run("build", HELLO, "--platform", ",".join(SIX), "-t", name, "--push")

    assert 0 == done.exit_code, done.stderr
    for platform in SIX:
        root = home / platform.replace("/", "-")
        assert 0 == run("export", name, "--platform", platform, "-o", root).exit_code
        assert f"hello qemu from {platform.removeprefix('linux/')}\n" == say(root, platform, "/bin/hello", "qemu")
    assert 0 == run("check", name, "--deep").exit_code


def test_two_clones_in_two_folders_are_one_digest(run, home):
    digests = set()
    for folder in ("one", "two/deeper/hello"):
        shutil.copytree(HELLO, home / folder / "hello")
        place = home / folder / "hello"
        done = run(
            "build",
            place,
            "--platform",
            "linux/amd64,linux/arm64",
            "-o",
            f"oci:{home}/image-{folder.replace('/', '-')}",
        )
        assert 0 == done.exit_code, done.stderr
        digests.add(done.stdout.rpartition("@")[2])

    assert 1 == len(digests)


def test_unchanged_sources_start_no_compiler(run, home, monkeypatch):
    real = find_zig(os.environ)
    put_zig(home / "bin", body="true")
    script = (home / "bin" / "zig").read_text().replace("while [", f'exec {real} "$@"\nwhile [', 1)
    (home / "bin" / "zig").write_text(script)
    monkeypatch.setenv("PATH", f"{home}/bin:{os.environ['PATH']}")
    shutil.copytree(HELLO, home / "hello")
    os.utime(home / "hello" / "hello.cpp", (1000, 1000))
    first = run("build", home / "hello", "--platform", "linux/amd64,linux/arm64", "-o", f"oci:{home}/img")
    assert 0 == first.exit_code, first.stderr
    before = len(starts(home / "bin"))

    second = run("build", home / "hello", "--platform", "linux/amd64,linux/arm64", "-o", f"oci:{home}/img")

    assert (0, first.stdout) == (second.exit_code, second.stdout)
    assert 2 == before
    # Files that were made a moment ago are not trusted yet: then each compiler runs once more.
    assert len(starts(home / "bin")) in {2, 4}


def test_glibc_of_a_version_is_linked_and_nothing_newer(run, home):
    source = home / "app"
    shutil.copytree(HELLO, source)
    (source / "ocitool.toml").write_text('[c]\n[compiler]\nlibc = "glibc:2.28"\n')

    done = run("build", source, "--platform", "linux/arm64", "-o", f"type=local,dest={home}/out")

    assert 0 == done.exit_code, done.stderr
    program = next(path for path in (home / "out").rglob("app") if path.is_file())
    versions = set(subprocess.run(["strings", program], capture_output=True, text=True).stdout.split())
    assert "/lib/ld-linux-aarch64.so.1" in versions
    newest = max(tuple(map(int, one[6:].split("."))) for one in versions if one.startswith("GLIBC_2"))
    assert newest <= (2, 28)
