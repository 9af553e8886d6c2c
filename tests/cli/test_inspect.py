"""`ocitool inspect` and `diff` over a layout: every form of the answer."""

import json

import pytest

from ocitool.model import compose
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_INDEX, Family
from ocitool.model.views import Descriptor, view
from ocitool.store.layout import LayoutStore
from tests.fakes.images import put_image, tar


@pytest.fixture
def layout(home, monkeypatch):
    """A layout `app` with the index `1` of amd64 and arm64."""
    monkeypatch.chdir(home)
    store = LayoutStore(home / "app", create=True)
    base = tar(etc=b"same")
    entries = []
    for platform in ("linux/amd64", "linux/arm64"):
        put_image(store, platform[6:], platform, layers=[base, tar(app=platform.encode())])
        document = store.get_manifest(platform[6:])
        entries.append(Descriptor.from_tree(Descriptor.of(document).to_tree() | {"platform": _tree(platform)}))
    store.put_manifest(compose.index(Family.OCI, entries), "1")
    return store


def _tree(platform):
    os, architecture = platform.split("/")
    return {"architecture": architecture, "os": os}


class TestInspect:
    def test_table(self, layout, run):
        lines = run("inspect", "oci:app:1").stdout.splitlines()

        assert ["PLATFORM", "linux/amd64", "linux/arm64"] == [line.split()[0] for line in lines[3:6]]
        assert "2 platforms, 30.7 kB in 3 layers, 41.0 kB without sharing" == lines[-1]

    def test_json_has_everything_of_the_table(self, layout, run):
        data = json.loads(run("inspect", "oci:app:1", "--json").stdout)["data"]

        assert ["linux/amd64", "linux/arm64"] == [p["platform"] for p in data["platforms"]]
        assert [20480, 20480] == [p["size"] for p in data["platforms"]]
        assert (30720, layout.head("1").digest) == (data["totalSize"], data["digest"])

    def test_tree(self, layout, run):
        assert "├─ linux/amd64" in run("inspect", "oci:app:1", "--tree").stdout

    def test_raw_is_the_exact_bytes(self, layout, ocitool, home):
        """K028: no byte more or less."""
        assert layout.get_manifest("1").raw.decode() == ocitool("inspect", "oci:app:1", "--raw").stdout

    def test_raw_of_a_platform(self, layout, ocitool):
        done = ocitool("inspect", "oci:app:1", "--raw", "--platform", "linux/arm64/v8")

        assert layout.get_manifest("arm64").raw.decode() == done.stdout

    def test_configs(self, layout, run):
        assert '"architecture": "arm64"' in run("inspect", "oci:app:1", "--config").stdout

    def test_template(self, layout, run):
        done = run("inspect", "oci:app:1", "--template", "{platforms[].platform} {platforms[].config.os}")

        assert "linux/amd64 linux\nlinux/arm64 linux\n" == done.stdout

    def test_page(self, layout, run, home):
        done = run("inspect", "oci:app:1", "--html", "page.html")

        assert (0, "") == (done.exit_code, done.stdout)
        assert "linux/arm64" in (home / "page.html").read_text()

    def test_platform_that_is_not_there(self, layout, run):
        """K013: exit 3 and what there is."""
        done = run("inspect", "oci:app:1", "--platform", "windows/amd64:10.0.14393")

        assert 3 == done.exit_code
        assert "there is linux/amd64, linux/arm64" in done.stderr

    @pytest.mark.parametrize("command", ["inspect", "digest"])
    def test_another_name_of_an_architecture_is_told(self, layout, run, command):
        """K226."""
        done = run(command, "oci:app:1", "--platform", "linux/aarch64")

        assert (0, "note: linux/aarch64 is linux/arm64\n") == (done.exit_code, done.stderr)

    def test_ambiguous_document_is_refused(self, layout, run):
        """K043: every command that interprets it refuses."""
        raw = b'{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}'
        document = Document(raw, OCI_INDEX)
        path = layout.blob_path(document.digest)
        path.write_bytes(raw)

        assert 6 == run("inspect", f"oci:app@{document.digest}").exit_code

    def test_two_ways_to_print_are_a_usage_error(self, layout, run):
        assert 2 == run("inspect", "oci:app:1", "--raw", "--tree").exit_code


class TestDiff:
    def test_equal(self, layout, run):
        layout.put_manifest(layout.get_manifest("1"), "2")

        done = run("diff", "oci:app:1", "oci:app:2")

        assert (0, "oci:app:1 and oci:app:2 are equal\n") == (done.exit_code, done.stdout)

    def test_different_is_exit_1(self, layout, run):
        run("index", "remove", "oci:app:1", "--platform", "linux/arm64", "-t", "oci:app:2")

        done = run("diff", "oci:app:1", "oci:app:2")

        assert 1 == done.exit_code
        assert f"- linux/arm64  {layout.head('arm64').digest.short}" in done.stdout

    def test_files(self, layout, run):
        put_image(layout, "new", "linux/amd64", layers=[tar(etc=b"same"), tar(app=b"linux/amd63", more=b"")])

        done = run("diff", "oci:app:1", "oci:app:new", "--files", "--platform", "linux/amd64", "--json")

        [pair] = json.loads(done.stdout)["data"]["platforms"]
        assert [
            {"kind": "changed", "path": "app", "what": ["content"]},
            {"kind": "added", "path": "more"},
        ] == pair["files"]

    def test_listings_are_remembered(self, layout, run, home):
        """The second run needs no layer for its listing: they are gone and nobody minds."""
        put_image(layout, "new", "linux/amd64", layers=[tar(etc=b"same"), tar(other=b"x")])
        run("diff", "oci:app:amd64", "oci:app:new", "--files")
        for layer in view(layout.get_manifest("amd64")).layers:
            layout.blob_path(layer.digest).unlink()

        assert "+ /other" in run("diff", "oci:app:amd64", "oci:app:new", "--files").stdout


def test_what_docker_knows_no_type_of_is_shown_whole(run, registry, app, name):
    """`manifest inspect --verbose`: of another kind, without a platform."""
    app.store.put_manifest(Document(b'{"schemaVersion": 2, "a": 1}', "application/vnd.example+json"), "1")

    done = run("manifest", "inspect", name, "--verbose")

    assert 0 == done.exit_code, done.stderr
    shown = json.loads(done.stdout)
    assert {"schemaVersion": 2, "a": 1} == shown["SchemaV2Manifest"]
    assert "platform" not in shown["Descriptor"]
