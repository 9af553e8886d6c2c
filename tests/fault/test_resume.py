"""Uploads that broke: in this process, and in one that is gone."""

from collections.abc import Iterator

import pytest

from ocitool.errors import DigestMismatch, NetworkError, NotFound, OcitoolError
from ocitool.registry.hosts import MIB
from ocitool.store.base import PIECE, BytesSource, Pieces, Put, opened_range
from tests.fakes.registry import Fault, fake_registry
from tests.fault.conftest import content, named, put, read

BLOB = content(9 * MIB)


@pytest.fixture(params=[True, False], ids=["keeps what arrived", "drops the session"])
def dialect(request):
    """A registry like distribution 3, then one like docker-registry 2.8."""
    with fake_registry(keeps_cut=request.param) as fake:
        yield fake


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def notices():
    heard = []
    return (
        heard,
        lambda event: (
            heard.append(getattr(event, "text", "")) if getattr(event, "severity", "") == "notice" else None
        ),
    )


class Killed(BaseException):
    """The end of a process: nothing catches it."""


class Dying:
    """A source whose process dies after 6 MiB."""

    origin = None
    is_verified = False

    def open(self, offset: int = 0) -> Pieces:
        return Pieces(self._pieces)

    def _pieces(self) -> Iterator[bytes]:
        for at in range(0, 6 * MIB, PIECE):
            yield BLOB[at : at + PIECE]
        raise Killed


def die_in_mid_upload(registry, opened) -> None:
    with pytest.raises(Killed):
        opened(registry).put_blob(named(BLOB), Dying())
    registry.wait_idle()
    registry.log.clear()


def test_the_next_process_goes_on_where_the_registry_is(registry, opened, notices):
    heard, listener = notices
    die_in_mid_upload(registry, opened)

    assert Put.STORED == put(opened(registry, listener=listener), BLOB)

    assert BLOB == registry.blobs["app", str(named(BLOB).digest)]
    assert [3 * MIB] == [request.size for request in registry.asked("PATCH")]
    assert [] == registry.asked("POST")
    assert any("going on" in text for text in heard)


def test_a_session_that_is_gone_is_named_and_the_blob_sent_anew(opened, notices):
    heard, listener = notices
    with fake_registry(keeps_cut=False) as registry:
        die_in_mid_upload(registry, opened)

        put(opened(registry, listener=listener), BLOB)

        assert [9 * MIB] == [request.size for request in registry.asked("PATCH")]
        assert 1 == len(registry.asked("POST"))
    assert any("dropped the upload" in text and "404" in text for text in heard)


def test_a_finished_upload_leaves_nothing_in_the_journal(registry, opened, access):
    put(opened(registry), BLOB)

    assert [] == list(access.journal.iterdir())


def test_a_journal_of_another_blob_is_not_touched(registry, opened):
    die_in_mid_upload(registry, opened)

    put(opened(registry), content(9 * MIB, b"other"))

    assert 1 == len(registry.asked("POST"))


def test_a_cut_upload_is_continued_or_begun_again(dialect, opened):
    """K104, K107"""
    dialect.faults = [Fault("PATCH *", reset=True, after=6 * MIB)]

    put(opened(dialect), BLOB)

    assert BLOB == dialect.blobs["app", str(named(BLOB).digest)]
    second = 3 * MIB if dialect.keeps_cut else 9 * MIB
    assert [6 * MIB, second] == [request.size for request in dialect.asked("PATCH")]


def test_no_byte_is_taken_twice(registry, opened):
    """A repeated PATCH never doubles data."""
    registry.faults = [
        Fault("PATCH *", reset=True, after=2 * MIB),
        Fault("PATCH *", reset=True, then=True),
        Fault("PUT *", reset=True, then=True),
    ]

    put(opened(registry), BLOB)

    assert len(BLOB) == registry.accepted


def test_a_server_that_falls_silent_is_given_up_and_asked_again(registry, opened):
    registry.faults = [Fault("PATCH *", stall=True), Fault("HEAD *", stall=True)]

    put(opened(registry, stall_s=0.3), BLOB)

    assert BLOB == registry.blobs["app", str(named(BLOB).digest)]


def test_a_commit_without_an_answer_is_settled_by_looking(registry, opened):
    """K106"""
    registry.faults = [Fault("PUT *", stall=True, then=True)]

    put(opened(registry, stall_s=0.1), BLOB)

    assert 1 == len(registry.asked("PUT"))
    assert 1 == len(registry.asked("PATCH"))


def test_a_commit_whose_blob_was_lost_is_one_new_upload(opened):
    """K106: 404 at the commit, and the blob is not there."""
    gone = b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}'
    with fake_registry() as registry:
        registry.faults = [Fault("PUT *", status=404, body=gone)]
        put(opened(registry), BLOB)

        assert 2 == len(registry.asked("PATCH"))
        assert BLOB == registry.blobs["app", str(named(BLOB).digest)]


