"""`squash`: one layer of several, every platform of an index at once; what it changes and what keeps its bytes."""

import pytest

from ocitool import Client
from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import read_members
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_config
from tests.fakes.registry import fake_registry
from tests.fakes.sick import FILES, Ward, member, tar

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/riscv64")
BASE = tar(member("etc/secret", b"s" * 1000), member("etc/motd", b"old", uid=7))
ADDED = tar(member("etc/.wh.secret", b""), member("etc/motd", b"new", uid=8))
TOP = tar(member("srv/a", b"a", mode=0o4755))
HISTORY = [
    {"created_by": "base"},
    {"created_by": "ENV", "empty_layer": True},
    {"created_by": "add"},
    {"created_by": "top"},
]


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


def told(tree):
    tree["history"], tree["own"] = HISTORY, 1.0
    tree["config"] = {"Env": ["A=1"]}


@pytest.fixture
def five(app, name):
    app.index(*(app.image(one, layers=[BASE, ADDED, TOP], config=told) for one in PLATFORMS))
    app.image(layers=[BASE], config=lambda tree: tree.update(history=HISTORY[:1]), tag="base")
    return name


def images(ward, tag="1"):
    """Manifest and config of each image below a tag, by platform."""
    listed = view(ward.store.get_manifest(tag)).platforms
    manifests = {str(one.platform): view(ward.store.get_manifest(str(one.digest))) for one in listed}
    return {key: (one, read_config(ward.store, one.config)) for key, one in manifests.items()}


def members(ward, layer):
    with ward.store.open_blob(layer) as pieces:
        return {one.path: one for one in read_members(decompress(pieces))}


def squash(run, name, *words):
    done = run("squash", name, *words)
    assert 0 == done.exit_code, done.stderr
    return done


def test_every_platform_has_one_layer_with_the_same_files(run, app, five):
    first = app.store.head("1").digest
    listed = run("files", five, "--platform", "linux/s390x", "--long").stdout

    done = squash(run, five)

    after = images(app)
    assert set(PLATFORMS) == set(after)
    for manifest, config in after.values():
        tree = config.document.tree()
        assert (1, 1, 1.0) == (len(manifest.layers), len(config.diff_ids), tree["own"])
        line = {"created": tree["created"], "created_by": "ocitool squash", "comment": "3 layers"}
        assert ([line], {"Env": ["A=1"]}) == (tree["history"], tree["config"])
    assert 1 == len({manifest.layers[0].digest for manifest, _ in after.values()}), "the same for all"
    found = members(app, after["linux/arm64"][0].layers[0])
    assert {"etc", "etc/motd", "srv", "srv/a"} == set(found)
    assert (8, 0o4755) == (found["etc/motd"].uid, found["srv/a"].mode)
    assert listed == run("files", five, "--platform", "linux/s390x", "--long").stdout
    assert 1 == done.stderr.count("~ 3 layers of "), "one line for all platforms"
    assert 0 == run("check", "--deep", five).exit_code
    assert (0, first) == (run("undo", five).exit_code, app.store.head("1").digest)


@pytest.mark.parametrize("words", [("--from", "2"), ("--base", "BASE")])
def test_layers_below_keep_their_bytes(run, app, five, words):
    before = images(app)
    listed = run("files", five, "--platform", "linux/amd64", "--long").stdout

    squash(
        run,
        five,
        "--platform",
        "linux/amd64",
        *(word.replace("BASE", five.replace(":1", ":base")) for word in words),
    )

    after = images(app)
    assert ["linux/amd64"] == [key for key in PLATFORMS if before[key] != after[key]]
    manifest, config = after["linux/amd64"]
    assert before["linux/amd64"][0].layers[:1] == manifest.layers[:1]
    assert [None, "base", "ENV", "ocitool squash"] == [None, *(one.created_by for one in config.history)]
    assert {"etc", "etc/.wh.secret", "etc/motd", "srv", "srv/a"} == set(members(app, manifest.layers[1]))
    assert listed == run("files", five, "--platform", "linux/amd64", "--long").stdout
    assert 0 == run("check", "--deep", five).exit_code


def test_what_is_one_layer_already_is_not_touched(run, app, five):
    squash(run, five)
    first = app.store.head("1").digest

    again = squash(run, five)

    assert (first, True) == (app.store.head("1").digest, "nothing to change" in again.stderr)


def test_a_base_that_is_not_underneath_is_refused(run, app, five):
    app.image(layers=[FILES], tag="other")

    refused = run("squash", five, "--base", five.replace(":1", ":other"), "--platform", "linux/amd64")

    assert (2, True) == (refused.exit_code, "is not underneath" in refused.stderr)


