"""Third-party libraries of the target: OpenSSL and zlib for arm64 from Debian's packages, and from an image."""

import os
import shutil

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.compilers import find_zig
from tests.fakes.emulated import say
from tests.fakes.sources import shared_sysroots

pytestmark = [pytest.mark.interop, pytest.mark.slow]
MAIN = """#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <zlib.h>

int main(void) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_Digest("abc", 3, digest, &size, EVP_sha256(), NULL);
    printf("%02x%02x zlib %lx openssl %d\\n", digest[0], digest[1], crc32(0, (const unsigned char *)"abc", 3),
           OPENSSL_version_major());
    return 0;
}
"""
ANSWER = "ba78 zlib 352441c2 openssl 3\n"
SPEC = """[c]
ldflags = ["-lssl", "-lcrypto", "-lz"]

[sysroot]
packages = ["libssl-dev", "zlib1g-dev"]
copy-libraries = true
"""


@pytest.fixture
def source(home):
    """A program that uses both, or a skip that says what is missing."""
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        pytest.skip(f"{missing}: {missing.hint}")
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get here")
    folder = home / "app"
    folder.mkdir()
    (folder / "main.c").write_text(MAIN)
    return folder


CLANG = """[c]
[compiler]
use = "clang"

[sysroot]
packages = ["libc6-dev", "libgcc-12-dev"]
copy-libraries = true
"""


def test_debians_clang_links_against_the_packages_of_the_target(source, run, home):
    if shutil.which("clang") is None or shutil.which("ld.lld") is None:
        pytest.skip("clang, lld and llvm are not installed")
    (source / "main.c").write_text("#include <stdio.h>\nint main(void) { puts(__VERSION__); return 0; }\n")
    (source / "ocitool.toml").write_text(CLANG)
    shared_sysroots(home)

    done = run("build", source, "--platform", "linux/arm64", "-o", f"oci:{home}/img:1")

    if "cannot make the sysroot" in done.stderr:
        pytest.skip(f"Debian's packages cannot be fetched here: {done.stderr[-200:]}")
    assert 0 == done.exit_code, done.stderr
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "one").exit_code
    assert "Clang" in say(home / "one", "linux/arm64", "/bin/app")
    assert 0 == run("check", f"oci:{home}/img:1", "--deep").exit_code


def test_packages_and_then_an_image_of_the_target_are_linked_against_and_run(source, run, home, docker_registry):
    (source / "ocitool.toml").write_text(SPEC)
    done = run("build", source, "--platform", "linux/arm64", "-o", f"oci:{home}/img:1", "--verbose")

    if "Failed to fetch" in done.stderr or "cannot make the sysroot" in done.stderr:
        pytest.skip(f"Debian's packages cannot be fetched here: {done.stderr[-200:]}")
    assert 0 == done.exit_code, done.stderr
    assert "will not start" not in done.stderr
    assert "libssl-dev=3." in done.stderr  # the version, for a build that wants the same
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "one").exit_code
    assert ANSWER == say(home / "one", "linux/arm64", "/bin/app")
    assert (home / "one/usr/share/doc/zlib1g/copyright").is_file()
    assert 0 == run("check", f"oci:{home}/img:1", "--deep").exit_code

    (sysroot,) = (home / ".cache/ocitool/sysroots").glob("debian-arm64-*")
    shutil.copytree(sysroot, home / "system", symlinks=True)
    system = f"{docker_registry.repository()}:system"
    packed = run(
        "build",
        home,
        "--toolchain",
        "prebuilt",
        "--copy",
        "system:/",
        "--platform",
        "linux/arm64",
        "-t",
        system,
        "--push",
    )
    assert 0 == packed.exit_code, packed.stderr
    (source / "ocitool.toml").write_text(
        f'base = "{system}"\n[c]\nldflags = ["-lssl", "-lcrypto", "-lz"]\n[sysroot]\nimage = "{system}"\n'
    )
    name = f"{docker_registry.repository()}:2"

    done = run("build", source, "--platform", "linux/arm64", "-t", name, "--push")

    assert 0 == done.exit_code, done.stderr
    assert "will not start" not in done.stderr
    assert 0 == run("export", name, "-o", home / "two").exit_code
    assert ANSWER == say(home / "two", "linux/arm64", "/bin/app")
    assert 0 == run("check", name, "--deep").exit_code
