"""The fixtures themselves: what they start answers, and nothing of the real home shows."""

import base64
import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ocitool.model.views import view
from tests import peers
from tests.peers.buildkit import Refused


@pytest.mark.registry
def test_registries_answer_on_loopback(docker_registry, registry_with_auth):
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://{registry_with_auth.host}/v2/")
    token = base64.b64encode(f"{registry_with_auth.user}:{registry_with_auth.password}".encode()).decode()
    asked = urllib.request.Request(
        f"http://{registry_with_auth.host}/v2/", headers={"Authorization": f"Basic {token}"}
    )
    for request in (asked, f"http://{docker_registry.host}/v2/"):
        with urllib.request.urlopen(request) as answer:
            assert 200 == answer.status


@pytest.mark.interop
def test_distribution_v3_answers(distribution_v3):
    with urllib.request.urlopen(f"http://{distribution_v3.host}/v2/") as answer:
        assert 200 == answer.status


def test_home_is_a_temporary_one(home):
    assert home == Path.home()
    assert not str(peers.cache_root()).startswith(str(home))
    assert str(peers.cache_root() / "go-build") == os.environ["GOCACHE"]


def test_a_peer_that_is_not_there_is_missing_with_a_reason():
    with pytest.raises(peers.Missing, match="no-such-tool is not installed"):
        peers.find("no-such-tool")


@pytest.mark.interop
def test_buildkit_builds_and_lints(buildkit, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "Dockerfile").write_text("FROM scratch\nLABEL a b\n")

    image = view(buildkit.build(tmp_path / "c", tmp_path / "out").get_manifest(""))

    assert () == image.layers
    assert [("LegacyKeyValueFormat", 2)] == [row[:2] for row in buildkit.lint(tmp_path / "c")]
    (tmp_path / "c" / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    with pytest.raises(Refused, match='"/nothing": not found'):
        buildkit.build(tmp_path / "c", tmp_path / "out2")
