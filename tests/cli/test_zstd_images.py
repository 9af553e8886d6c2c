"""`--compression gzip+zstd`: two images for each platform in one index, and every command that meets them."""

import json

import pytest

from ocitool.model import mediatype
from ocitool.model.views import ZSTD_IMAGE
from ocitool.store.layout import LayoutStore
from tests.fakes.registry import fake_registry

BOTH = ("--platform", "linux/amd64,linux/arm64", "--format", "oci")
ZSTD = {ZSTD_IMAGE: "true"}


@pytest.fixture
def build(home, run, monkeypatch):
    """`build("-o", "oci:out:1")`: an image of a file for each platform; the command's data."""
    monkeypatch.chdir(home)
    for arch in ("amd64", "arm64"):
        (home / arch).mkdir()
        (home / arch / "data").write_text(arch)

    def call(*words, compression="gzip+zstd", platforms=BOTH):
        done = run(
            *("build", ".", "--toolchain", "prebuilt", "--copy", "{arch}/:/srv/", *platforms),
            *("--json", "--compression", compression, *words),
        )
        assert 0 == done.exit_code, done.stderr
        return json.loads(done.stdout)["data"]

    return call


def index_of(home, tag="1"):
    return LayoutStore(home / "out").get_manifest(tag).tree()


def layer_types(home, tag="1"):
    """(platform, annotations, types of layers) of each entry."""
    store = LayoutStore(home / "out")
    return [
        (
            one["platform"]["architecture"],
            one.get("annotations", {}),
            [layer["mediaType"] for layer in store.get_manifest(one["digest"]).tree()["layers"]],
        )
        for one in store.get_manifest(tag).tree()["manifests"]
    ]


EXPECTED = [
    ("amd64", {}, [mediatype.OCI_LAYER_GZIP]),
    ("arm64", {}, [mediatype.OCI_LAYER_GZIP]),
    ("amd64", ZSTD, [mediatype.OCI_LAYER_ZSTD]),
    ("arm64", ZSTD, [mediatype.OCI_LAYER_ZSTD]),
]


@pytest.mark.parametrize("compression", ["gzip+zstd", "zstd:7+gzip:9", "estargz+zstd", "isal+zstd"])
def test_gzip_stands_first_and_zstd_says_so(home, build, run, compression):
    data = build("-o", "oci:out:1", compression=compression)

    assert EXPECTED == layer_types(home)
    store = LayoutStore(home / "out")
    listed = [store.get_manifest(one["digest"]).tree() for one in index_of(home)["manifests"]]
    assert compression.startswith("estargz") == (listed[0]["config"] != listed[2]["config"])
    assert ["linux/amd64", "linux/arm64"] == [one["platform"] for one in data["platforms"]]
    assert [one["digest"] for one in index_of(home)["manifests"][2:]] == [
        one["digest"] for one in data["zstd_images"]
    ]
    assert data["digest"] == build("-o", "oci:out:2", compression=compression)["digest"]
    assert (0, "nothing wrong\n") == ((done := run("check", "oci:out:1", "--deep")).exit_code, done.stdout)


def test_attestations_vouch_for_each_of_them(home, build):
    build("-o", "oci:out:1", "--sbom", "spdx", "--provenance=true")

    entries = index_of(home)["manifests"]
    attested = [one["annotations"]["vnd.docker.reference.digest"] for one in entries[4:]]
    assert [one["digest"] for one in entries[:4]] == attested


def test_they_are_told_apart_where_people_look(home, build, run):
    build("-o", "oci:out:1")

    looked = run("inspect", "oci:out:1").stdout
    assert ["linux/amd64", "linux/arm64", "linux/amd64 (zstd)", "linux/arm64 (zstd)"] == [
        line.partition("  ")[0] for line in looked.splitlines() if line.startswith("linux/") and "sha256:" in line
    ]
    assert "\n2 platforms, " in looked
    assert "arm64" == run("cat", "oci:out:1", "srv/data", "--platform", "linux/arm64").stdout
    assert (
        index_of(home)["manifests"][1]["digest"]
        == run("digest", "oci:out:1", "--platform", "linux/arm64").stdout.strip().rpartition("@")[2]
    )


def test_a_copy_of_one_platform_has_both(home, build, run):
    build("-o", "oci:out:1")

    assert 0 == run("copy", "oci:out:1", "oci:out:arm", "--platform", "linux/arm64").exit_code

    assert EXPECTED[1::2] == layer_types(home, "arm")
    different = run("diff", "oci:out:1", "oci:out:arm", "--files").stdout.splitlines()
    assert ["- linux/amd64 ", "- linux/amd64 (zstd) "] == [line.rpartition(" ")[0] for line in different[2:]]


