"""Index work against crane, docker manifest and buildx imagetools, 20 ms away: `python -m tests.bench.index`.

Whole processes through a delaying proxy in front of docker-registry; best of three, alternated. Ratios are
what counts: the proxy and both registries share the machine with what is measured.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ocitool.model.mediatype import Family
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.bench.delay import Delay, delayed
from tests.conftest import homes, process_environment
from tests.fakes.images import PLATFORMS, put_image
from tests.peers.registries import distribution

DELAY_S = 0.020
ROUNDS = 3


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with distribution(peers.find("docker-registry"), root / "registry") as registry:
            fill(registry.host)
            with delayed(registry.host, DELAY_S) as way:
                rows = compare(way, root)
    mine = next(seconds for name, seconds, _ in rows if name == "index of 32: ocitool")
    best = min(seconds for name, seconds, _ in rows if name.startswith("index of 32") and "ocitool" not in name)
    width = max(len(name) for name, _, _ in rows)
    for name, seconds, requests in rows:
        print(f"{name:<{width}}  {seconds:6.2f} s  {requests:4} requests")
    print(f"index of 32: {mine / best:.2f} of the best peer here")


def fill(host: str) -> None:
    """32 tagged images of one repository, each for a platform of its own."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(f"{host}/bench/app", write=True)
        for number, platform in enumerate(PLATFORMS):
            put_image(store, f"t{number}", platform, family=Family.DOCKER, layers=[b"x" * 1024], compress=True)


def compare(way: Delay, root: Path) -> list[tuple[str, float, int]]:
    """The best time and the requests of each program for each task."""
    name = f"{way.host}/bench/app"
    images = [f"{name}:t{number}" for number in range(len(PLATFORMS))]
    ours = [sys.executable, "-m", "ocitool"]
    crane, docker, buildx = peers.find("crane"), peers.find("docker"), peers.find("buildx")
    tasks = {
        "index of 32: ocitool": lambda: call(root, *ours, "index", "create", f"{name}:ours", *images),
        "index of 32: crane": lambda: call(
            root,
            crane,
            "index",
            "append",
            "--insecure",
            "-t",
            f"{name}:crane",
            *(w for i in images for w in ("-m", i)),
        ),
        "index of 32: docker": lambda: (
            call(root, docker, "manifest", "create", "--insecure", f"{name}:docker", *images),
            call(root, docker, "manifest", "push", "--purge", "--insecure", f"{name}:docker"),
        ),
        "index of 32: buildx": lambda: call(root, buildx, "imagetools", "create", "-t", f"{name}:buildx", *images),
        "inspect with configs: buildx": lambda: call(
            root, buildx, "imagetools", "inspect", "--format", "{{json .Image}}", f"{name}:ours"
        ),
        "inspect with configs: ocitool": lambda: call(root, *ours, "inspect", "--json", "--config", f"{name}:ours"),
        "annotate one member: ocitool": lambda: call(
            root,
            *ours,
            *("index", "annotate", f"{name}:ours", "--platform", "windows/arm64"),
            *("--os-version", str(time.monotonic_ns())),
        ),
    }
    best: dict[str, tuple[float, int]] = {}
    for _ in range(ROUNDS):
        for task, act in tasks.items():
            way.requests = 0
            began = time.monotonic()
            act()
            taken = time.monotonic() - began
            best[task] = min(best.get(task, (taken, 0))[0], taken), way.requests
    return [(task, *numbers) for task, numbers in best.items()]


def call(root: Path, *words: object) -> None:
    """Run a program in a home of its own; its words if it fails."""
    environment = process_environment(homes(root / "home") | {"PATH": os.environ["PATH"]})
    done = subprocess.run([*map(str, words)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]}: {done.stderr[-500:]}")


if __name__ == "__main__":
    main()
