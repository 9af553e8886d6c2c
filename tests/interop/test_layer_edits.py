"""Five platforms with attestations and signatures, their layers made anew on two registries; others read the result."""

import json
import os
import stat
import tarfile
from pathlib import Path

import pytest

from ocitool.codec.codecs import decompress
from ocitool.model import mediatype
from ocitool.model.views import ATTESTATION_ARTIFACT, view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.layers import tar
from tests.fakes.sick import Ward
from tests.peers.engines import containerd, sh

pytestmark = pytest.mark.interop

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/riscv64")
SECRET = "the secret that was copied by mistake"
LAYERS = (
    tar(
        ("usr/", "755"),
        ("usr/bin/", "755"),
        ("usr/bin/a", "program", {"mode": 0o4755, "uid": 7, "gid": 8, "mtime": 99}),
        ("usr/bin/b", "= usr/bin/a", {"mode": 0o4755, "uid": 7, "gid": 8, "mtime": 99}),
        ("bin", "-> usr/bin"),
        ("etc/", "700"),
        ("etc/token", SECRET),
        ("etc/copy", "= etc/token"),
        ("d/", "755"),
        ("d/x", "hidden"),
        ("ä" * 60, "named", {"pax_headers": {"SCHILY.xattr.user.a": "b"}}),
    ),
    tar(("etc/.wh.token", ""), ("d/", "1777"), ("d/.wh..wh..opq", ""), ("d/y", "y"), ("pipe", "p")),
    tar(("usr/bin/late", "late"), ("dev/", "755"), ("dev/null", "c 1 3", {"mode": 0o666})),
)
EDITS = {
    "squash": ("squash", "REF"),
    "squash --from": ("squash", "REF", "--from", "2"),
    "recompress": ("recompress", "REF", "--compression", "zstd"),
    "strip": ("strip", "REF", "/etc/token"),
}
EDITED = pytest.mark.parametrize("edit", EDITS)


@pytest.fixture(params=["docker_registry", "distribution_v3"])
def ward(request):
    """A repository of its own on docker-registry 2.8, then on Distribution 3, with the five under `1`."""
    repository = request.getfixturevalue(request.param).repository()
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        entries = [ward.image(one, layers=LAYERS) for one in PLATFORMS]
        ward.index(*entries, *(ward.provenance(one["digest"]) for one in entries))
        yield ward


def ours(run, *words):
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    return done


def apply(run, name, edit, *words):
    return ours(run, *(word.replace("REF", name) for word in EDITS[edit]), *words)


def digests(ward, tag="1"):
    """The digest of each image below a tag, by platform."""
    return {str(one.platform): str(one.digest) for one in view(ward.store.get_manifest(tag)).platforms}


@pytest.mark.slow
@pytest.mark.parametrize("edit", ["squash", "recompress", "strip"])
def test_signed_and_attested_they_are_edited_signed_anew_and_taken_back(run, ward, tmp_path, edit):
    name = f"{ward.store.label}:1"
    key = tmp_path / "a"
    ours(run, "key", "generate", "-o", key, "--unencrypted", "--type", "ed25519")
    ours(run, "sign", name, "--key", f"{key}.key", "--form", "both", "--recursive")
    first, old = ward.store.head("1").digest, view(ward.store.get_manifest("1")).platforms

    done = apply(run, name, edit, "--attestations-to-referrers", "--resign", f"{key}.key")
    ours(run, "check", "--deep", name)
    ours(run, "verify", name, "--key", f"{key}.pub", "--recursive")
    beside = [{one.artifact_type for one in ward.store.referrers(entry.digest)} for entry in old]
    ours(run, "undo", name)

    assert all(f"what takes the place of {one.short}" in done.stderr for one in (first, *(e.digest for e in old)))
    assert all(ATTESTATION_ARTIFACT in kinds for kinds in beside)
    assert first == ward.store.head("1").digest
    ours(run, "verify", name, "--key", f"{key}.pub", "--recursive")
    ours(run, "check", "--deep", name)


@EDITED
def test_crane_skopeo_docker_and_containerd_read_them(run, tool, ward, tmp_path, edit):
    name = f"{ward.store.label}:1"
    apply(run, name, edit, "--drop-attestations")

    listed = json.loads(tool("docker", "manifest", "inspect", "--insecure", name))
    diff_ids = [
        json.loads(tool("crane", "config", "--insecure", "--platform", one, name))["rootfs"]["diff_ids"]
        for one in PLATFORMS
    ]
    seen = tool("skopeo", "inspect", "--tls-verify=false", "--config", "--override-arch=s390x", f"docker://{name}")

    # crane knows no zstd: it looks at manifests and configs alone then.
    fast = ["--fast"] if edit == "recompress" else []
    assert "PASS" in tool("crane", "validate", "--insecure", "--remote", name, *fast)
    assert 5 == len(listed["manifests"])
    assert diff_ids[3] == json.loads(seen)["rootfs"]["diff_ids"]
    try:
        with containerd(tmp_path) as engine:
            for platform, digest in digests(ward).items():
                engine.pull(name, platform)
                assert digest in engine.content()
    except peers.Missing as missing:
        pytest.skip(str(missing))


