"""Every codec and output of a build, on both registries, in the hands of crane, containerd, buildah and docker."""

import json
import random
from pathlib import Path

import pytest

from ocitool.graph.walk import walk
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.peers.engines import containerd, podman, run_root, sh, tree

pytestmark = [pytest.mark.interop, pytest.mark.registry]
REGISTRIES = ["docker_registry", "distribution_v3"]
CODECS = {
    "gzip": ("gzip", "docker"),
    "gzip 9": ("gzip:9", "oci"),
    "single": ("gzip:6,single", "docker"),
    "isal": ("isal", "oci"),
    "zstd": ("zstd", "oci"),
    "none": ("none", "docker"),
    "estargz": ("estargz", "oci"),
}


@pytest.fixture(params=REGISTRIES)
def reference(request) -> str:
    return f"{request.getfixturevalue(request.param).repository()}:1"


@pytest.fixture
def project(tmp_path) -> Path:
    """Two platforms of data that takes several gzip members, an empty directory, links, a long name."""
    root = tmp_path / "project"
    for arch in ("amd64", "arm64"):
        (root / arch / "empty").mkdir(parents=True)
        (root / arch / "data").write_bytes(random.Random(arch).randbytes(50_000) * 60)
        (root / arch / ("n" * 150)).write_text("long")
        (root / arch / "link").symlink_to("data")
        (root / arch / "hard").hardlink_to(root / arch / "data")
    return root


def build(run, project: Path, *argv: object) -> dict:
    platforms = ("--platform", "linux/amd64,linux/arm64")
    done = run("build", project, "--toolchain", "prebuilt", "--copy", "{arch}:/srv/", *platforms, "--json", *argv)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["data"]


@pytest.mark.parametrize(("compression", "family"), CODECS.values(), ids=CODECS)
def test_every_codec_is_taken(run, peer, project, reference, tmp_path, home, compression, family):
    data = build(run, project, "-t", reference, "--push", "--compression", compression, "--format", family)

    assert compression.partition(":")[0].partition(",")[0] in data["layers"][0]["codec"]["name"]
    # crane takes every layer for gzip when it reads them; --fast looks at everything else.
    fast = ["--fast"] if data["layers"][0]["codec"]["name"] in {"zstd", "none"} else []
    sh(peer("crane"), "validate", "--insecure", *fast, "--remote", reference)
    listed = json.loads(sh("docker", "manifest", "inspect", "--insecure", reference))
    assert ["amd64", "arm64"] == [entry["platform"]["architecture"] for entry in listed["manifests"]]
    (tmp_path / "containerd").mkdir()
    with containerd(tmp_path / "containerd") as daemon:
        for platform in ("linux/amd64", "linux/arm64"):
            folder = tmp_path / platform.replace("/", "-")
            with daemon.mounted(reference, platform, folder) as mounted:
                seen = tree(mounted)
            own = {".no.prefetch.landmark", "stargz.index.json"} if compression == "estargz" else set()
            assert {"srv", "srv/data", "srv/hard", "srv/link", "srv/empty", f"srv/{'n' * 150}"} | own == set(seen)
            assert seen["srv/data"] == seen["srv/hard"] == "- 0o644 3000000"


def test_buildah_builds_upon_it(run, peer, project, reference, tmp_path, home):
    build(run, project, "-t", reference, "--push")
    storage = ["--storage-driver", "vfs", "--root", tmp_path / "root", "--runroot", run_root()]

    name = sh(peer("buildah"), *storage, "from", "--tls-verify=false", reference).strip().splitlines()[-1]
    place = Path(sh(peer("buildah"), *storage, "mount", name).strip())

    assert 3_000_000 == (place / "srv" / "data").stat().st_size


def test_an_archive_of_all_platforms_is_copied_with_its_digest(run, peer, project, reference, tmp_path):
    data = build(run, project, "-o", f"oci-archive:{tmp_path}/all.tar:v1", "--format", "oci")

    sh(
        *(peer("skopeo"), "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"),
        *(f"oci-archive:{tmp_path}/all.tar:v1", f"docker://{reference}"),
    )

    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference)
        assert data["digest"] == walk(store, tag, scope=Scope()).root.digest


def test_podman_loads_dockers_archive(run, peer, project, tmp_path, home):
    done = run(
        *("build", project, "--toolchain", "prebuilt", "--copy", "amd64:/srv/", "--platform", "linux/amd64"),
        *("-t", "reg.test/loaded:1", "-o", f"docker-archive:{tmp_path}/one.tar"),
    )
    assert done.exit_code == 0, done.stderr

    engine = podman(peer("podman"), tmp_path)

    assert "reg.test/loaded:1" in engine("load", "-i", tmp_path / "one.tar")


