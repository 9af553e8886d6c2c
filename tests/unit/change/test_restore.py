"""`ocitool.change.restore` and `attachment`: what a record brings back, and where from."""

import pytest

from ocitool.change.attachment import taken_back
from ocitool.change.journal import Record, Sibling
from ocitool.change.plan import Delete, PutManifest, Tag
from ocitool.change.restore import restored
from ocitool.errors import NotFound, Unsupported
from ocitool.graph.signature_list import appended
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family, layer_type
from ocitool.model.views import Descriptor, view
from ocitool.store.memory import MemoryStore


@pytest.fixture
def record(tmp_path):
    return lambda **more: Record("reg.test/app", "v1", None, None, 0, tmp_path / "record", **more)


def test_bytes_that_are_nowhere_are_named(record, journal, scope, make_note):
    lost = make_note("lost")
    store = MemoryStore("reg.test/app")

    with pytest.raises(NotFound, match=f"{lost.digest} is neither in reg.test/app nor in {journal.root}"):
        restored(record(removed=(lost.digest,)), store, journal, [MemoryStore("mirror")], scope=scope)


@pytest.mark.parametrize(("count", "more"), [(10, ""), (11, " and 1 more"), (13, " and 3 more")])
def test_blobs_that_are_nowhere_are_named_up_to_ten(record, journal, scope, count, more):
    kinds = (Family.OCI.config, *[layer_type(Family.OCI, "gzip")] * (count - 1))
    blobs = [Descriptor(kind, Digest.of(bytes([n])), 1) for n, kind in enumerate(kinds)]
    source, store = MemoryStore("mirror"), MemoryStore("reg.test/app")
    lost = compose.manifest(Family.OCI, blobs[0], blobs[1:])
    source.put_manifest(lost)

    with pytest.raises(Unsupported) as caught:
        restored(record(removed=(lost.digest,)), store, journal, [source], scope=scope)

    named = ", ".join(blob.digest for blob in blobs[:10])
    assert str(caught.value) == f"reg.test/app no longer has the blobs of what was deleted: {named}{more}"


def test_bytes_come_from_the_first_source_that_has_them(record, journal, scope, make_note):
    lost, mirror = make_note("lost"), MemoryStore("mirror")
    mirror.put_manifest(lost)
    told = record(removed=(lost.digest,), untagged=(("v2", lost.digest),))

    steps = restored(told, MemoryStore("reg.test/app"), journal, [MemoryStore("empty"), mirror], scope=scope)

    assert [(PutManifest, lost), (Tag, lost)] == [(type(step), step.document) for step in steps]
    assert "v2" == steps[-1].name


def test_of_what_was_attached_that_is_deleted_which_is_still_there(record, journal, make_note):
    there, gone, store = make_note("there"), make_note("gone"), MemoryStore("reg.test/app")
    store.put_manifest(there)

    steps = taken_back(record(attached=(gone.digest, there.digest)), store, journal)

    assert (Delete(str(there.digest), there),) == steps


def test_a_list_whose_old_bytes_are_nowhere_loses_only_what_was_added(record, journal):
    one, two = (Descriptor("x/y", Digest.of(name), 3) for name in (b"one", b"two"))
    before, _ = appended(None, [one], "t")
    after, _ = appended(before, [two], "t")
    store = MemoryStore("reg.test/app")
    store.put_manifest(after, "t")
    told = record(siblings=(Sibling("t", before.digest, after.digest, (two,)),))

    config, tag = taken_back(told, store, journal)

    assert ("t", after, (one,)) == (tag.name, tag.base, view(tag.document).layers)
    assert view(tag.document).config.digest == config.descriptor.digest
