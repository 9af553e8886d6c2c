"""A Go program built for five platforms and pushed, against ko: after a change, and with nothing changed; warm."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.bench.rows import OCITOOL, Row, call, least, until_asked
from tests.fakes.images import put_image, tar
from tests.peers.registries import distribution

HELLO = Path(__file__).parents[2] / "testdata" / "src-go" / "hello"
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "linux/s390x")


def rows() -> Iterator[Row]:
    """Two rows."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder:
        root = Path(folder)
        with distribution(peers.find("docker-registry"), root / "registry") as registry:
            base(registry.host)
            yield from _rows(root, registry.host)


def base(host: str) -> None:
    """An image with one small layer for each platform; ko wants one in a registry."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(f"{host}/base", write=True)
        entries = []
        for platform in PLATFORMS:
            digest = put_image(store, "", platform, layers=[tar(**{"etc/motd": b"hello\n"})], compress=True)
            entries.append(
                replace(Descriptor.of(store.get_manifest(str(digest))), platform=Platform.parse(platform))
            )
        store.put_manifest(compose.index(Family.OCI, entries), "1")


def _rows(root: Path, host: str) -> Iterator[Row]:
    source, home, numbers = root / "hello", root / "home", count(1)
    shutil.copytree(HELLO, source)
    go = {"PATH": f"{peers.find_go().parent}:{os.environ['PATH']}", **peers.go_environment()}
    kos = {**go, "KO_DOCKER_REPO": f"{host}/ko", "KO_DEFAULTBASEIMAGE": f"{host}/base:1"}
    ours = (OCITOOL, "build", source, "--base", f"{host}/base:1", "-t", f"{host}/ours:1", "--push", "-q")
    theirs = (peers.find("ko"), "build", "--bare", "--tags", "1", "--insecure-registry", "--sbom", "none")
    platforms = ",".join(PLATFORMS)
    ways = {
        "ocitool": lambda: call(home, *ours, "--platform", platforms, also=go),
        "ko": lambda: call(home, *theirs, "--platform", platforms, ".", also=kos, folder=source),
    }

    def change() -> None:
        with (source / "main.go").open("a") as file:
            file.write(f"// {next(numbers)}\n")

    least(ways, 1)
    start = until_asked(home, "build", source, "--base", "HOST/base:1", "-t", "HOST/ours:1", "--push", also=go)
    for work, goal, before in (("after a change", 0.75, change), ("unchanged", 0.2, lambda: None)):
        best = least(ways, before=before)
        others, spent = {"ko": best["ko"]}, best.spent["ocitool"]
        yield Row(
            f"Go build and push, 5 platforms, {work}", best["ocitool"], others, goal, spent=spent, start=start
        )
