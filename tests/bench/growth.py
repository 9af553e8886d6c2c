"""How work grows with what it is done to: processor time, requests and memory of whole commands, size by size."""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.layout import LayoutStore
from tests import peers
from tests.bench.delay import Delay, delayed
from tests.conftest import homes, process_environment
from tests.fakes.images import PLATFORMS, put_image
from tests.fakes.many import many
from tests.peers.registries import distribution

ROUNDS = 3
EXPONENT = 1.1
MIB = 1 << 20
# Not ru_maxrss: that begins with the memory of the process that started this one.
SCRIPT = """
import sys
from pathlib import Path
from ocitool.cli import main
code = main(sys.argv[2:])
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
Path(sys.argv[1]).write_text(peak.split()[1])
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """One command: seconds of all processors, the most memory in MiB, and HTTP requests."""

    seconds: float
    memory: float
    requests: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The costs of one command for each size, the last size twice the one before."""

    work: str
    sizes: Sequence[int]
    costs: Sequence[Cost]

    def markdown(self) -> str:
        """One line of the table: the exponents over the last doubling are what is bounded."""
        first, before, last = self.costs[0], self.costs[-2], self.costs[-1]
        doublings = math.log2(self.sizes[-1] / self.sizes[-2])
        times = math.log2(last.seconds / before.seconds) / doublings
        asked = math.log2(last.requests / before.requests) / doublings if before.requests else 0.0
        met = "yes" if max(times, asked) <= EXPONENT else "**no**"
        sizes = f"{self.sizes[0]:,} … {self.sizes[-1]:,}"
        return (
            f"| {self.work} | {sizes} | {first.seconds:.2f} … {last.seconds:.2f} s | {times:.2f}"
            f" | {first.requests} … {last.requests} | {asked:.2f} | {first.memory:.0f} … {last.memory:.0f} MiB | {met} |"
        )


HEADING = (
    "| what grows, in what command | sizes | processor time | exponent | requests | exponent | memory | linear |\n"
    "|--|--|--|--|--|--|--|--|"
)


def growths() -> Iterator[Growth]:
    """A line for each kind of size."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-", dir="/var/tmp") as folder:
        root = Path(folder)
        for tags in (100, 800, 1600):
            many(tags, shared=False).onto(root / "registry" / "data", f"tags{tags}")
        with distribution(peers.find("docker-registry"), root / "registry") as registry:
            with delayed(registry.host, 0.0) as way:
                yield from _Growing(root, way).all()


class _Growing:
    """Where the commands find what they work on."""

    def __init__(self, root: Path, way: Delay) -> None:
        self.root, self.way = root, way
        self.runs = 0

    def all(self) -> Iterator[Growth]:
        yield self.measure("platforms of an index, `copy` to a registry", (2, 16, 32), self.platforms)
        yield self.measure("layers of an image, `copy` to a registry", (10, 80, 160), self.layers)
        yield self.measure("tags of a repository, `check --all-tags`", (100, 800, 1600), self.tags)
        yield self.measure("files of a context, `build`", (1000, 32_000, 64_000), self.files)
        yield self.measure("MiB of a layer, `build`", (256, 2048, 4096), self.layer, rounds=1)
        yield self.measure("tags of a layout, `copy --all-tags`", (100, 5000, 10_000), self.layout)

    def measure(
        self,
        work: str,
        sizes: Sequence[int],
        prepare: Callable[[int], Callable[[], tuple[object, ...]]],
        rounds: int = ROUNDS,
    ) -> Growth:
        costs = []
        for size in sizes:
            words = prepare(size)
            found = [self.cost(*words()) for _ in range(rounds)]
            costs.append(min(found, key=lambda one: one.seconds))
        return Growth(work, sizes, costs)

    def cost(self, *words: object) -> Cost:
        self.runs += 1
        self.way.requests = 0
        environment = process_environment(homes(self.root / f"home{self.runs}"))
        peak = self.root / "peak"
        argv = [sys.executable, "-c", SCRIPT, str(peak), *map(str, words)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(argv, env=environment, **quiet)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{words}: {process.returncode}")
        return Cost(used.ru_utime + used.ru_stime, int(peak.read_text()) / 1024, self.way.requests)

    def platforms(self, size: int) -> Callable[[], tuple[object, ...]]:
        store, entries = LayoutStore(self.root / f"platforms{size}", create=True), []
        for platform in PLATFORMS[:size]:
            digest = put_image(store, "", platform, layers=[os.urandom(1024)], compress=True)
            entries.append(
                replace(Descriptor.of(store.get_manifest(str(digest))), platform=Platform.parse(platform))
            )
        store.put_manifest(compose.index(Family.OCI, entries), "1")
        return lambda: ("copy", f"oci:{store.path}:1", f"{self.way.host}/platforms{size}-{self.runs}:1")

    def layers(self, size: int) -> Callable[[], tuple[object, ...]]:
        store = LayoutStore(self.root / f"layers{size}", create=True)
        put_image(store, "1", "linux/amd64", layers=[os.urandom(1024) for _ in range(size)], compress=True)
        return lambda: ("copy", f"oci:{store.path}:1", f"{self.way.host}/layers{size}-{self.runs}:1")

    def tags(self, size: int) -> Callable[[], tuple[object, ...]]:
        return lambda: ("check", "--all-tags", "--quiet", f"{self.way.host}/tags{size}")

    def files(self, size: int) -> Callable[[], tuple[object, ...]]:
        place = self.root / f"files{size}"
        for number in range(size):
            folder = place / f"{number // 250}"
            if number % 250 == 0:
                folder.mkdir(parents=True)
            (folder / f"{number}.txt").write_text(f"{number}\n" * 20)
        (place / "Dockerfile").write_text("FROM scratch\nCOPY . /app/\n")
        return lambda: ("build", place, "--platform", "linux/amd64", "-o", f"oci:{self.root}/out{self.runs}:1")

    def layer(self, size: int) -> Callable[[], tuple[object, ...]]:
        place = self.root / f"layer{size}"
        place.mkdir()
        code = b"".join(peers.find(name).read_bytes() for name in ("crane", "regctl", "oras"))[: 32 * MIB]
        with (place / "data").open("wb") as file:
            for _ in range(size // 32):
                file.write(code)
        words = ("--toolchain", "prebuilt", "--copy", "data:/", "--platform", "linux/amd64")
        return lambda: ("build", place, *words, "-o", f"oci:{self.root}/out{self.runs}:1")

    def layout(self, size: int) -> Callable[[], tuple[object, ...]]:
        made, place = many(size, shared=True), self.root / f"layout{size}"
        blobs = place / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for digest, data in (made.blobs | {digest: data for digest, (_, data) in made.manifests.items()}).items():
            (blobs / digest.removeprefix("sha256:")).write_bytes(data)
        entries = [
            {
                "mediaType": made.manifests[digest][0],
                "digest": digest,
                "size": len(made.manifests[digest][1]),
                "annotations": {"org.opencontainers.image.ref.name": tag},
            }
            for tag, digest in made.tags.items()
        ]
        (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
        (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return lambda: ("copy", "--all-tags", f"oci:{place}", f"oci:{self.root}/copied{self.runs}")
