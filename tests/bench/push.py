"""Five platforms of one 60 MB program packed and pushed, against crane.

Crane's way is append (with a tar it does not make itself, so GNU tar is part of the time), mutate and index
append. Both push to a registry of their own, fresh for each round.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import peers
from tests.bench.rows import ROUNDS, Best, Row, spent, until_asked
from tests.conftest import homes, process_environment
from tests.peers.registries import Registry, distribution

SIZE = 60_000_000
PREBUILT = ("--toolchain", "prebuilt", "--copy", "out/{arch}/app:/bin/")
ARCHES = ("amd64", "arm64", "arm", "riscv64", "s390x")


def rows() -> Iterator[Row]:
    """Two rows, and one for the bytes that go again when nothing has changed."""
    best = Best()
    again: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder:
        root = Path(folder)
        project = write_project(root / "project")
        for number in range(ROUNDS):
            for name, push in WAYS.items():
                place = root / f"{name.replace(' ', '-')}-{number}"
                with distribution(peers.find("docker-registry"), place / "registry") as registry:
                    best.add(name, spent(lambda: push(project, registry, place)))  # noqa: B023 - called here
                    if name == "ocitool":
                        again = ours(project, registry, place)
                shutil.rmtree(place)
        words = ("build", project, *PREBUILT, "--base", "HOST/base:1")
        start = until_asked(root / "home", *words, "--platform", "linux/amd64", "-t", "HOST/app:1", "--push")
    for work, name, goal in (
        ("pack and push 5 × 60 MB", "ocitool", 0.42),
        ("the same with isal", "ocitool isal", 0.32),
    ):
        yield Row(work, best[name], {"crane": best["crane"]}, goal, spent=best.spent[name], start=start)
    yield Row("the same, unchanged: bytes sent", float(str(again["sent"])), {}, 0, unit="bytes")
    yield Row("the same, unchanged: requests", float(str(again["requests"])), {}, 17, unit="requests")


def write_project(root: Path) -> Path:
    """Programs of 60 MB made of real machine code: the peers' own, in another order for each platform."""
    code = [peers.find(name).read_bytes() for name in ("crane", "regctl", "oras", "distribution-v3")]
    for number, arch in enumerate(ARCHES):
        path = root / "out" / arch / "app"
        path.parent.mkdir(parents=True)
        parts = code[number % 4 :] + code[: number % 4]
        whole = b"".join(parts)[number * 4096 :] * 3
        path.write_bytes(whole[:SIZE])
        path.chmod(0o755)
    return root


def ours(project: Path, registry: Registry, place: Path, *flags: str) -> dict[str, object]:
    """One command."""
    argv = ["build", project, *PREBUILT, "--push", "--json", *flags]
    platforms = ",".join(f"linux/{arch}" for arch in ARCHES)
    done = subprocess.run(
        [sys.executable, "-m", "ocitool", *argv, "--platform", platforms, "-t", f"{registry.host}/app:1"],
        env=process_environment(homes(place / "home")),
        capture_output=True,
        check=True,
    )
    data: dict[str, object] = json.loads(done.stdout)["data"]
    return data


def with_isal(project: Path, registry: Registry, place: Path) -> None:
    """The same with the codec for speed."""
    ours(project, registry, place, "--compression", "isal")


def cranes(project: Path, registry: Registry, place: Path) -> None:
    """Crane's commands for the same result, the platforms side by side as a careful script would."""
    crane = peers.find("crane")
    env = {**os.environ, **homes(place / "home")}
    script = " & ".join(
        f"(tar --owner=0 --group=0 -C {project}/out/{arch} -cf {place}/{arch}.tar app && "
        f"{crane} append -f {place}/{arch}.tar -t {registry.host}/app:{arch} && "
        f"{crane} mutate {registry.host}/app:{arch} --entrypoint /app --set-platform linux/{arch} "
        f"-t {registry.host}/app:{arch})"
        for arch in ARCHES
    )
    members = " ".join(f"-m {registry.host}/app:{arch}" for arch in ARCHES)
    whole = f"set -e; {script} & wait; {crane} index append {members} -t {registry.host}/app:1"
    subprocess.run(["bash", "-c", whole], env=env, capture_output=True, check=True)


WAYS: dict[str, Callable[[Path, Registry, Path], object]] = {
    "crane": cranes,
    "ocitool": ours,
    "ocitool isal": with_isal,
}
