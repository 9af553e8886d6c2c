"""Images that run are no images with errors: what eleven other tools made, as `ocitool check` sees it."""

import json
import subprocess
import sys

import pytest

from tests import peers
from tests.conftest import REPOSITORY, process_environment
from tests.peers.healthy import IMAGES, Maker

pytestmark = [pytest.mark.interop, pytest.mark.registry]


@pytest.fixture(scope="module")
def maker(docker_registry, tmp_path_factory):
    """Makes each image when it is first asked for."""
    root = tmp_path_factory.mktemp("healthy")

    def ocitool(*words):
        done = subprocess.run(
            [sys.executable, "-m", "ocitool", *map(str, words)],
            env=process_environment(),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    making = Maker(root, docker_registry, ocitool)
    yield making
    making.close()


@pytest.fixture(scope="module", params=IMAGES)
def image(request, maker):
    try:
        return maker(request.param)
    except peers.Missing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("deep", [(), ("--deep",)], ids=["plain", "deep"])
def test_no_error_is_found_in_an_image_that_runs(image, deep, run):
    done = run("check", image, *deep, "--json")

    data = json.loads(done.stdout)["data"]
    assert [] == data["unanswered"]
    assert [] == [one for one in data["findings"] if one["severity"] == "error"]


def test_repositories_of_tags_beside_each_other_have_no_errors(maker, run):
    """Signatures, SBOMs and lists of referrers are tags too: ko's and oras's."""
    try:
        places = [maker(name).rpartition(":")[0] for name in ("ko", "oras attached")]
    except peers.Missing as missing:
        pytest.skip(str(missing))

    done = run("check", *places, "--all-tags", "--json")

    data = json.loads(done.stdout)["data"]
    assert [] == data["unanswered"]
    assert [] == [one for one in data["findings"] if one["severity"] == "error" or one["rule"].startswith("tag/")]
    assert len(places) * 2 < data["tags"]
