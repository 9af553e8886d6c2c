"""`append`: files and tars on top of a published image, every platform of an index at once."""

import gzip

import pytest

from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_config
from tests.fakes.programs import Elf
from tests.fakes.registry import fake_registry
from tests.fakes.sick import FILES, MACHINES, Ward, member, tar

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/riscv64")


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.fixture
def five(app, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "motd").write_text("hello")
    app.index(*(app.image(one, layers=[FILES], config=told) for one in PLATFORMS))
    return name


def told(tree):
    tree["history"] = [{"created_by": "by hand"}]
    tree["own"] = 1.0


def images(ward, tag="1"):
    """Manifest and config of each image below a tag, by platform."""
    listed = view(ward.store.get_manifest(tag)).platforms
    manifests = {str(one.platform): view(ward.store.get_manifest(str(one.digest))) for one in listed}
    return {key: (one, read_config(ward.store, one.config)) for key, one in manifests.items()}


def append(run, name, *words):
    done = run("append", name, *words)
    assert 0 == done.exit_code, done.stderr
    return done


def test_nothing_is_put_upon_an_image_for_windows(run, app, name, tmp_path):
    app.image("windows/amd64", tag="1")
    before = app.store.head("1").digest
    (tmp_path / "motd").write_text("hello")

    done = run("append", name, "--copy", f"{tmp_path}/motd:/")

    assert (9, True) == (done.exit_code, "layers for Windows cannot be packed" in done.stderr)
    assert before == app.store.head("1").digest


def test_every_platform_has_the_file_and_the_layers_of_before(run, app, five):
    before, first = images(app), app.store.head("1").digest

    append(run, five, "--copy", "motd:/etc/")

    after = images(app)
    assert set(PLATFORMS) == set(after)
    for key, (manifest, config) in after.items():
        old, was = before[key]
        assert old.layers == manifest.layers[:-1]
        assert was.diff_ids == config.diff_ids[:-1]
        tree = config.document.tree()
        assert {"created_by": "by hand"} == tree["history"][0]
        assert ("COPY motd /etc/", 1.0) == (tree["history"][1]["created_by"], tree["own"])
        assert was.created == config.created
    assert 1 == len({manifest.layers[-1].digest for manifest, _ in after.values()}), "one layer for all"
    assert "hello" == run("cat", five, "etc/motd", "--platform", "linux/s390x").stdout
    assert 0 == run("check", "--deep", five).exit_code
    assert (0, first) == (run("undo", five).exit_code, app.store.head("1").digest)


def test_a_file_for_each_platform(run, app, five, tmp_path):
    for one in ("amd64", "arm64"):
        (tmp_path / one).write_bytes(Elf(machine=MACHINES[one]).build())

    append(run, five, "--copy", "{arch}:/bin/app:755", "--platform", "linux/amd64,linux/arm64")
    refused = run("append", five, "--copy", "amd64:/bin/app", "--platform", "linux/arm64")

    layers = {key: len(manifest.layers) for key, (manifest, _) in images(app).items()}
    assert [2, 2, 1, 1, 1] == [layers[one] for one in PLATFORMS]
    assert 6 == refused.exit_code, refused.stderr
    assert "/bin/app is for linux/amd64" in refused.stderr


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_tar_is_a_layer_as_it_is(run, app, five, tmp_path, compress):
    data = tar(member("srv/a", b"a"), member("srv/.wh.b", b""))
    (tmp_path / "a.tar").write_bytes(compress(data))

    append(run, five, "--tar", "a.tar", "--copy", "motd:/etc/")

    ids = {config.diff_ids[-1] for _, config in images(app).values()}
    assert {Digest.of(data)} == ids
    assert "a" == run("cat", five, "srv/a", "--platform", "linux/arm64").stdout


def test_files_are_placed_through_links_of_the_image(run, app, name, tmp_path):
    base = tar(member("usr/bin/x", b"x"), member("bin", type=b"2", linkname="usr/bin"))
    (tmp_path / "y").write_text("y")
    app.image(layers=[base], tag="1")

    append(run, name, "--copy", f"{tmp_path}/y:/bin/")

    assert "usr/bin/y" in run("files", name).stdout.split()
    assert "y" == run("cat", name, "bin/y").stdout


def test_docker_images_stay_so(run, app, name, tmp_path):
    (tmp_path / "y").write_text("y")
    app.image(layers=[FILES], media_type=mediatype.DOCKER_MANIFEST, tag="1")

    append(run, name, "--copy", f"{tmp_path}/y:/")
    refused = run("append", name, "--copy", f"{tmp_path}/y:/z", "--compression", "zstd")

    found = view(app.store.get_manifest("1"))
    assert [mediatype.DOCKER_LAYER_GZIP] * 2 == [one.media_type for one in found.layers]
    assert 9 == refused.exit_code


def test_a_layout_is_appended_to(run, tmp_path):
    ward = Ward(LayoutStore(tmp_path / "out", create=True))
    ward.index(ward.image(layers=[FILES]), ward.image("linux/arm64", layers=[FILES]))
    (tmp_path / "y").write_text("y")

    append(run, f"oci:{tmp_path / 'out'}:1", "--copy", f"{tmp_path}/y:/", "--compression", "zstd")

    assert 0 == run("check", "--deep", f"oci:{tmp_path / 'out'}:1").exit_code
    assert {mediatype.OCI_LAYER_ZSTD} == {manifest.layers[-1].media_type for manifest, _ in images(ward).values()}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "what should be appended?"),
        (["--copy", "motd"], 2, "not a copy rule"),
        (["--copy", "nothing:/"], 3, "nothing to copy"),
        (["--copy", "../x:/"], 3, "nothing to copy"),
        (["--tar", "nothing.tar"], 10, "nothing.tar"),
        (["--tar", "motd"], 6, ""),
        (["--copy", "motd:/", "--compression", "best"], 2, "best"),
        (["--copy", "motd:/", "--platform", "linux/ppc64le"], 3, "linux/ppc64le"),
    ],
)
def test_what_is_refused(run, app, five, words, code, said):
    first = app.store.head("1").digest

    done = run("append", five, *words)

    assert (code, first) == (done.exit_code, app.store.head("1").digest), done.stderr
    assert said in done.stderr
    assert "internal error" not in done.stderr


def test_attestations_need_a_word(run, app, five):
    one = app.image(layers=[FILES])
    app.index(one, app.provenance(one["digest"]))

    refused = run("append", five, "--copy", "motd:/")

    assert 2 == refused.exit_code
    append(run, five, "--copy", "motd:/", "--attestations-to-referrers")
    assert 1 == len(app.store.referrers(Digest(one["digest"])))


def test_what_is_on_top_already_is_not_put_there_again(run, app, five, tmp_path):
    (tmp_path / "a.tar").write_bytes(tar(member("srv/a", b"a")))
    words = ("--copy", "motd:/etc/", "--tar", "a.tar")
    append(run, five, *words)
    held = app.store.head("1").digest

    again = append(run, five, *words)

    assert held == app.store.head("1").digest
    assert "nothing to change" in again.stderr


def test_an_image_whose_layers_are_not_told_is_refused(run, app, five):
    app.image(config=lambda tree: tree["rootfs"].update(diff_ids=[]), tag="1")

    assert 6 == run("append", five, "--copy", "motd:/").exit_code


def test_what_is_packed_already_is_found_again(run, app, five):
    append(run, five, "--copy", "motd:/etc/", "-t", five.replace(":1", ":2"))
    append(run, five, "--copy", "motd:/etc/", "-t", five.replace(":1", ":3"))

    assert app.store.head("2").digest == app.store.head("3").digest
