"""All tags of a repository looked at, against a plain loop of HEADs: `python -m tests.bench.check`.

Both ask docker-registry in one run, on loopback and 20 ms away. The loop is the cheapest there is: one HEAD a tag
over one connection that is kept, and nothing done with the answer. What counts is the ratio of requests a second.
"""

import http.client
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import peers
from tests.bench.delay import Delay, delayed
from tests.bench.index import call
from tests.fakes.many import many
from tests.peers.registries import distribution

TAGS = 1000
DELAY_S = 0.020
ROUNDS = {"shared": 2, "distinct": 1}
ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ROUNDS:
            many(TAGS, shared=name == "shared").onto(root / "registry" / "data", name)
        with distribution(peers.find("docker-registry"), root / "registry") as registry:
            for where, round_trip_s in (("loopback", 0.0), ("20 ms away", DELAY_S)):
                with delayed(registry.host, round_trip_s) as way:
                    for line in compare(way, root, where):
                        print(line, flush=True)


def compare(way: Delay, root: Path, where: str) -> Iterator[str]:
    """A line for each kind of repository."""
    ours = [sys.executable, "-m", "ocitool", "check", "--all-tags", "--quiet"]
    heads, asked = best(way, 2, lambda: loop(way.host, "shared"))
    yield f"{where}: {TAGS} HEADs in a loop     {heads:6.2f} s  {asked:6} requests  {asked / heads:5.0f} a second"
    for name, rounds in ROUNDS.items():
        seconds, requests = best(way, rounds, lambda name=name: call(root, *ours, f"{way.host}/{name}"))
        ratio = (requests / seconds) / (asked / heads)
        yield (
            f"{where}: check, children {name:<8}  {seconds:6.2f} s  {requests:6} requests"
            f"  {requests / seconds:5.0f} a second, {ratio:.2f} of the loop; {seconds / heads:.2f} of its time"
        )


def best(way: Delay, rounds: int, act: Callable[[], object]) -> tuple[float, int]:
    """The best time and the requests it took."""
    times = []
    for _ in range(rounds):
        way.requests = 0
        began = time.monotonic()
        act()
        times.append(time.monotonic() - began)
    return min(times), way.requests


def loop(host: str, name: str) -> None:
    """HEAD of every tag, one after the other."""
    connection = http.client.HTTPConnection(host)
    for number in range(TAGS):
        connection.request("HEAD", f"/v2/{name}/manifests/1.{number}", headers={"Accept": ACCEPT})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


if __name__ == "__main__":
    main()
