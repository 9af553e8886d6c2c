"""Layers that are read in parts: the same files as the whole gives, few bytes of it, each held to a digest."""

import io
import os
import random
import tarfile
from dataclasses import replace

import pytest

from ocitool.errors import DigestMismatch, MalformedDocument, NotFound, OcitoolError, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from ocitool.model.views import Descriptor
from ocitool.rootfs.parts import open_parts
from ocitool.rootfs.tree import identity_of, read_file, read_tree
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes import tocs
from tests.fakes.layers import stored, tar

RANDOM = random.Random(7)
BIG = RANDOM.randbytes(300_000)
TAR = tar(
    ("bin/", "755"),
    ("bin/sh", "shell"),
    ("big", BIG.hex()),
    ("etc/", "755"),
    ("etc/empty", ""),
    ("etc/link", "-> ../bin/sh"),
    ("etc/hard", "= bin/sh"),
    *((f"many/{n:03}", f"{n} {RANDOM.randbytes(300).hex()}") for n in range(40)),
)
FORMS = {
    "estargz": (tocs.estargz, OCI_LAYER_GZIP),
    "zstd:chunked": (tocs.zstd_chunked, OCI_LAYER_ZSTD),
    "gzip,toc": (tocs.listed, OCI_LAYER_GZIP),
}


