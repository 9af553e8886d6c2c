"""What of a repository is read, and how much of it is held."""

from contextlib import nullcontext

import pytest

from ocitool.errors import DigestMismatch, MalformedDocument, Unsupported
from ocitool.model import mediatype
from ocitool.model.document import Document
from ocitool.repository.graph import read_graph
from ocitool.repository.tags import TagOrder, TagQuery, describe_tags
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward


@pytest.mark.parametrize(("manifests", "size", "fits"), [(3, 0, True), (2, 0, False), (3, -1, False)])
def test_the_manifests_that_are_held_have_a_bound(monkeypatch, manifests, size, fits):
    store = MemoryStore("reg.test/app")
    images = [Ward(store).image(layers=[bytes([number])], tag=str(number)) for number in range(3)]
    monkeypatch.setattr("ocitool.repository.graph.MAX_MANIFESTS", manifests)
    monkeypatch.setattr("ocitool.repository.graph.MAX_BYTES", sum(one["size"] for one in images) + size)

    with nullcontext() if fits else pytest.raises(Unsupported, match=f"more than {manifests} manifests"):
        assert 3 == len(read_graph(store, scope=Scope()).nodes)


def test_what_cannot_be_read_ends_it_or_is_told_where_that_is_wanted():
    ward, told = Ward(Loose("reg.test/app")), []
    ward.image(tag="good")
    broken = ward.image("linux/arm64", tag="broken")
    ward.store.plant(Document(b"[]", mediatype.OCI_MANIFEST), "list")
    ward.store.spoil(broken["digest"], Document(b"{}", mediatype.OCI_MANIFEST))

    found = read_graph(ward.store, scope=Scope(), tolerant=True, listener=told.append)

    assert {"good", "list"} == set(found.tags)
    assert "a manifest is a JSON object" in found.nodes[found.tags["list"]].problem
    assert any("broken cannot be read" in getattr(one, "text", "") for one in told)
    with pytest.raises((DigestMismatch, MalformedDocument)):
        read_graph(ward.store, scope=Scope())


def test_a_manifest_that_breaks_its_form_is_named_as_one_that_may_keep_others():
    ward = Ward(Loose("reg.test/app"))
    ward.store.plant(document := Document(b"[]", mediatype.OCI_MANIFEST), "list")

    with pytest.raises(MalformedDocument) as caught:
        read_graph(ward.store, scope=Scope())

    assert [
        f"it is {document.digest} in reg.test/app; what it lists is not known, and so not what must be kept"
    ] == (caught.value.__notes__)


def test_what_is_neither_image_nor_index_has_no_date_no_size_and_no_platforms():
    ward = Ward(Loose("reg.test/app"))
    ward.store.plant(Document(b'{"schemaVersion": 2}', "application/vnd.example"), "other")
    ward.image(tag="image")

    other, image = describe_tags(ward.store, TagQuery(order=TagOrder.DATE), scope=Scope())

    assert ("image", False, False) == (image.tag, image.size is None, image.created is None)
    assert ("other", None, (), None) == (other.tag, other.size, other.platforms, other.created)


def test_a_tag_whose_manifest_breaks_its_form_is_described_with_the_reason():
    ward = Ward(Loose("reg.test/app"))
    ward.store.plant(Document(b"[]", mediatype.OCI_MANIFEST), "bad")

    [info] = describe_tags(ward.store, TagQuery(), scope=Scope())

    assert ("bad", None, ()) == (info.tag, info.size, info.platforms)
    assert "a manifest is a JSON object" in info.problem
