"""Attestations that a repair made referrers, found by regctl and oras."""

import json
import subprocess

import pytest

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.sick import SLSA, Ward
from tests.peers.registries import olareg

pytestmark = pytest.mark.interop
ARTIFACT = "application/vnd.docker.attestation.manifest.v1+json"


@pytest.fixture(params=["docker_registry", "distribution_v3", "olareg"])
def repository(request, tmp_path):
    """Two registries without the referrers API, and olareg, which has it."""
    if request.param != "olareg":
        yield request.getfixturevalue(request.param).repository()
        return
    try:
        with olareg(peers.find("olareg"), tmp_path / "olareg") as running:
            yield running.repository()
    except peers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def image(repository, run):
    """The digest of an image whose attestation was moved."""
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        image = ward.image()
        ward.index(image, ward.provenance(image["digest"]))
    done = run("repair", f"{repository}:1", "--attestations-to-referrers", "--apply")
    assert 0 == done.exit_code, done.stderr
    return image["digest"]


def told(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, check=True, timeout=60).stdout


def test_oras_discovers_it(repository, image, peer):
    answer = told(peer("oras"), "discover", "--plain-http", "--format", "json", f"{repository}@{image}")

    assert [ARTIFACT] == [one["artifactType"] for one in json.loads(answer)["referrers"]]


def test_regctl_lists_it_and_reads_the_statement(repository, image, peer, home):
    regctl = peer("regctl")
    told(regctl, "registry", "set", "--tls", "disabled", repository.partition("/")[0])

    listed = told(regctl, "artifact", "list", f"{repository}@{image}", "--format", "{{jsonPretty .}}")
    statement = told(regctl, "artifact", "get", "--subject", f"{repository}@{image}")

    assert [ARTIFACT] == [one["artifactType"] for one in json.loads(listed)["descriptors"]]
    assert (SLSA, image) == (
        json.loads(statement)["predicateType"],
        f"sha256:{json.loads(statement)['subject'][0]['digest']['sha256']}",
    )


def form_of(document, image):
    """An attestation's manifest without what differs from build to build: its size, and the statement's bytes."""
    tree = json.loads(document.raw)
    tree["layers"] = [{k: v for k, v in layer.items() if k not in ("digest", "size")} for layer in tree["layers"]]
    tree["subject"] = tree["subject"] | {"digest": tree["subject"]["digest"] == image}
    return list(tree.items())


def test_the_form_is_the_one_that_buildkit_writes_as_an_artifact(buildkit, repository, run, tmp_path):
    """One build attested in the index and moved by us, and one attested by an artifact of BuildKit's own."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    provenance = ("--opt", "attest:provenance=mode=min")
    inside = buildkit.build(context, tmp_path / "inside", *provenance, form="oci-artifact=false")
    beside = buildkit.build(context, tmp_path / "beside", *provenance, form="oci-artifact=true")
    [held] = inside.entries()
    assert 0 == run("copy", f"oci:{inside.path}@{held.digest}", f"{repository}:1").exit_code
    image, attestation = view(inside.get_manifest(str(held.digest))).entries

    done = run("repair", f"{repository}:1", "--attestations-to-referrers", "--apply")

    assert 0 == done.exit_code, done.stderr
    [their_index] = beside.entries()
    their_image, theirs = view(beside.get_manifest(str(their_index.digest))).entries
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(repository)
        [ours] = store.referrers(image.digest)
        assert [image] == list(view(store.get_manifest("1")).entries)
        moved = store.get_manifest(str(ours.digest))
    expected = form_of(beside.get_manifest(str(theirs.digest)), str(their_image.digest))
    assert expected == form_of(moved, str(image.digest))
    assert json.loads(inside.get_manifest(str(attestation.digest)).raw)["layers"] == json.loads(moved.raw)["layers"]
