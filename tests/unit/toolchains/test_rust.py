"""Rust: the programs of a package, cargo's command for a platform, and what it may see."""

from pathlib import Path

import pytest

from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import CompileJob, Project, Target
from ocitool.toolchains.compilers import find_compiler
from ocitool.toolchains.debian import LIST
from ocitool.toolchains.options import CompilerOptions, Program, RustOptions
from ocitool.toolchains.rust import (
    RustToolchain,
    find_bins,
    find_build_compiler,
    find_cargo,
    find_std,
    rust_environ,
    rust_triple,
)
from ocitool.toolchains.sysroot import Sysroot
from tests.fakes.compilers import put_zig

DEFAULTS = RustOptions()


def planned(
    tmp_path: Path,
    platform="linux/arm64",
    libc="",
    *,
    options=DEFAULTS,
    has_lock=True,
    std=None,
    for_build=None,
    with_debug=False,
) -> CompileJob:
    put_zig(tmp_path / "bin")
    wanted, environ = Platform.parse(platform), {"PATH": str(tmp_path / "bin"), "CARGO_HOME": "/crates"}
    compiler = find_compiler(CompilerOptions(libc=libc, with_debug=with_debug), wanted, environ, packages=())
    toolchain = RustToolchain(
        Path("/bin/cargo"),
        compiler,
        options,
        tuple(environ.items()),
        tmp_path / "cache",
        has_lock=has_lock,
        std=std,
        for_build=for_build,
    )
    return toolchain.plan(Target(Program("app"), wanted, tmp_path / "src", tmp_path / "out" / "app"))


def test_cargo_builds_one_program_for_the_target_into_a_folder_of_its_own(tmp_path):
    job = planned(tmp_path)

    assert (
        "/bin/cargo", "build", "--release", "--target", "aarch64-unknown-linux-musl", "--bin", "app", "--locked",
    ) == job.argv  # fmt: skip
    assert (tmp_path / "out/cargo/aarch64-unknown-linux-musl/release/app",) == job.outputs
    assert (str(tmp_path / "out/cargo"), "rust-lld", "symbols") == tuple(
        job.env[key]
        for key in (
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER",
            "CARGO_PROFILE_RELEASE_STRIP",
        )
    )
    assert str(tmp_path / "out/wrappers/cc") == job.env["CC_aarch64_unknown_linux_musl"]


def test_no_path_of_this_machine_gets_into_the_program(tmp_path):
    assert [
        f"--remap-path-prefix={tmp_path}/src=.",
        "--remap-path-prefix=/crates=/cargo",
        f"--remap-path-prefix={tmp_path}/out=/target",
        "-Ctarget-feature=+crt-static",
    ] == planned(tmp_path).env["CARGO_ENCODED_RUSTFLAGS"].split("\x1f")


def test_glibc_is_linked_by_the_c_compiler(tmp_path):
    job = planned(tmp_path, "linux/arm/v7", "glibc")

    assert "armv7-unknown-linux-gnueabihf" in job.argv
    assert str(tmp_path / "out/wrappers/cc") == job.env["CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER"]


def test_zig_links_what_runs_during_the_build_where_this_machine_has_no_cc(tmp_path):
    put_zig(tmp_path / "bin")
    environ = {"PATH": str(tmp_path / "bin")}

    found = find_build_compiler(environ)
    assert found is not None
    job = planned(tmp_path, "linux/s390x", for_build=found)

    triple = rust_triple(found.platform, "glibc").replace("-", "_").upper()
    linker = job.env[f"CARGO_TARGET_{triple}_LINKER"]
    text = next(file.text for file in job.files if str(file.path) == linker)
    assert f"{tmp_path}/bin/zig cc -target {found.triple} " in text
    (tmp_path / "bin" / "cc").symlink_to("zig")
    assert find_build_compiler(environ) is None


def test_settings_are_arguments_and_without_a_lock_cargo_may_make_one(tmp_path):
    options = RustOptions("member", ("a", "b"), default_features=False, flags=("--offline",), env=(("X", "1"),))

    job = planned(tmp_path, options=options, has_lock=False)

    assert ("--package", "member", "--features", "a,b", "--no-default-features", "--offline") == job.argv[7:]
    assert "1" == job.env["X"]


