"""What is read by digest is asked for once, whoever wants it, however little is kept in memory."""

import threading
from dataclasses import replace

import pytest

from ocitool.check.caching_reader import CachingReader
from ocitool.errors import Cancelled, NotFound, RegistryError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, Served
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope, TaskGroup

PATIENCE = 60


class Asked(MemoryStore):
    """A store that notes what is asked for by digest, and may have something done before it answers."""

    def __init__(self, before=lambda name: None):
        super().__init__("asked")
        self.asked = []
        self.before = before

    def get_manifest(self, name, **more):
        self.asked.append(str(name))
        self.before(name)
        return super().get_manifest(name, **more)

    def open_blob(self, descriptor, offset=0):
        self.asked.append(str(descriptor.digest))
        return super().open_blob(descriptor, offset)


def document(number, size=100):
    return Document(b'{"schemaVersion":2,"manifests":[],"n":"%0*d"}' % (size, number), mediatype.OCI_INDEX)


def filled(store, count, size=100):
    documents = [document(number, size) for number in range(count)]
    for one in documents:
        store.put_manifest(one)
    return documents


@pytest.mark.parametrize("in_memory", [10**6, 300, 0])
def test_every_manifest_is_asked_for_once_whatever_fits_into_memory(in_memory):
    store = Asked()
    documents = filled(store, 20)

    with CachingReader(store, Scope(), in_memory=in_memory) as once:
        for _ in range(3):
            assert documents == [once.get_manifest(one.digest) for one in documents]

    assert [str(one.digest) for one in documents] == store.asked


@pytest.mark.parametrize("in_memory", [10**6, 0])
def test_what_a_registry_said_beside_a_manifest_is_kept_with_it(in_memory):
    """Rules judge it in every tag, and it does not count in a comparison of documents."""
    store = Asked()
    digest = filled(store, 1)[0].digest
    said = Served("application/json", str(digest), "9")
    store._manifests[digest] = replace(store._manifests[digest], served=said)

    with CachingReader(store, Scope(), in_memory=in_memory) as once:
        assert [said] * 3 == [once.get_manifest(str(digest)).served for _ in range(3)]


def test_what_has_no_place_at_all_is_asked_for_again_and_is_right():
    store = Asked()
    documents = filled(store, 4)

    with CachingReader(store, Scope(), in_memory=0, on_disk=2 * documents[0].size) as once:
        for _ in range(2):
            assert documents == [once.get_manifest(one.digest) for one in documents]

    assert [4, 2] == [len(store.asked[:4]), len(store.asked[4:])]


def test_what_was_used_last_stays_in_memory(monkeypatch):
    """A child that all tags share is not read from the file again and again."""
    store = Asked()
    shared, *others = filled(store, 10)
    reads = []
    monkeypatch.setattr("os.pread", lambda *words: reads.append(words))

    with CachingReader(store, Scope(), in_memory=3 * shared.size) as once:
        for one in others:
            once.get_manifest(one.digest)
            once.get_manifest(shared.digest)

    assert [] == reads


class Waiting(Scope):
    """A scope that opens a gate when three threads have looked at it while they waited."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.threads = set()

    def check(self):
        self.threads.add(threading.get_ident())
        if len(self.threads) == 3:
            self.gate.set()
        super().check()


def test_threads_that_want_the_same_share_one_request():
    scope = Waiting()

    def until_the_others_wait(_):
        assert scope.gate.wait(PATIENCE)

    store = Asked(until_the_others_wait)
    (one,) = filled(store, 1)
    with CachingReader(store, scope) as once, TaskGroup(Scope(), 4) as group:
        tasks = [group.spawn(once.get_manifest, one.digest) for _ in range(4)]

    assert [one] * 4 == [task.result for task in tasks]
    assert 1 == len(store.asked)


def test_whoever_waits_for_another_thread_stops_when_cancelled():
    arrived, gate, scope = threading.Event(), threading.Event(), Scope()

    def slow(_):
        arrived.set()
        assert gate.wait(PATIENCE)

    store = Asked(slow)
    (one,) = filled(store, 1)
    once = CachingReader(store, scope)
    with TaskGroup(Scope(), 1) as group:
        group.spawn(once.get_manifest, one.digest)
        assert arrived.wait(PATIENCE)
        scope.cancel()

        with pytest.raises(Cancelled):
            once.get_manifest(one.digest)
        gate.set()


def test_after_a_cancelled_request_the_next_one_asks_itself():
    """The cancelled thread's own group may be gone while others still want the manifest."""
    answers = iter([Cancelled()])

    def cancelled_once(_):
        for error in answers:
            raise error

    store = Asked(cancelled_once)
    (one,) = filled(store, 1)
    once = CachingReader(store, Scope())
    with pytest.raises(Cancelled):
        once.get_manifest(one.digest)

    assert one == once.get_manifest(one.digest)


@pytest.mark.parametrize(
    "error", [NotFound("no manifest there", name="x"), RegistryError("the registry is busy", status=503)]
)
def test_what_failed_once_is_not_asked_again(error):
    """K034: a child that a thousand tags share is retried for one of them."""

    def fail(_):
        raise error

    store = Asked(fail)
    once = CachingReader(store, Scope())
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            once.get_manifest(document(1).digest)
        assert vars(error) == vars(caught.value)

    assert 1 == len(store.asked)


def test_tags_are_asked_for_every_time():
    store = Asked()
    store.put_manifest(document(1), "latest")
    once = CachingReader(store, Scope())
    once.get_manifest("latest")
    store.put_manifest(document(2), "latest")

    assert document(2) == once.get_manifest("latest")
    assert document(2).digest == once.head("latest").digest


def test_configs_are_asked_for_once_and_layers_every_time():
    store = Asked()
    data = b"{}"
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(data), len(data))
    layer = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"layer"), 5)
    store.put_blob(config, BytesSource(data))
    store.put_blob(layer, BytesSource(b"layer"))
    once = CachingReader(store, Scope())

    for _ in range(3):
        assert data == read_blob(once, config, 100)
        assert b"layer" == read_blob(once, layer, 100)

    assert [1, 3] == [store.asked.count(str(one.digest)) for one in (config, layer)]


def test_a_digest_that_was_read_needs_no_head():
    store = Asked()
    (one,) = filled(store, 1)
    once = CachingReader(store, Scope())
    once.get_manifest(one.digest)
    store.delete(str(one.digest))

    assert Descriptor.of(one) == once.head(one.digest)
    assert once.head(document(2).digest) is None


@pytest.mark.parametrize("how", ["in part", "not at all"])
def test_what_a_full_disk_does_not_take_is_asked_for_again(monkeypatch, how):
    def write(_file, data, _offset):
        if how == "in part":
            return len(data) - 1
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("os.pwrite", write)
    store = Asked()
    documents = filled(store, 2)
    with CachingReader(store, Scope(), in_memory=0, on_disk=10 * documents[0].size) as once:
        for one in (*documents, *documents):
            assert one == once.get_manifest(str(one.digest))

    assert 2 * [str(one.digest) for one in documents] == store.asked
