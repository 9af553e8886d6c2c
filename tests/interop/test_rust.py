"""The real cargo: a crate whose C is compiled for the target, for every platform whose standard library is here."""

import os
import shutil
from pathlib import Path

import pytest

from ocitool.errors import Unsupported
from ocitool.model.platform import Platform
from ocitool.toolchains.base import Project
from ocitool.toolchains.compilers import CompilerOptions, find_zig
from ocitool.toolchains.rust import find_cargo, refuse_without_std, rust_environ, rust_triple
from tests import peers
from tests.fakes.emulated import say

pytestmark = [pytest.mark.interop, pytest.mark.slow]
MANIFEST = """[package]
name = "answers"
version = "0.1.0"
edition = "2021"

[dependencies]
libz-sys = { version = "1", features = ["static"], default-features = false }
"""
MAIN = """fn main() {
    let version = unsafe { std::ffi::CStr::from_ptr(libz_sys::zlibVersion()) };
    println!("zlib {} on {}", version.to_str().unwrap(), std::env::consts::ARCH);
}
"""


@pytest.fixture
def rust(monkeypatch):
    """The real home's rustup, and crates in the peers' cache; a skip that says what is missing."""
    real = Path(os.environ.get("RUSTUP_HOME") or peers.real_home() / ".rustup")
    if real.is_dir():
        monkeypatch.setenv("RUSTUP_HOME", str(real))
    monkeypatch.setenv("CARGO_HOME", str(peers.cache_root() / "cargo"))
    try:
        find_zig(os.environ)
        find_cargo(os.environ)
    except Unsupported as missing:
        pytest.skip(f"{missing}: {missing.hint}")


def platforms(source: Path) -> dict[str, str]:
    """The platforms whose standard library is installed, with the words that the program says there."""
    names = {"linux/amd64": "x86_64", "linux/arm64": "aarch64", "linux/arm/v7": "arm", "linux/riscv64": "riscv64"}
    environ = rust_environ(Project(source, source, os.environ, source), CompilerOptions())
    found = {}
    for platform, machine in names.items():
        try:
            refuse_without_std(rust_triple(Platform.parse(platform), "musl"), environ, source)
        except Unsupported:
            continue
        found[platform] = machine
    return found


def test_a_crate_with_c_in_it_is_built_from_two_folders_to_one_digest_and_answers(rust, run, home):
    digests = set()
    wanted = platforms(home)
    if not wanted:
        pytest.skip("rustup has no standard library for musl here: rustup target add x86_64-unknown-linux-musl")
    for folder in ("one", "two/deeper"):
        source = home / folder / "answers"
        (source / "src").mkdir(parents=True)
        (source / "Cargo.toml").write_text(MANIFEST)
        (source / "src" / "main.rs").write_text(MAIN)
        if digests:
            shutil.copy(home / "one" / "answers" / "Cargo.lock", source)

        done = run(
            "build", source, "--platform", ",".join(wanted), "-o", f"oci:{home}/img-{len(digests)}:1", "--index"
        )

        if "failed to download" in done.stderr or "failed to get" in done.stderr:
            pytest.skip("crates cannot be fetched here")
        assert 0 == done.exit_code, done.stderr
        digests.add(done.stdout.rpartition("@")[2])

    assert 1 == len(digests)
    for platform, machine in wanted.items():
        root = home / platform.replace("/", "-")
        assert 0 == run("export", f"oci:{home}/img-0:1", "--platform", platform, "-o", root).exit_code
        said = say(root, platform, "/bin/answers").split()
        assert ("zlib", "on", machine) == (said[0], said[2], said[3])
