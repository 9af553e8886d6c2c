"""Building upon an image: of the right platform, whole, and with nothing of it lost."""

import json

import pytest

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_LAYER, Family
from ocitool.model.views import Descriptor, view
from ocitool.store.base import BytesSource
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_blob
from tests.fakes.programs import Elf

EMPTY_TAR = bytes(1024)
LAYERS = (EMPTY_TAR, EMPTY_TAR + bytes(512))


def put_base(folder, tag="1", **config) -> LayoutStore:
    """A layout `base` with an image of two layers whose config has these keys, in their order."""
    store = LayoutStore(folder / "base", create=True)
    layers = [Descriptor(OCI_LAYER, Digest.of(data), len(data)) for data in LAYERS]
    for layer, data in zip(layers, LAYERS, strict=True):
        store.put_blob(layer, BytesSource(data))
    config.setdefault("rootfs", {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]})
    raw = json.dumps(config).encode()
    blob = Descriptor.of(Document(raw, Family.OCI.config))
    store.put_blob(blob, BytesSource(raw))
    store.put_manifest(compose.manifest(Family.OCI, blob, layers), tag)
    return store


@pytest.fixture
def build(home, run, monkeypatch):
    """`build("linux/amd64")`: a ready program upon oci:base:1, into oci:img:1."""
    monkeypatch.chdir(home)
    for name, elf in {"amd64": Elf(62), "arm64": Elf(183), "arm": Elf(40, 32)}.items():
        (home / f"app-{name}").write_bytes(elf.build())
        (home / f"app-{name}").chmod(0o755)

    def call(platform, *flags):
        ready = ("--toolchain", "prebuilt", "--copy", "app-{arch}:/bin/app", "--base", "oci:base:1")
        return run("build", ".", *ready, "--platform", platform, "-o", "oci:img:1", *flags)

    return call


def built_config(home):
    store = LayoutStore(home / "img")
    return json.loads(read_blob(store, view(store.get_manifest("1")).config, 1 << 20))


def test_k011_a_base_of_another_platform_is_refused(home, build):
    """K011: base, its platform and the target are named; the override makes it a warning."""
    put_base(home, architecture="amd64", os="linux")

    done = build("linux/arm64")

    assert (6, "") == (done.exit_code, done.stdout)
    assert "error: base oci:base:1 is for linux/amd64, not for linux/arm64" in done.stderr
    assert not (home / "img").exists()

    allowed = build("linux/arm64", "--allow-foreign-arch")

    assert 0 == allowed.exit_code, allowed.stderr
    assert "warning: base oci:base:1 is for linux/amd64, not for linux/arm64" in allowed.stderr


@pytest.mark.parametrize("diff_ids", [[], ["sha256:" + "0" * 64], ["sha256:" + "0" * 64, 7], None])
def test_k047_a_base_whose_diff_ids_do_not_fit_is_refused(home, build, diff_ids):
    """K047: too few, a non-string, none at all; never a config with fewer diff_ids than layers."""
    put_base(home, architecture="amd64", os="linux", rootfs={"type": "layers", "diff_ids": diff_ids})

    done = build("linux/amd64")

    assert 6 == done.exit_code
    assert "diff_id" in done.stderr
    assert "base oci:base:1" in done.stderr
    assert not (home / "img").exists()


def test_k031_what_the_base_says_and_we_do_not_know_stays(home, build):
    """K031: variant, features, health checks and strangers keep value and order."""
    config = {
        "created": "2020-01-01T00:00:00Z",
        "architecture": "arm",
        "variant": "v7",
        "os": "linux",
        "os.features": ["x"],
        "config": {"Healthcheck": {"Test": ["NONE"]}, "OnBuild": ["RUN x"], "Env": ["A=1"], "Labels": {"b": "2"}},
        "moby.buildkit.buildinfo.v1": "eyJ9",
    }
    put_base(home, **config)

    done = build("linux/arm/v7", "--label", "a=b", "--no-git-labels")

    assert 0 == done.exit_code, done.stderr
    made = built_config(home)
    known = ("created", "config", "rootfs", "history")
    assert {k: v for k, v in config.items() if k not in known} == {k: v for k, v in made.items() if k not in known}
    assert [*config, "rootfs"] == [key for key in made if key != "history"]
    assert {**config["config"], "Labels": {"a": "b", "b": "2"}, "Entrypoint": ["/bin/app"]} == made["config"]


@pytest.mark.parametrize(
    "history",
    [
        None,
        [],
        [{"created_by": "one"}],
        [{"created_by": "one"}, {"created_by": "two"}, {"created_by": "three"}],
        [{"created_by": "one"}, {"created_by": "CMD", "empty_layer": True}, {"created_by": "two"}],
    ],
)
def test_k050_history_has_one_entry_a_layer(home, build, history):
    """K050: a base without history, with too little of it, too much, or the right one."""
    put_base(home, architecture="amd64", os="linux", **({} if history is None else {"history": history}))

    done = build("linux/amd64", "--cmd", "serve", "--entrypoint", "/bin/app")

    assert 0 == done.exit_code, done.stderr
    made = built_config(home)
    assert len(made["rootfs"]["diff_ids"]) == len([step for step in made["history"] if not step.get("empty_layer")])
    assert 3 == len(made["rootfs"]["diff_ids"])
    if history is not None and len([step for step in history if not step.get("empty_layer")]) == 2:
        assert history == made["history"][: len(history)]


def test_k059_windows_is_refused_before_anything_is_made(home, build):
    """K059: a plain tar on a Windows base cannot be unpacked."""
    put_base(home, architecture="amd64", os="windows")

    done = build("windows/amd64")

    assert (9, "") == (done.exit_code, done.stdout)
    assert "an image for windows/amd64 cannot be built yet" in done.stderr
    assert not (home / "img").exists()
