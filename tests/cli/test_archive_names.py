"""What an archive or layout says of its name: the tag, and the full reference that containerd and podman take (K211)."""

import json
import tarfile

import pytest

from ocitool.store.base import FULL_NAME
from ocitool.store.layout import REF_NAME

SHOP = "127.0.0.1:5790/team/shop:v7"


@pytest.fixture
def build(run, tmp_path):
    (tmp_path / "file").write_text("x")

    def call(*flags, command=("build",)):
        argv = ("--toolchain", "prebuilt", "--copy", "file:/", "--platform", "linux/amd64")
        done = run(*command, tmp_path, *(argv if command == ("build",) else ()), *flags)
        assert done.exit_code == 0, done.stderr

    return call


def noted(place):
    """Tag and full reference of each entry of an archive or layout."""
    if place.is_dir():
        index = json.loads((place / "index.json").read_bytes())
    else:
        with tarfile.open(place) as archive:
            index = json.load(archive.extractfile("index.json"))
    notes = [entry.get("annotations", {}) for entry in index["manifests"]]
    return [(one.get(REF_NAME), one.get(FULL_NAME)) for one in notes]


@pytest.mark.parametrize(
    ("tags", "output", "expected"),
    [
        ([SHOP], "oci-archive:{}", [("v7", SHOP)]),
        (["shop:v7"], "oci-archive:{}", [("v7", "docker.io/library/shop:v7")]),
        (["shop"], "oci-archive:{}", [("latest", "docker.io/library/shop:latest")]),
        (["a/x:v7", "b/y:v7"], "oci-archive:{}", [("v7", "docker.io/a/x:v7"), ("v7", "docker.io/b/y:v7")]),
        (["shop:v7", "shop:v8"], "oci-archive:{}:v8", [("v8", "docker.io/library/shop:v8")]),
        (["shop:v7"], "oci-archive:{}:other", [("other", None)]),
        ([], "oci-archive:{}:v1", [("v1", None)]),
        ([], "oci-archive:{}", [(None, None)]),
        ([SHOP], "oci:{}:v7", [("v7", SHOP)]),
        ([SHOP], "oci:{}", [(None, SHOP)]),
        (["shop:v7"], "docker-archive:{}", [("v7", "docker.io/library/shop:v7")]),
        ([], "type=oci,name=docker.io/team/shop:v7,dest={}", [("v7", "docker.io/team/shop:v7")]),
        (["shop:v7"], "type=oci,dest={}", [("v7", "docker.io/library/shop:v7")]),
        (["shop:v7"], "type=oci,tar=false,dest={}", [(None, "docker.io/library/shop:v7")]),
        (["shop:v7"], "type=docker,dest={}", [("v7", "docker.io/library/shop:v7")]),
    ],
)
def test_of_a_build(build, tmp_path, tags, output, expected):
    place = tmp_path / "out"

    build(*(word for tag in tags for word in ("-t", tag)), "-o", output.format(place))

    assert expected == noted(place)


class TestCopy:
    @pytest.fixture
    def copy(self, run, app, name, tmp_path):
        self.digest = app.image(tag="1")["digest"]

        def call(destination, *flags, source=name):
            done = run("copy", source, f"{destination.format(tmp_path / 'out')}", *flags)
            assert done.exit_code == 0, done.stderr
            return noted(tmp_path / "out")

        return call

    @pytest.mark.parametrize("scheme", ["oci", "oci-archive"])
    def test_under_its_tag(self, copy, name, scheme):
        assert [("1", name)] == copy(f"{scheme}:{{}}:1")

    @pytest.mark.parametrize("scheme", ["oci", "oci-archive"])
    def test_under_none(self, copy, name, scheme):
        assert [(None, name)] == copy(f"{scheme}:{{}}")

    def test_under_another_nobody_knows_a_name(self, copy):
        assert [("other", None)] == copy("oci-archive:{}:other")

    @pytest.mark.parametrize("scheme", ["oci", "oci-archive"])
    def test_by_digest_there_is_a_record_too(self, copy, name, scheme):
        pinned = f"{name.removesuffix(':1')}@{self.digest}"

        assert [(None, pinned)] == copy(f"{scheme}:{{}}", source=pinned)

    def test_of_every_tag(self, app, copy, name):
        app.image("linux/arm64", tag="2")
        repository = name.removesuffix(":1")

        expected = [("1", name), ("2", f"{repository}:2")]
        assert expected == copy("oci:{}", "--all-tags", source=repository)

    def test_goes_on_from_archive_to_archive(self, run, copy, name, tmp_path):
        copy("oci-archive:{}:1")

        assert 0 == run("copy", f"oci-archive:{tmp_path}/out", f"oci-archive:{tmp_path}/again:1").exit_code
        assert [("1", name)] == noted(tmp_path / "again")

    def test_is_no_tag_of_its_own(self, run, copy, tmp_path):
        """Read back, the image has one name, and every tag can be copied on."""
        copy("oci-archive:{}:1")

        assert 0 == run("copy", f"oci-archive:{tmp_path}/out", f"oci:{tmp_path}/layout", "--all-tags").exit_code
        assert ["1"] == [tag for tag, _ in noted(tmp_path / "layout")]

    def test_finds_the_image(self, run, copy, name, tmp_path):
        copy("oci:{}:1")

        assert 0 == run("digest", f"oci:{tmp_path}/out:1").exit_code


def test_a_tag_that_holds_the_same_keeps_its_entry(build, tmp_path):
    """What stands in index.json is not written again for a name that somebody else noted."""
    build("-o", f"oci:{tmp_path}/out:v7")
    before = (tmp_path / "out/index.json").read_bytes()

    build("-t", SHOP, "-o", f"oci:{tmp_path}/out:v7")

    assert before == (tmp_path / "out/index.json").read_bytes()
