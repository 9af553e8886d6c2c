"""`prune` and `delete` on registries that lie, fail or change in between: nothing that stays is lost, and it is told."""

import json
import os
import pty
import subprocess
import sys

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import process_environment
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr("ocitool.tasks.Retry.delay", lambda *_, **__: None)
    with fake_registry() as running:
        yield running


@pytest.fixture
def name(registry):
    return f"{registry.host}/app"


@pytest.fixture
def ward(name):
    """Two indexes, `old` and `new`, that share an image."""
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(name, write=True)[0])
        shared = ward.image()
        ward.index(shared, ward.image("linux/arm64", layers=[b"old"]), tag="old")
        ward.index(shared, ward.image("linux/arm64", layers=[b"new"]), tag="new")
        yield ward


@pytest.fixture
def prune(name, ward, run):
    return lambda *more: run("prune", name, "--keep", "new", "--apply", *more)


def untouched(registry):
    return not registry.asked("DELETE") and len(registry.manifests) == 5


def deleted(registry):
    return [one.path.rpartition("/")[2] for one in registry.asked("DELETE")]


def test_pages_in_a_circle(registry, name, prune):
    headers = {"Link": '</v2/app/tags/list?last=a>; rel="next"'}
    for _ in range(2):
        registry.faults.append(
            Fault("GET */tags/list*", status=200, headers=headers, body=b'{"tags": ["old"]}', times=99)
        )

    assert 5 == prune().exit_code
    assert untouched(registry)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("GET */manifests/sha256*", status=500, times=99), 5),
        (Fault("GET */manifests/sha256*", status=403, times=99), 4),
        (Fault("GET */manifests/new", status=502, times=99), 5),
        (Fault("GET */manifests/sha256*", corrupt=True, times=99), 6),
        (Fault("GET */tags/list*", status=500, times=99), 5),
        (Fault("GET */referrers/*", status=500, times=99), 5),
    ],
    ids=lambda value: value.on if isinstance(value, Fault) else "",
)
def test_what_cannot_be_read_stops_it_before_anything_goes(registry, prune, fault, code):
    registry.faults.append(fault)

    assert code == prune().exit_code
    assert untouched(registry)


def test_a_config_that_cannot_be_read_is_an_age_that_is_not_known(registry, name, ward, run):
    registry.blobs = dict.fromkeys(registry.blobs, b"?")

    done = run("prune", name, "--keep-last", "1", "--json")

    assert (0, []) == (done.exit_code, json.loads(done.stdout)["data"]["delete"])


@pytest.mark.parametrize("what", ["old", "other"])
def test_a_tag_that_is_written_in_between(registry, name, prune, what):
    """Between the reading and the last look before anything goes."""

    def write():
        registry.tags["app", what] = registry.tags["app", "new"]

    registry.faults.append(Fault("HEAD */manifests/*", first=write, times=1))

    done = prune()

    assert (8, True) == (done.exit_code, untouched(registry))
    assert f"has moved: {what}" in done.stderr


def test_a_tag_that_is_written_after_the_last_look(registry, prune):
    """The look right before a tag goes sees it."""

    def write():
        registry.tags["app", "old"] = registry.tags["app", "new"]

    registry.faults.append(Fault("HEAD */manifests/old", first=write, skip=1, times=1))

    assert 8 == prune().exit_code
    assert untouched(registry)


def test_a_tag_that_vanishes_in_between_is_moved(registry, prune):
    registry.faults.append(Fault("HEAD */manifests/*", first=lambda: registry.tags.pop(("app", "old")), times=1))

    assert (8, True) == (prune().exit_code, untouched(registry))


def test_a_tag_that_is_listed_and_holds_nothing_is_let_be(registry, prune):
    registry.tags["app", "ghost"] = "sha256:" + "0" * 64

    assert 0 == prune().exit_code
    assert {("app", "ghost"), ("app", "new")} == set(registry.tags)


def test_a_deletion_that_is_only_said_to_be_done_is_told(registry, name, ward, run):
    registry.faults.append(Fault("DELETE *", status=202, times=99))

    done = run("delete", f"{name}:old")

    assert 5 == done.exit_code
    assert "says that old is deleted, and still has it" in done.stderr


def test_a_registry_without_deletes_is_9_and_the_next_prune_starts_anew(registry, name, prune, run):
    registry.faults.append(Fault("DELETE *", status=405, times=99))

    assert 9 == prune().exit_code
    assert 5 == len(registry.manifests)
    assert 3 == run("undo", name, "--prune").exit_code
    registry.faults.clear()
    assert 0 == prune().exit_code
    assert 3 == len(registry.manifests)


def test_a_registry_that_answers_head_with_404_is_pruned_and_undone_all_the_same(registry, name, prune, run):
    """K217."""
    registry.faults.append(Fault("HEAD *", status=404, times=9999))
    held = dict(registry.manifests)

    done = prune()
    assert (0, 3) == (done.exit_code, len(registry.manifests)), done.stderr
    undone = run("undo", name, "--prune")

    assert (0, held) == (undone.exit_code, registry.manifests), undone.stderr


def test_an_index_goes_before_what_it_lists(registry, prune, ward):
    index = registry.tags["app", "old"]
    [image] = {entry["digest"] for entry in json.loads(registry.manifests["app", index][1])["manifests"]} - {
        entry["digest"]
        for entry in json.loads(registry.manifests["app", registry.tags["app", "new"]][1])["manifests"]
    }

    assert 0 == prune().exit_code
    assert [index, image] == deleted(registry)


def test_a_hundred_thousand_tags_are_listed_in_time_and_order(registry, name, run):
    registry.tags = {("app", f"{n}.0"): "sha256:" + "0" * 64 for n in range(100_000)}
    registry.page = 100_000

    done = run("tags", name, "--sort", "version", "--reverse", "--limit", "2")

    assert ["99999.0", "99998.0"] == done.stdout.splitlines()


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, 4), (b"n\n", 1, 5)])
def test_a_manifest_is_asked_about_on_a_terminal(registry, name, ward, home, answer, code, left):
    digest = registry.tags["app", "old"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ocitool", "delete", f"{name}@{digest}"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
        cwd=home,
    )
    os.close(theirs)
    os.write(ours, answer)
    _, said = process.communicate(timeout=60)
    os.close(ours)

    assert (code, left) == (process.returncode, len(registry.manifests)), said
    assert b"these tags go with it: old" in said
    assert f"delete {name}@{digest}?".encode() in said
