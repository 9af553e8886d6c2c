"""Tables of contents compared with the layers that they are of: whatever one says and the other does not is told."""

import gzip

import pytest
import zstandard

from ocitool.check.tables import table_fault, table_key
from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCI_LAYER_GZIP
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes import tocs
from tests.fakes.layers import tar

TAR = tar(
    ("bin/", "755"), ("bin/sh", "shell" * 30), ("bin/ls", "list"), ("link", "-> bin/sh"), ("hard", "= bin/sh")
)
MAKERS = {"estargz": tocs.estargz, "zstd:chunked": tocs.zstd_chunked, "gzip,toc": tocs.listed}


def fault(blob, annotations):
    store = MemoryStore()
    layer = Descriptor(OCI_LAYER_GZIP, Digest.of(blob), len(blob), annotations=annotations)
    store.put_blob(layer, BytesSource(blob))
    return table_fault(store, layer, Scope())


def changed(change, form="zstd:chunked"):
    """A layer whose table was changed before it was sealed."""
    entries, parts = tocs.pieces_of(TAR, 50)
    pack = zstandard.compress if form == "zstd:chunked" else (lambda part: gzip.compress(part, mtime=0))
    blob = tocs._blob(parts, pack)
    change({entry["name"]: entry for entry in entries if entry["type"] != "chunk"}, entries)
    return (tocs.seal_chunked if form == "zstd:chunked" else tocs.seal_estargz)(blob, entries)


@pytest.mark.parametrize("form", MAKERS)
def test_a_table_that_is_right_has_no_fault(form):
    assert "" == fault(*MAKERS[form](TAR))


def test_a_layer_without_a_table_has_no_fault():
    assert "" == fault(gzip.compress(TAR), {})
    assert table_key(Descriptor(OCI_LAYER_GZIP, Digest.of(b""), 0, annotations={"a": "b"})) is None


CHANGES = {
    "mode": (lambda by, _: by["bin/sh"].update(mode=0o777), "says of /bin/sh"),
    "owner": (lambda by, _: by["bin/ls"].update(uid=7), "says of /bin/ls"),
    "link": (lambda by, _: by["link"].update(linkName="bin/ls"), "says of /link"),
    "kind": (lambda by, _: by["hard"].update(type="symlink"), "says of /hard"),
    "attribute": (lambda by, _: by["bin/sh"].update(xattrs={"a": "YQ=="}), "says of /bin/sh"),
    "missing": (lambda by, entries: entries.remove(by["link"]), "lacks /link"),
    "more": (lambda _, entries: entries.append({"name": "new", "type": "dir"}), "has /new, which the tar has not"),
    "content": (
        lambda by, _: by["bin/ls"].update(digest=f"sha256:{'0' * 64}", chunkDigest=f"sha256:{'0' * 64}"),
        "other content for /bin/ls",
    ),
    "chunk": (
        lambda _, entries: next(e for e in entries if e["type"] == "chunk").update(chunkDigest=tocs.digest(b"x")),
        "other content for /bin/sh",
    ),
    "damage": (lambda by, _: by["bin/sh"].update(offset=10**9), "outside of the blob"),
}


@pytest.mark.parametrize("form", ["zstd:chunked", "estargz"])
@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_what_a_table_says_otherwise_is_told(change, what, form):
    assert what in fault(*changed(change, form))


def test_times_are_no_difference():
    assert "" == fault(*changed(lambda by, _: by["bin/sh"].update(modtime="2020-01-01T00:00:00Z")))


def test_another_table_than_the_manifest_says_is_told():
    blob, annotations = tocs.listed(TAR)

    assert "as the manifest says" in fault(blob, {key: tocs.digest(b"x") for key in annotations})


def test_a_layer_that_is_damaged_itself_is_no_fault_of_the_table():
    blob, annotations = tocs.estargz(TAR)

    with pytest.raises(MalformedDocument):
        fault(blob[:12] + bytes(3) + blob[15:], annotations)


def test_one_layer_under_two_tables_has_two_keys():
    keys = {
        table_key(Descriptor(OCI_LAYER_GZIP, Digest.of(b"x"), 1, annotations={"org.ocitool.toc.digest": text}))
        for text in "ab"
    }

    assert 2 == len(keys)
