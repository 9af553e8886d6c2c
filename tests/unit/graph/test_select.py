"""One image of a name, by platform where there are several."""

import pytest

from ocitool.errors import MalformedDocument, NotFound, Unsupported, UsageError
from ocitool.graph.select import entry_of, select
from ocitool.model import compose
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore

AMD64, ARM64, ARM64_V8 = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/arm64/v8"))


class Images(MemoryStore):
    """A store with an index `all`, whose images are also `amd64` and `arm64`; counts what is read."""

    def __init__(self, *platforms: Platform) -> None:
        super().__init__("images")
        self.read: list[str] = []
        entries = []
        for platform in platforms:
            config = compose.image_config(
                Family.OCI, platform, settings={}, diff_ids=[], history=[], created="2020-01-01T00:00:00Z"
            )
            self.put_blob(Descriptor.of(config), BytesSource(config.raw))
            manifest = compose.manifest(Family.OCI, Descriptor.of(config), [])
            self.put_manifest(manifest, platform.architecture)
            entries.append(Descriptor.of(manifest, platform))
        self.put_manifest(compose.index(Family.OCI, entries), "all")

    def get_manifest(self, name, **limits):
        self.read.append(name)
        return super().get_manifest(name, **limits)


def test_a_platform_chooses_an_entry_in_two_requests():
    store = Images(AMD64, ARM64)

    found = select(store, "all", ARM64)

    assert (ARM64, "", store.head("arm64").digest) == (found.platform, found.note, found.manifest.document.digest)
    assert 2 == len(store.read)


def test_a_variant_that_is_understood_is_no_near_miss():
    """K002"""
    found = select(Images(AMD64, ARM64), "all", ARM64_V8)

    assert (ARM64, "") == (found.platform, found.note)


def test_what_a_host_runs_instead_is_said():
    """K005"""
    v6 = Platform.parse("linux/arm/v6")

    found = select(Images(AMD64, v6), "all", Platform.parse("linux/arm/v7"))

    assert (v6, "images:all has no linux/arm/v7; linux/arm/v6 is what such a host runs") == (
        found.platform,
        found.note,
    )


def test_the_only_image_of_an_index_needs_no_platform():
    assert AMD64 == select(Images(AMD64), "all").platform


def test_several_images_need_a_platform():
    with pytest.raises(UsageError) as caught:
        select(Images(AMD64, ARM64), "all")

    assert "choose one with --platform: linux/amd64, linux/arm64" == caught.value.hint


@pytest.mark.parametrize("name", ["all", "amd64"])
def test_a_platform_that_is_not_there_is_not_found(name):
    """K013"""
    with pytest.raises(NotFound) as caught:
        select(Images(AMD64), name, ARM64)

    assert "there is linux/amd64" == caught.value.hint


def test_a_single_image_answers_for_its_config():
    assert AMD64 == select(Images(AMD64), "amd64", AMD64).platform


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (
            b'{"schemaVersion":2,"artifactType":"application/x.thing","config":{"mediaType":'
            b'"application/vnd.oci.empty.v1+json","digest":"sha256:%s","size":2},"layers":[]}' % (b"4" * 64),
            "an artifact of type application/x.thing",
        ),
        (b'{"schemaVersion":1,"fsLayers":[]}', "schema 1 manifest"),
    ],
)
def test_what_is_no_image_has_no_files(raw, what):
    store = MemoryStore("store")
    store.put_manifest(Document(raw, "application/vnd.oci.image.manifest.v1+json"), "thing")

    with pytest.raises(Unsupported, match=what):
        select(store, "thing")


def test_indexes_without_end_are_refused():
    store = Images(AMD64)
    name = "all"
    for _ in range(20):
        inner = store.get_manifest(name)
        outer = compose.index(Family.OCI, [Descriptor.of(inner, AMD64)])
        store.put_manifest(outer)
        name = str(outer.digest)

    with pytest.raises(MalformedDocument, match="levels deep"):
        select(store, name, AMD64)


def test_an_entry_is_chosen_where_there_are_entries():
    store = Images(AMD64, ARM64_V8)

    assert store.head("arm64").digest == entry_of(store, "all", ARM64).digest
    with pytest.raises(UsageError, match="amd64 in images is no index, so it has no platforms to choose from"):
        entry_of(store, "amd64", AMD64)
    with pytest.raises(NotFound, match="no linux/s390x in images:all") as caught:
        entry_of(store, "all", Platform("linux", "s390x"))
    assert "linux/amd64" in caught.value.hint
