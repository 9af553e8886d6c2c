"""`ocitool sync` from and to real registries: how much the second run asks, and what a killed one leaves."""

import json
import shutil
import time

import pytest

import ocitool
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.conftest import homes
from tests.fakes.killed import begin
from tests.fakes.many import many

pytestmark = pytest.mark.registry

TAGS = amount(8, 200)
TAGS_OF_KILLED = amount(8, 30)
KILLS = amount(2, 50)
SPARE = 10


@pytest.fixture
def repository(request):
    return many(getattr(request, "param", TAGS), shared=False, history=1)


@pytest.fixture
def places(docker_registry, distribution_v3, repository):
    """A source and two targets: one beside it in the same registry, one elsewhere."""
    source = docker_registry.repository()
    repository.onto(docker_registry.root, source.partition("/")[2])
    return source, docker_registry.repository(), distribution_v3.repository()


@pytest.fixture
def file(places, tmp_path):
    path = tmp_path / "sync.toml"
    path.write_text(f"[[sync]]\nsource = {json.dumps(places[0])}\ntargets = {json.dumps(places[1:])}\n")
    return path


def held(place):
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(place)
        return {tag: str(store.head(tag).digest) for tag in store.tags()}


def sync(file, **options):
    """The report, and how many requests there were."""
    with ocitool.Client() as client:
        report = client.sync(file, **options).required()
        return report, client.workspace.opener.traffic.requests


def test_the_second_run_is_cheap_and_puts_back_what_was_lost(
    places, file, repository, docker_registry, distribution_v3, home
):
    blobs, targets = len(repository.blobs), len(places) - 1
    first, _ = sync(file)
    assert (TAGS, targets * TAGS) == (first.tags, len(first.written))

    second, by_default = sync(file)
    third, by_trust = sync(file, trust=True)
    data = "docker/registry/v2/repositories"
    one = docker_registry.root / data / places[1].partition("/")[2]
    two = distribution_v3.root / data / places[2].partition("/")[2]
    lost = next(iter(repository.blobs))
    shutil.rmtree(one / "_manifests/tags/1.1")
    shutil.rmtree(two / "_layers/sha256" / lost.partition(":")[2])
    mended, _ = sync(file)

    assert ((), (), targets * TAGS) == (second.written, third.written, second.unchanged)
    assert by_default <= TAGS * (1 + targets) + blobs * targets + SPARE
    assert by_trust <= TAGS + SPARE
    assert ("1.1" in {tag.tag for tag in mended.written if tag.target == places[1]}) is True
    assert (two / "_layers/sha256" / lost.partition(":")[2]).exists()
    assert [repository.tags] * targets == [held(place) for place in places[1:]]


@pytest.mark.parametrize("repository", [TAGS_OF_KILLED], indirect=True, ids=["tags"])
def test_killed_at_moments_and_run_again_it_is_finished(places, file, repository, home):
    """Each tag of a target holds nothing or the whole at any time."""
    started = time.monotonic()
    begin("sync", file, "--dry-run", variables=homes(home)).join()
    span = time.monotonic() - started
    for number in range(KILLS):
        process = begin("sync", file, variables=homes(home))
        process.join(span * (number + 1) / KILLS)
        process.kill()
        process.join()

    report, _ = sync(file)

    assert TAGS_OF_KILLED == report.tags
    assert [repository.tags] * 2 == [held(place) for place in places[1:]]
    assert (2 * TAGS_OF_KILLED, ()) == (report.unchanged + len(report.written), sync(file, anew=True)[0].written)