def whole(root):
    """Every path below a folder, with all that a layer says of it but the times of directories."""
    found, first = {}, {}
    for folder, directories, files in os.walk(root):
        for one in sorted((*directories, *files)):
            path = Path(folder) / one
            place, status = str(path.relative_to(root)), path.lstat()
            kind = stat.filemode(status.st_mode)
            says = (kind, status.st_uid, status.st_gid, status.st_rdev)
            if kind[0] == "-":
                says += (path.read_bytes(), int(status.st_mtime), tuple(os.listxattr(path)))
            if kind[0] == "l":
                says += (os.readlink(path),)
            found[place] = says
            first.setdefault(status.st_ino, []).append(place)
    return found, sorted(sorted(names) for names in first.values() if len(names) > 1)


def unpacked(peer, run, name, place):
    """What umoci makes of one image."""
    ours(run, "copy", name, f"oci:{place}-layout:one")
    sh(peer("umoci"), "raw", "unpack", "--image", f"{place}-layout:one", place)
    return whole(place)


@pytest.mark.parametrize("edit", ["squash", "squash --from"])
def test_squashed_files_are_those_of_before_in_containerd_and_umoci(run, peer, ward, tmp_path, edit):
    name, before = f"{ward.store.label}:1", digests(ward)["linux/arm64"]
    apply(run, name, edit, "--drop-attestations")
    places = {
        "before": f"{ward.store.label}@{before}",
        "after": f"{ward.store.label}@{digests(ward)['linux/arm64']}",
    }
    if os.geteuid() != 0:
        pytest.skip("owners and devices need root")

    in_umoci = {when: unpacked(peer, run, place, tmp_path / when) for when, place in places.items()}
    in_containerd = {}
    try:
        with containerd(tmp_path) as engine:
            for when, place in places.items():
                with engine.mounted(place, "linux/arm64", tmp_path / f"mounted-{when}") as mounted:
                    in_containerd[when] = whole(mounted)
    except peers.Missing as missing:
        pytest.skip(str(missing))

    files, linked = in_umoci["before"]
    assert {"bin", "d/y", "dev/null", "etc/copy", "pipe", "usr/bin/late", "ä" * 60} < set(files)
    assert ["usr/bin/a", "usr/bin/b"] in linked
    assert in_umoci["before"] == in_umoci["after"]
    assert in_containerd["before"] == in_containerd["after"]


def exported(tool, name, place):
    """What crane's export has, and what each file is."""
    tool("crane", "export", "--insecure", name, place)
    with tarfile.open(place) as archive:
        return {
            one.name: (
                one.type if one.type != tarfile.LNKTYPE else tarfile.REGTYPE,
                one.mode,
                one.uid,
                one.linkname if one.issym() else "",
            )
            for one in archive
            if not one.isdir()
        }


def test_squashed_files_are_those_that_crane_flattens(run, tool, ward, tmp_path):
    name, image = f"{ward.store.label}:1", f"{ward.store.label}@{digests(ward)['linux/arm64']}"
    flat = tool("crane", "flatten", "--insecure", image).strip()
    apply(run, name, "squash", "--drop-attestations")

    theirs = exported(tool, flat, tmp_path / "theirs.tar")
    squashed = exported(tool, f"{ward.store.label}@{digests(ward)['linux/arm64']}", tmp_path / "ours.tar")

    assert theirs == squashed


def test_tars_are_those_that_skopeo_compresses(run, tool, ward, tmp_path):
    name, image = f"{ward.store.label}:1", f"{ward.store.label}@{digests(ward)['linux/riscv64']}"
    plain = f"dir:{tmp_path}/plain"  # what is compressed already is not compressed anew by it
    tool("skopeo", "copy", "--src-tls-verify=false", "--dest-decompress", f"docker://{image}", plain)
    tool("skopeo", "copy", "--dest-compress-format", "zstd", plain, f"oci:{tmp_path}/theirs:one")
    apply(run, name, "recompress", "--drop-attestations")

    with Opener(Access(), Scope()) as opener:
        store = opener.open(f"oci:{tmp_path}/theirs:one")[0]
        theirs = view(store.get_manifest("one"))
        mine = view(ward.store.get_manifest(digests(ward)["linux/riscv64"]))
        both = [
            [unzipped(place, one) for one in image.layers] for place, image in ((store, theirs), (ward.store, mine))
        ]
        ids = [read_config(place, image.config).diff_ids for place, image in ((store, theirs), (ward.store, mine))]

    assert {mediatype.OCI_LAYER_ZSTD} == {one.media_type for one in (*theirs.layers, *mine.layers)}
    assert list(LAYERS) == both[0] == both[1]
    assert ids[0] == ids[1]


def unzipped(store, layer):
    with store.open_blob(layer) as pieces:
        return b"".join(decompress(pieces, "zstd"))


def test_what_is_stripped_is_in_no_layer_that_crane_pulls(run, tool, ward, tmp_path):
    name = f"{ward.store.label}:1"
    apply(run, name, "strip", "--drop-attestations")
    ours(run, "strip", name, "/etc/copy")

    for platform in PLATFORMS:
        tool("crane", "pull", "--insecure", "--platform", platform, "--format", "oci", name, tmp_path / "layout")
    blobs = [path.read_bytes() for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir()]
    layers = [b"".join(decompress([one])) for one in blobs if one.startswith(b"\x1f\x8b")]

    assert 3 == len(layers)
    assert not any(SECRET.encode() in one or b"token" in one for one in layers)