@pytest.mark.parametrize(
    ("platform", "libc", "triple"),
    [
        ("linux/amd64", "musl", "x86_64-unknown-linux-musl"),
        ("linux/386", "glibc", "i686-unknown-linux-gnu"),
        ("linux/arm/v5", "musl", "armv5te-unknown-linux-musleabi"),
        ("linux/arm/v6", "musl", "arm-unknown-linux-musleabihf"),
        ("linux/arm/v7", "musl", "armv7-unknown-linux-musleabihf"),
        ("linux/riscv64", "glibc", "riscv64gc-unknown-linux-gnu"),
        ("linux/s390x", "glibc", "s390x-unknown-linux-gnu"),
    ],
)
def test_what_rustc_calls_a_platform(platform, libc, triple):
    assert triple == rust_triple(Platform.parse(platform), libc)


@pytest.mark.parametrize(
    ("platform", "hint"), [("linux/mips64le", "known: linux/amd64"), ("windows/amd64", "known")]
)
def test_platforms_that_rust_does_not_know(platform, hint):
    with pytest.raises(Unsupported, match=f"rust cannot compile for {platform}") as refused:
        rust_triple(Platform.parse(platform), "musl")

    assert hint in refused.value.hint


def test_levels_are_told_or_refused(tmp_path):
    for number in (2, 3, 4):
        made = planned(tmp_path, f"linux/amd64/v{number}")
        assert f"-Ctarget-cpu=x86-64-v{number}" in made.env["CARGO_ENCODED_RUSTFLAGS"]
    assert "target-cpu" not in planned(tmp_path, "linux/amd64/v1").env.get("CARGO_ENCODED_RUSTFLAGS", "")
    with pytest.raises(Unsupported, match="rust cannot compile for linux/arm64/v9"):
        planned(tmp_path, "linux/arm64/v9")


MANIFESTS = {
    "a package with one program": ({"Cargo.toml": '[package]\nname = "app"\n', "src/main.rs": ""}, "", ["app"]),
    "named programs": ({"Cargo.toml": '[package]\nname = "p"\n[[bin]]\nname = "x"\npath = "x.rs"\n'}, "", ["x"]),
    "programs below src/bin": (
        {"Cargo.toml": '[package]\nname = "p"\n', "src/bin/a.rs": "", "src/bin/b/main.rs": "", "src/lib.rs": ""},
        "",
        ["a", "b"],
    ),
    "members of a workspace": (
        {
            "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n',
            "crates/one/Cargo.toml": '[package]\nname = "one"\n',
            "crates/one/src/main.rs": "",
            "crates/two/Cargo.toml": '[package]\nname = "two"\n',
            "crates/two/src/main.rs": "",
            "crates/lib/Cargo.toml": '[package]\nname = "lib"\n',
        },
        "",
        ["one", "two"],
    ),
    "one member of a workspace": (
        {
            "Cargo.toml": '[workspace]\nmembers = ["a", "b"]\n',
            "a/Cargo.toml": '[package]\nname = "a"\n',
            "a/src/main.rs": "",
            "b/Cargo.toml": '[package]\nname = "b"\n',
            "b/src/main.rs": "",
        },
        "b",
        ["b"],
    ),
}


@pytest.mark.parametrize(("files", "package", "names"), MANIFESTS.values(), ids=MANIFESTS)
def test_the_programs_of_a_package(tmp_path, files, package, names):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert names == [program.name for program in find_bins(tmp_path, package)]


@pytest.mark.parametrize(
    ("text", "message"), [('[package]\nname = "lib"\n', "no Rust program in"), ("[package\n", "Cargo.toml: ")]
)
def test_manifests_without_a_program(tmp_path, text, message):
    (tmp_path / "Cargo.toml").write_text(text)

    with pytest.raises(UsageError, match=message):
        find_bins(tmp_path, "")


def test_cargo_finds_its_toolchains_and_sees_no_token(tmp_path):
    environ = {
        "PATH": "/bin",
        "HOME": "/u",
        "CARGO_REGISTRY_TOKEN": "t",
        "CARGO_REGISTRIES_X_TOKEN": "t",
        "CI_TOKEN": "t",
    }

    seen = rust_environ(Project(tmp_path, tmp_path, environ, tmp_path), CompilerOptions())

    assert "/u/.cargo" == seen["CARGO_HOME"]
    assert [] == [key for key in seen if "TOKEN" in key]


