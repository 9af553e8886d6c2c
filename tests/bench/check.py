"""All tags of a repository looked at, against a plain loop of HEADs.

Both ask docker-registry in one run, on loopback and 20 ms away. The loop is the cheapest there is: one HEAD a tag
over one connection that is kept, and nothing done with the answer. What counts is the ratio of requests a second.
"""

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import peers
from tests.bench.delay import Delay, delayed
from tests.bench.rows import OCITOOL, Row, call, least
from tests.fakes.many import many
from tests.peers.registries import distribution

TAGS = 1000
DELAY_S = 0.020
KINDS = ("shared", "distinct")
ROUNDS = 2
GOALS = {"loopback": 2.5, "20 ms away": 0.15}
ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


def rows() -> Iterator[Row]:
    """A row for each kind of repository and distance: our requests a second against the loop's."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder:
        root = Path(folder)
        for name in KINDS:
            many(TAGS, shared=name == "shared").onto(root / "registry" / "data", name)
        with distribution(peers.find("docker-registry"), root / "registry") as registry:
            for where, round_trip_s in (("loopback", 0.0), ("20 ms away", DELAY_S)):
                with delayed(registry.host, round_trip_s) as way:
                    yield from compare(way, root / "home", where)


def compare(way: Delay, home: Path, where: str) -> Iterator[Row]:
    """Seconds for a thousand requests."""
    loops = least({"loop": lambda: loop(way.host, "shared")}, 2)["loop"]
    for name in KINDS:
        way.requests = 0
        words = ("check", "--all-tags", "--quiet", f"{way.host}/{name}")
        seconds = least({"ocitool": lambda words=words: call(home, OCITOOL, *words)}, ROUNDS)["ocitool"]
        thousand = seconds / (way.requests / ROUNDS) * 1000
        work = f"check --all-tags of {TAGS} tags, children {name}, {where}: a thousand requests"
        yield Row(work, thousand, {"HEADs in a loop": loops}, GOALS[where])


def loop(host: str, name: str) -> None:
    """HEAD of every tag, one after the other."""
    connection = http.client.HTTPConnection(host)
    for number in range(TAGS):
        connection.request("HEAD", f"/v2/{name}/manifests/1.{number}", headers={"Accept": ACCEPT})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()
