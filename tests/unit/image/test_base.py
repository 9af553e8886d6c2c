"""`ocitool.image.base`: which image of a base is built upon, and what cannot be."""

import pytest

from ocitool.errors import MalformedDocument, NotFound
from ocitool.image.base import open_base
from ocitool.model.document import Document
from ocitool.model.platform import Platform
from ocitool.store.memory import MemoryStore
from tests.fakes.sick import Ward

ARM64 = Platform("linux", "arm64")


@pytest.fixture
def ward():
    return Ward(MemoryStore("reg.test/base"))


def take(ward, name="1"):
    return open_base(ward.store, name).image(ARM64, lambda _event: None)


def test_an_inner_index_that_lacks_what_it_is_listed_for_is_told_with_what_there_is(ward):
    inner = ward.index(ward.image("linux/amd64"), tag="")
    ward.index(ward.image("linux/s390x", layers=[]), inner | {"platform": {"os": "linux", "architecture": "arm64"}})

    with pytest.raises(NotFound, match=r"base reg\.test/base:1 has no image for linux/arm64") as caught:
        take(ward)

    assert "linux/s390x" in caught.value.hint


@pytest.mark.parametrize("place", ["root", "entry"])
def test_what_is_no_image_is_not_built_upon(ward, place):
    if place == "root":
        ward.store.put_manifest(Document(b'{"schemaVersion": 2}', "application/vnd.example"), "1")
    else:
        artifact = {"schemaVersion": 2, "artifactType": "a/b", "config": ward.blob(b"{}", "x/y"), "layers": []}
        ward.index(ward.manifest(artifact) | {"platform": {"os": "linux", "architecture": "arm64"}})

    with pytest.raises(MalformedDocument, match=r"base reg\.test/base:1 cannot be built upon"):
        take(ward)
