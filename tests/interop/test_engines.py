"""What we publish, in the hands of docker's client, skopeo, podman, umoci, containerd and an emulator."""

import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import DOCKER_LAYER_GZIP, DOCKER_LIST, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, History
from ocitool.registry.hosts import Access
from ocitool.store.base import BytesSource
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY
from tests.peers.engines import containerd, podman, sh, tree

pytestmark = [pytest.mark.interop, pytest.mark.registry]
HELLO = REPOSITORY / "testdata" / "src-go" / "hello"
ARCHES = {"linux/amd64": ("amd64", ""), "linux/arm64": ("arm64", ""), "linux/arm/v7": ("arm", "v7")}


@pytest.fixture(scope="module")
def hello(docker_registry, tmp_path_factory):
    """hello for three platforms, pushed: (reference, the command's result)."""
    reference = f"{docker_registry.repository('hello')}:1"
    cache = tmp_path_factory.mktemp("cache")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ocitool", "build", HELLO, "--platform", ",".join(ARCHES)),
            *("-t", reference, "--push", "--cache-dir", cache),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return reference, done.stdout


def test_the_list_is_served_under_the_digest_that_was_printed(hello, docker_registry):
    reference, printed = hello
    name, at, digest = printed.strip().rpartition("@")
    assert (reference, "@") == (name, at)

    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference)
        head = store.head(tag)

    assert (DOCKER_LIST, digest) == (head.media_type, head.digest)


def test_dockers_client_reads_the_list(hello, home):
    seen = json.loads(sh("docker", "manifest", "inspect", "--insecure", hello[0]))

    platforms = [(m["platform"]["architecture"], m["platform"].get("variant", "")) for m in seen["manifests"]]
    assert list(ARCHES.values()) == platforms


@pytest.mark.parametrize("platform", ARCHES)
def test_skopeo_copies_each_platform(hello, peer, tmp_path, platform):
    arch, variant = ARCHES[platform]
    override = [
        "--override-os",
        "linux",
        "--override-arch",
        arch,
        *(["--override-variant", variant] if variant else []),
    ]

    sh(peer("skopeo"), *override, "copy", "--src-tls-verify=false", f"docker://{hello[0]}", f"dir:{tmp_path}/out")

    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    config = json.loads((tmp_path / "out" / manifest["config"]["digest"].partition(":")[2]).read_text())
    assert (arch, variant) == (config["architecture"], config.get("variant", ""))


def test_podman_runs_it(hello, peer, tmp_path):
    run = podman(peer("podman"), tmp_path)
    run("pull", hello[0])

    assert "hello from linux/amd64" in run("run", hello[0])


def test_umoci_unpacks_it(hello, peer, tmp_path, run):
    assert 0 == run("copy", hello[0], f"oci:{tmp_path}/layout:one", "--platform", "linux/arm64").exit_code
    layout = LayoutOf(tmp_path / "layout")
    layout.flatten("one")

    sh(peer("umoci"), "raw", "unpack", "--rootless", "--image", f"{tmp_path}/layout:one", tmp_path / "rootfs")

    assert {"bin", "bin/hello"} == set(tree(tmp_path / "rootfs"))


