"""Hosts that do not take a blob in one request, or not in small ones."""

import pytest

from ocitool.errors import RegistryError
from ocitool.registry.hosts import MIB
from tests.fakes.registry import Fault, fake_registry
from tests.fault.conftest import content, put, read

BLOB = content(12 * MIB)


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


def sizes(registry) -> list[int]:
    return [request.size for request in registry.asked("PATCH")]


def test_a_cap_on_parts_does_not_touch_a_stream(registry, opened):
    """K101: GHCR caps what comes with a Content-Range at 4 MiB, so a stream has none."""
    store = opened(registry)

    put(store, BLOB)

    assert [len(BLOB)] == sizes(registry)
    assert "content-range" not in registry.asked("PATCH")[0].headers


@pytest.mark.parametrize(
    ("status", "body"), [(413, b""), (416, b"body size exceeds the limit"), (400, b"chunk too large")]
)
def test_a_cap_on_any_body_is_learned(registry, opened, status, body):
    """K101: a size that was refused is not tried again."""
    registry.faults = [Fault("PATCH *", status=status, body=body, above=4 * MIB, times=-1)]
    store = opened(registry)

    put(store, BLOB)

    assert BLOB == read(store, BLOB)
    assert [len(BLOB), 8 * MIB, 5 * MIB, 4 * MIB, 4 * MIB, 4 * MIB] == sizes(registry)


def test_what_was_learned_serves_the_next_blob_and_the_next_process(registry, opened):
    registry.faults = [Fault("PATCH *", status=413, above=4 * MIB, times=-1)]
    store = opened(registry)
    put(store, BLOB)
    registry.log.clear()

    put(store, content(8 * MIB, b"y"))
    put(opened(registry), content(8 * MIB, b"z"))

    assert [4 * MIB] * 4 == sizes(registry)


def test_parts_keep_to_the_floor_of_amazon(registry, opened):
    """K101: no part but the last is below 5 MiB where larger ones are taken."""
    registry.faults = [Fault("PATCH *", status=413, above=8 * MIB, times=-1)]
    store = opened(registry)

    put(store, BLOB)

    assert [len(BLOB), 8 * MIB, 4 * MIB] == sizes(registry)


def test_a_minimum_that_the_registry_says_is_kept_to(registry, opened):
    registry.faults = [
        Fault("POST *", edit={"OCI-Chunk-Min-Length": str(9 * MIB)}, times=-1),
        Fault("PATCH *", status=413, above=11 * MIB, times=-1),
    ]
    store = opened(registry)

    with pytest.raises(RegistryError) as caught:
        put(store, BLOB)

    assert 413 == caught.value.status
    assert [len(BLOB)] == sizes(registry)  # no smaller size that is allowed is known


def test_the_user_decides_the_size_of_parts(registry, opened):
    """K101"""
    store = opened(registry, part_bytes=5 * MIB)

    put(store, BLOB)

    assert [5 * MIB, 5 * MIB, 2 * MIB] == sizes(registry)
    assert ["0-5242879", "5242880-10485759", "10485760-12582911"] == [
        request.headers["content-range"] for request in registry.asked("PATCH")
    ]
    assert BLOB == read(store, BLOB)


def test_a_small_blob_too_large_for_the_closing_request_is_streamed(registry, opened):
    """K101: ACR takes no large closing request."""
    registry.faults = [Fault("PUT *", status=413, above=MIB, times=-1)]
    store, data = opened(registry), content(3 * MIB)

    put(store, data)

    assert data == read(store, data)
    assert [3 * MIB] == sizes(registry)


@pytest.mark.parametrize("keeps_cut", [True, False])
def test_a_path_that_cuts_long_requests_gets_shorter_ones(opened, keeps_cut):
    """K113: a proxy ends every request at the same point."""
    heard = []
    with fake_registry(keeps_cut=keeps_cut) as registry:
        registry.faults = [Fault("PATCH *", reset=True, after=5 * MIB, above=5 * MIB, times=-1)]
        store = opened(registry, listener=heard.append)

        put(store, BLOB)

        assert BLOB == read(store, BLOB)
        long = [size for size in sizes(registry) if size == 5 * MIB]
    assert len(long) <= (3 if keeps_cut else 4)
    notices = [event.text for event in heard if getattr(event, "severity", "") == "notice"]
    assert keeps_cut or any("cut on the way" in text for text in notices)


def test_a_server_that_took_less_gets_the_rest(registry, opened):
    """The answer to a PATCH says how much was kept; what is missing follows, nothing is doubled."""
    store = opened(registry)
    half = len(BLOB) // 2

    def forget():
        registry.taken_at_most = half

    registry.faults = [Fault("PATCH *", first=forget)]

    put(store, BLOB)

    assert BLOB == read(store, BLOB)
    assert [None, f"{half}-{len(BLOB) - 1}"] == [
        request.headers.get("content-range") for request in registry.asked("PATCH")
    ]