def test_edits_of_the_index_keep_them_together(home, build, run):
    build("-o", "oci:out:1")
    build("-o", "oci:out:other", compression="gzip:9")
    new = index_of(home, "other")["manifests"][1]["digest"]

    assert 0 == run("index", "order", "oci:out:1", "--platform", "linux/arm64").exit_code
    assert [EXPECTED[n] for n in (1, 0, 3, 2)] == layer_types(home)
    assert 0 == run("index", "create", "oci:out:made", "oci:out:1").exit_code
    assert layer_types(home) == layer_types(home, "made")
    assert 0 == run("config", "edit", "oci:out:1", "--label", "a=b").exit_code
    assert [EXPECTED[n] for n in (1, 0, 3, 2)] == layer_types(home)
    assert 0 == run("index", "add", "oci:out:1", f"oci:out@{new}").exit_code
    assert [EXPECTED[n] for n in (1, 0, 2)] == layer_types(home)
    assert 0 == run("undo", "oci:out:1").exit_code
    assert 0 == run("index", "remove", "oci:out:1", "--platform", "linux/amd64").exit_code
    assert EXPECTED[1::2] == layer_types(home)
    assert (0, "nothing wrong\n") == ((done := run("check", "oci:out:1", "--deep")).exit_code, done.stdout)


def test_two_zstd_images_of_one_platform_are_still_one_too_many(home, build, run):
    build("-o", "oci:out:1")
    build("-o", "oci:out:2", compression="gzip+zstd:9")
    other = index_of(home, "2")["manifests"][3]
    keep = index_of(home)["manifests"][3]["digest"]

    assert 0 == run("index", "add", "oci:out:1", f"oci:out@{other['digest']}", "--allow-duplicates").exit_code
    marks = ("--digest", other["digest"], "--annotation", f"{ZSTD_IMAGE}=true", "--allow-duplicates")
    assert 0 == run("index", "annotate", "oci:out:1", *marks).exit_code
    checked = run("check", "oci:out:1")
    assert (1, True) == (checked.exit_code, "index/duplicate-platform" in checked.stdout)
    assert 0 == run("repair", "oci:out:1", "--keep", keep, "--apply").exit_code
    assert 0 == run("check", "oci:out:1").exit_code


def test_repair_leaves_them_alone(home, build, run):
    build("-o", "oci:out:1")
    before = index_of(home)

    done = run("repair", "oci:out:1", "--apply")

    assert (0, before) == (done.exit_code, index_of(home)), done.stderr


def test_one_platform_is_an_index_of_two(home, build):
    build("-o", "oci:out:1", platforms=("--platform", "linux/arm64", "--format", "oci"))

    assert EXPECTED[1::2] == layer_types(home)


def test_an_image_without_layers_of_ours_has_no_second_one(home, build, run):
    build("-o", "oci:out:base", compression="gzip")
    (home / "Dockerfile").write_text("FROM base\nLABEL a=b\n")
    words = ("buildx", "build", ".", "--build-context", "base=oci-layout://out:base", *BOTH[:2])

    done = run(*words, "--compression", "gzip+zstd", "-o", "type=oci,dest=out,tar=false,name=1")

    assert 0 == done.exit_code, done.stderr
    assert EXPECTED[:2] == layer_types(home)


def test_layers_of_the_base_stay_what_they_are_in_both(home, build, run):
    build("-o", "oci:out:base", compression="gzip:6")
    build("-o", "oci:out:1", "--base", "oci:out:base", "--copy", "{arch}/data:/more/")

    gzip, zstd = mediatype.OCI_LAYER_GZIP, mediatype.OCI_LAYER_ZSTD
    assert [[gzip, gzip], [gzip, gzip], [gzip, zstd], [gzip, zstd]] == [
        types[:1] + types[-1:] for _, _, types in layer_types(home)
    ]


