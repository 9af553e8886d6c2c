"""What has to be beside an image: a statement counts that one of the keys signed, or an index that holds it."""

import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ocitool.attest.attachment import as_referrer, in_index
from ocitool.attest.statement import compose_statement
from ocitool.model.views import view
from ocitool.sign import bundle as bundles
from ocitool.sign.attached import look_beside
from ocitool.sign.run import verify_document
from ocitool.sign.signing import bundle_by
from ocitool.sign.verification import Demand
from ocitool.tasks import Scope

SPDX = "https://spdx.dev/Document"
SLSA = "https://slsa.dev/provenance/v1"


@pytest.fixture
def images(store):
    """The descriptors of the two images, as the index lists them."""
    return view(store.get_manifest("1")).entries


@pytest.fixture
def bundled(ward, store):
    """`bundled(key, image, SPDX)`: a bundle beside the image; `about` is the image of the statement."""

    def put(key, image, predicate, about=None, annotated=None, change=lambda tree: None):
        statement = compose_statement((about or image).digest, [], predicate, {"a": 1})
        manifest, data = bundle_by(key, image, statement, annotated or predicate)
        ward.blob(data, bundles.BUNDLE)
        ward.blob(b"{}", "application/vnd.oci.empty.v1+json")
        manifest = manifest.edit(change)
        store.put_manifest(manifest)
        return manifest.digest

    return put


@pytest.fixture
def with_index(ward, store, images):
    """`with_index((0, 1), …)`: both images, and a manifest of BuildKit's beside each first with a statement about each
    second."""

    def put(*pairs):
        entries = []
        for image, about in pairs:
            made = in_index(images[image], [(SPDX, compose_statement(images[about].digest, [], SPDX, {}))])
            for blob, data in made.blobs:
                ward.blob(data, blob.media_type)
            store.put_manifest(made.manifest)
            entries.append(made.entry)
        ward.index(*(one.to_tree() for one in (*images, *entries)))

    return put


@pytest.fixture
def look(store, keys):
    def call(*wanted, name="1", by=0, voucher=None, attached=(), **words):
        demand = Demand((keys[by].public,), attested=wanted, attached=attached)
        return look_beside(store, store.get_manifest(name), demand, voucher, scope=Scope(), width=1, **words)

    return call


def test_nothing_is_asked_for_where_nothing_is_demanded(look, store):
    store.referrers = None

    assert ((), ()) == ((found := look()).lacking, found.attestations)


@pytest.mark.parametrize("wanted", ["sbom", SPDX])
def test_a_statement_about_each_image_that_the_key_signed(look, bundled, images, keys, wanted):
    bundled(keys[0], images[0], SPDX)
    half = look(wanted)
    second = bundled(keys[0], images[1], SPDX)

    whole = look(wanted)

    assert ((wanted,), ()) == (half.lacking, half.attestations)
    assert () == whole.lacking
    assert [(SPDX, one.digest) for one in images] == [(one.predicate_type, one.about) for one in whole.attestations]
    assert (keys[0].public, second) == (whole.attestations[1].key, whole.attestations[1].digest)
    assert {"bundle"} == {one.form for one in whole.attestations}


def test_one_about_the_index_itself_is_enough(look, bundled, store, keys):
    bundled(keys[0], store.head("1"), SLSA)

    assert ((), ("sbom",)) == (look("provenance").lacking, look("provenance", "sbom").lacking)


@pytest.mark.parametrize("wrong", ["key", "image", "subject", "predicate", "two"])
def test_what_is_not_that_does_not_count(look, bundled, images, keys, wrong):
    other = images[1] if wrong == "image" else None
    key = keys[1] if wrong == "key" else keys[0]
    predicate = SLSA if wrong == "predicate" else SPDX

    def change(tree):
        if wrong == "subject":
            tree["subject"] = images[1].to_tree()
        if wrong == "two":
            tree["layers"] *= 2

    bundled(key, images[0], predicate, about=other, annotated=SPDX, change=change)
    found = look("sbom", name=str(images[0].digest))

    assert (("sbom",), ()) == (found.lacking, found.attestations)


def test_one_that_is_broken_hides_no_other(look, bundled, ward, images, keys):
    bundled(keys[1], images[0], SPDX)
    bundled(keys[0], images[0], SPDX, about=images[1])
    bundled(keys[0], images[0], SPDX)

    assert () == look("sbom", name=str(images[0].digest)).lacking


