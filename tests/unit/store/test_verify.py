"""Verified streams and bounded reads."""

import pytest

from ocitool.errors import DigestMismatch, MalformedDocument
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.store.verify import check_bytes, read_blob, verified

D = Descriptor("x", Digest.of(b"abcdef"), 6)


def test_good_content_passes_piece_by_piece():
    assert [b"ab", b"cdef"] == list(verified([b"ab", b"cdef"], D, "here"))


def test_too_much_is_never_passed_on():
    stream = verified([b"abcd", b"efg", b"h"], D, "here")

    assert b"abcd" == next(stream)
    with pytest.raises(DigestMismatch, match="more than the 6 bytes"):
        next(stream)


@pytest.mark.parametrize(
    ("pieces", "said"), [([b"abc"], "3 of the 6 bytes"), ([b"abcdeX"], "hashes to"), ([], "0 of")]
)
def test_too_little_or_other_content_is_told_at_the_end(pieces, said):
    with pytest.raises(DigestMismatch, match=said):
        list(verified(pieces, D, "here"))


def test_manifest_bytes_are_compared():
    check_bytes(b"abcdef", D.digest, "here")
    with pytest.raises(DigestMismatch, match="here answered"):
        check_bytes(b"abcdeg", D.digest, "here")


def test_small_blobs_are_read_whole_and_large_ones_refused_unread():
    store = MemoryStore()
    store.put_blob(D, BytesSource(b"abcdef"))

    assert b"abcdef" == read_blob(store, D, 6)
    with pytest.raises(MalformedDocument, match="6 bytes, we read 5"):
        read_blob(store, D, 5)


def test_data_in_the_descriptor_is_used_after_it_was_verified():
    empty = MemoryStore()

    assert b"abcdef" == read_blob(empty, Descriptor("x", D.digest, 6, data=b"abcdef"), 6)
    with pytest.raises(DigestMismatch):
        read_blob(empty, Descriptor("x", D.digest, 6, data=b"abcdeX"), 6)