class LayoutOf:
    """umoci wants a name to be an OCI image, so the name of an index of one is moved to its image."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def flatten(self, name: str) -> None:
        index = json.loads((self.path / "index.json").read_text())
        (entry,) = index["manifests"]
        blob = self.path / "blobs" / entry["digest"].replace(":", "/")
        child = json.loads(blob.read_text())["manifests"][0] if "list" in entry["mediaType"] else entry
        # umoci knows OCI's types alone; the documents' shapes are the same.
        raw = json.loads((self.path / "blobs" / child["digest"].replace(":", "/")).read_text())
        raw["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
        raw["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
        for layer in raw["layers"]:
            layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
        data = json.dumps(raw).encode()
        digest = Digest.of(data)
        (self.path / "blobs" / "sha256" / digest.hex).write_bytes(data)
        entry = {"mediaType": raw["mediaType"], "digest": digest, "size": len(data)}
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def test_the_arm64_program_runs_under_an_emulator(hello, peer, tmp_path):
    sh(
        *(peer("skopeo"), "--override-arch", "arm64", "copy", "--src-tls-verify=false"),
        *(f"docker://{hello[0]}", f"dir:{tmp_path}/out"),
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    layer = tmp_path / "out" / manifest["layers"][0]["digest"].partition(":")[2]
    program = tmp_path / "hello"
    with tarfile.open(layer, "r:gz") as tar:
        program.write_bytes(tar.extractfile("bin/hello").read())
    program.chmod(0o755)

    said = sh(peer("qemu-aarch64-static"), program)

    assert "hello from linux/arm64" in said


def usr_merged(busybox: bytes) -> bytes:
    """The layer of a base whose bin is a link and whose tmp has the sticky bit."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:

        def add(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
            tar.addfile(info, io.BytesIO(data))

        for name in ("usr", "usr/bin", "etc"):
            add(name, tarfile.DIRTYPE, 0o755)
        add("tmp", tarfile.DIRTYPE, 0o1777)
        add("usr/bin/busybox", tarfile.REGTYPE, 0o755, busybox)
        add("usr/bin/sh", tarfile.SYMTYPE, 0o777, link="busybox")
        add("bin", tarfile.SYMTYPE, 0o777, link="usr/bin")
    return gzip.compress(out.getvalue(), 1, mtime=0)


def push_base(reference: str, busybox: bytes) -> Descriptor:
    """The base for two platforms, as docker would have pushed it; gives its layer."""
    data = usr_merged(busybox)
    layer = Descriptor(DOCKER_LAYER_GZIP, Digest.of(data), len(data))
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference, write=True)
        store.put_blob(layer, BytesSource(data))
        entries = []
        for arch in ("amd64", "arm64"):
            platform = Platform("linux", arch)
            config = compose.image_config(
                Family.DOCKER,
                platform,
                settings={"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
                diff_ids=[Digest.of(gzip.decompress(data))],
                history=[History(created_by="a base")],
                created="2020-01-01T00:00:00Z",
            )
            store.put_blob(Descriptor.of(config), BytesSource(config.raw))
            manifest = compose.manifest(Family.DOCKER, Descriptor.of(config), [layer])
            store.put_manifest(manifest)
            entries.append(Descriptor.of(manifest, platform))
        store.put_manifest(compose.index(Family.DOCKER, entries), tag)
    return layer


def test_a_program_over_a_usr_merged_base(docker_registry, peer, tmp_path, run):
    """The base's `bin` stays a link and its `tmp` sticky, in every engine; none of its blobs is sent."""
    base, reference = f"{docker_registry.repository('base')}:latest", f"{docker_registry.repository('app')}:1"
    layer = push_base(base, Path(peer("busybox")).read_bytes())
    for arch in ("amd64", "arm64"):
        out = tmp_path / "out" / arch
        out.mkdir(parents=True)
        env = ["--toolchain", "go", "--platform", f"linux/{arch}", "-o", f"oci:{tmp_path}/{arch}"]
        assert 0 == run("build", HELLO, *env).exit_code
        (work,) = (tmp_path / "home" / ".cache" / "ocitool" / "work").glob(f"*/linux-{arch}/hello")
        shutil.copy(work, out / "myapp")

    done = run(
        *("build", tmp_path, "--toolchain", "prebuilt", "--copy", "out/{arch}/myapp:/bin/", "--base", base),
        *("--platform", "linux/amd64,linux/arm64", "-t", reference, "--push", "--json"),
    )
    assert 0 == done.exit_code, done.stderr
    report = json.loads(done.stdout)["data"]

    assert 1 == report["blobs"]["mounted"]
    assert layer.size <= report["saved"]
    assert 4 == report["blobs"]["stored"]  # a config and a program for each platform
    engine = podman(peer("podman"), tmp_path / "podman")
    assert "hello from linux/amd64" in engine("run", reference, "/bin/myapp")
    assert "shell works" in engine(
        "run", "--entrypoint", "/bin/sh", reference, "-c", "echo shell works; /bin/myapp"
    )
    seen = engine(
        "run", "--entrypoint", "/bin/sh", reference, "-c", "busybox stat -c '%A %N' /bin /tmp /usr/bin/myapp"
    )
    assert ["lrwxrwxrwx", "drwxrwxrwt", "-rwxr-xr-x"] == [line.split()[0] for line in seen.splitlines()]

    assert 0 == run("copy", f"{reference}", f"oci:{tmp_path}/layout:one", "--platform", "linux/amd64").exit_code
    LayoutOf(tmp_path / "layout").flatten("one")
    sh(peer("umoci"), "raw", "unpack", "--rootless", "--image", f"{tmp_path}/layout:one", tmp_path / "umoci")
    (tmp_path / "containerd").mkdir()
    with (
        containerd(tmp_path / "containerd") as daemon,
        daemon.mounted(reference, "linux/amd64", tmp_path / "mnt") as mounted,
    ):
        in_containerd = tree(mounted)
    in_umoci = tree(tmp_path / "umoci")

    assert in_containerd == in_umoci
    assert "l  usr/bin" == in_umoci["bin"]
    assert "d 0o1777 " == in_umoci["tmp"]
    assert in_umoci["usr/bin/myapp"].startswith("- 0o755")
