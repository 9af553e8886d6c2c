"""Verified streams and bounded reads."""

from dataclasses import replace
from itertools import repeat

import pytest

from ocitool.errors import DigestMismatch, MalformedDocument, SizeMismatch
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Pieces
from ocitool.store.memory import MemoryStore
from ocitool.store.verify import check_bytes, own_size, read_blob, verified

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


def test_a_wrong_size_of_the_right_content_tells_the_right_one():
    with pytest.raises(SizeMismatch) as caught:
        list(verified([b"abc", b"def"], replace(D, size=9), "here"))

    assert (6, "9") == (caught.value.size, caught.value.expected)


@pytest.mark.parametrize("said", [0, 5, 7])
def test_a_blob_has_its_own_size_whatever_is_said(said):
    store = MemoryStore()
    store.put_blob(D, BytesSource(b"abcdef"))

    assert 6 == own_size(store, replace(D, size=said), 100)


@pytest.mark.parametrize("held", [b"abcdeX", b"abcdef and more"])
def test_other_content_has_no_size_of_its_own(held):
    store = MemoryStore()
    store._blobs[D.digest] = held

    assert own_size(store, replace(D, size=9), 100) is None


def test_content_without_end_is_left_at_the_limit():
    class Endless(MemoryStore):
        def open_blob(self, descriptor, offset=0):
            return Pieces(lambda: verified(repeat(b"abcdef"), descriptor, self.label))

    assert own_size(Endless(), D, 100) is None


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