class Counting(MemoryStore):
    """A store that tells which ranges were read, and may refuse them or spoil what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[tuple[int, int]] = []
        self.whole = 0
        self.refuses = False

    def open_blob(self, descriptor, offset=0):
        self.whole += 1
        return super().open_blob(descriptor, offset)

    def open_range(self, descriptor, offset, size):
        if self.refuses:
            raise Unsupported("whole blobs only", ability="range")
        self.ranges.append((offset, size))
        return BytesSource(self._blobs[descriptor.digest][offset : offset + size]).open()

    def spoil(self, descriptor, at):
        data = bytearray(self._blobs[descriptor.digest])
        data[at] ^= 0xFF
        self._blobs[descriptor.digest] = bytes(data)


class Remembering(dict):
    def recall(self, key):
        return self.get(key)

    def remember(self, key, value):
        self[key] = value


def layered(form, data=TAR, **more):
    """A store with an image of one layer in a form, and its manifest."""
    make, media_type = FORMS[form]
    blob, annotations = make(data, **more)
    return image_of(blob, annotations, media_type)


def image_of(blob, annotations, media_type=OCI_LAYER_GZIP):
    store = Counting()
    layer = Descriptor(media_type, Digest.of(blob), len(blob), annotations=annotations)
    store.put_blob(layer, BytesSource(blob))
    _, manifest = stored(TAR)
    return store, replace(manifest, layers=(layer,))


def opened(store, manifest, memo=None):
    return read_tree(store, manifest, memo, scope=Scope(), in_parts=True)


def content(store, manifest, tree, path):
    return b"".join(read_file(store, manifest, tree, path, scope=Scope()))


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def test_a_tree_of_parts_is_that_of_the_whole(form):
    store, manifest = layered(form)
    whole, parts = (read_tree(store, manifest, None, scope=Scope(), in_parts=parts) for parts in (False, True))

    def told(tree):
        return [(path, replace(node, offset=0)) for path, node in tree.walk() if path != "stargz.index.json"]

    assert 1 == store.whole
    assert told(whole) == told(parts)


def test_every_file_reads_as_from_the_whole(form):
    store, manifest = layered(form, chunk=50_000)
    tree = opened(store, manifest)
    with tarfile.open(fileobj=io.BytesIO(TAR)) as archive:
        expected = {info.name: archive.extractfile(info).read() for info in archive if info.isreg()}

    assert expected == {path: content(store, manifest, tree, path) for path in expected}
    assert b"shell" == content(store, manifest, tree, "etc/link") == content(store, manifest, tree, "etc/hard")


def test_a_small_file_costs_few_bytes_and_requests(form):
    store, manifest = layered(form)
    tree = opened(store, manifest)
    listed = len(store.ranges)

    assert b"shell" == content(store, manifest, tree, "bin/sh")
    assert listed <= 3
    assert listed + 1 == len(store.ranges)
    (chunk,) = tree.parts[0].entry(tree.get("bin/sh").offset).chunks
    assert (chunk.offset, chunk.end - chunk.offset) == store.ranges[-1]
    assert not store.whole


def test_a_file_of_many_chunks_is_one_request(form):
    store, manifest = layered(form, chunk=10_000)
    tree = opened(store, manifest)
    before = len(store.ranges)

    assert BIG.hex().encode() == content(store, manifest, tree, "big")
    assert before + 1 == len(store.ranges)


def test_neighbouring_files_are_one_request(form):
    store, manifest = layered(form)
    parts = open_parts(store, manifest.layers[0], None, scope=Scope())
    before = len(store.ranges)
    wanted = [(entry.path, entry) for entry in reversed(parts.entries) if entry.path.startswith("many/")]

    found = {}
    for path, piece in parts.read(wanted, Scope()):
        found[path] = found.get(path, b"") + piece

    requests = len(store.ranges) - before
    tree = opened(store, manifest)
    assert 1 == requests
    assert {path: content(store, manifest, tree, path) for path in found} == found
    assert 40 == len(found)


def test_an_empty_file_is_read_without_a_request(form):
    store, manifest = layered(form)
    parts = open_parts(store, manifest.layers[0], None, scope=Scope())
    before = len(store.ranges)
    empty = next(entry for entry in parts.entries if entry.path == "etc/empty")

    assert [("k", b"")] == list(parts.read([("k", empty)], Scope()))
    assert before == len(store.ranges)


def test_the_table_is_read_once_on_a_machine(form):
    store, manifest = layered(form)
    memo = Remembering()
    first = opened(store, manifest, memo)
    before = len(store.ranges)

    again = opened(store, manifest, memo)

    assert before == len(store.ranges)
    assert list(first.walk()) == list(again.walk())


def test_what_a_machine_remembers_is_compared_again(form):
    store, manifest = layered(form)
    memo = Remembering()
    opened(store, manifest, memo)
    for value in memo.values():
        value["tail"] = "?"

    assert opened(store, manifest, memo).get("bin/sh") is not None


def test_a_spoiled_chunk_is_refused(form):
    store, manifest = layered(form)
    tree = opened(store, manifest)
    (chunk, *_) = tree.parts[0].entry(tree.get("big").offset).chunks
    store.spoil(manifest.layers[0], (chunk.offset + chunk.end) // 2)

    with pytest.raises(OcitoolError) as caught:
        content(store, manifest, tree, "big")
    assert 6 == caught.value.exit_code


def test_a_chunk_that_is_another_is_refused_when_it_has_passed():
    store, manifest = layered("estargz")
    tree = opened(store, manifest)
    parts = tree.parts[0]
    entry = parts.entry(tree.get("bin/sh").offset)
    lying = replace(entry.chunks[0], digest=Digest.of(b"other"))

    with pytest.raises(DigestMismatch, match=r"is not sha256:\w+, as its table of contents says"):
        list(parts.read([(None, replace(entry, chunks=(lying,)))], Scope()))


def test_a_chunk_that_says_more_than_there_is_is_refused(form):
    store, manifest = layered(form)
    parts = opened(store, manifest).parts[0]
    last = max((e for e in parts.entries if e.chunks), key=lambda e: e.chunks[0].offset)
    longer = replace(last.chunks[0], size=10**9)

    with pytest.raises(MalformedDocument, match="shorter than its table says"):
        list(parts.read([(None, replace(last, chunks=(longer,)))], Scope()))


def test_a_spoiled_table_is_refused(form):
    store, manifest = layered(form)
    layer = manifest.layers[0]
    store.spoil(layer, layer.size - 300 if form == "estargz" else layer.size - 200)

    with pytest.raises(OcitoolError) as caught:
        opened(store, manifest)
    assert 6 == caught.value.exit_code


def test_a_blob_that_ends_early_is_refused(form):
    store, manifest = layered(form)
    layer = manifest.layers[0]
    store._blobs[layer.digest] = store._blobs[layer.digest][:-100]

    with pytest.raises(MalformedDocument, match=r"has not the \d+ bytes its manifest says"):
        opened(store, manifest)


def test_a_server_without_ranges_is_read_whole(form):
    store, manifest = layered(form)
    store.refuses = True
    tree = opened(store, manifest)

    assert not tree.parts
    assert b"shell" == content(store, manifest, tree, "bin/sh")


def test_without_the_annotation_a_layer_is_read_whole(form):
    store, manifest = layered(form)
    bare = replace(manifest, layers=(replace(manifest.layers[0], annotations={}),))

    assert not opened(store, bare).parts
    assert not store.ranges


def test_a_small_layer_is_read_whole(form):
    store, manifest = layered(form, tar(("a", "b")))

    assert not opened(store, manifest).parts
    assert not store.ranges


def test_annotations_on_an_ordinary_layer_change_nothing(form):
    store, plain = stored(tar(("a", os.urandom(200_000).hex())))
    annotations = layered(form)[1].layers[0].annotations
    manifest = replace(plain, layers=(replace(plain.layers[0], annotations=annotations),))
    if form == "zstd:chunked":  # at such a place there is no frame
        where = next(key for key in annotations if key.endswith("position"))
        manifest = replace(
            plain, layers=(replace(plain.layers[0], annotations={**annotations, where: "1000:50:60:1"}),)
        )
    tree = opened(store, manifest)

    assert not tree.parts
    assert tree.get("a") is not None


def test_contents_are_told_apart_by_the_table_too(form):
    store, manifest = layered(form)
    tree, whole = opened(store, manifest), read_tree(store, manifest, None, scope=Scope())
    names = {identity_of(manifest, one, one.get(path)) for one in (tree, whole) for path in ("bin/sh", "big")}

    assert 4 == len(names)


def test_what_is_no_file_is_not_found(form):
    store, manifest = layered(form)

    with pytest.raises(NotFound, match="no file /bin"):
        content(store, manifest, opened(store, manifest), "bin")


@pytest.mark.parametrize("form", ["estargz", "zstd:chunked"])
def test_what_stands_far_apart_or_comes_before_is_asked_for_by_itself(form):
    store, manifest = layered(form, chunk=10_000)
    parts = open_parts(store, manifest.layers[0], None, scope=Scope())
    big = next(entry for entry in parts.entries if entry.path == "big")
    first, *_, last = big.chunks
    before = len(store.ranges)
    mixed = replace(big, chunks=(last, first))

    found = b"".join(piece for _, piece in parts.read([(None, mixed)], Scope()))

    text = BIG.hex().encode()
    assert text[last.start :] + text[: first.size] == found
    assert before + 2 == len(store.ranges)


def test_what_little_stands_between_is_passed_over():
    store, manifest = layered("estargz")
    parts = open_parts(store, manifest.layers[0], None, scope=Scope())
    wanted = [entry for entry in parts.entries if entry.path in {"many/003", "many/020"}]
    before = len(store.ranges)

    found = [path for path, _ in parts.read([(entry.path, entry) for entry in wanted], Scope())]

    assert ["many/003", "many/020"] == found
    assert before + 1 == len(store.ranges)
