"""Five platforms with attestations and signatures, edited on two registries; other people's tools read the result."""

import json
import tarfile

import pytest

from ocitool.model import mediatype
from ocitool.model.views import ATTESTATION_ARTIFACT, view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.sick import Ward, member, tar
from tests.peers.engines import containerd

pytestmark = pytest.mark.interop

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/riscv64")
EDIT = ("--label", "team=web", "--env", "TZ=UTC", "--remove-env", "OLD", "--user", "7:7", "--cmd", "-v")


@pytest.fixture(params=["docker_registry", "distribution_v3"])
def ward(request):
    """A repository of its own on docker-registry 2.8, then on Distribution 3, with the five under `1`."""
    repository = request.getfixturevalue(request.param).repository()
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        layers = [tar(member("app", b"\0", mode=0o755))]

        def says(tree):
            tree["config"] = {"Env": ["PATH=/", "OLD=1"], "Entrypoint": ["/app"]}

        entries = [ward.image(one, layers=layers, config=says) for one in PLATFORMS]
        ward.index(*entries, *(ward.provenance(one["digest"]) for one in entries))
        ward.image("linux/amd64", layers=layers, config=says, media_type=mediatype.DOCKER_MANIFEST, tag="docker")
        yield ward


def ours(run, *words):
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    return done


def test_signed_and_attested_it_is_edited_signed_anew_and_taken_back(run, ward, tmp_path):
    name = f"{ward.store.label}:1"
    key = tmp_path / "a"
    ours(run, "key", "generate", "-o", key, "--unencrypted", "--type", "ed25519")
    ours(run, "sign", name, "--key", f"{key}.key", "--form", "both", "--recursive")
    first, old = ward.store.head("1").digest, view(ward.store.get_manifest("1")).platforms

    done = ours(run, "config", "edit", name, *EDIT, "--attestations-to-referrers", "--resign", f"{key}.key")
    ours(run, "check", "--deep", name)
    ours(run, "verify", name, "--key", f"{key}.pub", "--recursive")
    beside = [{one.artifact_type for one in ward.store.referrers(entry.digest)} for entry in old]
    ours(run, "undo", name)

    assert all(f"what takes the place of {one.short}" in done.stderr for one in (first, *(e.digest for e in old)))
    assert all(ATTESTATION_ARTIFACT in kinds for kinds in beside)
    assert first == ward.store.head("1").digest
    ours(run, "verify", name, "--key", f"{key}.pub", "--recursive")
    ours(run, "check", "--deep", name)


def test_crane_skopeo_and_docker_read_it(run, tool, ward):
    name = f"{ward.store.label}:1"
    ours(run, "config", "edit", name, *EDIT, "--annotation", "index:a=b", "--drop-attestations")

    configs = [json.loads(tool("crane", "config", "--insecure", "--platform", one, name)) for one in PLATFORMS]
    seen = tool("skopeo", "inspect", "--tls-verify=false", "--config", "--override-arch=s390x", f"docker://{name}")
    listed = json.loads(tool("docker", "manifest", "inspect", "--insecure", name))

    wanted = {"Env": ["PATH=/", "TZ=UTC"], "Entrypoint": ["/app"], "Labels": {"team": "web"}, "User": "7:7"}
    assert [wanted | {"Cmd": ["-v"]}] * 5 == [config["config"] for config in configs]
    assert configs[3] == json.loads(seen)
    assert "PASS" in tool("crane", "validate", "--insecure", "--remote", name)
    assert 5 == len(listed["manifests"])


def test_a_docker_manifest_stays_one(run, tool, ward):
    name = f"{ward.store.label}:docker"
    ours(run, "config", "edit", name, *EDIT)

    raw = json.loads(tool("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{name}"))

    assert mediatype.DOCKER_MANIFEST == raw["mediaType"]
    assert "PASS" in tool("crane", "validate", "--insecure", "--remote", name)


def test_containerd_pulls_each_platform(run, ward, tmp_path):
    name = f"{ward.store.label}:1"
    ours(run, "config", "edit", name, *EDIT, "--drop-attestations")
    digests = {str(one.platform): str(one.digest) for one in view(ward.store.get_manifest("1")).entries}
    try:
        with containerd(tmp_path) as engine:
            for platform, digest in digests.items():
                engine.pull(name, platform)
                assert digest in engine.content()
    except peers.Missing as missing:
        pytest.skip(str(missing))

    assert set(PLATFORMS) == set(digests)


def test_what_is_appended_is_in_the_files_that_crane_exports(run, tool, ward, tmp_path):
    name = f"{ward.store.label}:1"
    (tmp_path / "motd").write_text("hello")
    ours(run, "append", name, "--copy", f"{tmp_path}/motd:/etc/", "--drop-attestations")

    tool("crane", "export", "--insecure", "--platform", "linux/s390x", name, str(tmp_path / "out.tar"))

    with tarfile.open(tmp_path / "out.tar") as archive:
        assert {"app", "etc", "etc/motd"} == set(archive.getnames())
    assert "PASS" in tool("crane", "validate", "--insecure", "--remote", name)