def test_what_docker_saved_by_others_is_read(run, peer, project, reference, tmp_path):
    """An archive that skopeo made of our image holds the same files, and comes back in."""
    build(run, project, "-t", reference, "--push")
    sh(
        *(peer("skopeo"), "--override-arch", "arm64", "copy", "--src-tls-verify=false"),
        *(f"docker://{reference}", f"docker-archive:{tmp_path}/saved.tar:reg.test/saved:1"),
    )

    again = reference.replace("/app:", "/again:")
    done = run("copy", f"docker-archive:{tmp_path}/saved.tar:reg.test/saved:1", again)

    assert done.exit_code == 0, done.stderr
    sh(peer("crane"), "validate", "--insecure", "--fast", "--remote", again)  # the layers are not compressed


def test_an_archive_is_called_by_its_full_name(run, peer, project, tmp_path, home):
    """K211: containerd listed it by the date of the import, podman as localhost/v7."""
    name, archive = "127.0.0.1:5790/team/shop:v7", tmp_path / "shop.tar"
    build(run, project, "-t", name, "-o", f"oci-archive:{archive}", "--format", "oci")
    (tmp_path / "containerd").mkdir()
    (tmp_path / "podman").mkdir()

    with containerd(tmp_path / "containerd") as daemon:
        sh(daemon.ctr, "-a", daemon.socket, "images", "import", "--no-unpack", archive)
        listed = sh(daemon.ctr, "-a", daemon.socket, "images", "list", "-q")
    loaded = podman(peer("podman"), tmp_path / "podman")("load", "-i", archive)

    assert name in listed.split()
    assert name in loaded


def test_podmans_library_chooses_the_zstd_image_beside_gzip(run, tool, project, tmp_path):
    """As podman and buildah do since 2023; Debian's are older."""
    data = build(run, project, "-o", f"oci:{tmp_path}/out:1", "--compression", "gzip+zstd", "--format", "oci")
    (tmp_path / "index").write_text(run("inspect", f"oci:{tmp_path}/out:1", "--raw").stdout)

    chosen = [tool("choose-image", tmp_path / "index", arch).strip() for arch in ("amd64", "arm64")]

    assert [one["digest"] for one in data["zstd_images"]] == chosen


def test_zstd_images_beside_gzip_are_passed_over_by_whoever_takes_the_first(
    run, peer, project, reference, tmp_path, home
):
    """Every client here takes the first image of a platform; one copies all, and the digest stays."""
    data = build(run, project, "-t", reference, "--push", "--compression", "gzip+zstd", "--format", "oci")
    gzip = {one["digest"] for one in data["platforms"]}

    listed = json.loads(sh("docker", "manifest", "inspect", "--insecure", reference))
    assert ["amd64", "arm64"] * 2 == [entry["platform"]["architecture"] for entry in listed["manifests"]]
    for arch in ("amd64", "arm64"):
        taken = sh(peer("crane"), "digest", "--insecure", "--platform", f"linux/{arch}", reference).strip()
        assert taken in gzip
        sh(
            *(peer("skopeo"), "--override-arch", arch, "copy", "--src-tls-verify=false"),
            *(f"docker://{reference}", f"dir:{tmp_path}/{arch}"),
        )
        manifest = json.loads((tmp_path / arch / "manifest.json").read_text())
        assert all(layer["mediaType"].endswith("+gzip") for layer in manifest["layers"])
    engine = podman(peer("podman"), tmp_path / "podman")
    engine("pull", reference)
    assert json.loads(engine("inspect", reference))[0]["Digest"] in {data["digest"], *gzip}
    sh(
        *(peer("skopeo"), "copy", "--all", "--preserve-digests", "--src-tls-verify=false"),
        *(f"docker://{reference}", f"oci:{tmp_path}/copied:1"),
    )
    assert (
        data["digest"] == json.loads(run("inspect", f"oci:{tmp_path}/copied:1", "--json").stdout)["data"]["digest"]
    )
    (tmp_path / "containerd").mkdir()
    with containerd(tmp_path / "containerd") as daemon:
        with daemon.mounted(reference, "linux/amd64", tmp_path / "mounted") as mounted:
            assert "srv/data" in tree(mounted)
        # ctr fetches every image of a platform, and unpacks the first.
        assert {"linux/amd64"} == {
            one["platform"] for one in data["zstd_images"] if one["digest"] in daemon.content()
        }
