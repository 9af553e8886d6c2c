"""Registries that want less: 429 storms, paces, and how little a push may ask for."""

import pytest

from ocitool.errors import RegistryError
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, view
from ocitool.store.base import BytesSource, Put
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Retry, Scope, TaskGroup
from tests.fakes.copies import copy
from tests.fakes.images import put_image, tar
from tests.fakes.registry import Fault, fake_registry
from tests.fault.conftest import content, named, put

STORM = Retry(attempts=6, base_s=0.002, cap_s=0.05, total_s=60)


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture(scope="module")
def index():
    """A store with an index of 32 images that share a layer and have one of their own."""
    store, shared = MemoryStore(), content(200_000)
    entries = []
    for number in range(32):
        platform = f"linux/{'amd64' if number % 2 else 'arm64'}/v{number // 2}"
        digest = put_image(store, f"t{number}", platform, layers=[shared, tar(own=bytes([number]) * 5000)])
        entries.append(Descriptor.of(store.get_manifest(str(digest)), Platform(*platform.split("/"))))
    store.put_manifest(compose.index(Family.OCI, entries), "all")
    return store


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}])
def test_a_storm_of_429_ends_green(registry, opened, index, headers):
    """Each third request is refused; nothing is sent twice and the pace falls."""
    registry.faults = [Fault("* *", status=429, headers=headers, every=3, body=b"too many requests\n")]
    store = opened(registry, retry=STORM)

    copy(index, "all", store, "all", scope=Scope(), width=16)

    root = view(store.get_manifest("all"))
    assert 32 == len(root.entries)
    blobs = [data for (_, _), data in registry.blobs.items()]
    assert sum(map(len, blobs)) == registry.accepted
    pace = store.repository.session._paces[registry.host]
    assert pace.limit < 16


def test_the_host_is_left_alone_as_long_as_it_asks(registry, opened):
    store = opened(registry)
    store.tags()
    registry.faults = [Fault("HEAD *", status=429, headers={"Retry-After": "1"})]

    put(store, b"x")

    refused, again, *_ = registry.asked("HEAD")
    assert again.at_s - refused.at_s >= 0.9


def test_other_requests_wait_as_well(registry, opened):
    """A 429 is the host's word to all of us, not to one request."""
    store = opened(registry)
    list(store.repository.tags()) if registry.tags else store.has_blob(named(b"first"))
    registry.faults = [Fault("HEAD *", status=429, headers={"Retry-After": "1"})]

    with TaskGroup(Scope(), 4) as group:
        for number in range(4):
            group.spawn(store.has_blob, named(bytes([number])))

    refused = registry.asked("HEAD")[1]
    later = [request for request in registry.asked("HEAD")[2:] if request.at_s - refused.at_s > 0.9]
    assert later


def test_a_wait_beyond_the_budget_is_told_at_once(registry, opened):
    quota = {"Retry-After": "3600", "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"}
    registry.faults = [Fault("HEAD *", status=429, headers=quota, times=-1, body=b"slow down")]

    with pytest.raises(RegistryError) as caught:
        put(opened(registry), b"x")

    assert 3600.0 == caught.value.retry_after_s
    assert "0;w=21600 of 100;w=21600" in caught.value.hint
    assert 1 == len(registry.asked("HEAD"))


def test_at_most_sixteen_connections(registry, opened, index):
    registry.faults = [Fault("* *", drip_s=0.001, times=-1)]

    copy(index, "all", opened(registry), "all", scope=Scope(), width=32)

    assert registry.busiest <= 16


def test_a_registry_that_has_the_base_gets_none_of_it(registry, opened):
    """Five images over one base: no upload of it, at most one question for each distinct blob."""
    base = [content(300_000, b"a"), content(300_000, b"b")]
    put_image(opened(registry), "base", "linux/amd64", layers=base)
    registry.log.clear()
    accepted = registry.accepted
    images = MemoryStore()
    own = [tar(app=bytes([number]) * 1000) for number in range(5)]
    for number in range(5):
        put_image(images, f"t{number}", f"linux/arm/v{number}", layers=[*base, own[number]])
    store = opened(registry)

    for number in range(5):
        copy(images, f"t{number}", store, f"t{number}", scope=Scope())

    configs = sum(view(images.get_manifest(f"t{n}")).config.size for n in range(5))
    assert sum(map(len, own)) + configs == registry.accepted - accepted
    asked = [request.path for request in registry.log if request.method == "HEAD" and "/blobs/" in request.path]
    assert len(asked) == len(set(asked)) == 2 + 5 + 5


def test_a_blob_that_many_want_at_once_is_sent_once(registry, opened):
    store, data = opened(registry), content(300_000)

    with TaskGroup(Scope(), 8) as group:
        tasks = [group.spawn(store.put_blob, named(data), BytesSource(data)) for _ in range(8)]

    assert [1, 7] == [[t.result for t in tasks].count(put) for put in (Put.STORED, Put.EXISTED)]
    assert len(data) == registry.accepted


def test_copies_inside_one_registry_do_not_wait_for_themselves(registry, opened):
    """Each upload's body is a download from the same host: with one slot for both it would wait for ever."""
    source = opened(registry, "from")
    blobs = [content(50_000, bytes([number])) for number in range(24)]
    for data in blobs:
        put(source, data)
    registry.faults = [Fault("POST /v2/app/*", status=202, headers={"Location": "/nowhere"}, times=0)]
    target = opened(registry, connections=2)
    from ocitool.store.base import StoreSource

    reader = opened(registry, "from", write=False)
    target.repository.session.remembered.mount_denied(f"{registry.host}/from", target.repository.place)
    with TaskGroup(Scope(), 16) as group:
        for data in blobs:
            group.spawn(target.put_blob, named(data), StoreSource(named(data), reader))

    assert all(registry.blobs.get(("app", str(named(data).digest))) == data for data in blobs)
