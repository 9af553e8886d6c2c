"""Five platforms, built, attested and signed, put onto a newer base on two registries; other people's tools agree."""

import json
import subprocess
from pathlib import Path

import pytest

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.sick import Ward, member, tar
from tests.peers.engines import containerd

pytestmark = pytest.mark.interop

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/riscv64")


def put_base(ward, version):
    def says(tree):
        tree["config"] = {"Env": ["PATH=/usr/bin", f"VERSION={version}"], "Cmd": ["sh"]}
        tree["history"] = [{"created_by": f"base {version}"}]

    layers = [tar(member("etc", b"", type=b"5", mode=0o755), member("etc/release", version.encode()))]
    ward.index(*(ward.image(one, layers=layers, config=says) for one in PLATFORMS), tag="base")


@pytest.fixture(params=["docker_registry", "distribution_v3"])
def ward(request):
    """A repository of its own on docker-registry 2.8, then on Distribution 3, with a base for five platforms."""
    repository = request.getfixturevalue(request.param).repository()
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        put_base(ward, "1")
        yield ward


@pytest.fixture
def build(run, ward, tmp_path, monkeypatch):
    """`build("1")`: upon the base, for all platforms, under that tag."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "motd").write_text("hello")

    def call(tag, *flags):
        words = ("--toolchain", "prebuilt", "--copy", "motd:/etc/", "--env", "TZ=UTC", "--format", "oci")
        base = ("--base", f"{ward.store.label}:base", "--platform", ",".join(PLATFORMS))
        ours(run, "build", ".", *words, *base, "-t", f"{ward.store.label}:{tag}", "--push", *flags)
        return ward.store.head(tag).digest

    return call


def ours(run, *words):
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    return done


def images(ward, tag):
    return {str(one.platform): one.digest for one in view(ward.store.get_manifest(tag)).platforms}


def test_signed_and_attested_it_is_what_a_build_makes_and_is_taken_back(run, ward, build, tmp_path):
    name, key = f"{ward.store.label}:1", tmp_path / "key" / "a"
    key.parent.mkdir()
    ours(run, "key", "generate", "-o", key, "--unencrypted", "--type", "ed25519")
    first = build("1", "--provenance", "mode=max", "--sign-key", f"{key}.key")
    old = images(ward, "1")
    put_base(ward, "2")

    undecided = run("rebase", name)
    done = ours(run, "rebase", name, "--attestations-to-referrers", "--resign", f"{key}.key")
    ours(run, "check", "--deep", name)
    ours(run, "verify", name, "--key", f"{key}.pub")
    rebased = images(ward, "1")
    beside = [len(ward.store.referrers(digest)) for digest in old.values()]
    fresh = build("fresh")
    assert ward.store.head("1").digest == fresh
    ours(run, "undo", name)

    assert 2 == undecided.exit_code
    assert f"what takes the place of {first.short}" in done.stderr
    assert images(ward, "fresh") == rebased
    assert [1] * 5 == beside
    assert first == ward.store.head("1").digest
    ours(run, "verify", name, "--key", f"{key}.pub")
    ours(run, "check", "--deep", name)


def test_regctl_agrees_about_what_moved(run, ward, build, peer):
    name, regctl = f"{ward.store.label}:1", str(peer("regctl"))
    build("1")
    one = f"{ward.store.label}@{images(ward, '1')['linux/s390x']}"

    def agree(what):
        host = f"reg={ward.store.label.partition('/')[0]},tls=disabled"
        argv = [regctl, "--host", host, "image", "check-base", what]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode == 0) == (run("base", "status", what).exit_code == 0), done.stderr
        return done.returncode == 0

    before = agree(name), agree(one)
    put_base(ward, "2")
    moved = agree(name), agree(one)
    ours(run, "rebase", name)

    assert ((True, True), (False, False), (True, True)) == (
        before,
        moved,
        (agree(name), agree(f"{ward.store.label}@{images(ward, '1')['linux/s390x']}")),
    )


def test_crane_skopeo_and_docker_read_it(run, tool, ward, build, tmp_path):
    name = f"{ward.store.label}:1"
    build("1")
    put_base(ward, "2")
    ours(run, "rebase", name)

    configs = [json.loads(tool("crane", "config", "--insecure", "--platform", one, name)) for one in PLATFORMS]
    seen = tool("skopeo", "inspect", "--tls-verify=false", "--config", "--override-arch=s390x", f"docker://{name}")
    tool("crane", "export", "--insecure", "--platform", "linux/s390x", name, str(tmp_path / "out.tar"))

    assert 5 == len(json.loads(tool("docker", "manifest", "inspect", "--insecure", name))["manifests"])
    assert [["PATH=/usr/bin", "VERSION=2", "TZ=UTC"]] * 5 == [one["config"]["Env"] for one in configs]
    assert configs[3] == json.loads(seen)
    assert "PASS" in tool("crane", "validate", "--insecure", "--remote", name)
    assert (
        b"2"
        == subprocess.run(
            ["tar", "-xOf", str(Path(tmp_path / "out.tar")), "etc/release"], capture_output=True, check=True
        ).stdout
    )


def test_containerd_pulls_each_platform(run, ward, build, tmp_path):
    name = f"{ward.store.label}:1"
    build("1")
    put_base(ward, "2")
    ours(run, "rebase", name)
    try:
        with containerd(tmp_path) as engine:
            for platform, digest in images(ward, "1").items():
                engine.pull(name, platform)
                assert str(digest) in engine.content()
    except peers.Missing as missing:
        pytest.skip(str(missing))
