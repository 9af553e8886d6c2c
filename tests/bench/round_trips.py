"""Sequential round trips of whole commands: what 50 ms more of distance add to their time, divided by 50 ms."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.layout import LayoutStore
from tests import peers
from tests.bench.delay import Delay, delayed
from tests.bench.rows import OCITOOL, Row, call
from tests.fakes.images import put_image
from tests.fakes.many import many
from tests.peers.registries import distribution

DELAY_S = 0.050
ROUNDS = 5
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x")
LAYERS = 10
TAGS = 100


def rows() -> Iterator[Row]:
    """A row for each command that the table names."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder:
        root = Path(folder)
        fill(root / "layout")
        project(root / "app")
        many(TAGS, shared=True).onto(root / "registry" / "data", "tags")
        with distribution(peers.find("docker-registry"), root / "registry") as registry:
            with delayed(registry.host, 0.0) as way:
                yield from _rows(root, way)


def fill(place: Path) -> None:
    """An index of 4 images of 10 layers of a few bytes, no two the same."""
    store, entries = LayoutStore(place, create=True), []
    for platform in PLATFORMS:
        layers = [os.urandom(1024) for _ in range(LAYERS)]
        digest = put_image(store, "", platform, layers=layers, compress=True)
        entries.append(Descriptor.of(store.get_manifest(str(digest))))
    store.put_manifest(compose.index(Family.OCI, entries), "1")


def project(place: Path) -> None:
    """Files for four images, one layer each."""
    for platform in PLATFORMS:
        (place / platform.removeprefix("linux/")).mkdir(parents=True)
        (place / platform.removeprefix("linux/") / "data").write_bytes(os.urandom(1024))


def _rows(root: Path, way: Delay) -> Iterator[Row]:
    home, numbers = root / "home", count(1)
    crane, regctl = peers.find("crane"), peers.find("regctl")
    call(home, regctl, "registry", "set", "--tls", "disabled", way.host)
    source = f"{way.host}/source:1"
    call(home, OCITOOL, "copy", f"oci:{root}/layout:1", source)

    def target() -> str:
        return f"{way.host}/target{next(numbers)}:1"

    def built() -> object:
        number = next(numbers)
        for platform in PLATFORMS:
            (root / "app" / platform.removeprefix("linux/") / "data").write_bytes(os.urandom(1024))
        words = ("--toolchain", "prebuilt", "--copy", "{arch}/data:/", "--platform", ",".join(PLATFORMS))
        return call(home, OCITOOL, "build", root / "app", *words, "-t", f"{way.host}/built{number}:1", "--push")

    layout = f"oci:{root}/layout:1"
    push = (crane, "push", "--index", "--insecure", root / "layout")
    yield _row(
        "copy layout → registry, 4 × 10 layers",
        12,
        ocitool=trips(way, lambda: call(home, OCITOOL, "copy", layout, target())),
        crane=trips(way, lambda: call(home, *push, target())),
        regctl=trips(way, lambda: call(home, regctl, "image", "copy", f"ocidir://{root}/layout:1", target())),
    )
    yield _row(
        "copy repository → repository, 4 × 10 layers",
        11,
        ocitool=trips(way, lambda: call(home, OCITOOL, "copy", source, target())),
        crane=trips(way, lambda: call(home, crane, "copy", "--insecure", source, target())),
        regctl=trips(way, lambda: call(home, regctl, "image", "copy", source, target())),
    )
    there = target()
    again = (OCITOOL, "copy", source, there)
    call(home, *again)
    yield _row("copied again", 5, ocitool=trips(way, lambda: call(home, *again)))
    way.requests = 0
    call(home, *again, "--trust")
    yield Row("copied again with --trust: requests", way.requests, {}, 4, unit="requests")
    yield _row("build --push, 4 platforms", 11, ocitool=trips(way, built))
    way.requests = 0
    found = trips(way, lambda: call(home, OCITOOL, "check", "--all-tags", f"{way.host}/tags"))
    requests = way.requests / (2 * ROUNDS)
    yield _row(
        f"check --all-tags, {TAGS} tags of one layer, {requests:.0f} requests", requests / 16 + 4, ocitool=found
    )


def _row(work: str, goal: float, *, ocitool: float, **others: float) -> Row:
    return Row(f"round trips, {work}", ocitool, others, goal, unit="round trips", is_absolute=True)


def trips(way: Delay, act: Callable[[], object]) -> float:
    """How many times a command waits for the registry, by what distance adds to its least time."""
    least = {}
    for _ in range(ROUNDS):
        for delay in (0.0, DELAY_S):
            way.round_trip_s = delay
            began = time.perf_counter()
            act()
            taken = time.perf_counter() - began
            least[delay] = min(taken, least.get(delay, taken))
    way.round_trip_s = 0.0
    return (least[DELAY_S] - least[0.0]) / DELAY_S
