"""`recompress`: the same tars in other bytes, every platform of an index at once; what keeps its bytes and what not."""

import gzip

import pytest
import zstandard

from ocitool import Client
from ocitool.codec.codecs import decompress
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_config
from tests.fakes.registry import fake_registry
from tests.fakes.sick import FILES, Ward, member, tar

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/riscv64")
OWN = tar(member("app", b"\0" * 70_000))


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.fixture
def five(app, name):
    app.index(*(app.image(one, layers=[FILES, OWN]) for one in PLATFORMS))
    return name


def images(ward, tag="1"):
    """The manifest of each image below a tag, by platform."""
    listed = view(ward.store.get_manifest(tag)).platforms
    return {str(one.platform): view(ward.store.get_manifest(str(one.digest))) for one in listed}


def content(ward, layer):
    with ward.store.open_blob(layer) as pieces:
        return b"".join(pieces)


def recompress(run, name, *words):
    done = run("recompress", name, *words)
    assert 0 == done.exit_code, done.stderr
    return done


def test_configs_and_tars_stay_and_layers_do_not(run, app, five):
    before, first = images(app), app.store.head("1").digest

    done = recompress(run, five, "--compression", "zstd:7")

    after = images(app)
    assert set(PLATFORMS) == set(after)
    assert [one.config for one in before.values()] == [one.config for one in after.values()]
    for manifest in after.values():
        assert {mediatype.OCI_LAYER_ZSTD} == {layer.media_type for layer in manifest.layers}
        assert [FILES, OWN] == [b"".join(decompress([content(app, one)], "zstd")) for one in manifest.layers]
    old, new = (one["linux/amd64"].layers[0].digest.short for one in (before, after))
    assert 1 == done.stderr.count(f"~ layer {old}"), "one line for all platforms"
    assert f"→ {new}" in done.stderr
    assert 0 == run("check", "--deep", five).exit_code
    assert (0, first) == (run("undo", five).exit_code, app.store.head("1").digest)


def test_a_layer_that_all_have_is_read_once(run, app, registry, five):
    shared = images(app)["linux/amd64"].layers[0].digest

    recompress(run, five, "--compression", "none")

    assert 1 == len(registry.asked("GET", f"*{shared}"))


def test_what_has_that_form_is_left_alone_unless_forced(run, app, five):
    first = app.store.head("1").digest

    kept = recompress(run, five, "--compression", "gzip:9")
    assert (first, True) == (app.store.head("1").digest, "nothing to change" in kept.stderr)
    recompress(run, five, "--compression", "gzip:9", "--force")
    forced = app.store.head("1").digest
    again = recompress(run, five, "--compression", "gzip:9", "--force")

    assert first != forced == app.store.head("1").digest
    assert "nothing to change" in again.stderr
    assert images(app)["linux/s390x"].layers[1].size < 1000


def test_one_platform_leaves_the_others_their_bytes(run, app, five):
    before = images(app)

    recompress(run, five, "--compression", "none", "--platform", "linux/arm64")

    after = images(app)
    assert [key for key in PLATFORMS if before[key] != after[key]] == ["linux/arm64"]
    assert content(app, after["linux/arm64"].layers[1]) == OWN


def test_docker_manifests_have_no_name_for_zstd(run, app, name):
    app.image(layers=[FILES], media_type=mediatype.DOCKER_MANIFEST, tag="1")
    first = app.store.head("1").digest

    refused = run("recompress", name, "--compression", "zstd")

    assert (9, first) == (refused.exit_code, app.store.head("1").digest)
    assert "index convert" in refused.stderr
    recompress(run, name, "--compression", "none")
    found = view(app.store.get_manifest("1"))
    assert [mediatype.DOCKER_LAYER] == [layer.media_type for layer in found.layers]
    assert 0 == run("check", "--deep", name).exit_code


def test_layers_of_elsewhere_and_of_unknown_kinds_stay(run, app, name):
    foreign = {"mediaType": mediatype.OCI_FOREIGN_GZIP, "urls": ["https://example.com/x"]}
    secret = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}
    app.image(
        layers=[FILES, FILES, OWN],
        manifest=lambda tree: [tree["layers"][n].update(one) for n, one in enumerate((foreign, secret))],
        tag="1",
    )
    before = view(app.store.get_manifest("1")).document.tree()["layers"]

    done = recompress(run, name, "--compression", "zstd")

    after = view(app.store.get_manifest("1")).document.tree()["layers"]
    assert before[:2] == after[:2]
    assert mediatype.OCI_LAYER_ZSTD == after[2]["mediaType"]
    assert 2 == done.stderr.count(" stays: it is ")


