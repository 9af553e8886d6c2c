"""`ocitool.artifact.responses`: a body as requests reads it."""

import pytest

from ocitool.artifact.responses import StreamedBody


@pytest.fixture
def closed():
    return []


@pytest.fixture
def body(closed):
    return StreamedBody(iter([b"abc", b"de"]), lambda: closed.append("closed"))


def test_a_piece_is_handed_out_in_smaller_ones(body):
    assert [b"ab", b"c", b"de"] == list(body.stream(2))


@pytest.mark.parametrize("size", [-1, None])
def test_without_a_size_all_that_is_left_is_read(body, size):
    assert (b"a", b"bcde", b"") == (body.read(1), body.read(size), body.read(1))


def test_it_is_closed_once(body, closed):
    body.release_conn()
    body.close()

    assert ["closed"] == closed
