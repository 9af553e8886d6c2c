"""Compiling the C++ hello for four platforms, against plain `zig c++` run four times in a shell loop; both warm."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ocitool.errors import Unsupported
from ocitool.model.platform import Platform
from ocitool.toolchains.compilers import find_compiler, find_zig
from ocitool.toolchains.options import CompilerOptions
from tests import peers

HELLO = Path(__file__).parents[2] / "testdata" / "src-cpp" / "hello"
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x")
ROUNDS = 7


def main() -> None:
    """Print the best times of both and their ratio; the sources change before each round."""
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        print(f"skipped: {missing}: {missing.hint}")
        return
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
    for name, value in best.items():
        print(f"  {name:14} {value:6.2f} s, best of {ROUNDS}")
    print(f"  ratio          {best['ocitool build'] / best['zig c++']:6.2f}")


def _command(platform: str, source: Path) -> str:
    compiler = find_compiler(CompilerOptions(), Platform.parse(platform), os.environ)
    out = source.parent / f"hello-{platform.replace('/', '-')}"
    words = [*compiler.tools["c++"], *compiler.flags, "-O2", "-o", str(out), "hello.cpp", "machine.cpp", "-s"]
    return shlex.join(words)


if __name__ == "__main__":
    main()
