"""Stages of a Dockerfile that build C, C++ and Rust, made by our toolchains from the drafted table: they answer."""

import os
import re

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.base import find_program
from ocitool.toolchains.compilers import find_zig
from tests.fakes.emulated import say

pytestmark = [pytest.mark.interop, pytest.mark.slow]
C = '#include <stdio.h>\n#ifndef WORD\n#define WORD "plain"\n#endif\nint main(void) { puts(WORD); return 0; }\n'
LAST = 'FROM scratch\nCOPY --from=build {} /bin/app\nCMD ["/bin/app"]\n'
CASES = {
    "c": (
        {"app.c": C},
        'FROM gcc:13 AS build\nWORKDIR /src\nCOPY app.c .\nRUN gcc -O2 -static -DWORD=\\"said\\" -o /out/app app.c\n',
        "/out/app", "said\n",
    ),
    "make": (
        {"app.c": C, "Makefile": "app: app.c\n\tmkdir -p bin\n\t$(CC) $(FLAGS) -o bin/app app.c\n"},
        "FROM alpine AS build\nRUN apk add build-base\nWORKDIR /src\nCOPY . .\nRUN make -j2 FLAGS=-O1 app\n",
        "/src/bin/app", "plain\n",
    ),
    "cmake": (
        {
            "app.c": C,
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(app C)\noption(LOUD x OFF)\n"
            'add_executable(app app.c)\nif(LOUD)\ntarget_compile_definitions(app PRIVATE WORD="loud")\nendif()\n',
        },
        "FROM debian AS build\nWORKDIR /src\nCOPY . .\nRUN mkdir b && cd b && cmake -DLOUD=ON .. && make\n",
        "/src/b/app", "loud\n",
    ),
    "cmake, installed": (
        {
            "app.c": C,
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(app C)\nadd_executable(app app.c)\n"
            "install(TARGETS app)\n",
        },
        ("FROM debian AS build\nRUN apt-get install -y cmake gcc\nCOPY . /src\n"
        "RUN cmake -S /src -B /build -DCMAKE_BUILD_TYPE=Release && cmake --build /build -j && "
        "cmake --install /build --prefix /out\n"),
        "/out/bin/app", "plain\n",
    ),
    "rust": (
        {
            "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
            "src/main.rs": 'fn main() { println!("said by {}", std::env::consts::ARCH); }\n',
        },
        ("FROM --platform=$BUILDPLATFORM rust AS build\nARG TARGETARCH\nWORKDIR /src\n"
        "RUN rustup target add aarch64-unknown-linux-musl x86_64-unknown-linux-musl\nCOPY . .\n"
        "RUN case $TARGETARCH in arm64) t=aarch64-unknown-linux-musl ;; *) t=x86_64-unknown-linux-musl ;; esac && "
        "cargo build --release --target $t && cp target/$t/release/app /app\n"),
        "/app", "said by aarch64\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_the_drafted_table_builds_the_stage(request, run, home, kind):
    toolchain = kind.partition(",")[0]
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        pytest.skip(str(missing))
    if toolchain == "rust":
        request.getfixturevalue("rust_for_musl")
    elif toolchain != "c" and find_program(toolchain, os.environ) is None:
        pytest.skip(f"{toolchain} is not installed")
    files, build, copied, answer = CASES[kind]
    for name, text in {**files, "Dockerfile": build + LAST.format(copied)}.items():
        (home / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "app" / name).write_text(text)
    words = ("build", home / "app", "--no-run", "--platform", "linux/arm64", "-o", f"oci:{home}/img:1")

    refused = run(*words)
    table = re.search(r"^ *\[stage.*?(?=^see:)", refused.stderr, re.MULTILINE | re.DOTALL)[0]
    (home / "app/ocitool.toml").write_text(table)
    done = run(*words)

    assert (9, 0) == (refused.exit_code, done.exit_code), done.stderr
    assert f'toolchain = "{toolchain}"' in table
    assert 0 == run("export", f"oci:{home}/img:1", "-o", home / "root").exit_code
    assert answer == say(home / "root", "linux/arm64", "/bin/app")
