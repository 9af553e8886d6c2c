"""Builds of C, C++ and Rust in RUN lines: which toolchain, where, and with which settings."""

import pytest

from ocitool.dockerfile.run.native_build import native_build
from ocitool.dockerfile.run.run_lines import RunLine
from ocitool.dockerfile.syntax.parse import parse
from ocitool.toolchains.options import CProgram, RustOptions


def read(*runs, variables=(), workdir="/src"):
    text = "FROM x\n" + "".join(f"RUN {run}\n" for run in runs)
    (stage,) = parse(text.encode()).stages
    return native_build([RunLine(run, workdir, dict(variables), (), frozenset()) for run in stage.body])


@pytest.mark.parametrize(
    ("runs", "toolchain", "folder", "results"),
    [
        (["cargo build --release"], "rust", "/src", "/src/target"),
        (["cd app && cargo build --release"], "rust", "/src/app", "/src/app/target"),
        (["cargo install --path crates/app"], "rust", "/src/crates/app", "/src/crates/app/target"),
        (["cargo install cargo-chef", "cargo build --manifest-path /a/Cargo.toml"], "rust", "/a", "/a/target"),
        (["cmake -B build -S . && cmake --build build"], "cmake", "/src", "/src/build"),
        (["mkdir build && cd build && cmake .. && make -j4"], "cmake", "/src", "/src/build"),
        (["cmake -S/code -B/out"], "cmake", "/code", "/out"),
        (["cmake ."], "cmake", "/src", "/src"),
        (["cmake -Sc -Bb"], "cmake", "/src/c", "/src/b"),
        (["cd build && cmake -DA=1 --fresh .."], "cmake", "/src", "/src/build"),
        (["meson setup --strip out code"], "meson", "/src/code", "/src/out"),
        (["make -Cc"], "make", "/src/c", "/src/c"),
        (["meson setup out && ninja -C out"], "meson", "/src", "/src/out"),
        (["./configure --prefix=/usr && make"], "autotools", "/src", "/src"),
        (["make"], "make", "/src", "/src"),
        (["make -C sub -j$(nproc)"], "make", "/src/sub", "/src/sub"),
        (["gcc -o /out/a a.c"], "c", "/src", "/out"),
        (["aarch64-linux-gnu-g++-12 a.cpp -o bin/a"], "c", "/src", "/src/bin"),
    ],
)
def test_toolchain_and_places(runs, toolchain, folder, results):
    found = read(*runs)

    assert (toolchain, folder, results) == (found.toolchain, found.folder, found.results)


@pytest.mark.parametrize(
    "run", ["cargo install cargo-chef", "cargo test", "gcc --version", "gcc -c a.c", "go build", "cmake --version -E echo"]
)  # fmt: skip
def test_lines_that_build_nothing_of_ours(run):
    assert read(run) is None


def test_settings_of_cargo():
    found = read("cargo build --release -p server --bin=srv --features a,b --no-default-features --target=$T")

    assert RustOptions("server", ("a", "b"), default_features=False) == found.rust
    assert "srv" == found.program


def test_settings_of_cmake_without_what_ours_says_itself():
    words = "cmake -DCMAKE_BUILD_TYPE=Release -D LOUD=ON -DCMAKE_INSTALL_PREFIX=/x -DFOO=$FOO -G Ninja -B b"

    found = read(words, variables=[("FOO", "bar")])

    assert ("-DLOUD=ON", "-DFOO=bar") == found.system.arguments


def test_targets_and_variables_of_make_and_the_install_is_none():
    found = read("make CC=musl-gcc LTO=1 all && make install DESTDIR=/out")

    assert (("all",), (("LTO", "1"),)) == (found.system.targets, found.system.variables)
    assert ("lib", "bin") == read("make -k -C sub lib -j 4 bin").system.targets


def test_sources_and_flags_of_a_compiler():
    found = read("g++ -std=c++20 -O2 -static -march=native -Iinclude -o /out/app src/a.cpp src/b.cpp -lpthread")

    assert CProgram(("src/a.cpp", "src/b.cpp"), ("-std=c++20", "-O2", "-Iinclude"), ("-lpthread",)) == found.c
    assert "/out/app" == found.program


@pytest.mark.parametrize(
    ("run", "path", "inner"),
    [
        ("cmake -B build", "/src/build/bin/app", "bin/app"),
        ("cmake -B build && cmake --install build", "/usr/local/bin/app", "app"),
        ("make", "/src/app", "app"),
    ],
)
def test_the_file_among_the_results_that_others_copy(run, path, inner):
    assert inner == read(run).result(path)
