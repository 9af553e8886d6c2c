"""A repaired index as crane and skopeo read it."""

import json
import subprocess

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.sick import Ward

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_peers_find_the_image_they_ask_for(architecture, docker_registry, run, peer):
    """K008: two platforms swapped, a wrong size and no mediaType, mended in one go."""
    name = f"{docker_registry.repository()}:1"
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(name, write=True)[0])
        amd64, arm64 = ward.image(), ward.image("linux/arm64")
        swapped = (amd64 | {"platform": arm64["platform"]}, arm64 | {"platform": amd64["platform"], "size": 9})
        ward.index(*swapped, mediaType=None)
    assert 0 == run("repair", name, "--apply").exit_code

    crane = [peer("crane"), "config", "--insecure", "--platform", f"linux/{architecture}", name]
    skopeo = [peer("skopeo"), "inspect", "--tls-verify=false", "--override-os=linux"]
    skopeo += [f"--override-arch={architecture}", "--config", f"docker://{name}"]
    for words in (crane, skopeo):
        told = subprocess.run(words, capture_output=True, check=True, timeout=60).stdout
        assert architecture == json.loads(told)["architecture"]
