"""`ocitool.change.removal`: what is gone already, and tags that a registry keeps when their manifest goes."""

import pytest

from ocitool.change.plan import Delete, Plan
from ocitool.change.removal import Remover
from ocitool.errors import Conflict
from ocitool.model.digest import Digest
from ocitool.store.memory import MemoryStore

TARGET = "reg.test/app"


@pytest.fixture
def remove(scope):
    """`remove(store, step, …)`: what was removed; the rest of the plan is left out."""

    def call(store, *steps):
        plan = Plan(TARGET, steps, names=tuple(step.name for step in steps))
        remover = Remover(plan, store, scope, width=1, note=lambda *_: lambda: None)
        remover.remove()
        return remover.removed

    return call


def test_a_manifest_that_is_gone_already_is_nobodys_removal(remove, make_note):
    gone = make_note("gone")

    assert [] == remove(MemoryStore(TARGET), Delete(str(gone.digest), gone, ("v1",)))


def test_tags_go_with_their_manifest_and_those_that_are_gone_are_not_counted(remove, make_note):
    store, held = MemoryStore(TARGET), make_note("held")
    store.put_manifest(held, "v1")

    assert [("v1", held.digest)] == remove(store, Delete(str(held.digest), held, ("v1", "v2")))

    assert (None, []) == (store.head(str(held.digest)), list(store.tags()))


def test_a_tag_that_holds_something_else_by_now_keeps_its_manifest(remove, make_note):
    store, held, other = MemoryStore(TARGET), make_note("held"), make_note("other")
    store.put_manifest(held, "v1")
    store.put_manifest(other, "v1")

    with pytest.raises(Conflict):
        remove(store, Delete(str(held.digest), held, ("v1",)))

    assert (held.digest, other.digest) == (store.head(str(held.digest)).digest, store.head("v1").digest)


class Sticky(MemoryStore):
    """A registry whose tags outlive the manifest that is deleted by its digest."""

    def delete(self, name):
        if ":" in name:
            kept = {tag: digest for tag, digest in self._tags.items() if str(digest) == name}
            document = self._manifests[Digest(name)]
            super().delete(name)
            self._tags |= kept
            self._manifests[document.digest] = document
        else:
            super().delete(name)


def test_a_tag_that_outlives_its_manifest_is_deleted_too(remove, make_note):
    store, held = Sticky(TARGET), make_note("held")
    store.put_manifest(held, "v1")

    remove(store, Delete(str(held.digest), held, ("v1",)))

    assert [] == list(store.tags())
