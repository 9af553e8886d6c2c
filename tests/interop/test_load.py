"""`--load` into podman and containerd, which then run and list what was built."""

import json
import random
import shutil

import pytest

from tests.peers.engines import containerd, podman, run_root

pytestmark = pytest.mark.interop


@pytest.fixture
def build(run, tmp_path, peer):
    """`build("--load")`: busybox for two platforms and a layer of more than a pipe holds; the command's data."""
    for arch in ("amd64", "arm64"):
        (tmp_path / "app" / arch).mkdir(parents=True)
        (tmp_path / "app" / arch / "data").write_bytes(random.Random(arch).randbytes(700_000))
    shutil.copy(peer("busybox"), tmp_path / "app" / "busybox")

    def call(*flags, platform="linux/amd64,linux/arm64", copies=("{arch}/data:/",)):
        words = [word for copy in copies for word in ("--copy", copy)]
        done = run(
            *("build", tmp_path / "app", "--toolchain", "prebuilt", *words, "--platform", platform),
            *("-t", "reg.test/app:1", "-t", "reg.test/other:2", "--json", *flags),
        )
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)["data"]

    return call


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_podman_runs_what_was_loaded(build, peer, tmp_path, monkeypatch, compression):
    runs_in = run_root()
    engine = podman(peer("podman"), tmp_path, runs_in)
    storage = tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/root"\nrunroot = "{runs_in}"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(storage))

    data = build(
        *("-o", "type=docker,engine=podman", "--compression", compression, "--format", "oci"),
        *("--cmd", "/bin/busybox md5sum /data"),
        platform="linux/amd64",
        copies=("amd64/data:/", "busybox:/bin/"),
    )

    assert [{"engine": "podman", "platforms": ["linux/amd64"]}] == data["loaded"]
    assert {"reg.test/app:1", "reg.test/other:2"} == set(
        json.loads(engine("inspect", "reg.test/app:1"))[0]["RepoTags"]
    )
    assert "/data" in engine("run", "reg.test/other:2")


def test_containerd_has_every_platform_under_every_name(build, tmp_path, monkeypatch):
    (tmp_path / "containerd").mkdir()
    with containerd(tmp_path / "containerd") as daemon:
        monkeypatch.setenv("CONTAINERD_ADDRESS", str(daemon.socket))
        monkeypatch.setenv("CONTAINERD_SNAPSHOTTER", "native")

        data = build("-o", "type=docker,engine=containerd", "--sbom", "spdx")

        assert {data["digest"], *(one["digest"] for one in data["platforms"])} <= daemon.content()
        assert {one for image in data["platforms"] for one in image["layers"]} <= daemon.content()
        assert {"reg.test/app:1", "reg.test/other:2"} == daemon.images()
        assert [{"engine": "containerd", "platforms": ["linux/amd64", "linux/arm64"]}] == data["loaded"]


def test_containerd_takes_a_foreign_platform_alone(build, tmp_path, monkeypatch):
    (tmp_path / "containerd").mkdir()
    with containerd(tmp_path / "containerd") as daemon:
        monkeypatch.setenv("CONTAINERD_ADDRESS", str(daemon.socket))

        data = build("-o", "type=docker,engine=containerd", platform="linux/arm64")

        assert {data["digest"], *data["platforms"][0]["layers"]} <= daemon.content()
