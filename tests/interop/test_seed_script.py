"""The script of the text this project started from, word for word but for the first word and the registry."""

import json
import shlex
import subprocess

import pytest

from ocitool.model.mediatype import DOCKER_LIST, OCI_INDEX, Family
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.busybox import put_busybox
from tests.fakes.images import put_image, tar
from tests.fakes.programs import Elf

pytestmark = [pytest.mark.interop, pytest.mark.registry]

BASES = {"amd64": "linux/amd64", "arm32v7": "linux/arm/v7", "arm64v8": "linux/arm64/v8"}
SCRIPT = """
build -t your-username/multiarch-example:manifest-amd64 --build-arg ARCH=amd64/ .
push your-username/multiarch-example:manifest-amd64
build -t your-username/multiarch-example:manifest-arm32v7 --build-arg ARCH=arm32v7/ .
push your-username/multiarch-example:manifest-arm32v7
build -t your-username/multiarch-example:manifest-arm64v8 --build-arg ARCH=arm64v8/ .
push your-username/multiarch-example:manifest-arm64v8
manifest create \
your-username/multiarch-example:manifest-latest \
--amend your-username/multiarch-example:manifest-amd64 \
--amend your-username/multiarch-example:manifest-arm32v7 \
--amend your-username/multiarch-example:manifest-arm64v8
manifest push your-username/multiarch-example:manifest-latest
"""


def docker(peer, *words: str) -> str:
    done = subprocess.run([peer("docker"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def registry(docker_registry) -> str:
    """A registry with the base of each architecture under a name of its own, as Docker Hub has them."""
    with Opener(Access(), Scope()) as opener:
        for folder, platform in BASES.items():
            store, tag = opener.open(f"{docker_registry.host}/{folder}/base:1", write=True)
            layers = [tar(etc=folder.encode())]
            put_image(store, tag, platform, family=Family.DOCKER, layers=layers, compress=True)
    return docker_registry.host


def test_the_docker_manifest_section(run, peer, registry, tmp_path, monkeypatch, home):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text(f"ARG ARCH=\nFROM {registry}/${{ARCH}}base:1\nCOPY hello /bin/\n")
    (tmp_path / "app" / "hello").write_text("#!/bin/sh\necho hello\n")
    monkeypatch.chdir(tmp_path / "app")

    for line in SCRIPT.strip().splitlines():
        done = run(*shlex.split(line.replace("your-username", f"{registry}/your-username")))
        assert done.exit_code == 0, f"{line}\n{done.stderr}"

    name = f"{registry}/your-username/multiarch-example"
    published = json.loads(docker(peer, "manifest", "inspect", "--insecure", f"{name}:manifest-latest"))
    assert DOCKER_LIST == published["mediaType"]
    assert [("amd64", None), ("arm", "v7"), ("arm64", "v8")] == [
        (entry["platform"]["architecture"], entry["platform"].get("variant")) for entry in published["manifests"]
    ]
    images = [word for arch in BASES for word in ("--amend", f"{name}:manifest-{arch}")]
    docker(peer, "manifest", "create", "--insecure", f"{name}:by-docker", *images)
    docker(peer, "manifest", "push", "--insecure", f"{name}:by-docker")
    theirs = json.loads(docker(peer, "manifest", "inspect", "--insecure", f"{name}:by-docker"))
    assert theirs == published  # field by field


BUILDX = """
buildx create --use --name mybuilder
buildx ls
buildx build --push --platform linux/arm/v7,linux/arm64/v8,linux/amd64 --tag your-username/multiarch-example:buildx-latest .
"""


def test_the_docker_buildx_section(run, peer, registry, tmp_path, monkeypatch, home):
    """Docker and skopeo find each platform, and the program that was meant for it."""
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(f"{registry}/alpine:latest", write=True)
        put_busybox(store, tag)
    programs = {"amd64": Elf(62), "arm64": Elf(183), "arm": Elf(40, 32)}
    for arch, elf in programs.items():
        (tmp_path / "out" / arch).mkdir(parents=True)
        (tmp_path / "out" / arch / "myapp").write_bytes(elf.build())
    (tmp_path / "Dockerfile").write_text(
        f"FROM {registry}/alpine\nARG TARGETARCH\n\nCOPY /out/${{TARGETARCH}}/myapp /bin/\n"
    )
    monkeypatch.chdir(tmp_path)

    for line in BUILDX.strip().splitlines():
        done = run(*shlex.split(line.replace("your-username", f"{registry}/your-username")))
        assert done.exit_code == 0, f"{line}\n{done.stderr}"

    name = f"{registry}/your-username/multiarch-example:buildx-latest"
    published = json.loads(docker(peer, "manifest", "inspect", "--insecure", name))
    assert OCI_INDEX == published["mediaType"]
    assert [("arm", "v7"), ("arm64", "v8"), ("amd64", None)] == [
        (entry["platform"]["architecture"], entry["platform"].get("variant")) for entry in published["manifests"]
    ]
    for arch, elf in programs.items():
        target = tmp_path / f"by-skopeo-{arch}"
        words = ("copy", "--src-tls-verify=false", "--override-arch", arch, f"docker://{name}", f"oci:{target}:1")
        done = subprocess.run([peer("skopeo"), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        run("export", f"oci:{target}:1", "-o", tmp_path / arch)
        assert elf.build() == (tmp_path / arch / "usr/bin/myapp").read_bytes()
