"""`--compression estargz`: images whose layers can be read in parts, built, appended to and recompressed."""

import gzip
import json
import random

import pytest

from ocitool.codec.estargz import ANNOTATION
from ocitool.model.digest import Digest
from ocitool.store.layout import LayoutStore
from tests.fakes import parts
from tests.fakes.registry import fake_registry

SIZE = "io.containers.estargz.uncompressed-size"
OURS = {".no.prefetch.landmark", "stargz.index.json"}


@pytest.fixture
def build(home, run, monkeypatch):
    """`build("oci:out:1")`: an image of two files, each another one for each of two platforms; the command's data."""
    monkeypatch.chdir(home)
    for arch in ("amd64", "arm64"):
        (home / arch).mkdir()
        (home / arch / "data").write_text(arch)
        (home / arch / "big").write_text(arch * 1_000_000)

    def call(*words):
        done = run(
            *("build", ".", "--toolchain", "prebuilt", "--copy", "{arch}/:/srv/", "--platform"),
            *("linux/amd64,linux/arm64", "--json", *words),
        )
        assert 0 == done.exit_code, done.stderr
        return json.loads(done.stdout)["data"]

    return call


def images(home, tag="1"):
    """The manifest and config of each image in a layout."""
    store = LayoutStore(home / "out")
    index = store.get_manifest(tag).tree()
    found = [store.get_manifest(one["digest"]).tree() for one in index["manifests"]]
    return [(one, json.loads(blob(home, one["config"]["digest"]))) for one in found]


def blob(home, digest):
    return (home / "out" / "blobs" / digest.replace(":", "/")).read_bytes()


def test_every_layer_has_its_annotations_and_a_diff_id_of_all_that_it_unpacks_to(home, build, run):
    build("--format", "oci", "--compression", "estargz", "-o", "oci:out:1")

    for manifest, config in images(home):
        (layer,), (diff_id,) = manifest["layers"], config["rootfs"]["diff_ids"]
        plain = gzip.decompress(blob(home, layer["digest"]))
        assert layer["mediaType"].endswith("+gzip")
        assert (diff_id, str(len(plain))) == (str(Digest.of(plain)), layer["annotations"][SIZE])
        assert layer["annotations"][ANNOTATION].startswith("sha256:")
    checked = run("check", "oci:out:1", "--deep")
    assert (0, "nothing wrong\n") == (checked.exit_code, checked.stdout), checked.stdout
    listed = run("files", "oci:out:1", "--platform", "linux/arm64").stdout.split()
    assert OURS | {"srv", "srv/data", "srv/big"} == set(listed)
    assert "arm64" == run("cat", "oci:out:1", "srv/data", "--platform", "linux/arm64").stdout


def test_it_is_packed_once(home, build):
    options = ("--format", "oci", "--compression", "estargz:6", "-o", "oci:out:1")
    first = build(*options)

    assert first["layers"] == build(*options)["layers"]
    again = build(*options, "--no-cache")
    assert (first["digest"], first["layers"]) == (again["digest"], again["layers"])
    assert ("estargz", 6) == tuple(first["layers"][0]["codec"][key] for key in ("name", "level"))


def test_buildx_words_for_it(home, build):
    build("-o", "type=oci,dest=out,tar=false,name=1,compression=estargz,compression-level=3")

    assert all(ANNOTATION in layer["annotations"] for manifest, _ in images(home) for layer in manifest["layers"])


def test_dockers_manifests_have_no_place_for_it(home, build, run):
    words = (
        "build",
        ".",
        "--toolchain",
        "prebuilt",
        "--copy",
        "amd64/:/",
        "-o",
        "oci:out:1",
        "--platform",
        "linux/amd64",
    )

    done = run(*words, "--compression", "estargz")

    assert (2, True) == (done.exit_code, "estargz layers have no agreed type in Docker's manifests" in done.stderr)


def test_files_are_appended_in_it(home, build, run):
    build("--format", "oci", "-o", "oci:out:1")
    (home / "more").write_text("more")

    assert 0 == run("append", "oci:out:1", "--copy", "more:/", "--compression", "estargz").exit_code

    for manifest, config in images(home):
        below, above = manifest["layers"]
        assert ("annotations" in below, ANNOTATION in above["annotations"]) == (False, True)
        assert config["rootfs"]["diff_ids"][1] == str(Digest.of(gzip.decompress(blob(home, above["digest"]))))
    assert 0 == run("check", "oci:out:1", "--deep").exit_code


def test_published_layers_become_it_and_plain_ones_again(home, build, run):
    build("--format", "oci", "-o", "oci:out:1")
    first = images(home)

    assert 0 == run("recompress", "oci:out:1", "--compression", "estargz").exit_code

    listed = images(home)
    assert all(ANNOTATION in manifest["layers"][0]["annotations"] for manifest, _ in listed)
    assert [config["rootfs"] for _, config in first] != [config["rootfs"] for _, config in listed]
    assert 0 == run("check", "oci:out:1", "--deep").exit_code
    again = run("recompress", "oci:out:1", "--compression", "estargz", "--json")
    assert [] == json.loads(again.stdout)["data"]["changes"], again.stdout
    forced = run("recompress", "oci:out:1", "--compression", "estargz", "--force", "--json")
    assert [] == json.loads(forced.stdout)["data"]["changes"], forced.stdout

    assert 0 == run("recompress", "oci:out:1", "--compression", "zstd").exit_code

    assert [config for _, config in listed] == [
        config for _, config in images(home)
    ]  # the tars stay, table and all
    assert not any("annotations" in layer for manifest, _ in images(home) for layer in manifest["layers"])


def test_dockers_images_are_not_recompressed_into_it(home, build, run):
    build("-o", "oci:out:1")

    done = run("recompress", "oci:out:1", "--compression", "estargz")

    assert (9, True) == (done.exit_code, "index convert" in done.stderr)


def test_a_file_of_what_we_wrote_is_read_without_the_layer(home, build, run):
    (home / "amd64" / "noise").write_bytes(random.Random(1).randbytes(3_000_000))
    with fake_registry() as registry:
        name = f"{registry.host}/app:1"
        build("--format", "oci", "--compression", "estargz", "-t", name, "--push")
        words = (name, "--platform", "linux/amd64")

        listed = set(run("files", *words).stdout.split())
        assert {".no.prefetch.landmark", "srv", "srv/data", "srv/big", "srv/noise"} == listed
        assert "amd64" == run("cat", name, "srv/data", "--platform", "linux/amd64").stdout

        layer = json.loads(run("inspect", *words, "--json").stdout)["data"]["platforms"][0]["layers"][0]
        assert 3_000_000 < layer["size"]
        assert parts.fetched_of(registry, layer["digest"]) < 100_000
