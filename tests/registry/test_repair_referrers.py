"""`ocitool repair --attestations-to-referrers` on a registry without the referrers API and on one with it."""

import json

import pytest

from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.reference import referrers_tag
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

pytestmark = pytest.mark.registry
FLAG = "--attestations-to-referrers"


@pytest.fixture(params=["docker-registry", "with the API"])
def ward(request):
    """A repository of docker-registry 2.8, which has no referrers API, or of a fake that has it."""
    with Opener(Access(), Scope()) as opener:
        if request.param == "docker-registry":
            yield Ward(opener.open(request.getfixturevalue("docker_registry").repository(), write=True)[0])
        else:
            with fake_registry() as fake:
                yield Ward(opener.open(f"{fake.host}/app", write=True)[0])


@pytest.fixture
def name(ward):
    return f"{ward.store.label}:1"


@pytest.fixture
def attested(ward):
    """An index of two attested images; their digests."""
    images = [ward.image(), ward.image("linux/arm64")]
    ward.index(*images, *(ward.provenance(image["digest"]) for image in images))
    return [image["digest"] for image in images]


def subjects(ward, digest):
    """What the referrers of an image say they are about."""
    found = ward.store.referrers(Digest(digest))
    return [str(view(ward.store.get_manifest(str(one.digest))).subject.digest) for one in found]


def test_out_of_the_index_and_found_from_the_image(ward, name, run, attested):
    first = ward.store.head("1").digest

    shown = run("repair", name, FLAG)
    unchanged = ward.store.head("1").digest
    moved = run("repair", name, FLAG, "--apply")
    again = run("repair", name, FLAG, "--apply")

    assert (1, first) == (shown.exit_code, unchanged)
    assert f"attestation of {attested[0][:19]} leaves the index" in shown.stdout
    assert f"[{FLAG}]" in shown.stdout
    assert 0 == moved.exit_code, moved.stderr
    assert attested == [str(entry.digest) for entry in view(ward.store.get_manifest("1")).entries]
    assert [[digest] for digest in attested] == [subjects(ward, digest) for digest in attested]
    assert (0, "nothing wrong\n") == (run("check", name, "--deep").exit_code, run("check", name, "--deep").stdout)
    assert (0, True) == (again.exit_code, "nothing to change" in again.stderr)
    assert (0, first) == (run("undo", name).exit_code, ward.store.head("1").digest)


def test_a_run_that_died_before_its_referrer_was_listed_is_finished(ward, name, run, attested):
    """The manifest is there by its digest, and without the API nobody finds it from the image."""
    plan = json.loads(run("repair", name, FLAG, "--json").stdout)["data"]
    run("repair", name, FLAG, "--apply")
    run("undo", name)
    if referrers_tag(Digest(attested[0])) in ward.store.tags():
        empty = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
        document = Document(json.dumps(empty).encode(), empty["mediaType"])
        ward.store.put_manifest(document, *(referrers_tag(Digest(digest)) for digest in attested))
    stored = [step["digest"] for step in plan["steps"] if step["step"] == "put-manifest"]
    assert all(ward.store.head(digest) for digest in stored)

    assert 0 == run("repair", name, FLAG, "--apply").exit_code
    assert [[digest] for digest in attested] == [subjects(ward, digest) for digest in attested]