def test_what_is_missing_is_named_with_its_install_line(tmp_path):
    with pytest.raises(Unsupported, match="no cargo on PATH"):
        find_cargo({"PATH": "/nowhere"})
    (tmp_path / "rustc").write_text(f"#!/bin/sh\necho {tmp_path}\n")
    (tmp_path / "rustc").chmod(0o755)
    with pytest.raises(Unsupported, match="no Rust standard library for t-u-l-musl") as refused:
        find_std("t-u-l-musl", {"PATH": str(tmp_path)}, tmp_path)
    assert "rustup target add t-u-l-musl" == refused.value.hint
    (tmp_path / "lib/rustlib/t-u-l-musl/lib").mkdir(parents=True)
    assert find_std("t-u-l-musl", {"PATH": str(tmp_path)}, tmp_path) is None


def put_debians(tmp_path: Path, version: str) -> tuple[dict[str, str], Sysroot]:
    """A rustc 1.85.0 that Debian installed, and a sysroot with Debian's standard library of a version."""
    rustc = tmp_path / "usr/bin/rustc"
    rustc.parent.mkdir(parents=True)
    rustc.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "rustc 1.85.0 (x)" || echo {tmp_path}/usr\n')
    rustc.chmod(0o755)
    for name in ("var/lib/dpkg/info/libstd-rust-web-dev:amd64.list", "root/usr/lib/rustlib/t-gnu/lib/libstd.rlib"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listed = tmp_path / "root" / LIST
    listed.parent.mkdir(parents=True)
    listed.write_text(f"libc6=2.36-9\nlibstd-rust-web-dev={version}\n")
    return {"PATH": str(rustc.parent)}, Sysroot(tmp_path / "root", "", "id")


def test_the_standard_library_of_a_sysroot_is_told_to_rustc(tmp_path):
    environ, sysroot = put_debians(tmp_path, "1.85.0+dfsg3-1~deb12u3")
    std = tmp_path / "root/usr/lib/rustlib/t-gnu/lib"

    assert std == find_std("t-gnu", environ, tmp_path, sysroot)
    assert f"-L{std}" in planned(tmp_path, std=std).env["CARGO_ENCODED_RUSTFLAGS"].split("\x1f")


def test_a_standard_library_for_another_rustc_is_refused(tmp_path):
    environ, sysroot = put_debians(tmp_path, "1.96.0+dfsg1-1")

    with pytest.raises(Unsupported, match=r"libstd-rust-web-dev 1\.96\.0\+dfsg1-1 is for another rustc") as refused:
        find_std("t-gnu", environ, tmp_path, sysroot)

    assert "NAME=VERSION" in refused.value.hint


@pytest.mark.parametrize(("triple", "libc"), [("t-musl", True), ("s-gnu", False)])
def test_debians_rustc_is_told_what_debian_has(tmp_path, triple, libc):
    environ, sysroot = put_debians(tmp_path, "1.85.0")

    with pytest.raises(Unsupported, match=f"no Rust standard library for {triple}") as refused:
        find_std(triple, environ, tmp_path, sysroot)

    assert 'packages = ["libstd-rust-web-dev"] and dependencies = false' in refused.value.hint
    assert libc == ('libc = "glibc"' in refused.value.hint)


def test_folders_of_a_workspace_without_a_manifest_and_programs_that_are_not_to_be_found_are_left_out(tmp_path):
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n',
        "crates/a/Cargo.toml": '[package]\nname = "a"\nautobins = false\n[[bin]]\nname = "said"\n',
        "crates/a/src/main.rs": "",
        "crates/a/src/bin/other.rs": "",
        "crates/notes/README": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert (Program("said", "a"),) == find_bins(tmp_path, "")


def test_debug_information_has_a_build_id_also_where_rust_links_itself(tmp_path):
    musl, glibc = (planned(tmp_path, libc=libc, with_debug=True).env for libc in ("musl", "glibc"))

    assert ("full", "none") == (musl["CARGO_PROFILE_RELEASE_DEBUG"], musl["CARGO_PROFILE_RELEASE_STRIP"])
    assert [True, False] == [
        "-Clink-arg=--build-id=sha1" in one["CARGO_ENCODED_RUSTFLAGS"] for one in (musl, glibc)
    ]
