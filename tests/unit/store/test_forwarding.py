"""A reader that answers nothing itself."""

from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.store.forwarding import ForwardingReader
from ocitool.store.memory import MemoryStore
from tests.fakes.sick import Ward


def test_every_question_is_answered_by_the_store_behind():
    behind = MemoryStore("reg.test/app")
    ward = Ward(behind)
    image = ward.image(tag="1")
    ward.image(manifest=lambda tree: tree.update(subject=image), tag="beside")
    manifest = behind.get_manifest("1")
    config = Descriptor.from_tree(manifest.tree()["config"])
    reader = ForwardingReader(behind)

    assert (behind.label, behind.traits) == (reader.label, reader.traits)
    assert Descriptor.of(manifest) == reader.head("1")
    assert (None, manifest) == (reader.head("none"), reader.get_manifest("1"))
    assert [True, False] == [reader.has_blob(one) for one in (config, Descriptor("x", Digest.of(b"none"), 4))]
    assert [config.size, None] == [reader.blob_size(one) for one in (config.digest, Digest.of(b"none"))]
    with behind.open_blob(config) as pieces, reader.open_blob(config, 1) as rest:
        assert b"".join(pieces)[1:] == b"".join(rest) != b""
    assert ["1", "beside"] == list(reader.tags())
    assert behind.referrers(manifest.digest) == reader.referrers(manifest.digest)
    assert 1 == len(reader.referrers(manifest.digest))
