"""Content from store to store by its digests, without a word of tags; tests/unit/change/test_copy.py has the tags."""

from ocitool.graph.copy import copy, put_snapshot
from ocitool.graph.walk import snapshot_of
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Put
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope

RAW = b"{}"
CONFIG = Descriptor(mediatype.OCI_CONFIG, Digest.of(RAW), 2)
CHILD = compose.manifest(Family.OCI, CONFIG, [])
ROOT = compose.index(Family.OCI, [Descriptor.of(CHILD)])


def put(target, **how):
    """The index and its image, of which all is at hand."""
    snapshot = snapshot_of(ROOT, [CHILD])
    return put_snapshot(snapshot, target, source_of=lambda d: BytesSource(RAW), scope=Scope(), **how)


def test_documents_at_hand_are_stored_without_a_source():
    target = MemoryStore()

    report = put(target)

    assert (ROOT, CHILD) == tuple(target.get_manifest(str(one.digest)) for one in (ROOT, CHILD))
    assert ([], 2, 2, False) == (list(target.tags()), report.manifests_sent, report.manifests, report.lacks_root)


def test_a_root_that_gets_a_tag_is_left_to_who_writes_that():
    """Sent once, and not by its digest and again under the tag."""
    target = MemoryStore()

    report = put(target, tagged=True)

    assert (None, True) == (target.head(str(ROOT.digest)), report.lacks_root)
    assert target.head(str(CHILD.digest)) is not None


def test_a_root_that_is_there_is_not_lacked():
    target = MemoryStore()
    put(target)

    assert not put(target, tagged=True).lacks_root


def test_blobs_that_were_sent_ahead_are_counted_and_not_asked_for():
    target = MemoryStore()

    report = put(target, done={CONFIG.digest: Put.STORED})

    assert (1, 2, False) == (report.puts[Put.STORED], report.sent, target.has_blob(CONFIG))


def test_a_copy_by_digest_writes_no_tag():
    source, target = MemoryStore(), MemoryStore()
    put(source)
    source.put_manifest(ROOT, "v1")

    report = copy(source, "v1", target, scope=Scope())

    assert ([], ROOT) == (list(target.tags()), target.get_manifest(str(report.root.digest)))


def test_trust_asks_for_the_root_alone():
    """K251: the report names the root, and counts the one manifest that was looked at."""
    source, target = MemoryStore(), MemoryStore()
    put(source)
    target.put_manifest(ROOT)

    report = copy(source, str(ROOT.digest), target, trust=True, scope=Scope())

    assert (Descriptor.of(ROOT), 1, 0) == (report.root, report.manifests, report.manifests_sent)
    assert target.head(str(CHILD.digest)) is None
