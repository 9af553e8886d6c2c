"""Index work against crane, oras, docker manifest and buildx imagetools, 20 ms away: a delaying proxy is between."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ocitool.model.mediatype import Family
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.bench.delay import Delay, delayed
from tests.bench.rows import OCITOOL, Row, call, least, without
from tests.fakes.images import PLATFORMS, put_image
from tests.peers.registries import distribution

DELAY_S = 0.020


def rows() -> Iterator[Row]:
    """An index of 32 made, and looked at with all configs."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder:
        root = Path(folder)
        with distribution(peers.find("docker-registry"), root / "registry") as registry:
            fill(registry.host)
            with delayed(registry.host, DELAY_S) as way:
                yield from _rows(way, root / "home")


def fill(host: str) -> None:
    """32 tagged images of one repository, each for a platform of its own."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(f"{host}/bench/app", write=True)
        for number, platform in enumerate(PLATFORMS):
            put_image(store, f"t{number}", platform, family=Family.DOCKER, layers=[b"x" * 1024], compress=True)


def _rows(way: Delay, home: Path) -> Iterator[Row]:
    name = f"{way.host}/bench/app"
    images = [f"{name}:t{number}" for number in range(len(PLATFORMS))]
    crane, docker, buildx, oras = map(peers.find, ("crane", "docker", "buildx", "oras"))
    members = [word for image in images for word in ("-m", image)]
    tags = [f"t{number}" for number in range(len(PLATFORMS))]
    requests: dict[str, int] = {}

    def counted(of: str, act: Callable[[], object]) -> Callable[[], None]:
        def both() -> None:
            way.requests = 0
            act()
            requests[of] = way.requests

        return both

    def drafted() -> None:
        call(home, docker, "manifest", "create", "--insecure", f"{name}:docker", *images)
        call(home, docker, "manifest", "push", "--purge", "--insecure", f"{name}:docker")

    create = {
        "ocitool": lambda: call(home, OCITOOL, "index", "create", f"{name}:ours", *images),
        "crane": lambda: call(home, crane, "index", "append", "--insecure", "-t", f"{name}:crane", *members),
        "oras": lambda: call(home, oras, "manifest", "index", "create", "--plain-http", f"{name}:oras", *tags),
        "docker": drafted,
        "buildx": lambda: call(home, buildx, "imagetools", "create", "-t", f"{name}:buildx", *images),
    }
    best = least({of: counted(of, act) for of, act in create.items()})
    work = f"index of 32, 20 ms away, {requests['ocitool']} requests"
    yield Row(work, best["ocitool"], without(best, "ocitool"), 0.22)
    words = ("imagetools", "inspect", "--format", "{{json .Image}}", f"{name}:ours")
    inspect = {
        "ocitool": lambda: call(home, OCITOOL, "inspect", "--json", "--config", f"{name}:ours"),
        "buildx": lambda: call(home, buildx, *words),
    }
    best = least({of: counted(of, act) for of, act in inspect.items()})
    work = f"inspect of 32 with all configs, 20 ms away, {requests['ocitool']} requests"
    yield Row(work, best["ocitool"], without(best, "ocitool"), 0.5)