def test_a_registry_that_stores_something_else_is_found_out(registry, opened):
    other = str(named(b"other").digest)
    registry.faults = [Fault("PUT *", edit={"Docker-Content-Digest": other})]

    with pytest.raises(DigestMismatch, match="stored"):
        put(opened(registry), BLOB)


def test_a_commit_that_is_only_accepted_is_looked_after(registry, opened):
    registry.faults = [Fault("PUT *", status=202, times=-1)]

    with pytest.raises(NotFound, match="does not have it"):
        put(opened(registry), BLOB)


def test_a_repository_that_must_be_created_first_is_told(registry, opened):
    """K102: ECR answers NAME_UNKNOWN, and nothing is tried again."""
    registry.faults = [Fault("POST *", status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}', times=-1)]

    with pytest.raises(NotFound) as caught:
        put(opened(registry), BLOB)
    assert "created first" in caught.value.hint
    assert 1 == len(registry.asked("POST"))


def test_an_upload_that_is_cut_for_ever_ends(registry, opened):
    registry.faults = [Fault("PATCH *", reset=True, times=-1)]

    with pytest.raises(NetworkError):
        put(opened(registry), BLOB)
    assert len(registry.asked("PATCH")) <= 10


def test_a_source_that_is_too_short_is_not_sent_as_whole(registry, opened):
    wanted = named(BLOB)

    with pytest.raises(DigestMismatch):
        opened(registry).put_blob(wanted, BytesSource(BLOB[:-1]))
    assert {} == registry.blobs
    assert {} == registry.uploads  # and the session is given up


def test_a_digest_of_another_algorithm_is_announced(registry, opened):
    from ocitool.model.digest import Digest
    from ocitool.model.views import Descriptor

    wanted = Descriptor("application/octet-stream", Digest.of(BLOB, "sha512"), len(BLOB))

    opened(registry).put_blob(wanted, BytesSource(BLOB))

    assert "digest-algorithm=sha512" in registry.asked("POST")[0].path
    assert BLOB == registry.blobs["app", str(wanted.digest)]


# Downloads


def test_a_download_goes_on_where_it_broke(registry, opened):
    store = opened(registry)
    put(store, BLOB)
    registry.faults = [Fault("GET *", truncate=4 * MIB), Fault("GET *", truncate=2 * MIB)]

    assert BLOB == read(store, BLOB)

    ranges = [request.headers.get("range") for request in registry.asked("GET")]
    assert None is ranges[0]
    assert all(0 < int(text.removeprefix("bytes=").rstrip("-")) <= 6 * MIB for text in ranges[1:])
    assert 3 == len(ranges)


def test_a_part_of_a_blob_goes_on_where_it_broke(registry, opened):
    store = opened(registry)
    put(store, BLOB)
    registry.faults = [Fault("GET *", truncate=4 * MIB)]

    with opened_range(store, named(BLOB), 100, 6 * MIB) as pieces:
        assert BLOB[100 : 100 + 6 * MIB] == b"".join(pieces)

    end = 100 + 6 * MIB - 1
    first, second = (request.headers["range"] for request in registry.asked("GET"))
    assert f"bytes=100-{end}" == first
    assert 100 < int(second.removeprefix("bytes=").removesuffix(f"-{end}")) < end


def test_a_download_without_ranges_is_read_again(registry, opened):
    """A server that ignores Range answers 200: the beginning is dropped, not doubled."""
    store = opened(registry)
    put(store, BLOB)
    registry.faults = [Fault("GET *", truncate=4 * MIB), Fault("GET *", status=200, body=BLOB)]

    assert BLOB == read(store, BLOB)


def test_a_wrong_range_is_not_put_together(registry, opened):
    store = opened(registry)
    put(store, BLOB)
    wrong = {"Content-Range": f"bytes {5 * MIB}-{9 * MIB - 1}/{9 * MIB}"}
    registry.faults = [
        Fault("GET *", truncate=4 * MIB),
        Fault("GET *", status=206, headers=wrong, body=BLOB[5 * MIB :], times=-1),
    ]

    with pytest.raises(OcitoolError):
        read(store, BLOB)


def test_a_download_that_drips_is_whole(registry, opened):
    store, data = opened(registry, stall_s=0.5), content(100_000)
    put(store, data)
    registry.faults = [Fault("GET *", drip_s=0.002)]

    assert data == read(store, data)


def test_a_download_that_always_breaks_ends(registry, opened):
    store = opened(registry)
    put(store, BLOB)
    registry.faults = [Fault("GET *", truncate=1, times=-1), Fault("GET *", reset=True, times=-1)]
    registry.faults[0].times = 1

    with pytest.raises(NetworkError, match="after"):
        read(store, BLOB)
