"""Builds with RUN that are killed at random moments: the tag is old or new and whole, nothing is left running."""

import json
import random
import signal
import subprocess
import time

import pytest

from ocitool.graph.walk import walk
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.fakes.unprivileged import mounts, processes
from tests.interop.run_world import Image, World, world

pytestmark = pytest.mark.interop
MOMENTS = amount(5, 50)
MARK = "sleep 0.0271828"
LINES = 6


@pytest.fixture(scope="module")
def place(docker_registry):
    with world(docker_registry) as made:
        yield made


def text(number: int) -> str:
    """A Dockerfile whose lines change from one build to the next, the first ones aside."""
    lines = [f"RUN {MARK}; echo common {line} >/common{line}" for line in range(2)]
    lines += [
        f"RUN {MARK}; echo {number} {line} >/f{line}; dd if=/dev/urandom of=/d{line} bs=64k count=8 2>/dev/null"
        for line in range(LINES)
    ]
    return "\n".join(("FROM alpine", *lines, ""))


def command(place: World, reference: str) -> list[str]:
    return place.user.command("build", ".", "-t", reference, "--push", "--json")


def begin(place: World, reference: str) -> "subprocess.Popen[bytes]":
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        command(place, reference), cwd=place.user.app, env=place.user.variables(), stdout=nowhere, stderr=nowhere
    )


def whole(reference: str) -> str:
    """The tag's digest, after everything below it was found to be there and of one build."""
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference)
        snapshot = walk(store, tag, scope=Scope())
        assert [] == [blob.digest for blob in snapshot.blobs if not store.has_blob(blob)]
        image = Image.of(store, tag, "linux/amd64")
        assert 1 == len({image.text(f"f{line}").split()[0] for line in range(LINES)})
        return str(snapshot.root.digest)


def gone(place: World) -> None:
    """Wait for what was killed to be away: the kernel ends a namespace's processes on its own time."""
    deadline = time.monotonic() + 60
    while processes(MARK) + processes(str(place.user.root)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [] == processes(MARK)
    assert [] == processes(str(place.user.root))
    assert [] == mounts(str(place.user.root))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_builds_leave_a_whole_tag_and_no_process(place, how):
    reference = f"{place.registry.repository()}:live"
    place.write(text(0))
    began = time.monotonic()
    assert 0 == begin(place, reference).wait(120)
    duration = time.monotonic() - began
    current, moment = whole(reference), random.Random(1)

    for number in range(1, MOMENTS + 1):
        place.write(text(number))
        process = begin(place, reference)
        try:
            process.wait(moment.uniform(0.1, 1.0) * duration)
        except subprocess.TimeoutExpired:
            process.send_signal(how)
        process.wait(30)
        gone(place)
        current = whole(reference)

    done = place.user("build", ".", "-t", reference, "--push", "--json")
    assert 0 == done.exit_code, done.stderr
    assert json.loads(done.stdout)["data"]["digest"] == whole(reference) != current or MOMENTS
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference)
        assert f"{MOMENTS} 0\n" == Image.of(store, tag, "linux/amd64").text("f0")


def test_the_next_build_goes_on_from_what_was_done(place):
    """The first line is not run again: what it wrote is a number of the clock that stays the same."""
    place.write("FROM alpine\nRUN cat /proc/uptime >/when\nRUN sleep 600.271828\n")
    process = begin(place, f"{place.registry.repository()}:never")
    deadline = time.monotonic() + 60
    while not processes("sleep 600.271828") and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None

    process.kill()
    process.wait()
    gone(place)
    place.write("FROM alpine\nRUN cat /proc/uptime >/when\nRUN true\n")
    first = place.build(to="first")
    second = place.build(to="second")

    assert (0, 0) == (first.exit_code, second.exit_code), first.stderr + second.stderr
    assert place.image("first").text("when") == place.image("second").text("when")
    assert "CACHED" in first.stderr.upper()
