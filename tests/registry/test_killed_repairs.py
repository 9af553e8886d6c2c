"""A repair killed at some moments (`make long`: fifty) leaves the old tag or the mended one, whole; the next run finishes."""

import random
import time
import urllib.request

import pytest

from ocitool.graph.walk import walk
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.amounts import LONG, amount
from tests.conftest import homes
from tests.fakes.killed import begin
from tests.fakes.sick import Ward, member, tar

pytestmark = [pytest.mark.slow, pytest.mark.registry]

REWRITES, REFILLS = amount(6, 25), amount(6, 25)


@pytest.fixture
def ward(docker_registry):
    with Opener(Access(), Scope()) as opener:
        yield Ward(opener.open(docker_registry.repository(), write=True)[0])


@pytest.fixture
def name(ward):
    return f"{ward.store.label}:1"


@pytest.fixture
def killed(home):
    """`killed("repair", …)`: start it and kill it, somewhere in the time that the first run took to the end."""
    moment, took = random.Random(7), []

    def call(*argv):
        began = time.monotonic()
        process = begin(*argv, variables=homes(home))
        process.join(moment.uniform(0, took[0]) if took else 60)  # the moment of the kill
        took.append(time.monotonic() - began)
        process.kill()
        process.join()

    return call


def is_whole(ward):
    """Whether everything below the tag is there; an image that is not is told by an exception."""
    return all(ward.store.has_blob(blob) for blob in walk(ward.store, "1", scope=Scope()).blobs)


def test_kills_of_a_repair_that_rewrites_a_child(ward, name, killed, run):
    """The tag holds what it held or what the next run makes of it, and whatever was changed can be undone."""
    outcomes = {"old": 0, "new": 0}
    for number in range(REWRITES):
        sick = ward.image("linux/arm64", config=lambda tree, n=number: tree.update(architecture="", author=f"{n}"))
        old = ward.index(ward.image(), sick)["digest"]

        killed("repair", name, "--apply")
        found = ward.store.head("1").digest
        assert is_whole(ward)
        undone = run("undo", name) if found != old else None
        assert undone is None or (0, old) == (undone.exit_code, ward.store.head("1").digest), undone.stderr
        finished = run("repair", name, "--apply")
        new = ward.store.head("1").digest

        assert (0, True) == (finished.exit_code, old != new), finished.stderr
        assert found in (old, new)
        assert is_whole(ward)
        outcomes["old" if found == old else "new"] += 1
    assert REWRITES == sum(outcomes.values())
    assert not LONG or all(outcomes.values()), f"every kill came at one side of the change: {outcomes}"


def test_kills_of_a_repair_that_refills_a_child(ward, name, killed, run, tmp_path, docker_registry):
    """K034: the child is there with all its blobs, or not there; the tag keeps its digest all the time."""
    outcomes = {"gone": 0, "back": 0}
    source = f"oci:{tmp_path}/mirror"
    with Opener(Access(), Scope()) as opener:
        mirror = Ward(opener.open(source, write=True)[0])
        for number in range(REFILLS):
            layers = [tar(member("data", random.Random(number).randbytes(200_000)))]
            child = ward.image("linux/arm64", layers=layers)["digest"]
            mirror.image("linux/arm64", layers=layers, tag=f"{number}")
            [layer] = view(ward.store.get_manifest(child)).layers
            tag = ward.index(ward.image(), ward.image("linux/arm64", layers=layers))["digest"]
            ward.store.delete(child)
            place = f"http://{docker_registry.host}/v2/{ward.store.repository.name}/blobs/{layer.digest}"
            urllib.request.urlopen(urllib.request.Request(place, method="DELETE")).close()

            killed("repair", name, "--apply", "--source", source)
            found = ward.store.head("1").digest
            is_back = ward.store.head(child) is not None
            assert not is_back or is_whole(ward)
            finished = run("repair", name, "--apply", "--source", source)

            assert (0, tag, tag) == (finished.exit_code, found, ward.store.head("1").digest), finished.stderr
            assert is_whole(ward)
            outcomes["back" if is_back else "gone"] += 1
    assert REFILLS == sum(outcomes.values())
    assert not LONG or all(outcomes.values()), f"every kill came at one side of the change: {outcomes}"
