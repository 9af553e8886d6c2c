"""Layers and options to images: what is written over scratch and over a base, and what Docker's family cannot hold."""

import json

import pytest

from ocitool.codec.codecs import gzip_members
from ocitool.errors import Unsupported, UsageError
from ocitool.image.annotations import Annotations
from ocitool.image.assemble import (
    LayerStep,
    apply_options,
    assemble,
    bind,
    choose_family,
    continued_history,
    in_family,
    rfc3339,
    spoken,
)
from ocitool.image.base import BaseImage
from ocitool.image.options import ImageOptions
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, History, ImageConfig, view
from ocitool.pack.layer import Layer
from ocitool.store.memory import MemoryStore

ARM64 = Platform.parse("linux/arm64")
ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


def layer(kind="gzip"):
    return Layer(Digest.of(b"packed"), 6, ONE, gzip_members().id, kind)


BELOW = (History(created_by="base"),)


def step(kind="gzip"):
    return LayerStep(layer(kind), "COPY x /")


def based(family=Family.DOCKER, *, layer_type=None, history=BELOW, settings=None, more=None):
    """A base of one layer; `more` are keys of its config that we do not know."""
    config = compose.image_config(
        family, ARM64, settings=settings or {}, diff_ids=(TWO,), history=history, created=rfc3339(1)
    )
    if more:
        config = config.edit(lambda tree: tree.update(more))
    blob = Descriptor(layer_type or compose_layer_type(family), Digest.of(b"below"), 5)
    manifest = compose.manifest(family, Descriptor.of(config), (blob,), None)
    return BaseImage(MemoryStore(), "base:1", view(manifest), ImageConfig.of(config))


def compose_layer_type(family):
    return mediatype.DOCKER_LAYER_GZIP if family is Family.DOCKER else mediatype.OCI_LAYER_GZIP


@pytest.mark.parametrize(
    ("asked", "base", "family"),
    [
        ("auto", None, Family.DOCKER),
        ("auto", Family.OCI, Family.OCI),
        ("auto", Family.DOCKER, Family.DOCKER),
        ("oci", Family.DOCKER, Family.OCI),
        ("docker", Family.OCI, Family.DOCKER),
    ],
)
def test_the_family_is_the_asked_the_bases_or_dockers(asked, base, family):
    assert family is choose_family(asked, base, annotated=False, kind="gzip")


@pytest.mark.parametrize(
    ("asked", "base", "why"),
    [
        ("docker", Family.OCI, "asked for with --format docker"),
        ("auto", Family.DOCKER, "because the base is Docker's"),
        ("auto", None, "which is the default"),
    ],
)
def test_dockers_family_has_no_zstd_and_no_annotations(asked, base, why):
    """K247"""
    with pytest.raises(UsageError, match=f"zstd layers .*{why}") as zstd:
        choose_family(asked, base, annotated=False, kind="zstd")
    with pytest.raises(UsageError, match=f"annotations .*{why}"):
        choose_family(asked, base, annotated=True, kind="gzip")

    assert "--format oci" in zstd.value.hint
    assert Family.OCI is choose_family("oci", base, annotated=True, kind="zstd")


@pytest.mark.parametrize(
    ("family", "kind"), [(Family.OCI, mediatype.OCI_LAYER_ZSTD), (Family.DOCKER, mediatype.DOCKER_LAYER_ZSTD)]
)
def test_a_zstd_layer_of_a_base_is_refused_in_dockers_family(family, kind):
    """K247"""
    with pytest.raises(Unsupported, match="docker has no such type") as caught:
        assemble(ARM64, Family.DOCKER, [step()], ImageOptions(), base=based(family, layer_type=kind), epoch=0)

    assert ("add --format oci", kind) == (caught.value.hint, caught.value.ability)


def test_layers_of_a_base_get_the_names_of_the_family():
    below = Descriptor(mediatype.DOCKER_LAYER_GZIP, ONE, 5, urls=("https://x.test/l",))

    assert Descriptor(mediatype.OCI_LAYER_GZIP, ONE, 5, urls=below.urls) == in_family(below, Family.OCI, "base:1")


def test_an_image_over_scratch():
    image = assemble(ARM64, Family.OCI, [step()], ImageOptions(cmd=("x",)), base=None, epoch=86_400)

    config = json.loads(image.config.raw)
    assert "1970-01-02T00:00:00Z" == config["created"]
    assert {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["x"]} == config[
        "config"
    ]
    assert [str(ONE)] == config["rootfs"]["diff_ids"]
    first, second = config["history"]
    assert ("COPY x /", False) == (first["created_by"], first.get("empty_layer", False))
    assert ('CMD ["x"]', True) == (second["created_by"], second["empty_layer"])
    assert (layer().descriptor(Family.OCI),) == image.layers
    assert 6 == image.size
    assert (ARM64, image.manifest.digest) == (image.descriptor.platform, image.descriptor.digest)


