"""Whatever writes a tag: taken back by undo, also when the registry lost the tag; killed, it leaves the old or the new.

K214.
"""

import shutil
import threading

import pytest

from ocitool.graph.signature_list import signature_tag
from ocitool.graph.walk import walk
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.store.placeholder import stands_for
from ocitool.tasks import Scope
from tests.conftest import homes
from tests.fakes.killed import begin_call
from tests.fakes.proxy import proxy
from tests.fakes.sick import Ward
from tests.registry.writes import WRITES, Stage, act

PLACEHOLDER = "a placeholder"

pytestmark = pytest.mark.registry


@pytest.fixture
def repository(docker_registry):
    return docker_registry.repository()


@pytest.fixture
def ward(repository):
    """The registry itself, whatever clients go through."""
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        ward.index(ward.image("linux/arm64"), ward.image())
        ward.image("linux/riscv64", layers=[b"extra"], tag="extra")
        yield ward


@pytest.fixture
def stage(repository, tmp_path, home):
    return Stage(repository, tmp_path)


@pytest.fixture
def held(write, ward):
    """What the tag holds at this moment, and that all below it is there; None for nothing.

    Of a write that attaches, also what stands beside it.
    """

    def look(name):
        found = ward.store.head(name)
        if found is not None and stands_for(ward.store.get_manifest(name)) is not None:
            return PLACEHOLDER
        if found is not None:
            snapshot = walk(ward.store, name, scope=Scope())
            assert [] == [blob.digest for blob in snapshot.blobs if not ward.store.has_blob(blob)]
        return found and found.digest

    def beside():
        digest = look("1")
        if digest is None:
            return None
        attached = [str(one.digest) for one in ward.store.referrers(digest)]
        return digest, look(signature_tag(digest)), *map(look, attached)

    return beside if write.attaches else lambda: look("1")


@pytest.fixture
def lose(docker_registry, repository):
    """The registry loses the tag; what it named stays."""
    place = docker_registry.root / "docker/registry/v2/repositories" / repository.partition("/")[2]
    return lambda: shutil.rmtree(place / "_manifests/tags/1", ignore_errors=True)


@pytest.fixture(params=WRITES, ids=str)
def write(request, ward, stage):
    """A line of the table, ready to be done."""
    request.param.prepare(ward, stage)
    return request.param


def test_undo_brings_the_first_digest_back(write, stage, held, run):
    first = held()

    write.act(stage)

    assert held() != first
    assert (0, first) == (run("undo", stage.reference).exit_code, held())


def test_undo_to_brings_it_back_from_another_machine(write, stage, held, run, tmp_path):
    if write.attaches or write.removes:
        pytest.skip("the tag holds what it held, or the registry has lost that")
    first = held()
    write.act(stage)

    done = run("undo", stage.reference, "--to", first, "--cache-dir", tmp_path / "another machine")

    assert (0, first) == (done.exit_code, held()), done.stderr


def test_undo_brings_it_back_when_the_registry_lost_the_tag(write, stage, held, run, lose):
    """K215."""
    first = held()
    write.act(stage)
    lose()
    assert held() is None

    assert (0, first) == (run("undo", stage.reference).exit_code, held())


def test_nothing_is_written_twice(write, stage, held, run):
    """Done again the tag holds the same, and one undo is enough."""
    first = held()
    write.act(stage)
    # These find nothing to do or nothing to take out, and may say so.
    if not write.name.startswith(
        ("index filter", "index remove", "strip", "repair", "delete", "Client.delete", "prune", "Client.prune")
    ):
        second = held()
        write.act(stage)
        assert held() == second

    assert (0, first) == (run("undo", stage.reference).exit_code, held())


@pytest.fixture
def killed(write, repository, ward, tmp_path, home):
    """`killed(number)`: the write as a process that dies at its n-th step; where it is done, and whether it ended first.

    A step is the moment before a request, or right after one that writes; before a request means that it is not made.
    """
    host, _, path = repository.partition("/")
    with proxy(host) as between:
        stage = Stage(f"{between.host}/{path}", tmp_path)
        write.prepare(ward, stage)

        def run(number):
            steps, running = iter(range(1, 1000)), threading.Event()

            def step(method, is_before):
                if (is_before and method != "GET") or method not in {"GET", "HEAD"}:
                    running.wait(60)
                    if next(steps) == number:
                        process.kill()
                        raise ConnectionAbortedError

            between.before = lambda method, path: step(method, is_before=True)
            between.after = lambda method, path: step(method, is_before=False)
            process = begin_call(act, write.name, stage, variables=homes(home))
            running.set()
            process.join()
            return stage.reference, process.exitcode == 0

        yield run


@pytest.mark.slow
def test_killed_at_any_step_it_leaves_the_old_tag_or_the_new_one(write, stage, held, run, killed):
    """kill -9 before every request that looks or writes and after those that write; undo takes back what was done."""
    first = held()
    write.act(stage)
    new, outcomes = held(), []
    assert 0 == run("undo", stage.reference).exit_code
    has_ended, number = False, 0
    # What a killed run left shortens the next: one that ends has passed its last steps, and earlier numbers are these.
    while not has_ended or (outcomes[-1] == new and outcomes.count(new) < 2):
        number += -1 if has_ended else 1

        reference, is_done = killed(number)

        has_ended = has_ended or is_done
        outcomes.append(held())
        if outcomes[-1] != first:
            undone = run("undo", reference)
            assert (0, first) == (undone.exit_code, held()), undone.stderr
    # A registry that deletes manifests only needs two writes to delete a tag.
    assert {first, new} == set(outcomes) - ({PLACEHOLDER} if new is None else set())
    assert first == outcomes[0]
    assert outcomes.count(new) > 1, "no kill came between the write and the end"