def test_both_are_pushed_and_layers_are_sent_ahead(home, build):
    with fake_registry() as registry:
        data = build("-t", f"{registry.host}/app:1", "--push")

        assert 4 == len(json.loads(registry.manifests["app", data["digest"]][1])["manifests"])
        assert all(("app", one["digest"]) in registry.manifests for one in data["zstd_images"])


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--compression", "gzip+isal"), 2, "told apart as gzip and zstd"),
        (("--compression", "zstd+zstd:9"), 2, "told apart as gzip and zstd"),
        (("--compression", "gzip+none"), 2, "told apart as gzip and zstd"),
        (("--compression", "gzip+zstd+isal"), 2, "told apart as gzip and zstd"),
        (("--compression", "gzip+"), 2, "unknown compression ''"),
        (("--compression", "gzip+zstd", "--format", "docker"), 2, "zstd layers have no agreed type"),
        (("--compression", "gzip+zstd", "--no-index", "--platform", "linux/amd64"), 2, "--no-index"),
        (("--compression", "gzip+zstd", "-o", "docker-archive:x.tar", "--platform", "linux/amd64"), 9, "one image"),
    ],
)
def test_what_cannot_stand_side_by_side_is_refused(home, build, run, words, code, told):
    platform = () if "--platform" in words else ("--platform", "linux/amd64")
    form = () if "--format" in words else ("--format", "oci")
    out = () if "-o" in words else ("-o", "oci:out:1")

    done = run("build", ".", "--toolchain", "prebuilt", "--copy", "amd64/:/", *words, *platform, *form, *out)

    assert (code, True) == (done.exit_code, told in done.stderr), done.stderr


@pytest.mark.parametrize("words", [(), ("--compression", "gzip:9+zstd:15"), ("--compression", "gzip")])
def test_layers_that_are_put_on_top_or_squashed_are_of_the_image_they_are_for(home, build, run, words):
    build("-o", "oci:out:1")

    assert 0 == run("append", "oci:out:1", "--copy", "amd64/data:/more", *words).exit_code
    gzip, zstd = mediatype.OCI_LAYER_GZIP, mediatype.OCI_LAYER_ZSTD
    assert [[gzip] * 2, [gzip] * 2, [zstd] * 2, [zstd] * 2] == [types for _, _, types in layer_types(home)]

    assert 0 == run("squash", "oci:out:1", *words).exit_code
    assert EXPECTED == layer_types(home)
    assert (0, "nothing wrong\n") == ((done := run("check", "oci:out:1", "--deep")).exit_code, done.stdout)


def changes(done):
    assert 0 == done.exit_code, done.stderr
    return json.loads(done.stdout)["data"]["changes"]


def test_published_images_get_zstd_images_beside_them(home, build, run):
    build("-o", "oci:out:1", compression="gzip")
    before = index_of(home)["manifests"]
    words = ("recompress", "oci:out:1", "--compression", "gzip+zstd", "--json")

    assert changes(run(*words))

    assert (EXPECTED, before) == (layer_types(home), index_of(home)["manifests"][:2])
    assert (0, "nothing wrong\n") == ((done := run("check", "oci:out:1", "--deep")).exit_code, done.stdout)
    assert [] == changes(run(*words))
    built = build("-o", "oci:out:2")["digest"]
    assert built == LayoutStore(home / "out").head("1").digest
    assert 0 == run("undo", "oci:out:1").exit_code
    assert before == index_of(home)["manifests"]


def test_one_platform_alone_gets_one(home, build, run):
    build("-o", "oci:out:1", compression="gzip")

    assert 0 == run("recompress", "oci:out:1", "--compression", "gzip+zstd", "--platform", "linux/arm64").exit_code

    assert [*EXPECTED[:2], EXPECTED[3]] == layer_types(home)


def test_zstd_images_that_are_there_keep_their_place(home, build, run):
    build("-o", "oci:out:1")
    before = index_of(home)["manifests"]

    assert 0 == run("recompress", "oci:out:1", "--compression", "gzip:9", "--force").exit_code
    after = index_of(home)["manifests"]
    assert (EXPECTED, before[2:]) == (layer_types(home), after[2:])
    assert before[:2] != after[:2]

    assert 0 == run("recompress", "oci:out:1", "--compression", "gzip:9+zstd:19", "--force").exit_code
    assert (EXPECTED, after[:2]) == (layer_types(home), index_of(home)["manifests"][:2])
    assert before[2:] != index_of(home)["manifests"][2:]


def test_attestations_stay_with_images_that_do_not_change(home, build, run):
    build("-o", "oci:out:1", "--provenance=true", compression="gzip")
    before = index_of(home)["manifests"]

    assert 0 == run("recompress", "oci:out:1", "--compression", "gzip+zstd").exit_code

    after = index_of(home)["manifests"]
    assert (before[:2], before[2:]) == (after[:2], after[4:])


@pytest.mark.parametrize(("made", "code", "told"), [("oci", 2, "index create"), ("docker", 9, "index convert")])
def test_what_can_have_none_beside_it_is_refused(home, build, run, made, code, told):
    platforms = ("--platform", "linux/amd64", *(("--index",) if made == "docker" else ()), "--format", made)
    build("-o", "oci:out:1", compression="gzip", platforms=platforms)

    done = run("recompress", "oci:out:1", "--compression", "gzip+zstd")

    assert (code, True) == (done.exit_code, told in done.stderr), done.stderr
