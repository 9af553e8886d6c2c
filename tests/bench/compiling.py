"""Compiling the C++ hello for four platforms, against plain `zig c++` run four times in a shell loop; both warm."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ocitool.model.platform import Platform
from ocitool.toolchains.compilers import find_compiler, find_zig
from ocitool.toolchains.options import CompilerOptions
from tests import peers
from tests.bench.rows import Row

HELLO = Path(__file__).parents[2] / "testdata" / "src-cpp" / "hello"
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x")
ROUNDS = 7


def rows() -> Iterator[Row]:
    """One row; the sources change before each round."""
    find_zig(os.environ)
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as place:
        source, env = Path(place) / "hello", {**os.environ, **peers.zig_environment(), "XDG_CACHE_HOME": place}
        shutil.copytree(HELLO, source)
        ours = [sys.executable, "-m", "ocitool", "build", str(source), "-o", f"oci:{place}/img", "-q"]
        ours += ["--platform", ",".join(PLATFORMS)]
        plain = ["/bin/sh", "-c", " && ".join(_command(platform, source) for platform in PLATFORMS)]
        times: dict[str, list[float]] = {"ocitool build": [], "zig c++": []}
        for number in range(-1, ROUNDS):
            for name, argv in (("ocitool build", ours), ("zig c++", plain)):
                with (source / "hello.cpp").open("a") as file:
                    file.write(f"// {name} {number}\n")
                began = time.perf_counter()
                subprocess.run(argv, check=True, env=env, stdout=subprocess.DEVNULL, cwd=source)
                if number >= 0:  # the round before makes the C libraries
                    times[name].append(time.perf_counter() - began)
    best = {name: min(values) for name, values in times.items()}
    yield Row("C++ for 4 platforms, warm", best["ocitool build"], {"zig c++": best["zig c++"]}, 1.15)


def _command(platform: str, source: Path) -> str:
    compiler = find_compiler(CompilerOptions(), Platform.parse(platform), os.environ)
    out = source.parent / f"hello-{platform.replace('/', '-')}"
    words = [*compiler.tools["c++"], *compiler.flags, "-O2", "-o", str(out), "hello.cpp", "machine.cpp", "-s"]
    return shlex.join(words)
