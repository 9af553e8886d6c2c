"""Layers that others wrote to be read in parts are read so by us; what we write so, others read as gzip.

BuildKit writes eStargz. Debian's skopeo writes zstd:chunked, with the annotations that were usual until 2023; newer
ones are read in the tests that need no peer.
"""

import base64
import hashlib
import json
import random
from dataclasses import replace

import pytest

from ocitool import Client
from ocitool.codec.estargz import ANNOTATION
from tests.fakes import parts
from tests.fakes.estargz import CONTENTS, EVERYTHING, written
from tests.fakes.registry import fake_registry

pytestmark = pytest.mark.interop
NOISE = random.Random(5).randbytes(3_000_000)


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def context(tmp_path):
    """A folder with a Dockerfile: files of all sizes, links, one of many chunks."""
    folder = tmp_path / "context"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/small").write_text("a small file")
    (folder / "etc/empty").write_text("")
    (folder / "etc/link").symlink_to("small")
    (folder / "large").write_bytes(NOISE)
    (folder / "text").write_text("\n".join(map(str, range(100_000))))
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /data/\n")
    return folder


def fine(done):
    assert 0 == done.exit_code, done.stderr
    return done.stdout


def layers_of(run, name):
    return json.loads(fine(run("manifest", "get", name)))["layers"]


def check(run, registry, place, expected):
    """What a place holds, copied to a registry, costs little to list and read from there, and lists as it does whole."""
    name = f"{registry.host}/app:1"
    fine(run("copy", place, name))
    (layer,) = layers_of(run, name)
    found = {path: json.loads(fine(run("cat", name, path, "--json")))["data"]["base64"] for path in expected}
    fetched = parts.fetched_of(registry, layer["digest"])
    with Client() as client:
        in_parts, whole = ([*client.files(name, whole=whole).walk()] for whole in (False, True))

    assert expected == {path: base64.b64decode(text) for path, text in found.items()}
    assert fetched < layer["size"] / 10
    assert [(path, replace(node, offset=0)) for path, node in whole] == [
        (path, replace(node, offset=0)) for path, node in in_parts
    ]
    assert parts.fetched_of(registry, layer["digest"]) == fetched + layer["size"]


SMALL = {"data/etc/small": b"a small file", "data/etc/link": b"a small file", "data/etc/empty": b""}


def test_estargz_of_buildkit_is_read_in_parts(run, registry, buildkit, context, tmp_path):
    form = "compression=estargz,force-compression=true,oci-mediatypes=true"
    buildkit.build(context, tmp_path / "theirs", form=form)

    check(run, registry, f"oci:{tmp_path / 'theirs'}", SMALL)


def test_a_large_file_of_buildkits_estargz_is_what_it_was(run, buildkit, context, tmp_path):
    form = "compression=estargz,force-compression=true,oci-mediatypes=true"
    buildkit.build(context, tmp_path / "theirs", form=form)
    place = f"oci:{tmp_path / 'theirs'}"

    found = json.loads(fine(run("cat", place, "data/large", "--json")))["data"]["base64"]

    assert "containerd.io/snapshot/stargz/toc.digest" in layers_of(run, place)[0]["annotations"]
    assert NOISE == base64.b64decode(found)


def test_zstd_chunked_of_skopeo_is_read_in_parts(run, registry, tool, context, tmp_path):
    fine(run("build", context, "--platform", "linux/amd64", "--format", "oci", "-o", f"oci:{tmp_path / 'ours'}:1"))
    words = ("--insecure-policy", "copy", "--dest-compress-format", "zstd:chunked")
    tool("skopeo", *words, "--dest-decompress", f"oci:{tmp_path / 'ours'}:1", f"dir:{tmp_path / 'plain'}")
    tool("skopeo", *words, f"dir:{tmp_path / 'plain'}", f"oci:{tmp_path / 'theirs'}:1")
    place = f"oci:{tmp_path / 'theirs'}:1"
    (layer,) = layers_of(run, place)
    found = json.loads(fine(run("cat", place, "data/large", "--json")))["data"]["base64"]

    check(run, registry, place, SMALL)
    assert any(key.endswith("zstd-chunked.manifest-checksum") for key in layer["annotations"])
    assert NOISE == base64.b64decode(found)


def test_skopeo_unpacks_a_layer_with_a_table_to_the_tar_of_its_config(run, tool, context, tmp_path):
    flags = ("--platform", "linux/amd64", "--format", "oci", "--compression", "gzip,toc")
    fine(run("build", context, *flags, "-o", f"oci:{tmp_path / 'ours'}:1"))

    tool(
        "skopeo",
        *("--insecure-policy", "copy", f"oci:{tmp_path / 'ours'}:1"),
        f"docker-archive:{tmp_path / 'out.tar'}:a:1",
    )

    assert parts.content((tmp_path / "out.tar").read_bytes(), "manifest.json")


def test_the_snapshotters_library_reads_every_chunk_of_what_we_write(peer, tool, tmp_path):
    """Of any tar: links, devices, files of several chunks, names beyond ASCII and beyond ustar."""
    blob, end = written(EVERYTHING)
    (tmp_path / "blob").write_bytes(blob)
    names = [*CONTENTS, "hard", "capable"]

    said = tool("read-estargz", tmp_path / "blob", dict(end.annotations)[ANNOTATION], *names).splitlines()

    contents = {**CONTENTS, "hard": CONTENTS["usr/a"], "capable": b"c"}
    assert [f"reg {len(contents[n])} {hashlib.sha256(contents[n]).hexdigest()} {n}" for n in names] == said
