"""A push that is killed leaves the old tag or the new one, whole; and the next run finishes."""

import json
import random
import time

import pytest

from ocitool.graph.walk import walk
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.amounts import LONG, amount
from tests.conftest import homes
from tests.fakes.killed import begin

MOMENTS = amount(6, 50)
SIZE = amount(2_000_000, 5_000_000)
ARCHES = ("amd64", "arm64", "arm")


def command(project, reference, cache) -> list[str]:
    platforms = ",".join(f"linux/{arch}" for arch in ARCHES)
    return [
        *("build", str(project), "--toolchain", "prebuilt", "--json"),
        *("--copy", "{arch}:/srv/", "--platform", platforms, "-t", reference, "--push", "--cache-dir", str(cache)),
    ]


def fill(project, number: int) -> None:
    """Other content for every build: incompressible, megabytes for each platform."""
    project.mkdir(exist_ok=True)
    for arch in ARCHES:
        (project / arch).write_bytes(random.Random(f"{number} {arch}").randbytes(SIZE))


def whole(reference: str) -> str:
    """The tag's digest, after everything below it was found to be there."""
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference)
        snapshot = walk(store, tag, scope=Scope())
        assert len(ARCHES) + 1 == len(snapshot.documents)
        assert [] == [blob.digest for blob in snapshot.blobs if not store.has_blob(blob)]
        return str(snapshot.root.digest)


def seconds(process, most) -> float:
    """How long a process took to its end, or `most`."""
    began = time.monotonic()
    process.join(most)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.registry
def test_killed_pushes_leave_a_whole_tag(docker_registry, tmp_path, home, run):
    reference, project, cache = f"{docker_registry.repository()}:live", tmp_path / "project", tmp_path / "cache"
    fill(project, 0)
    duration = seconds(begin(*command(project, reference, cache), variables=homes(home)), None)
    current, outcomes = whole(reference), {"old": 0, "new": 0}
    moment = random.Random(1)

    for number in range(1, MOMENTS + 1):
        fill(project, number)
        process = begin(*command(project, reference, cache), variables=homes(home))
        took = seconds(process, moment.uniform(0.3, 1.0) * duration)  # the moment of the kill
        if process.exitcode is not None:
            duration = took  # the machine is faster now than it was
        process.kill()
        process.join()
        found = whole(reference)
        outcomes["old" if found == current else "new"] += 1
        current = found

    done = run(*command(project, reference, cache))
    assert json.loads(done.stdout)["data"]["digest"] == whole(reference)
    assert not LONG or outcomes["old"] > 0, "no kill came in time to interrupt anything"
    assert MOMENTS == sum(outcomes.values())
    assert [] == [p.name for p in (cache / "content").glob("*.json-*")]
