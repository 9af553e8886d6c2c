"""`delete` on registries that delete tags, on one that deletes manifests only, and on a disk."""

import json
import subprocess

import pytest

from ocitool.graph.walk import walk
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.store.placeholder import stands_for
from ocitool.tasks import Scope
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward

pytestmark = pytest.mark.registry


@pytest.fixture(params=["docker-registry", "distribution-v3", "layout"])
def place(request, tmp_path):
    if request.param == "layout":
        return f"oci:{tmp_path / 'layout'}"
    name = request.param.replace("-", "_")
    return request.getfixturevalue(name).repository()


@pytest.fixture
def ward(place):
    with Opener(Access(), Scope()) as opener:
        yield Ward(opener.open(place, write=True)[0])


@pytest.fixture
def index(ward):
    """An index of two images under the tags `1` and `latest`; one of the images has a tag too."""
    one = ward.image("linux/arm64", tag="arm64")
    digest = ward.index(one, ward.image(), tag="1")["digest"]
    ward.store.put_manifest(ward.store.get_manifest(digest), "latest")
    return digest


def is_whole(ward, tag):
    return all(ward.store.has_blob(blob) for blob in walk(ward.store, tag, scope=Scope()).blobs)


def digest_of(ward, name):
    found = ward.store.head(name)
    return found and str(found.digest)


def test_one_of_two_tags_on_a_manifest_goes_alone_and_comes_back(ward, place, index, run):
    done = run("delete", f"{place}:1")

    assert 0 == done.exit_code, done.stderr
    assert (None, index) == (digest_of(ward, "1"), digest_of(ward, "latest"))
    assert is_whole(ward, "latest")
    assert ["arm64", "latest"] == sorted(ward.store.tags())
    assert f"ocitool undo {ward.store.label}:1" in done.stderr
    undone = run("undo", f"{place}:1")
    assert (0, index, index) == (undone.exit_code, digest_of(ward, "1"), digest_of(ward, "latest")), undone.stderr


def test_several_tags_in_one_run(ward, place, index, run):
    done = run("delete", f"{place}:1", f"{place}:latest", "--json")

    assert (0, ["arm64"]) == (done.exit_code, list(ward.store.tags())), done.stderr
    told = json.loads(done.stdout)["data"]["deletions"]
    assert [("1", index, None), ("latest", index, None)] == [
        (one["tags"][0]["tag"], one["tags"][0]["before"], one["tags"][0]["after"]) for one in told
    ]
    assert index == digest_of(ward, index)


def test_a_tag_that_is_not_there_is_3_and_nothing_else_goes(ward, place, index, run):
    assert 3 == run("delete", f"{place}:latest", f"{place}:2").exit_code
    assert index == digest_of(ward, "latest")


def test_a_manifest_is_not_deleted_unasked_and_it_is_said_what_goes_with_it(ward, place, index, run):
    refused = run("delete", f"{place}@{index}")
    shown = run("delete", f"{place}@{index}", "--dry-run")

    assert (2, 0) == (refused.exit_code, shown.exit_code)
    for text in (refused.stderr, shown.stdout):
        assert "these tags go with it: 1, latest" in text
    assert index == digest_of(ward, "1")


def test_a_manifest_goes_with_its_tags_and_comes_back_with_them(ward, place, index, run):
    done = run("delete", f"{place}@{index}", "--yes")

    assert (0, None, None) == (done.exit_code, digest_of(ward, index), digest_of(ward, "latest")), done.stderr
    assert ["arm64"] == list(ward.store.tags())
    undone = run("undo", f"{place}@{index}")
    assert (0, index, index) == (undone.exit_code, digest_of(ward, "1"), digest_of(ward, "latest")), undone.stderr


def test_one_tag_of_a_deleted_manifest_comes_back_alone(ward, place, index, run):
    assert 0 == run("delete", f"{place}@{index}", "--yes").exit_code

    undone = run("undo", f"{place}:latest")

    assert (0, None, index) == (undone.exit_code, digest_of(ward, "1"), digest_of(ward, "latest")), undone.stderr
    assert is_whole(ward, "latest")


def test_an_image_of_an_index_is_told_to_break_it_and_put_back_whole(ward, place, index, run):
    image = digest_of(ward, "arm64")

    refused = run("delete", f"{place}@{image}", "--json")
    assert 2 == refused.exit_code
    [error] = json.loads(refused.stdout)["errors"]
    assert {
        "these tags go with it: arm64",
        "these tags hold an index that lists it, and will lack it: 1, latest",
    } == set(error["notes"])
    assert 0 == run("delete", f"{place}@{image}", "--yes").exit_code
    assert digest_of(ward, image) is None

    undone = run("undo", f"{place}@{image}")

    assert (0, image) == (undone.exit_code, digest_of(ward, "arm64")), undone.stderr
    assert is_whole(ward, "1")