def test_the_size_of_an_image_counts_a_layer_once():
    image = assemble(ARM64, Family.OCI, [step(), step()], ImageOptions(), base=None, epoch=0)

    assert 2 == len(image.layers)
    assert 6 == image.size


def test_an_image_over_a_base_keeps_what_is_unknown_and_goes_on():
    base = based(
        settings={"Env": ["A=1", "B=2"], "Cmd": ["old"]}, more={"x-unknown": [1], "docker_version": "1", "id": "z"}
    )
    options = ImageOptions(entrypoint=("/new",), env=(("A", "3"), ("C", "4")))

    image = assemble(ARM64, Family.OCI, [step()], options, base=base, epoch=0)

    config = json.loads(image.config.raw)
    assert [1] == config["x-unknown"]
    assert not {"docker_version", "id"} & set(config)
    assert {"Env": ["A=3", "B=2", "C=4"], "Entrypoint": ["/new"]} == config["config"]
    assert [str(TWO), str(ONE)] == config["rootfs"]["diff_ids"]
    assert ["base", "COPY x /", "ENV A=3", "ENV C=4", 'ENTRYPOINT ["/new"]'] == [
        h["created_by"] for h in config["history"]
    ]
    assert (mediatype.OCI_CONFIG, 2) == (image.config.media_type, len(image.layers))


@pytest.mark.parametrize("history", [[], [{"created_by": "a"}, {"created_by": "b"}]])
def test_a_history_that_does_not_fit_the_layers_is_replaced(history):
    """K050"""
    base = based(more={"history": history})

    told = continued_history(base.config.document.tree(), base.config, [History(created_by="ours")])

    assert ["unknown: the base has no history of this layer", "ours"] == [one["created_by"] for one in told]


def test_lines_of_history_without_a_layer_do_not_count():
    base = based(history=(History(created_by="a"), History(created_by="ENV", empty_layer=True)))

    told = continued_history(base.config.document.tree(), base.config, [])

    assert ["a", "ENV"] == [one["created_by"] for one in told]


def test_options_over_a_base():
    """K246"""
    settings = {
        "Cmd": ["old"], "Labels": {"z": "1", "a": "1"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}},
        "Env": ["PATH=/x", "PATHS=1"], "WorkingDir": "/w", "User": "u",
    }  # fmt: skip
    options = ImageOptions(
        entrypoint=("e",), cmd=("c",), env=(("PATH", "/y"),), user="1", workdir="/z", labels=(("a", "2"),),
        expose=("90",), volumes=("/u",), stop_signal="SIGINT",
    )  # fmt: skip

    apply_options(settings, options)

    assert {
        "Entrypoint": ["e"], "Cmd": ["c"], "Labels": {"a": "2", "z": "1"}, "ExposedPorts": {"80/tcp": {}, "90/tcp": {}},
        "Volumes": {"/v": {}, "/u": {}}, "Env": ["PATH=/y", "PATHS=1"], "WorkingDir": "/z", "User": "1",
        "StopSignal": "SIGINT",
    } == settings  # fmt: skip


def test_options_that_are_not_given_change_nothing():
    settings = {"Cmd": ["old"], "Entrypoint": ["e"]}

    apply_options(settings, ImageOptions())

    assert {"Cmd": ["old"], "Entrypoint": ["e"]} == settings


def test_options_in_a_dockerfiles_words():
    options = ImageOptions(
        env=(("A", "b"),),
        expose=("80",),
        volumes=("/v",),
        workdir="/w",
        user="u",
        stop_signal="TERM",
        entrypoint=(),
        cmd=("x",),
    )

    assert [
        "ENV A=b", "EXPOSE 80", 'VOLUME ["/v"]', "WORKDIR /w", "USER u", "STOPSIGNAL TERM", "ENTRYPOINT []", 'CMD ["x"]'
    ] == spoken(options)  # fmt: skip
    assert [] == spoken(ImageOptions())


@pytest.mark.parametrize(("count", "index", "is_index"), [(1, False, False), (1, True, True), (2, False, True)])
def test_the_root_of_a_build(count, index, is_index):
    arches = ("arm64", "amd64")[:count]
    images = [
        assemble(Platform("linux", arch), Family.OCI, [step()], ImageOptions(), base=None, epoch=0)
        for arch in arches
    ]

    root = bind(images, Family.OCI, Annotations(), index=index)

    assert is_index == mediatype.is_index(root.media_type)
    assert is_index or root == images[0].manifest
    if is_index:
        assert [image.manifest.digest for image in images] == [entry.digest for entry in view(root).entries]
