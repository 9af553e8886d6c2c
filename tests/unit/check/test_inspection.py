"""`ocitool.check.inspection` and `layers`: bounds of what is held, and what is hashed on the way."""

import hashlib

import pytest

from ocitool.check.inspection import look
from ocitool.check.layers import LayerLook, ReadLayers, _hashed
from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor, view
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from ocitool.values import replace
from tests.fakes.sick import Ward, member, tar


@pytest.fixture
def ward():
    return Ward(MemoryStore())


def test_blobs_that_are_too_many_are_not_asked_for(ward, monkeypatch):
    ward.image(layers=[tar(member("a")), tar(member("b"))], tag="1")
    monkeypatch.setattr("ocitool.check.inspection._MOST_BLOBS", 1)

    with pytest.raises(MalformedDocument, match="more than 1 blobs below one name") as caught:
        look(ward.store, "1", scope=Scope())

    assert "--no-blobs asks for none" == caught.value.hint
    assert look(ward.store, "1", scope=Scope(), blobs=False).images


def test_trees_are_forgotten_when_their_files_are_many_and_made_again(ward, monkeypatch):
    one, two = (ward.image(layers=[tar(member(f"{name}/f"))]) for name in "ab")
    ward.index(one, two)
    seen = look(ward.store, "1", scope=Scope(), deep=lambda _: True)
    first, second = (view(ward.store.get_manifest(image["digest"])) for image in (one, two))
    kept = seen.tree(first)
    monkeypatch.setattr("ocitool.check.inspection._MOST_FILES", 1)

    other = seen.tree(second)

    assert ["b", "b/f"] == [path for path, _ in other.walk()]
    assert seen.tree(second) is not None
    assert seen.tree(first) is not kept
    assert ["a", "a/f"] == [path for path, _ in seen.tree(first).walk()]


def test_the_layers_of_an_image_are_gone_through_once_however_often_it_is_listed(ward):
    ward.index(*[ward.image(layers=[tar(member("a")), tar(member("b"))])] * 50)
    asked = []

    class Looks(dict):
        def get(self, digest, default=None):
            asked.append(digest)
            return super().get(digest, default)

    seen = look(ward.store, "1", scope=Scope(), deep=lambda _: True)
    seen = replace(seen, layers=Looks(seen.layers))
    trees = [seen.tree(one.manifest) for one in seen.images]

    assert 50 == len(trees)
    assert 1 == len({id(tree) for tree in trees})
    assert 2 == len(asked)


def test_a_look_is_remembered_once_and_the_oldest_goes():
    layers = [Descriptor("x/y", Digest.of(bytes([n])), 1) for n in range(3)]
    held, looks = ReadLayers(most_files=2), [LayerLook("gzip") for _ in layers]

    for number in (0, 0, 1):
        held.put(layers[number], looks[number])
    both = [held.get(layer) for layer in layers]
    held.put(layers[2], looks[2])

    assert [*looks[:2], None] == both
    assert [None, looks[1], looks[2]] == [held.get(layer) for layer in layers]


@pytest.mark.parametrize(
    ("pieces", "is_hashed"),
    [
        ([b"\x7fELF", b"rest", b"more"], True),
        ([b"\x7f", b"ELF", b"rest"], True),
        ([b"text", b"rest", b"more"], False),
        ([b"\x7fE"], False),
    ],
)
def test_only_what_may_be_a_program_is_hashed(pieces, is_hashed):
    digest = hashlib.sha256()

    assert pieces == list(_hashed(pieces, digest.update))

    assert hashlib.sha256(b"".join(pieces) if is_hashed else b"").digest() == digest.digest()