def test_a_tag_whose_manifest_lost_its_blobs_is_9_and_names_them(distribution_v3, run):
    place = distribution_v3.repository()
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(place, write=True)[0])
        image = ward.image(layers=[b"a layer of no other test"], tag="1")["digest"]
        held = json.loads(ward.store.get_manifest("1").raw)
    assert 0 == run("delete", f"{place}@{image}", "--yes").exit_code
    binary, settings = distribution_v3.process.args[0], distribution_v3.root.parent / "config.yml"
    subprocess.run([binary, "garbage-collect", settings], check=True, capture_output=True, timeout=120)

    for name in (f"{place}:1", f"{place}@{image}"):
        undone = run("undo", name)

        assert 9 == undone.exit_code
        assert held["layers"][0]["digest"] in undone.stderr


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.fixture
def tagged(registry):
    """A tag in a registry that a test may spoil."""
    with Opener(Access(), Scope()) as opener:
        Ward(opener.open(f"{registry.host}/app", write=True)[0]).image(tag="1")
    return f"{registry.host}/app:1", registry.tags["app", "1"]


@pytest.mark.parametrize("status", [400, 405])
def test_a_registry_that_deletes_nothing_is_9_and_nothing_is_written(registry, tagged, status, run):
    name, digest = tagged
    registry.faults.append(Fault("DELETE *", status=status, times=99))
    written = len(registry.asked("PUT"))

    assert 9 == run("delete", name).exit_code
    assert (digest, written) == (registry.tags["app", "1"], len(registry.asked("PUT")))


def test_a_placeholder_that_cannot_be_deleted_gives_the_tag_back(registry, tagged, run):
    name, digest = tagged
    registry.faults.append(Fault("DELETE */manifests/1", status=405, times=99))
    registry.faults.append(Fault("DELETE */manifests/sha256*", status=403, times=99, skip=1))

    assert 4 == run("delete", name).exit_code
    assert digest == registry.tags["app", "1"]


def test_what_a_deletion_that_died_left_is_deleted_and_undone_to_what_was_there(registry, tagged, run, monkeypatch):
    name, digest = tagged
    registry.faults.append(Fault("DELETE */manifests/1", status=405, times=99))
    registry.faults.append(Fault("DELETE */manifests/sha256*", skip=1, reset=True, times=1))
    registry.faults.append(Fault("PUT */manifests/1", skip=1, status=403, times=99))
    monkeypatch.setattr("ocitool.tasks.Retry.delay", lambda *_, **__: None)
    assert 0 != run("delete", name).exit_code
    with Opener(Access(), Scope()) as opener:
        assert digest == stands_for(opener.open(name)[0].get_manifest("1"))
    registry.faults.clear()

    assert 0 == run("delete", name).exit_code
    assert ("app", "1") not in registry.tags
    undone = run("undo", name)
    assert (0, digest) == (undone.exit_code, registry.tags["app", "1"]), undone.stderr


def test_undo_takes_a_placeholder_for_nothing(registry, tagged, run, monkeypatch):
    name, digest = tagged
    registry.faults.append(Fault("DELETE */manifests/1", status=405, times=99))
    registry.faults.append(Fault("DELETE */manifests/sha256*", skip=1, reset=True, times=1))
    registry.faults.append(Fault("PUT */manifests/1", skip=1, status=403, times=99))
    monkeypatch.setattr("ocitool.tasks.Retry.delay", lambda *_, **__: None)
    assert 0 != run("delete", name).exit_code
    registry.faults.clear()

    undone = run("undo", name)

    assert (0, digest) == (undone.exit_code, registry.tags["app", "1"]), undone.stderr


def test_a_registry_that_wants_tags_deleted_first_is_obeyed(registry, run):
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(f"{registry.host}/app", write=True)[0])
        digest = ward.image(tag="1")["digest"]
        ward.store.put_manifest(ward.store.get_manifest("1"), "2")
    registry.faults.append(Fault("DELETE */manifests/sha256*", status=409, times=1))

    done = run("delete", f"{registry.host}/app@{digest}", "--yes")

    assert (0, {}, {}) == (done.exit_code, registry.tags, registry.manifests), done.stderr


def test_a_writer_in_between_keeps_its_tag(registry, tagged, run):
    name, _ = tagged

    def write():
        registry.tags["app", "1"] = other
        registry.faults.clear()

    with Opener(Access(), Scope()) as opener:
        other = Ward(opener.open(f"{registry.host}/app", write=True)[0]).image(layers=[b"other"])["digest"]
    registry.faults.append(Fault("HEAD */manifests/1", first=write, times=1))

    assert 8 == run("delete", name).exit_code
    assert other == registry.tags["app", "1"]
