"""buildx with BuildKit, and ours, by the same words: what is annotated, exported as files, and told afterwards."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_blob
from tests.conftest import process_environment
from tests.fakes.dockerfiles import OFFERS

pytestmark = [pytest.mark.interop]

ONE, TWO = ("--platform", "linux/arm64"), ("--platform", "linux/arm64,linux/arm/v7")
PLAIN = ("--provenance=false", "--sbom=false")


@pytest.fixture
def context(tmp_path):
    """A folder with a Dockerfile that copies files, one of them for each platform."""
    folder = tmp_path / "context"
    for name in ("out/arm64/app", "out/arm/app", "tree/a/file", "tree/.hidden"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "tree/link").symlink_to("a/file")
    (folder / "Dockerfile").write_text(
        "FROM scratch\nARG TARGETARCH\nCOPY --chmod=755 --chown=7:8 out/${TARGETARCH}/app /bin/\nCOPY tree /tree\n"
        "LABEL in=file\n"
    )
    return folder


@pytest.fixture
def theirs(peer, buildkit, home, context):
    """`theirs(*flags)`: `buildx build` of the context; gives its standard output."""
    tool, env = peer("buildx"), {**os.environ, "BUILDX_CONFIG": str(home / "buildx")}
    words = ("create", "--name", "peer", "--driver", "remote", f"unix://{buildkit.socket}", "--use")
    subprocess.run([tool, *words], env=env, capture_output=True, check=True)

    def call(*flags: object, stdin: bytes = b"", path: object = context) -> bytes:
        argv = [str(word) for word in (tool, "build", *PLAIN, *flags, path)]
        done = subprocess.run(argv, env=env, input=stdin, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return call


@pytest.fixture
def ours(ocitool, home, context):
    """`ours(*flags)`: the same of ours, as a process, for it may write an archive to standard output."""

    def call(*flags: object, stdin: bytes = b"", path: object = context) -> bytes:
        argv = [sys.executable, "-m", "ocitool", "buildx", "build", *PLAIN, *map(str, flags), str(path)]
        done = subprocess.run(
            argv, env=process_environment(), cwd=home, input=stdin, capture_output=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return call


@pytest.fixture
def both(ours, theirs, tmp_path):
    """`both(flags, read)`: what `read(folder)` finds after each was told to write below its own `folder`."""

    def call(flags, read):
        answers = []
        for name, build in (("ours", ours), ("theirs", theirs)):
            folder = tmp_path / name
            folder.mkdir()
            said = build(*(str(word).replace("{}", str(folder)) for word in flags))
            answers.append(read(folder, said))
        return answers

    return call


def annotations(folder: Path, _said: bytes):
    """Where annotations stand in the layout: on the root, on its entries, on the manifests; and the labels."""
    store = LayoutStore(folder / "out")
    (entry,) = store.entries()
    root = store.get_manifest(str(entry.digest)).tree()
    children = root.get("manifests", [])
    manifests = [store.get_manifest(child["digest"]).tree() for child in children] or [root]
    labels = [
        json.loads(read_blob(store, view(store.get_manifest(digest)).config, 1 << 20))["config"]["Labels"]
        for digest in ([child["digest"] for child in children] or [str(entry.digest)])
    ]
    return {
        "kind": root["mediaType"],
        "root": root.get("annotations", {}),
        "entries": [child.get("annotations", {}) for child in children],
        "manifests": [tree.get("annotations", {}) for tree in manifests],
        "layers": [[layer["mediaType"] for layer in tree["layers"]] for tree in manifests],
        "labels": labels,
    }


@pytest.mark.parametrize(
    "flags",
    [
        (*ONE, "--annotation", "a=b"),
        (*ONE, "--annotation", "manifest:a=b", "--label", "l=m", "--label", "alone"),
        (*TWO, "--annotation", "a=b", "--annotation", "manifest[linux/arm64]:c=d"),
        (*TWO, "--annotation", "index:a=b", "--annotation", "index,manifest:c=d=e"),
        (*TWO, "--annotation", "manifest-descriptor:a=b", "--annotation", "manifest-descriptor[linux/arm/v7]:c=d"),
        (*TWO, "--annotation", "index:a=1", "--annotation", "index:a=2"),
        (*ONE, "--build-arg", "BUILDKIT_MULTI_PLATFORM=1", "--annotation", "index:a=b"),
    ],
)
def test_annotations_and_labels(both, flags):
    mine, other = both((*flags, "-o", "type=oci,tar=false,dest={}/out"), annotations)

    assert other == mine


@pytest.mark.parametrize(
    "attributes",
    [
        "oci-mediatypes=true,compression=zstd,force-compression=true",  # or it takes what it packed before
        "oci-mediatypes=true,compression=uncompressed,force-compression=true",
        "annotation.a=b,annotation-index.c=d,annotation-manifest[linux/arm64].e=f,annotation-manifest-descriptor.g=h",
    ],
)
def test_attributes_of_an_output(both, attributes):
    mine, other = both((*TWO, "-o", f"type=oci,tar=false,{attributes},dest={{}}/out"), annotations)

    assert other == mine


def files(folder: Path, _said: bytes = b""):
    """Every file below a folder with its mode, and its content or target.

    Owners are left out: what BuildKit sends is the caller's, ours keeps them where the caller is root.
    """
    found = {}
    for path in sorted((folder / "out").rglob("*")):
        status = path.lstat()
        what = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else "directory"
        mode = 0 if path.is_symlink() else status.st_mode & 0o7777
        found[str(path.relative_to(folder))] = (what, oct(mode))
    return found


@pytest.mark.parametrize(
    "output", ["{}/out", "type=local,dest={}/out", "type=local,dest={}/out,platform-split=true"]
)
@pytest.mark.parametrize("platforms", [ONE, TWO])
def test_files_in_folders(both, platforms, output):
    mine, other = both((*platforms, "-o", output), files)

    assert other == mine
    assert mine


def members(data: bytes):
    """The members of a tar with what they are; the order does not matter, nor what names itself a folder."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            one.name.rstrip("/"): (
                one.type,
                oct(one.mode) if not one.issym() else "",
                one.uid,
                one.gid,
                one.linkname,
                archive.extractfile(one).read() if one.isreg() else b"",
            )
            for one in archive
        }


