"""`prune` and `delete` where the registry lists referrers itself (olareg), and what others see afterwards."""

import subprocess

import pytest

from ocitool.model.reference import referrers_tag
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.repositories import build, has_to_stay, tags_of
from tests.peers.registries import olareg
from tests.registry.test_prune import SHAPE, check_whole, held_by

pytestmark = pytest.mark.interop


@pytest.fixture
def registry(tmp_path):
    try:
        with olareg(peers.find("olareg"), tmp_path / "olareg") as running:
            yield running
    except peers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def repository(registry):
    return registry.repository()


@pytest.fixture
def store(repository):
    with Opener(Access(), Scope()) as opener:
        yield opener.open(repository, write=True)[0]


def test_referrers_by_the_api_go_and_come_back(repository, store, run):
    made = build(store, SHAPE)
    documents, tags = held_by(store, made), tags_of(store)
    assert [made[5].digest] == [one.digest for one in store.referrers(made[2].digest)]
    assert referrers_tag(made[2].digest) not in tags
    staying = {digest: documents[digest] for digest in has_to_stay(documents, tags, ["new"])}

    done = run("prune", repository, "--keep", "new", "--apply")
    assert 0 == done.exit_code, done.stderr
    check_whole(store, staying)
    assert set(staying) == {digest for digest in documents if store.head(str(digest)) is not None}
    undone = run("undo", repository, "--prune")

    assert (0, tags) == (undone.exit_code, tags_of(store)), undone.stderr
    check_whole(store, documents)
    assert [made[5].digest] == [one.digest for one in store.referrers(made[2].digest)]


def test_one_of_two_tags_is_deleted_for_others_too(repository, store, run, peer):
    made = build(store, SHAPE)
    store.put_manifest(made[3], "newer")

    assert 0 == run("delete", f"{repository}:new").exit_code

    told = subprocess.check_output([peer("crane"), "ls", "--insecure", repository], text=True, timeout=60).split()
    assert ("new" in told, "newer" in told) == (False, True)
    digest = subprocess.check_output(
        [peer("crane"), "digest", "--insecure", f"{repository}:newer"], text=True, timeout=60
    ).strip()
    assert str(made[3].digest) == digest
