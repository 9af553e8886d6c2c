"""The real cargo: crates whose C is compiled for the target, with standard libraries of rustup and of Debian."""

import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from ocitool.errors import Unsupported
from ocitool.model.platform import Platform
from ocitool.toolchains.base import Project, find_program
from ocitool.toolchains.compilers import find_zig
from ocitool.toolchains.options import CompilerOptions
from ocitool.toolchains.rust import find_cargo, find_std, rust_environ, rust_triple
from tests import peers
from tests.fakes.emulated import say
from tests.peers.rust import debian_rust

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
            find_std(rust_triple(Platform.parse(platform), "musl"), environ, source)
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
        (source / "ocitool.toml").write_text('[rust]\nenv = { CARGO_PROFILE_RELEASE_OPT_LEVEL = "0" }\n')
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


WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "words"]\nresolver = "2"\n',
    "app/Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
    '[dependencies]\nwords = { path = "../words" }\n',
    "app/build.rs": 'fn main() { println!("cargo:rustc-env=BUILT_FOR={}", std::env::var("TARGET").unwrap()); }\n',
    "app/src/main.rs": 'words::answer!();\nfn main() { println!("{} {}", env!("BUILT_FOR"), answer()); }\n',
    "words/Cargo.toml": '[package]\nname = "words"\nversion = "0.1.0"\nedition = "2021"\n[lib]\nproc-macro = true\n',
    "words/src/lib.rs": "#[proc_macro]\npub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n"
    '    "fn answer() -> u8 { 42 }".parse().unwrap()\n}\n',
}  # fmt: skip


def test_build_scripts_and_macros_of_a_workspace_need_no_compiler_of_this_machine(rust, run, home, monkeypatch):
    wanted = platforms(home)
    if not wanted:
        pytest.skip("rustup has no standard library for musl here: rustup target add x86_64-unknown-linux-musl")
    zig = find_zig(os.environ)
    for name in ("cargo", "rustc"):
        (home / "only").mkdir(exist_ok=True)
        (home / "only" / name).symlink_to(find_program(name, os.environ))
    (home / "only/zig").symlink_to(zig)
    before = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{home}/only")
    for name, text in WORKSPACE.items():
        (home / "answers" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "answers" / name).write_text(text)

    done = run("build", home / "answers", "--platform", ",".join(wanted), "-o", f"oci:{home}/img:1", "--index")

    monkeypatch.setenv("PATH", before)
    assert 0 == done.exit_code, done.stderr
    assert "building musl" not in done.stderr
    for platform in wanted:
        root = home / platform.replace("/", "-")
        assert 0 == run("export", f"oci:{home}/img:1", "--platform", platform, "-o", root).exit_code
        triple = rust_triple(Platform.parse(platform), "musl")
        assert f"{triple} 42\n" == say(root, platform, "/bin/app")


PNG = b"\x89PNG\r\n\x1a\n"
CRATE, VERSION = "oxipng", "9.1.5"
DEBIAN = ("linux/amd64", "linux/arm64", "linux/s390x")
SPEC = """[rust]
default-features = false
features = ["binary"]
env = { CARGO_PROFILE_RELEASE_OPT_LEVEL = "0", CARGO_PROFILE_RELEASE_LTO = "off" }

[compiler]
libc = "glibc"

[sysroot]
packages = ["STD", "libc6", "libgcc-s1"]
dependencies = false
copy-libraries = true

# The crate's libdeflate asks for a feature that clang 22 has under no name any more, unless this is defined.
[platform."linux/amd64".rust.env]
CFLAGS_x86_64_unknown_linux_gnu = "-D__EVEX512__"
"""


@pytest.fixture
def debian(rust, home, monkeypatch):
    """Debian's Rust on PATH, and its sysroots in the peers' cache, for they are large; or a skip that says why not."""
    try:
        found = debian_rust()
    except peers.Missing as missing:
        pytest.skip(str(missing))
    monkeypatch.setenv("PATH", f"{found.programs}:/usr/bin:/bin")
    monkeypatch.delenv("RUSTUP_HOME", raising=False)
    (home / ".cache/ocitool").mkdir(parents=True)
    (home / ".cache/ocitool/sysroots").symlink_to(found.sysroots)
    return found


def published(home: Path) -> Path:
    """A crate with a program as it was published, fetched and checked by cargo; or a skip that says why not."""
    asking = home / "asking"
    (asking / "src").mkdir(parents=True)
    (asking / "src/lib.rs").touch()
    (asking / "Cargo.toml").write_text(
        f'[package]\nname = "asking"\nversion = "0.1.0"\n[dependencies]\n{CRATE} = "={VERSION}"\n'
    )
    words = ["cargo", "fetch", "--target", "x86_64-unknown-linux-gnu"]
    done = subprocess.run(words, cwd=asking, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"crates cannot be fetched here: {done.stderr.strip().splitlines()[-1:]}")
    (found,) = Path(os.environ["CARGO_HOME"]).glob(f"registry/src/*/{CRATE}-{VERSION}")
    return found


def a_picture(path: Path) -> Path:
    """A black PNG of 10 by 10, stored without compression."""
    lines = b"".join(b"\0" + bytes(30) for _ in range(10))
    parts = (b"IHDR" + struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(lines, 0), b"IEND")
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    path.write_bytes(PNG + b"".join(chunks))
    return path


def test_a_published_crate_with_c_in_it_is_built_with_debians_std_for_three_platforms_and_answers(
    debian, run, home
):
    source = published(home)
    picture = a_picture(home / "picture.png")
    (home / "ocitool.toml").write_text(SPEC.replace("STD", debian.std))
    words = ("--spec", home / "ocitool.toml", "--platform", ",".join(DEBIAN), "-o", f"oci:{home}/img:1")

    done = run("build", source, *words)

    if "cannot make the sysroot" in done.stderr:
        pytest.skip(f"Debian's packages cannot be fetched here: {done.stderr[-200:]}")
    assert 0 == done.exit_code, done.stderr
    assert "will not start" not in done.stderr
    for platform in DEBIAN:
        root = home / platform.replace("/", "-")
        assert 0 == run("export", f"oci:{home}/img:1", "--platform", platform, "-o", root).exit_code
        smaller = home / f"{root.name}.png"
        assert "" == say(root, platform, "/bin/oxipng", "--quiet", "--out", str(smaller), str(picture))
        assert PNG == smaller.read_bytes()[:8]
        assert smaller.stat().st_size < picture.stat().st_size
