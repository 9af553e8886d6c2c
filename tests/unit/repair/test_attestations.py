"""Attestations that leave the index and refer to the image they were made of, and to no other."""

import json

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.repair.fallback import FallbackReader, FallbackSource
from ocitool.repair.plan import plan_repair
from ocitool.repair.work import RepairOptions
from ocitool.tasks import Scope
from tests.fakes.sick import FILES, SLSA, Loose, Ward

ARTIFACT = "application/vnd.docker.attestation.manifest.v1+json"


@pytest.fixture
def move(ward, tmp_path):
    """`move()`: the repair of 1 that takes attestations out; returns what is left. Nothing is found afterwards."""

    def call(**wishes):
        refilled = FallbackReader(ward.store, wishes.get("sources", ()), "1")
        seen = look(refilled, "1", scope=Scope(), deep=lambda _: True)
        done = plan_repair(seen, "1", RepairOptions(attestations_to_referrers=True, **wishes), refilled)
        apply(done.plan, ward.store, Journal(tmp_path / "journal"), Scope())
        return list(done.left)

    return call


@pytest.fixture
def referrers(ward):
    """`referrers(entry)`: the documents that refer to the image of an entry."""
    return lambda entry: [
        ward.store.get_manifest(str(one.digest)) for one in ward.store.referrers(Digest(entry["digest"]))
    ]


def digests(ward):
    return [str(entry.digest) for entry in view(ward.store.get_manifest("1")).entries]


def rules(ward):
    return [one.rule for one in findings(look(ward.store, "1", scope=Scope(), deep=lambda _: True))]


def test_the_form_is_that_of_an_artifact_of_buildkit(ward, move, referrers):
    """The statement's blob and everything else that the manifest says stay; the config that says nothing goes."""
    image = ward.image()
    ward.index(image, ward.provenance(image["digest"], annotations={"kept": "1"}))

    assert [] == move()
    [document] = referrers(image)
    layer = json.loads(document.raw)["layers"][0]
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}
    expected = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": ARTIFACT,
        "config": empty | {"data": "e30="},
        "layers": [layer],
        "annotations": {"kept": "1"},
        "subject": {"mediaType": image["mediaType"], "digest": image["digest"], "size": image["size"]},
    }
    assert json.dumps(expected) == document.raw.decode()
    assert {"in-toto.io/predicate-type": SLSA} == layer["annotations"]
    assert [image["digest"]] == digests(ward)
    assert [] == rules(ward)


def test_the_listing_says_what_kind_it_is(ward, move):
    image = ward.image()
    ward.index(image, ward.provenance(image["digest"]))

    move()

    assert [ARTIFACT] == [one.artifact_type for one in ward.store.referrers(Digest(image["digest"]))]


def test_each_goes_to_its_own_image(ward, move, referrers):
    """Two images, and attestations whose bytes are the same."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, arm64, *(ward.attestation(image["digest"]) for image in (amd64, arm64)))

    assert [] == move()
    assert [amd64["digest"], arm64["digest"]] == digests(ward)
    for image in (amd64, arm64):
        assert [image["digest"]] == [str(view(document).subject.digest) for document in referrers(image)]


def test_a_mended_image_leaves_its_attestation_with_the_old_digest(ward, move, referrers):
    """K022: the statement names the old image, so the mended one gets no referrer."""
    sick = ward.image("linux/arm64", config=lambda tree: tree.update(architecture=""))
    ward.index(sick, ward.provenance(sick["digest"]))

    assert [] == move()
    [mended] = digests(ward)
    assert mended != sick["digest"]
    assert [[sick["digest"]], []] == [
        [str(view(document).subject.digest) for document in referrers({"digest": digest})]
        for digest in (sick["digest"], mended)
    ]
    assert [] == rules(ward)


def test_one_that_is_an_artifact_already_keeps_its_bytes(ward, move, referrers):
    """BuildKit's `oci-artifact=true`: in the index and a referrer at once."""
    image = ward.image()
    subject = {"mediaType": image["mediaType"], "digest": image["digest"], "size": image["size"]}
    attestation = ward.provenance(image["digest"], artifactType=ARTIFACT, subject=subject)
    ward.index(image, attestation)

    assert [] == move()
    assert [attestation["digest"]] == [str(document.digest) for document in referrers(image)]
    assert [image["digest"]] == digests(ward)


def test_one_that_names_another_subject_stays(ward, move):
    image, other = ward.image(), ward.image("linux/arm64")
    subject = {"mediaType": other["mediaType"], "digest": other["digest"], "size": other["size"]}
    before = ward.index(image, other, ward.provenance(image["digest"], subject=subject))

    [left] = move()

    assert f"stays in the index: it names {other['digest'][:19]} as its subject" in left
    assert before["digest"] == ward.store.head("1").digest


def test_a_docker_manifest_cannot_name_a_subject(ward, move):
    image = ward.image(media_type=mediatype.DOCKER_MANIFEST)
    attestation = ward.image("unknown/unknown", layers=[FILES], media_type=mediatype.DOCKER_MANIFEST)
    marks = {"annotations": ward.attestation(image["digest"])["annotations"]}
    before = ward.index(image, attestation | marks, media_type=mediatype.DOCKER_LIST)

    [left] = move()

    assert "only an OCI manifest can name a subject" in left
    assert before["digest"] == ward.store.head("1").digest


def test_one_of_an_image_that_is_gone_is_dropped_with_it(ward, move):
    """K034: there is nothing to refer to."""
    image, dead = ward.image(), ward.image("linux/arm64")
    ward.index(image, dead, ward.provenance(dead["digest"]))
    ward.store.delete(dead["digest"])

    assert [] == move(drop_missing=True)
    assert [image["digest"]] == digests(ward)


def test_one_of_an_image_that_comes_back_refers_to_it(ward, move, referrers):
    """K034: what a referrer says of its image is read from the image."""
    image, dead = ward.image(), ward.image("linux/arm64")
    ward.index(image, dead, ward.provenance(dead["digest"]))
    mirror = Ward(Loose("mirror"))
    mirror.image("linux/arm64")
    ward.store.delete(dead["digest"])

    assert [] == move(sources=(FallbackSource(mirror.store, "1", "mirror"),))
    assert [image["digest"], dead["digest"]] == digests(ward)
    assert [ARTIFACT] == [view(one).artifact_type for one in referrers(dead)]


def test_one_of_an_image_that_is_not_listed_is_no_referrer_of_it(ward, move, referrers):
    """It is stale, and goes for that reason."""
    image, gone = ward.image(), ward.image("linux/arm64")
    ward.index(image, ward.provenance(gone["digest"]))

    assert [] == move()

    assert ([image["digest"]], []) == (digests(ward), referrers(gone))
