"""SIZE: one number for one image, whichever command tells it."""

import json

from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.layout import LayoutStore
from tests.fakes.images import put_image


def test_every_command_tells_the_same_size(run, home, monkeypatch):
    """An image whose manifest names one layer twice: it is fetched once, and counts once."""
    monkeypatch.chdir(home)
    (home / "app").mkdir()
    (home / "app" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /a\nCOPY Dockerfile /b\n")

    def data(*words):
        done = run(*words, "--json")
        assert 0 == done.exit_code, done.stderr
        return json.loads(done.stdout)["data"]

    data("build", "app", "--platform", "linux/amd64", "-t", "localhost/app:1")
    built = data("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")
    size = sum({layer["digest"]: layer["size"] for layer in built["layers"]}.values())

    assert size == built["platforms"][0]["size"]
    assert [size] == [one["size"] for one in data("images")["images"] if one["name"] == "localhost/app:1"]
    assert [size] == [one["size"] for one in data("inspect", "oci:img:1")["platforms"]]
    assert [size] == [one["size"] for one in data("tags", "oci:img", "--long")["details"]]


def test_a_layer_that_stands_twice_counts_once(run, home):
    store = LayoutStore(home / "img", create=True)
    held = store.get_manifest(str(put_image(store, "once", "linux/amd64", layers=[b"x" * 100])))
    tree = held.tree()
    layer = Descriptor.from_tree(tree["layers"][0])
    config = json.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [str(layer.digest)] * 2}}
    ).encode()
    blob = Descriptor(mediatype.OCI_CONFIG, Digest.of(config), len(config))
    store.put_blob(blob, BytesSource(config))
    store.put_manifest(compose.manifest(Family.OCI, blob, [layer, layer]), "twice")
    place = f"oci:{home / 'img'}"

    def told(*words):
        return json.loads(run(*words, "--json").stdout)["data"]

    sizes = {one["tag"]: one["size"] for one in told("tags", place, "--long")["details"]}
    assert {"once": layer.size, "twice": layer.size} == sizes
    assert layer.size == told("inspect", f"{place}:twice")["platforms"][0]["size"]
