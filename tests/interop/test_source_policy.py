"""The file that `base lock` writes, in BuildKit's own hands: it takes the images that the file pins."""

import json

import pytest

from ocitool.store.layout import LayoutStore
from tests.peers.buildkit import Refused

pytestmark = pytest.mark.interop


@pytest.fixture
def moved(docker_registry, run, tmp_path):
    """A Dockerfile on a base whose tag has moved since it was locked; the folder, and the policy."""
    repository, place = docker_registry.repository(), tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text(f"FROM {repository}:1\n")

    def base(text):
        (tmp_path / "release").write_text(text)
        words = ("--toolchain", "prebuilt", "--copy", f"{tmp_path}/release:/etc/", "--platform", "linux/amd64")
        built = run("build", place / "none", *words, "-t", f"{repository}:1", "--push")
        assert 0 == built.exit_code, built.stderr

    (place / "none").mkdir()
    base("locked")
    locked = run("base", "lock", place, "--platform", "linux/amd64", "-o", tmp_path / "policy.json")
    assert 0 == locked.exit_code, locked.stderr
    base("moved")
    return place, tmp_path / "policy.json"


def layers(store):
    """The layers of the one image of a layout."""
    index = json.loads((store.path / "index.json").read_text())
    document = store.get_manifest(index["manifests"][0]["digest"])
    return [one["digest"] for one in document.tree()["layers"]]


def test_buildkit_takes_the_base_that_is_pinned_and_so_do_we(buildkit, moved, run, tmp_path):
    place, policy = moved
    words = ("--platform", "linux/amd64", "--source-policy", policy, "-o", f"oci:{tmp_path}/ours:1")
    done = run("build", place, *words)
    assert done.exit_code == 0, done.stderr

    free = layers(buildkit.build(place, tmp_path / "free"))
    pinned = layers(buildkit.build(place, tmp_path / "pinned", "--source-policy-file", policy))

    assert free != pinned == layers(LayoutStore(tmp_path / "ours"))


def test_what_is_denied_is_refused_by_both(buildkit, moved, run, tmp_path):
    place, policy = moved
    tree = json.loads(policy.read_text())
    [rule] = tree["rules"]
    policy.write_text(json.dumps({"rules": [{"action": "DENY", "selector": rule["selector"]}]}))

    ours = run("build", place, "--platform", "linux/amd64", "--source-policy", policy)
    with pytest.raises(Refused, match="denied"):
        buildkit.build(place, tmp_path / "denied", "--source-policy-file", policy)

    assert 1 == ours.exit_code
