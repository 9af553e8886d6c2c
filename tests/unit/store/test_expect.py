"""Compare-and-tag inside a store: the write happens only while the tag holds what the writer saw."""

import pytest

from ocitool.errors import Conflict
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.store.base import Expect
from ocitool.store.layout import LayoutStore
from ocitool.store.memory import MemoryStore


@pytest.fixture(params=["memory", "layout"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LayoutStore(tmp_path / "layout", create=True)


def document(text):
    return compose.index(Family.OCI, (), {"note": text})


def test_write_goes_through_while_the_tag_holds_what_was_seen(store):
    old, new = document("old"), document("new")
    store.put_manifest(old, "v1")

    store.put_manifest(new, "v1", expect=Expect(old.digest))

    assert new.digest == store.head("v1").digest


def test_stores_that_compare_say_so(store):
    """Who writes need not look again afterwards."""
    assert store.traits.compares_tags


def test_write_is_refused_after_another_writer(store):
    old, other, new = document("old"), document("other"), document("new")
    store.put_manifest(old, "v1")
    store.put_manifest(other, "v1")

    with pytest.raises(Conflict) as caught:
        store.put_manifest(new, "v1", expect=Expect(old.digest))

    assert other.digest == store.head("v1").digest
    assert (str(old.digest), str(other.digest)) == (caught.value.expected, caught.value.found)


def test_expecting_nothing_refuses_a_tag_that_appeared(store):
    other, new = document("other"), document("new")
    store.put_manifest(other, "v1")

    with pytest.raises(Conflict):
        store.put_manifest(new, "v1", expect=Expect(None))

    assert other.digest == store.head("v1").digest