def test_annotations_of_the_bytes_go_and_others_stay(run, app, name):
    says = {"containerd.io/snapshot/stargz/toc.digest": "sha256:…", "title": "kept"}
    app.image(
        layers=[FILES],
        manifest=lambda tree: tree["layers"][0].update(annotations=says, data="eA==", x=1.0),
        tag="1",
    )

    recompress(run, name, "--compression", "zstd")

    [layer] = view(app.store.get_manifest("1")).document.tree()["layers"]
    assert ({"title": "kept"}, 1.0) == (layer["annotations"], layer["x"])
    assert "data" not in layer


def test_a_layer_that_is_not_what_its_config_says_is_refused(run, app, name):
    wrong = str(Digest.of(b"another tar"))
    app.image(layers=[FILES], config=lambda tree: tree["rootfs"].update(diff_ids=[wrong]), tag="1")
    first = app.store.head("1").digest

    refused = run("recompress", name, "--compression", "zstd")

    assert (6, first) == (refused.exit_code, app.store.head("1").digest)
    assert wrong in refused.stderr


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_dockers_plain_type_may_hold_anything(run, app, name, pack):
    data = pack(FILES)
    layer = app.blob(data, mediatype.DOCKER_LAYER)
    app.image(
        layers=[FILES],
        media_type=mediatype.DOCKER_MANIFEST,
        manifest=lambda tree: tree.update(layers=[layer]),
        tag="1",
    )

    recompress(run, name, "--compression", "gzip")

    [after] = view(app.store.get_manifest("1")).layers
    assert mediatype.DOCKER_LAYER_GZIP == after.media_type
    assert FILES == gzip.decompress(content(app, after))


def test_attestations_need_a_word(run, app, five):
    one = app.image(layers=[FILES])
    app.index(one, app.provenance(one["digest"]))

    assert 2 == run("recompress", five, "--compression", "zstd").exit_code
    recompress(run, five, "--compression", "zstd", "--attestations-to-referrers")

    assert 1 == len(app.store.referrers(Digest(one["digest"])))


def test_a_layout_is_recompressed_by_a_program(run, tmp_path, home):
    ward = Ward(LayoutStore(tmp_path / "out", create=True))
    ward.index(ward.image(layers=[FILES]), ward.image("linux/arm64", layers=[FILES]))
    name = f"oci:{tmp_path / 'out'}:1"

    with Client() as client:
        client.apply(client.plan_recompress(name, "zstd", platforms="linux/arm64", tags=name.replace(":1", ":2")))

    kinds = {key: one.layers[0].media_type for key, one in images(ward, "2").items()}
    assert {"linux/amd64": mediatype.OCI_LAYER_GZIP, "linux/arm64": mediatype.OCI_LAYER_ZSTD} == kinds
    assert 0 == run("check", "--deep", name.replace(":1", ":2")).exit_code


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--compression"),
        (["--compression", "best"], 2, "best"),
        (["--compression", "zstd:99"], 2, "levels 1 to 19"),
        (["--compression", "zstd", "--platform", "linux/ppc64le"], 3, "linux/ppc64le"),
    ],
)
def test_what_is_refused(run, app, five, words, code, said):
    first = app.store.head("1").digest

    done = run("recompress", five, *words)

    assert (code, first) == (done.exit_code, app.store.head("1").digest), done.stderr
    assert said in done.stderr


def test_an_image_whose_layers_are_not_told_is_refused(run, app, name):
    app.image(config=lambda tree: tree["rootfs"].update(diff_ids=[]), tag="1")

    assert 6 == run("recompress", name, "--compression", "zstd").exit_code


def test_the_config_is_printed_byte_for_byte(run, app, five, tmp_path):
    digest = images(app)["linux/s390x"].config.digest

    printed = run("config", "get", five, "--platform", "linux/s390x")
    many = run("config", "get", five)
    run("config", "get", five, "--platform", "linux/s390x", "-o", tmp_path / "config.json")
    tree = run("config", "get", five, "--platform", "linux/s390x", "--json")

    assert digest == Digest.of(printed.stdout.encode()) == Digest.of((tmp_path / "config.json").read_bytes())
    assert (2, True) == (many.exit_code, "--platform" in many.stderr)
    assert str(digest) in tree.stdout
    assert read_config(app.store, images(app)["linux/s390x"].config).document.raw == printed.stdout.encode()
