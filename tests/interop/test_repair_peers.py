"""Ten breakages on two live registries: named, mended, and read alike by docker, skopeo, crane and containerd."""

import json
from dataclasses import replace

import pytest

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.breakages import DELETED, TEN, UNDOABLE
from tests.fakes.sick import Ward
from tests.peers.engines import containerd

pytestmark = pytest.mark.interop


@pytest.fixture(params=["docker_registry", "distribution_v3"])
def ward(request):
    """A repository of its own on docker-registry 2.8, then on Distribution 3."""
    with Opener(Access(), Scope()) as opener:
        yield Ward(opener.open(request.getfixturevalue(request.param).repository(), write=True)[0])


@pytest.fixture
def name(ward):
    return f"{ward.store.label}:1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """containerd, one for all tests here."""
    try:
        with containerd(tmp_path_factory.mktemp("containerd")) as running:
            yield running
    except peers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def said(tool, engine, name, tmp_path):
    """`said()`: for each peer the digest it takes for each platform it can pull from the tag."""

    def docker():
        entries = json.loads(tool("docker", "manifest", "inspect", "--insecure", name))["manifests"]
        told = {f"{e['platform']['os']}/{e['platform']['architecture']}": e["digest"] for e in entries}
        assert len(entries) == len(told)
        assert tool("docker", "manifest", "inspect", "--insecure", "--verbose", name)  # follows every child
        return told

    def crane(platform):
        assert "PASS" in tool("crane", "validate", "--insecure", "--remote", name)
        image = ("--insecure", "--platform", platform, name)
        assert platform.split("/")[1] == json.loads(tool("crane", "config", *image))["architecture"]
        return tool("crane", "digest", *image).strip()

    def skopeo(platform):
        chosen = [f"--override-{key}={word}" for key, word in zip(("os", "arch"), platform.split("/"), strict=True)]
        place = tmp_path / f"copy-{platform.replace('/', '-')}"
        source = ("--src-tls-verify=false", f"docker://{name}")
        tool("skopeo", "copy", *chosen, "--preserve-digests", *source, f"oci:{place}:1")
        config = tool("skopeo", "inspect", *chosen, "--tls-verify=false", "--config", f"docker://{name}")
        assert platform.split("/")[1] == json.loads(config)["architecture"]
        return str(LayoutStore(place).head("1").digest)

    def from_containerd(platform, offered):
        fresh = replace(engine, namespace=tmp_path.name.replace("_", "-") + platform.replace("/", "-"))
        fresh.pull(name, platform)
        return " and ".join(offered & fresh.content())

    def every():
        listed = docker()
        return {
            "docker": listed,
            "crane": {platform: crane(platform) for platform in listed},
            "skopeo": {platform: skopeo(platform) for platform in listed},
            "containerd": {platform: from_containerd(platform, set(listed.values())) for platform in listed},
        }

    return every


def entries(ward):
    """What the tag offers: platform → digest, attestations left out."""
    index = view(ward.store.get_manifest("1"))
    return {str(entry.platform): str(entry.digest) for entry in index.platforms}


def rules_of(done):
    return {finding["rule"] for finding in json.loads(done.stdout)["data"]["findings"]}


@pytest.mark.parametrize("breakage", TEN, ids=str)
def test_mended_and_every_engine_agrees(breakage, ward, name, run, said):
    untouched = breakage.make(ward)
    first = ward.store.head("1").digest

    seen = run("check", name, "--deep", "--json")
    shown = run("repair", name, *breakage.words)
    unchanged = ward.store.head("1").digest
    mended = run("repair", name, "--apply", *breakage.words)
    clean = run("check", name, "--deep")

    assert (1, True) == (seen.exit_code, breakage.rule in rules_of(seen))
    assert (1, first) == (shown.exit_code, unchanged)
    assert "tag 1: " in shown.stdout
    assert 0 == mended.exit_code, mended.stderr
    assert (0, "nothing wrong\n") == (clean.exit_code, clean.stdout)
    offered = entries(ward)
    assert set(breakage.platforms) == set(offered)
    assert set(untouched) <= set(offered.values())
    assert dict.fromkeys(("docker", "crane", "skopeo", "containerd"), offered) == said()


@pytest.mark.parametrize("breakage", UNDOABLE, ids=str)
def test_undo_brings_the_first_digest_back(breakage, ward, name, run):
    breakage.make(ward)
    first = ward.store.head("1").digest
    assert 0 == run("repair", name, "--apply", *breakage.words).exit_code

    undone = run("undo", name)

    assert (0, first) == (undone.exit_code, ward.store.head("1").digest), undone.stderr


def test_undo_names_the_deleted_child_and_takes_it_from_a_source(ward, name, run, tmp_path):
    """K034: the registry does not take an index back whose child it lost, unless the child comes along."""
    child = ward.image("linux/arm64")["digest"]
    DELETED.make(ward)
    first = ward.store.head("1").digest
    mirror = f"oci:{tmp_path}/mirror"
    with Opener(Access(), Scope()) as opener:
        Ward(opener.open(f"{mirror}:1", write=True)[0]).image("linux/arm64", tag="1")
    run("repair", name, "--apply", "--drop-missing")
    mended = ward.store.head("1").digest

    refused = run("undo", name)
    held = ward.store.head("1").digest
    undone = run("undo", name, "--source", mirror)

    assert (9, mended) == (refused.exit_code, held)
    assert child in refused.stderr
    assert str(first) in refused.stderr
    assert (0, first) == (undone.exit_code, ward.store.head("1").digest), undone.stderr
    assert 0 == run("check", name, "--deep").exit_code
