"""A registry as a store: what is refused before a request, and what an answer means."""

from types import SimpleNamespace

import pytest

from ocitool.errors import Conflict, RegistryError, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.mediatype import OCI_INDEX
from ocitool.store.base import Expect
from ocitool.store.remote import RemoteStore

HELD = Digest.of(b"held")
INDEX = b'{"schemaVersion":2,"manifests":[]}'


@pytest.fixture
def store():
    """One whose registry answers every write with `status`, and remembers them."""
    asked = []

    def put_manifest(name, document, media_type, condition):
        asked.append((name, condition))
        raise RegistryError("refused", status=412)

    session = SimpleNamespace(access=SimpleNamespace(connections=1))
    made = RemoteStore(SimpleNamespace(session=session, label="app", put_manifest=put_manifest))
    return made, asked


def test_a_manifest_larger_than_registries_take_is_not_sent(store):
    with pytest.raises(Unsupported, match=f"a manifest of {MANIFEST_LIMIT + 1} bytes is more than registries take"):
        store[0].put_manifest(Document(INDEX.ljust(MANIFEST_LIMIT + 1), OCI_INDEX), "v1")

    assert [] == store[1]


def test_a_condition_that_does_not_hold_is_a_conflict_and_without_one_it_is_a_refusal(store):
    document = Document(INDEX, OCI_INDEX)

    with pytest.raises(Conflict, match=f"app:v1 is no longer {HELD}"):
        store[0].put_manifest(document, "v1", expect=Expect(HELD))
    with pytest.raises(RegistryError, match="refused"):
        store[0].put_manifest(document, "v1")

    assert [("v1", str(HELD)), ("v1", "")] == store[1]
