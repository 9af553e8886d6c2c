"""`strip`: files out of every layer, every platform of an index at once; what is left of them and what keeps its bytes."""

import gzip

import pytest

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
SECRET = b"the secret that was copied by mistake"
BASE = tar(member("etc/passwd", b"root"), member("etc/token", SECRET), member("usr/lib/x", b"x"))
ABOVE = tar(member("etc/.wh.token", b""), member("srv/a", b"a"))
LINKED = tar(member("lib", type=b"2", linkname="usr/lib"))
THROUGH = tar(member("lib/token", SECRET), member("lib/y", b"y"))


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.fixture
def five(app, name):
    layers = [FILES, BASE, ABOVE]
    app.index(*(app.image(one, layers=layers, config=told) for one in PLATFORMS))
    return name


def told(tree):
    tree["history"], tree["own"] = [{"created_by": str(number)} for number in range(3)], 1.0


def images(ward, tag="1"):
    """Manifest and config of each image below a tag, by platform."""
    listed = view(ward.store.get_manifest(tag)).platforms
    manifests = {str(one.platform): view(ward.store.get_manifest(str(one.digest))) for one in listed}
    return {key: (one, read_config(ward.store, one.config)) for key, one in manifests.items()}


def tars(ward, manifest):
    found = []
    for layer in manifest.layers:
        with ward.store.open_blob(layer) as pieces:
            found.append(b"".join(decompress(pieces)))
    return found


def strip(run, name, *words):
    done = run("strip", name, *words)
    assert 0 == done.exit_code, done.stderr
    return done


def test_no_layer_of_any_platform_has_the_bytes_or_the_name(run, app, five):
    before, first = images(app), app.store.head("1").digest

    done = strip(run, five, "/etc/token")

    after = images(app)
    assert set(PLATFORMS) == set(after)
    for key, (manifest, config) in after.items():
        old, was = before[key]
        assert old.layers[0] == manifest.layers[0], "a layer without it keeps its bytes"
        data = tars(app, manifest)
        assert [Digest.of(one) for one in data] == list(config.diff_ids)
        assert not any(SECRET in one or b"token" in one for one in data)
        assert (was.history, was.created, 1.0) == (config.history, config.created, config.document.tree()["own"])
    assert 1 == done.stderr.count(" without /etc/token\n"), "one line for all platforms"
    assert 1 == done.stderr.count(" without /etc/.wh.token\n")
    assert ["etc", "etc/passwd", "srv", "srv/a"] == [
        path for path in run("files", five, "--platform", "linux/s390x").stdout.split() if path[0] in "es"
    ]
    assert 0 == run("check", "--deep", five).exit_code
    assert (0, first) == (run("undo", five).exit_code, app.store.head("1").digest)


@pytest.mark.parametrize("path", ["etc/t*", "/etc/token", "**/token", "./etc//token"])
def test_a_path_may_be_a_pattern(run, app, five, path):
    strip(run, five, path, "--platform", "linux/arm64")

    assert not any(SECRET in one for one in tars(app, images(app)["linux/arm64"][0]))
    assert any(SECRET in one for one in tars(app, images(app)["linux/amd64"][0]))


@pytest.mark.parametrize("path", ["/lib/token", "/usr/lib/token", "/lib/tok*"])
def test_links_on_the_way_are_followed(run, app, name, path):
    app.image(layers=[BASE, LINKED, THROUGH], tag="1")

    strip(run, name, path)

    manifest = view(app.store.get_manifest("1"))
    assert [True, False, False] == [SECRET in one for one in tars(app, manifest)], "/etc/token is another file"
    assert {"lib", "usr/lib/x", "usr/lib/y"} < set(run("files", name).stdout.split())


def test_a_directory_goes_with_all_below(run, app, five):
    strip(run, five, "/etc", "/srv")

    for manifest, _ in images(app).values():
        assert [[], [b"usr"]] == [
            sorted({one[:100].split(b"/")[0] for one in blocks(data)}) for data in tars(app, manifest)[:0:-1]
        ]


def blocks(data):
    """The headers of a tar of small files."""
    return [data[at : at + 512] for at in range(0, len(data) - 1024, 512) if data[at + 257 : at + 262] == b"ustar"]


def test_the_next_name_of_a_file_becomes_the_file(run, app, name):
    """Its content, and its further names; also where only an upper layer has another name."""
    lower = tar(
        member("a", SECRET),
        member("b", type=b"1", linkname="a", mode=0o4755, uid=7),
        member("c", type=b"1", linkname="a", mode=0o4755, uid=7),
        member("d", b"other"),
    )
    app.image(layers=[lower, tar(member("e", type=b"1", linkname="a"))], tag="1")

    done = strip(run, name, "/a")

    assert [SECRET.decode()] * 3 == [run("cat", name, one).stdout for one in "bce"]
    assert ["b", "c"] == [one[-1] for one in run("files", name, "--long").stdout.splitlines() if "7:0" in one]
    assert "; /b is the file now" in done.stderr
    assert "; /e is the file now" in done.stderr
    assert 2 == sum(one.count(SECRET) for one in tars(app, view(app.store.get_manifest("1"))))
    assert 0 == run("check", "--deep", name).exit_code


