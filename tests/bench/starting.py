"""One manifest of a registry on loopback, printed: mostly what a program takes to start."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import peers
from tests.bench.index import fill
from tests.bench.rows import OCITOOL, Row, call, least, until_asked, without
from tests.peers.registries import distribution

ROUNDS = 20


def rows() -> Iterator[Row]:
    """One row: ours against a bare interpreter, and the peers' beside it."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder:
        home = Path(folder) / "home"
        with distribution(peers.find("docker-registry"), Path(folder) / "registry") as registry:
            fill(registry.host)
            name = f"{registry.host}/bench/app:t0"
            crane, regctl = peers.find("crane"), peers.find("regctl")
            call(home, regctl, "registry", "set", "--tls", "disabled", registry.host)
            best = least(
                {
                    "ocitool": lambda: call(home, OCITOOL, "manifest", "get", name),
                    "python": lambda: call(home, sys.executable, "-c", "pass"),
                    "crane": lambda: call(home, crane, "manifest", "--insecure", name),
                    "regctl": lambda: call(home, regctl, "manifest", "get", "--format", "raw-body", name),
                },
                ROUNDS,
            )
        start = until_asked(home, "manifest", "get", "HOST/app:1")
        others, spent = without(best, "ocitool"), best.spent["ocitool"]
        yield Row("one manifest, loopback", best["ocitool"], others, 7, "python", spent=spent, start=start)
