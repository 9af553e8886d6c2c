"""One suite that every store must pass: memory, layouts, and repositories of registries, fake and real.

That the fake passes what the real ones pass is why the fault tests believe it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ocitool.errors import DigestMismatch, MalformedDocument, NotFound
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_INDEX, OCI_MANIFEST, OCTETS, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import Access
from ocitool.store.base import BytesSource, Put, Store, opened_range
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Retry, Scope, TaskGroup
from tests.contract.conftest import FAKES, REAL

KINDS = ["memory", "layout", *FAKES, *[pytest.param(name, marks=pytest.mark.registry) for name in REAL]]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path, home) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "layout":
        yield LayoutStore(tmp_path / "layout", create=True)
    else:
        kind = request.getfixturevalue("started")(request.param)
        kind.prepare(home)
        with Opener(Access(retry=Retry(attempts=2)), Scope()) as opener:
            yield opener.open(kind.repository(), write=True)[0]


def blob(data: bytes) -> tuple[Descriptor, BytesSource]:
    return Descriptor(OCTETS, Digest.of(data), len(data)), BytesSource(data)


def image(store: Store, *layers: bytes, architecture: str = "amd64") -> Document:
    """A small image whose blobs are in the store."""
    platform = Platform("linux", architecture)
    config = compose.image_config(
        Family.OCI, platform, settings={}, diff_ids=[Digest.of(x) for x in layers], history=[], created=""
    )
    store.put_blob(Descriptor.of(config), BytesSource(config.raw))
    descriptors = []
    for data in layers:
        layer = Descriptor("application/vnd.oci.image.layer.v1.tar", Digest.of(data), len(data))
        store.put_blob(layer, BytesSource(data))
        descriptors.append(layer)
    return compose.manifest(Family.OCI, Descriptor.of(config), descriptors)


def test_a_blob_comes_back_as_it_was_put(store):
    descriptor, source = blob(b"x" * 3_000_000)

    assert Put.STORED == store.put_blob(descriptor, source)
    with store.open_blob(descriptor) as pieces:
        got = list(pieces)
    assert b"x" * 3_000_000 == b"".join(got)
    assert all(len(piece) <= 1024 * 1024 for piece in got)


def test_a_blob_that_is_there_is_not_put_again(store):
    descriptor, source = blob(b"twice")
    store.put_blob(descriptor, source)

    assert Put.EXISTED == store.put_blob(descriptor, source)


def test_a_large_blob_arrives_whole(store):
    data = bytes(range(256)) * 40_000  # 10 MB: more than what travels in one closing request
    descriptor, source = blob(data)

    assert Put.STORED == store.put_blob(descriptor, source)
    with store.open_blob(descriptor) as pieces:
        assert data == b"".join(pieces)


def test_an_empty_blob_is_a_blob(store):
    descriptor, source = blob(b"")

    store.put_blob(descriptor, source)

    assert store.has_blob(descriptor)
    assert 0 == store.blob_size(descriptor.digest)


def test_a_blob_is_read_from_an_offset(store):
    descriptor, source = blob(b"0123456789")
    store.put_blob(descriptor, source)

    with store.open_blob(descriptor, 4) as pieces:
        assert b"456789" == b"".join(pieces)


@pytest.mark.parametrize(("offset", "size", "expected"), [(0, 3, b"012"), (4, 2, b"45"), (7, 100, b"789")])
def test_a_part_of_a_blob_is_read(store, offset, size, expected):
    descriptor, source = blob(b"0123456789")
    store.put_blob(descriptor, source)

    with opened_range(store, descriptor, offset, size) as pieces:
        assert expected == b"".join(pieces)


def test_a_part_of_an_absent_blob_is_not_found(store):
    with pytest.raises(NotFound), opened_range(store, blob(b"never put")[0], 1, 2) as pieces:
        list(pieces)


def test_absent_content_is_told_apart_from_failures(store):
    descriptor, _ = blob(b"never put")

    assert not store.has_blob(descriptor)
    assert store.blob_size(descriptor.digest) is None
    assert store.head("no-such-tag") is None
    assert store.head(str(Digest.of(b"nothing"))) is None
    with pytest.raises(NotFound):
        store.get_manifest("no-such-tag")
    with pytest.raises(NotFound), store.open_blob(descriptor) as pieces:
        list(pieces)


@pytest.mark.parametrize("sent", [b"other content", b"longer than what was promised", b""])
def test_content_that_is_not_what_its_descriptor_says_never_becomes_visible(store, sent):
    descriptor, _ = blob(b"promised text")

    with pytest.raises(DigestMismatch):
        store.put_blob(descriptor, BytesSource(sent))
    assert not store.has_blob(descriptor)


def test_a_manifest_keeps_its_bytes_whatever_they_look_like(store):
    """K028: indentation, key order, escapes, unknown keys and non-ASCII text are all part of the digest."""
    tree = json.loads(image(store, b"layer").raw)
    tree["x-unknown"] = {"b": 1, "a": "é"}
    raw = json.dumps(tree, indent=3, ensure_ascii=False).replace("/vnd", "\\/vnd", 1).encode()
    document = Document(raw, OCI_MANIFEST)

    stored = store.put_manifest(document, "odd")

    assert Digest.of(raw) == stored.descriptor.digest
    assert raw == store.get_manifest("odd").raw
    assert raw == store.get_manifest(str(Digest.of(raw))).raw


def test_a_manifest_without_tags_is_found_by_digest_alone(store):
    document = image(store, b"layer")

    store.put_manifest(document)

    found = store.head(str(document.digest))
    assert (OCI_MANIFEST, document.digest, document.size) == (found.media_type, found.digest, found.size)
    assert store.head("latest") is None


def test_a_tag_moves_and_the_old_manifest_stays(store):
    old, new = image(store, b"old"), image(store, b"new")
    store.put_manifest(old, "v1", "also")

    store.put_manifest(new, "v1")

    assert new.digest == store.head("v1").digest
    assert old.digest == store.head("also").digest
    assert old.raw == store.get_manifest(str(old.digest)).raw
    assert ["also", "v1"] == sorted(store.tags())


def test_an_index_is_put_after_its_children(store):
    children = [image(store, name.encode(), architecture=name) for name in ("amd64", "arm64")]
    for child in children:
        store.put_manifest(child)
    entries = [Descriptor.of(c, Platform("linux", a)) for c, a in zip(children, ("amd64", "arm64"), strict=True)]
    index = compose.index(Family.OCI, entries)

    store.put_manifest(index, "multi")

    assert OCI_INDEX == store.head("multi").media_type
    assert index.raw == store.get_manifest("multi").raw


def test_a_manifest_that_is_too_large_is_not_read(store):
    document = image(store, b"layer")
    store.put_manifest(document, "v1")
    if isinstance(store, MemoryStore):
        pytest.skip("what is in memory is read already")

    with pytest.raises(MalformedDocument):
        store.get_manifest("v1", limit=document.size - 1)


def test_deleting_a_manifest_removes_its_tags(store):
    document = image(store, b"layer")
    store.put_manifest(document, "a", "b")

    store.delete(str(document.digest))

    assert store.head("a") is None
    assert store.head(str(document.digest)) is None
    with pytest.raises(NotFound):
        store.delete(str(document.digest))


def test_a_referrer_is_found_by_its_subject(store):
    subject = image(store, b"subject")
    store.put_manifest(subject)
    referrer = image(store, b"referrer").edit(
        lambda tree: tree.update(subject=Descriptor.of(subject).to_tree(), artifactType="text/x-note")
    )

    stored = store.put_manifest(referrer)

    if stored.subject_indexed:
        assert [referrer.digest] == [d.digest for d in store.referrers(subject.digest)]
    else:  # the caller has to keep the fallback tag then (K131)
        assert [] == store.referrers(subject.digest)


def test_many_threads_may_use_one_store(store):
    sources = [blob(f"blob {n % 8}".encode()) for n in range(40)]

    with TaskGroup(Scope(), 8) as group:
        for descriptor, source in sources:
            group.spawn(store.put_blob, descriptor, source)

    assert all(store.has_blob(descriptor) for descriptor, _ in sources)


@contextmanager
def broken() -> Iterator[Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield b"some bytes"
        raise DigestMismatch("the source gave up")

    yield pieces()


class BrokenSource:
    origin = None
    is_verified = False

    def open(self, offset: int = 0):
        return broken()


def test_a_source_that_fails_half_way_leaves_nothing(store):
    descriptor, _ = blob(b"some bytes and more")

    with pytest.raises(DigestMismatch):
        store.put_blob(descriptor, BrokenSource())
    assert not store.has_blob(descriptor)