def test_compressions_stay(run, app, name):
    layer = app.blob(gzip.compress(BASE), mediatype.DOCKER_LAYER)
    app.image(
        layers=[BASE, BASE],
        media_type=mediatype.DOCKER_MANIFEST,
        manifest=lambda tree: tree["layers"].__setitem__(0, layer),
        tag="1",
    )
    app.image(layers=[BASE], tag="2")
    assert 0 == run("recompress", name.replace(":1", ":2"), "--compression", "zstd").exit_code

    for tag in "12":
        strip(run, name.replace(":1", f":{tag}"), "/etc/token")

    kinds = [[layer.media_type for layer in view(app.store.get_manifest(tag)).layers] for tag in "12"]
    assert [[mediatype.DOCKER_LAYER_GZIP] * 2, [mediatype.OCI_LAYER_ZSTD]] == kinds


def test_a_layer_with_a_table_of_contents_gets_another_one(run, app, name):
    """The old table, a file of the tar in an eStargz, would tell what is gone."""
    app.image(layers=[BASE], tag="1")
    for form in ("estargz", "gzip,toc"):
        assert 0 == run("recompress", name, "--compression", form).exit_code
        before = view(app.store.get_manifest("1"))

        strip(run, name, "/etc/token")

        after = view(app.store.get_manifest("1"))
        assert set(before.layers[0].annotations) == set(after.layers[0].annotations)
        assert before.layers[0].annotations != after.layers[0].annotations
        assert not any(b"token" in one for one in tars(app, after))
        assert "root" == run("cat", name, "/etc/passwd").stdout
        assert 0 == run("check", "--deep", name).exit_code
        assert 0 == run("undo", name).exit_code


def test_what_is_in_no_layer_is_an_error(run, app, five):
    first = app.store.head("1").digest

    refused = run("strip", five, "/etc/token", "/etc/other")
    again = (strip(run, five, "/etc/token"), run("strip", five, "/etc/token"))[1]

    assert (3, 3) == (refused.exit_code, again.exit_code)
    assert "no layer of " in refused.stderr
    assert "has /etc/other\n" in refused.stderr
    assert first != app.store.head("1").digest


def test_it_is_enough_that_one_platform_has_it(run, app, name):
    app.index(app.image(layers=[FILES]), app.image("linux/arm64", layers=[BASE]))
    before = images(app)

    strip(run, name, "/etc/token")

    assert ["linux/arm64"] == [key for key, one in images(app).items() if before[key] != one]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "PATH"),
        (["/"], 2, "not a path"),
        (["../x"], 2, "not a path"),
        (["/etc/[a"], 2, "not a pattern"),
        (["/etc/token", "--platform", "linux/ppc64le"], 3, "linux/ppc64le"),
    ],
)
def test_what_is_refused(run, app, five, words, code, said):
    first = app.store.head("1").digest

    done = run("strip", five, *words)

    assert (code, first) == (done.exit_code, app.store.head("1").digest), done.stderr
    assert said in done.stderr


def test_a_link_that_layers_write_through_does_not_go_alone(run, app, name):
    app.image(layers=[BASE, LINKED, THROUGH], tag="1")

    refused = run("strip", name, "/lib")

    assert (2, True) == (
        refused.exit_code,
        "/lib is a link that a layer writes /usr/lib/token through" in refused.stderr,
    )


def test_a_layer_that_cannot_be_read_is_refused(run, app, name):
    foreign = {"mediaType": mediatype.OCI_FOREIGN_GZIP}
    app.image(layers=[FILES, BASE], manifest=lambda tree: tree["layers"][0].update(foreign), tag="1")

    assert 9 == run("strip", name, "/etc/token").exit_code


def test_a_layer_that_is_not_what_its_config_says_is_refused(run, app, name):
    wrong = str(Digest.of(b"another tar"))
    app.image(layers=[BASE], config=lambda tree: tree["rootfs"].update(diff_ids=[wrong]), tag="1")

    assert 6 == run("strip", name, "/etc/token").exit_code


def test_attestations_need_a_word(run, app, name):
    one = app.image(layers=[BASE])
    app.index(one, app.provenance(one["digest"]))

    assert 2 == run("strip", name, "/etc/token").exit_code
    strip(run, name, "/etc/token", "--attestations-to-referrers")

    assert 1 == len(app.store.referrers(Digest(one["digest"])))


def test_a_program_strips_a_layout(run, tmp_path, home):
    ward = Ward(LayoutStore(tmp_path / "out", create=True))
    ward.index(ward.image(layers=[BASE]), ward.image("linux/arm64", layers=[BASE]))
    name = f"oci:{tmp_path / 'out'}:1"

    with Client() as client:
        client.apply(client.plan_strip(name, "/etc/token", "usr/**", platforms="linux/arm64"))

    assert [True, False] == [SECRET in tars(ward, manifest)[0] for manifest, _ in images(ward).values()]
