"""`ocitool.graph.signature_list`: a list of several writers, from which some layers leave again."""

import pytest

from ocitool.errors import MalformedDocument, Unsupported
from ocitool.graph.signature_list import appended, gained, without
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor, view

ONE, TWO = (Descriptor("x/y", Digest.of(name), 3, annotations={"n": name.decode()}) for name in (b"one", b"two"))


def test_what_one_writer_added_leaves_and_the_other_layers_keep_their_place():
    first, _ = appended(None, [ONE], "t")
    second, config = appended(first, [TWO], "t")

    left, smaller = without(second, [ONE], "t")

    assert (TWO,) == gained(first, second, "t") == view(left).layers
    assert view(left).config.digest == smaller.digest != config.digest


def test_where_nothing_would_be_left_there_is_no_list():
    held, _ = appended(None, [ONE, TWO], "t")

    assert without(held, [ONE, TWO], "t") is None


def test_an_index_is_no_list():
    with pytest.raises(MalformedDocument, match="t holds no list of signatures"):
        without(compose.index(Family.OCI, []), [ONE], "t")


def test_a_list_holds_as_many_as_verifiers_read_and_no_more():
    many = [Descriptor("x/y", Digest.of(b"%d" % number), 3) for number in range(1001)]
    full, _ = appended(None, many[:1000], "t")

    assert tuple(many[:1000]) == view(full).layers
    with pytest.raises(Unsupported, match="t holds 1000 signatures; verifiers read 1000"):
        appended(full, many[1000:], "t")
