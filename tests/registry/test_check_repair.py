"""`ocitool check` and `repair` on a real registry: what is broken is named, mended, and undone."""

import json
import shutil

import pytest

from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.breakages import UNDOABLE
from tests.fakes.sick import Ward

pytestmark = pytest.mark.registry


@pytest.fixture
def ward(docker_registry):
    with Opener(Access(), Scope()) as opener:
        yield Ward(opener.open(docker_registry.repository(), write=True)[0])


@pytest.fixture
def name(ward):
    return f"{ward.store.label}:1"


def rules_of(done):
    return {finding["rule"] for finding in json.loads(done.stdout)["data"]["findings"]}


@pytest.mark.parametrize("breakage", UNDOABLE, ids=str)
def test_broken_named_mended_and_undone(breakage, ward, name, run):
    breakage.make(ward)
    first = ward.store.head("1").digest

    seen = run("check", name, "--deep", "--json")
    shown = run("repair", name, "--deep")
    unchanged = ward.store.head("1").digest
    mended = run("repair", name, "--deep", "--apply")
    clean = run("check", name, "--deep")
    undone = run("undo", name)

    assert 1 == seen.exit_code
    assert breakage.rule in rules_of(seen)
    assert (1, first) == (shown.exit_code, unchanged)
    assert 0 == mended.exit_code, mended.stderr
    assert (0, "nothing wrong\n") == (clean.exit_code, clean.stdout)
    assert (0, first) == (undone.exit_code, ward.store.head("1").digest)


@pytest.fixture
def dead(ward):
    """An index of two whose arm64 child was deleted by its digest; the child's digest."""
    child = ward.image("linux/arm64")["digest"]
    ward.index(ward.image(), ward.image("linux/arm64"))
    ward.store.delete(child)
    return child


def test_a_deleted_child(dead, ward, name, run):
    """K034: nothing is written without a word; dropping it is a change that cannot be taken back."""
    before = ward.store.head("1").digest

    seen = run("check", name, "--json")
    refused = run("repair", name, "--apply")
    held = ward.store.head("1").digest
    mended = run("repair", name, "--apply", "--drop-missing")

    assert {"index/dangling"} == rules_of(seen)
    assert (1, before) == (refused.exit_code, held)
    assert "--drop-missing" in refused.stdout
    assert 0 == mended.exit_code, mended.stderr
    assert 0 == run("check", name).exit_code
    undone = run("undo", name)
    assert 9 == undone.exit_code, undone.stderr
    assert dead in undone.stderr
    assert "--source" in undone.stderr
    assert ["linux/amd64"] == [str(entry.platform) for entry in view(ward.store.get_manifest("1")).entries]


def test_a_deleted_child_from_elsewhere(dead, ward, name, run, tmp_path):
    """K034: a layout still has it; the index keeps its digest."""
    before = ward.store.head("1").digest
    with Opener(Access(), Scope()) as opener:
        mirror = Ward(opener.open(f"oci:{tmp_path}/mirror:1", write=True)[0])
        mirror.image("linux/arm64", tag="1")

    mended = run("repair", name, "--apply", "--source", f"oci:{tmp_path}/mirror")

    assert 0 == mended.exit_code, mended.stderr
    assert (0, before) == (run("check", name, "--deep").exit_code, ward.store.head("1").digest)


def test_undo_with_the_child_from_elsewhere(dead, ward, name, run, tmp_path):
    """K034: what the registry lost comes back with the old index."""
    before = ward.store.head("1").digest
    with Opener(Access(), Scope()) as opener:
        Ward(opener.open(f"oci:{tmp_path}/mirror:1", write=True)[0]).image("linux/arm64", tag="1")
    run("repair", name, "--apply", "--drop-missing")

    undone = run("undo", name, "--source", f"oci:{tmp_path}/mirror")

    assert 0 == undone.exit_code, undone.stderr
    assert (0, before) == (run("check", name, "--deep").exit_code, ward.store.head("1").digest)


def test_a_config_blob_that_is_gone(ward, name, run, docker_registry):
    """K034: removed from the registry's disk, as its garbage collector would."""
    one = ward.image(config=lambda tree: tree.update(author="gone"))
    ward.index(one)
    digest = view(ward.store.get_manifest(one["digest"])).config.digest
    blobs = [path for path in docker_registry.root.rglob(digest.hex) if path.parent.parent.parent.name == "blobs"]
    assert blobs
    for path in blobs:
        shutil.rmtree(path)

    assert {"config/missing"} == rules_of(run("check", name, "--json"))


def test_all_tags(ward, name, run):
    """One image among indexes is told; a child that tags share is found once for each tag that names it."""
    one, other = ward.image(), ward.image("linux/arm64")
    for tag in ("1", "2", "3"):
        ward.index(one, other, tag=tag, annotations={"tag": tag})
    ward.image("linux/s390x", layers=[], tag="4")

    done = run("check", ward.store.label, "--all-tags", "--json")

    assert 1 == done.exit_code
    assert ["layer/none", "tag/single-image"] == [f["rule"] for f in json.loads(done.stdout)["data"]["findings"]]


def test_refused_credentials_are_no_finding(registry_with_auth, run):
    """K034: a registry that does not let us look has not said that anything is gone."""
    done = run("check", f"{registry_with_auth.repository()}:1")

    assert 4 == done.exit_code
    assert "index/dangling" not in done.stdout


def test_attested_digest_is_free_text(ward, name, run):
    """A digest that is none does not stop the look."""
    one = ward.image()
    ward.index(one, ward.attestation(str(Digest.of(b"gone"))[:-3]))

    assert {"index/stale-attestation"} == rules_of(run("check", name, "--json"))
