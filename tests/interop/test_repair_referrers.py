"""Attestations that a repair made referrers, found by regctl and oras."""

import json
import subprocess

import pytest

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