def test_a_payload_that_was_changed_does_not_count(look, ward, store, images, keys):
    statement = compose_statement(images[0].digest, [], SPDX, {"a": 1})
    _, data = bundle_by(keys[0], images[0], statement, SPDX)
    tree = json.loads(data)
    tree["dsseEnvelope"]["payload"] = base64.b64encode(statement.replace(b'"a":1', b'"a":2')).decode()
    data = json.dumps(tree).encode()
    ward.blob(data, bundles.BUNDLE)
    ward.blob(b"{}", "application/vnd.oci.empty.v1+json")
    store.put_manifest(bundles.compose_manifest(images[0], data, SPDX))

    assert ("sbom",) == look("sbom", name=str(images[0].digest)).lacking


def test_what_nobody_signed_does_not_count(look, ward, store, images):
    made = as_referrer(images[0], SPDX, compose_statement(images[0].digest, [], SPDX, {}))
    for blob, data in made.blobs:
        ward.blob(data, blob.media_type)
    store.put_manifest(made.manifest)

    assert ("sbom",) == look("sbom", name=str(images[0].digest)).lacking


class TestInTheIndex:
    def test_whoever_signed_the_index_vouches_for_it(self, look, with_index, images, keys, store):
        with_index((0, 0), (1, 1))

        found, unsigned = look("sbom", voucher=keys[0].public), look("sbom")

        assert ((), ("sbom",)) == (found.lacking, unsigned.lacking)
        assert [("index", store.head("1").digest, one.digest) for one in images] == [
            (one.form, one.digest, one.about) for one in found.attestations
        ]
        assert ("provenance",) == look("provenance", voucher=keys[0].public).lacking

    @pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 0), (1, 0)]], ids=["none", "about the other"])
    def test_every_image_has_to_have_one(self, look, with_index, keys, pairs):
        with_index(*pairs)

        assert ("sbom",) == look("sbom", voucher=keys[0].public).lacking


def test_bundles_beyond_the_bound_are_not_read(look, bundled, images, keys):
    """All bundles beside one image together have a bound, and the last one comes too late."""
    for number in range(4):
        bundled(
            keys[number == 3], images[0], SPDX, change=lambda tree, n=number: tree["annotations"].update(n=f"{n}")
        )
    name = str(images[0].digest)

    assert () == look("sbom", name=name, by=1).lacking
    assert ("sbom",) == look("sbom", name=name, by=1, limit=2000).lacking


REPORT = "application/vnd.test.report"


@pytest.fixture
def attached(ward):
    """`attached(image)`: an artifact that refers to it."""

    def put(image, kind=REPORT):
        config = ward.blob(b"{}", "application/vnd.oci.empty.v1+json")
        tree = {
            "schemaVersion": 2,
            "artifactType": kind,
            "config": config,
            "layers": [],
            "subject": image.to_tree(),
        }
        ward.manifest({"mediaType": "application/vnd.oci.image.manifest.v1+json", **tree})

    return put


def test_what_is_attached_to_every_image_is_there(look, attached, images):
    attached(images[0])
    half = look(attached=(REPORT,))
    attached(images[1])

    assert ((REPORT,), ()) == (half.lacking, look(attached=(REPORT,)).lacking)


def test_what_is_attached_counts_by_what_it_says_itself(look, attached, images, store):
    attached(images[0], "application/vnd.test.other")
    real = store.referrers
    store.referrers = lambda digest: [replace(one, artifact_type=REPORT) for one in real(digest)]

    assert (REPORT,) == look(name=str(images[0].digest), attached=(REPORT,)).lacking


@pytest.mark.parametrize("harm", ["layers", "list"])
def test_what_only_the_list_calls_a_bundle_does_not_count(look, bundled, images, keys, store, harm):
    def change(tree):
        if harm == "layers":
            tree["layers"][0]["mediaType"] = "text/plain"

    bundled(keys[0], images[0], SLSA if harm == "list" else SPDX, change=change)
    real = store.referrers
    store.referrers = lambda digest: [replace(one, annotations={}) for one in real(digest)]
    name = str(images[0].digest)
    alone = look("sbom", name=name)
    bundled(keys[0], images[0], SPDX)

    assert (("sbom",), ()) == (alone.lacking, look("sbom", name=name).lacking)


def test_where_no_signature_is_wanted_none_is_looked_for(attached, store):
    attached(store.head("1"))
    store._tags["1"] = store.head("1").digest
    work = SimpleNamespace(transfers=1, scope=Scope())
    one, other = (
        verify_document(work, store, "app:1", store.get_manifest("1"), Demand((), attached=(kind,)))
        for kind in (REPORT, "application/vnd.test.none")
    )

    assert ((), True, False) == (one.manifests, one.holds, other.holds)