@pytest.mark.parametrize("output", ["-", "type=tar", "type=tar,dest=-"])
def test_files_in_a_tar_on_standard_output(both, output):
    mine, other = both((*ONE, "-o", output), lambda _folder, said: members(said))

    assert other == mine
    assert "bin/app" in mine


def test_an_oci_archive_on_standard_output(both):
    def read(_folder, said):
        with tarfile.open(fileobj=io.BytesIO(said)) as archive:
            index = json.load(archive.extractfile("index.json"))
        return [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]]

    mine, other = both((*ONE, "-t", "reg.test/app:v1", "-o", "type=oci"), read)

    assert other == mine == ["v1"]


@pytest.mark.parametrize("platforms", [ONE, TWO])
def test_what_is_told_afterwards(both, platforms):
    """The keys of the metadata file, and what an image id is the digest of."""

    def read(folder, said):
        tree = json.loads((folder / "meta").read_text())
        told = {key: value for key, value in tree.items() if not key.startswith(("buildx.", "ocitool"))}
        descriptor = told["containerimage.descriptor"]
        ids = {tree.get("containerimage.config.digest", tree["containerimage.digest"])}
        return {
            "keys": sorted(told),
            "descriptor": sorted(set(descriptor) - {"annotations"}),  # theirs tells when it was built
            "platform": descriptor.get("platform"),
            "type": descriptor["mediaType"],
            "name": told["image.name"],
            "id is of": ids == {(folder / "iid").read_text()} == {said.decode().strip()},
        }

    flags = ("-q", "-t", "user/app:1", "-t", "reg.test/app", "--metadata-file", "{}/meta", "--iidfile", "{}/iid")
    mine, other = both((*platforms, *flags, "-o", "type=oci,dest={}/out"), read)

    assert other == mine
    assert mine["id is of"]


def test_a_dockerfile_on_standard_input(ours, theirs, tmp_path):
    text = b"FROM scratch\nCOPY <<one /one\n1\none\n"
    for name, build in (("ours", ours), ("theirs", theirs)):
        build(*ONE, "-o", tmp_path / name / "out", stdin=text, path="-")

    assert files(tmp_path / "theirs") == files(tmp_path / "ours") != {}


@pytest.mark.parametrize(
    "words", [(), ("--target", "a"), ("--target", "c", "--build-arg", "Q1=x"), ("--build-arg", "W=cli")]
)
@pytest.mark.parametrize("method", ["targets", "outline"])
def test_what_a_dockerfile_offers_is_told_alike(ours, theirs, tmp_path, method, words):
    """buildx orders what stands on one line by chance, so lines are compared in the order of their names."""
    (tmp_path / "Dockerfile").write_text(OFFERS)

    def tell(tool, form):
        return tool(f"--call={method},format={form}", *words, path=tmp_path).decode()

    def tree(tool):
        found = json.loads(tell(tool, "json"))
        return found | {key: sorted(found.get(key, ()), key=lambda one: one["name"]) for key in ("args", "secrets")}

    assert tree(theirs) == tree(ours)
    lines = [sorted(filter(None, tell(tool, "text").splitlines())) for tool in (theirs, ours)]
    assert lines[0] == lines[1]
