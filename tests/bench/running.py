"""Twenty RUN lines of `true`: native against buildkitd, and for arm64 on the same machine; then all from the cache."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ocitool.store.layout import LayoutStore
from tests.bench.rows import Row
from tests.peers import debian
from tests.peers.buildkit import BuildKit, buildkit

LINES = 20
ROUNDS = 5
PLATFORMS = ("linux/amd64", "linux/arm64")


def rows() -> Iterator[Row]:
    """Native against buildkitd's, emulated, and all from the cache."""
    roots = [debian.busybox(platform) for platform in PLATFORMS]
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as place:
        root = Path(place)
        digest = debian.put(LayoutStore(root / "box", create=True), "1", roots)
        (root / "app").mkdir()
        (root / "app/Dockerfile").write_text("FROM box\n" + "RUN true\n" * LINES)
        with buildkit(root / "daemon", "overlayfs") as daemon:
            yield from _measure(root, daemon, str(digest))


def _measure(root: Path, daemon: BuildKit, digest: str) -> Iterator[Row]:
    env = {**os.environ, "XDG_CACHE_HOME": str(root / "cache"), "HOME": str(root)}

    def ours(platform: str, *more: str) -> float:
        argv = [sys.executable, "-m", "ocitool", "build", root / "app", "-o", f"oci:{root}/out:1", "-q", *more]
        argv += ["--platform", platform, "--build-context", f"box=oci-layout://{root}/box:1"]
        began = time.perf_counter()
        subprocess.run([str(word) for word in argv], check=True, env=env, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    def theirs() -> float:
        shutil.rmtree(root / "theirs", ignore_errors=True)
        words = ["--no-cache", "--oci-layout", f"box={root}/box", "--opt", f"context:box=oci-layout://box@{digest}"]
        began = time.perf_counter()
        daemon.build(root / "app", root / "theirs", *words)
        return time.perf_counter() - began

    times: dict[str, list[float]] = {"ocitool": [], "buildkitd": [], "ocitool, emulated": [], "ocitool, cached": []}
    for number in range(-1, ROUNDS):
        found = {
            "ocitool": ours(PLATFORMS[0], "--no-cache"),
            "buildkitd": theirs(),
            "ocitool, emulated": ours(PLATFORMS[1], "--no-cache"),
            "ocitool, cached": ours(PLATFORMS[0]),
        }
        for name, value in found.items():
            if number >= 0:  # the round before unpacks the base
                times[name].append(value)
    best = {name: min(values) for name, values in times.items()}
    others = {"buildkitd": best["buildkitd"]}
    yield Row(f"{LINES} RUN lines, a small base", best["ocitool"], others, 1.0)
    yield Row("the same for an emulated platform", best["ocitool, emulated"], {"native": best["ocitool"]}, 3.0)
    yield Row("the same from the cache", best["ocitool, cached"], {"native": best["ocitool"]}, 0.5)