def test_a_history_that_does_not_fit_is_not_kept(run, app, name):
    app.image(layers=[BASE, ADDED, TOP], config=lambda tree: tree.update(history=HISTORY[:2]), tag="1")

    squash(run, name, "--from", "2")

    config = read_config(app.store, view(app.store.get_manifest("1")).config)
    assert ["unknown: the image has no history of this layer", "ocitool squash"] == [
        one.created_by for one in config.history
    ]
    assert 0 == run("check", "--deep", name).exit_code


def test_a_hard_link_to_nothing_is_left_behind_and_told(run, app, name):
    dangling = tar(member("b", type=b"1", linkname="nothing"))
    app.image(layers=[FILES, dangling], tag="1")

    done = squash(run, name)

    assert "/b is left behind" in done.stderr
    assert 0 == run("check", "--deep", name).exit_code


def test_docker_images_stay_so(run, app, name):
    app.image(layers=[BASE, ADDED], media_type=mediatype.DOCKER_MANIFEST, tag="1")

    squash(run, name)
    refused = run("squash", name, "--compression", "zstd", "-t", name.replace(":1", ":2"))

    found = view(app.store.get_manifest("1"))
    assert [mediatype.DOCKER_LAYER_GZIP] == [one.media_type for one in found.layers]
    assert 0 == refused.exit_code, "one layer is left alone, whatever its compression"


def test_a_program_squashes_a_layout(run, tmp_path, home):
    ward = Ward(LayoutStore(tmp_path / "out", create=True))
    ward.index(ward.image(layers=[BASE, ADDED]), ward.image("linux/arm64", layers=[BASE, TOP]))
    name = f"oci:{tmp_path / 'out'}:1"

    with Client() as client:
        client.apply(client.plan_squash(name, compression="zstd", platforms="linux/arm64"))

    assert [2, 1] == [len(manifest.layers) for manifest, _ in images(ward).values()]
    assert mediatype.OCI_LAYER_ZSTD == images(ward)["linux/arm64"][0].layers[0].media_type


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--from", "0"], 2, "--from"),
        (["--from", "4"], 2, "no layer 4"),
        (["--from", "2", "--base", "x"], 2, "one of them"),
        (["--base", "oci:nothing"], 3, "nothing"),
        (["--compression", "best"], 2, "best"),
        (["--platform", "linux/ppc64le"], 3, "linux/ppc64le"),
    ],
)
def test_what_is_refused(run, app, five, words, code, said):
    first = app.store.head("1").digest

    done = run("squash", five, *words)

    assert (code, first) == (done.exit_code, app.store.head("1").digest), done.stderr
    assert said in done.stderr


def test_what_cannot_be_read_is_not_squashed(run, app, name):
    app.image(
        layers=[FILES, TOP],
        manifest=lambda tree: tree["layers"][0].update(mediaType=mediatype.OCI_FOREIGN_GZIP),
        tag="1",
    )
    app.image("windows/amd64", layers=[FILES, TOP], tag="windows")

    assert 9 == run("squash", name).exit_code
    assert 9 == run("squash", name.replace(":1", ":windows")).exit_code


def test_attestations_need_a_word(run, app, name):
    one = app.image(layers=[BASE, TOP])
    app.index(one, app.provenance(one["digest"]))

    assert 2 == run("squash", name).exit_code
    squash(run, name, "--attestations-to-referrers")

    assert 1 == len(app.store.referrers(Digest(one["digest"])))


def test_zstd_images_beside_others_stay_so(run, app, name):
    app.index(app.image(layers=[BASE, ADDED]), app.image("linux/arm64", layers=[BASE, TOP]))
    assert 0 == run("recompress", name, "--compression", "gzip+zstd").exit_code

    squash(run, name)

    found = [view(app.store.get_manifest(str(one.digest))) for one in view(app.store.get_manifest("1")).entries]
    kinds = [[layer.media_type for layer in one.layers] for one in found]
    assert [[mediatype.OCI_LAYER_GZIP]] * 2 + [[mediatype.OCI_LAYER_ZSTD]] * 2 == kinds
    assert [one.config for one in found[:2]] == [one.config for one in found[2:]]
    assert 0 == run("check", "--deep", name).exit_code


def test_an_estargz_is_made_of_all(run, app, name):
    app.image(layers=[BASE, ADDED, TOP], tag="1")

    squash(run, name, "--compression", "estargz")

    assert {"etc/motd", "srv/a"} < set(run("files", name).stdout.split())
    assert 0 == run("check", "--deep", name).exit_code
