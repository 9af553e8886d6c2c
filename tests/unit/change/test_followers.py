"""Notes of signatures and the like that an edit leaves behind with the old digest, and a copy at its source."""

import pytest

from ocitool.change.followers import left_behind, with_followers
from ocitool.change.plan import Plan, refill, replace
from ocitool.errors import NetworkError
from ocitool.graph.referrers import put_referrer
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.sick import Ward


@pytest.fixture
def ward():
    return Ward(MemoryStore("reg.test/app"))


@pytest.fixture
def images(ward):
    """Two images, the first tagged 1: what a repair finds and what it makes."""
    old, new = ward.image(tag="1"), ward.image(config=lambda tree: tree.update(author="new"))
    return tuple(ward.store.get_manifest(entry["digest"]) for entry in (old, new))


def refer(ward, document, kind, text="x"):
    """An artifact about a manifest."""
    subject = {"mediaType": document.media_type, "digest": str(document.digest), "size": document.size}
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "artifactType": kind, "subject": subject}
    tree |= {"config": ward.blob(b"{}", mediatype.OCI_EMPTY), "layers": [ward.blob(text.encode(), "text/plain")]}
    put_referrer(ward.store, ward.document(tree, mediatype.OCI_MANIFEST), scope=Scope())


def notes(plan, ward):
    return list(with_followers(plan, ward.store, scope=Scope()).notes)


def test_nothing_is_said_of_what_nobody_refers_to(ward, images):
    assert [] == notes(replace("reg.test/app", ["1"], *images), ward)


def test_referrers_and_cosigns_tags_are_named(ward, images):
    """K022: they are of the old bytes, and never pointed at the new ones."""
    old, new = images
    for text in ("a", "b"):
        refer(ward, old, "application/spdx+json", text)
    refer(ward, old, "application/vnd.example.sig")
    ward.store.put_manifest(ward.store.get_manifest(str(new.digest)), f"sha256-{old.digest.hex}.sig")

    said = f"application/spdx+json (2), application/vnd.example.sig, sha256-{old.digest.hex}.sig"
    assert [
        f"{said} will not be of what takes the place of {old.digest.short}: sign and attest that anew"
    ] == notes(replace("reg.test/app", ["1"], old, new), ward)


def test_those_of_a_replaced_child_too(ward, images):
    old, new = images
    child = ward.store.get_manifest(ward.image("linux/arm64")["digest"])
    refer(ward, child, "application/vnd.example.sig")

    [note] = notes(replace("reg.test/app", ["1"], old, new, replaced=[child]), ward)
    assert child.digest.short in note


@pytest.mark.parametrize(
    "plan", [lambda held: Plan("reg.test/app"), lambda held: refill("reg.test/app", ["1"], held, ())]
)
def test_what_stays_is_not_asked_for(ward, images, plan):
    refer(ward, images[0], "application/vnd.example.sig")

    assert [] == notes(plan(images[0]), ward)


def test_a_store_that_does_not_answer_stops_no_repair(images):
    class Silent(MemoryStore):
        def referrers(self, digest: Digest):
            raise NetworkError("reg.test: cannot connect")

    [note] = with_followers(replace("reg.test/app", ["1"], *images), Silent(), scope=Scope()).notes

    assert (
        f"whether anything refers to {images[0].digest.short} could not be seen: reg.test: cannot connect" == note
    )


def test_what_a_copy_leaves_behind_is_counted(ward, images):
    old, _ = images
    none = left_behind(ward.store, old, scope=Scope())
    for text in ("a", "b"):
        refer(ward, old, "application/spdx+json", text)
    ward.store.put_manifest(images[1], f"sha256-{old.digest.hex}.sig")

    said = left_behind(ward.store, old, scope=Scope())

    assert ("", True) == (none, said.startswith(f"3 that refer to {old.digest.short} stay behind: "))
    assert f"application/spdx+json (2), sha256-{old.digest.hex}.sig; --referrers brings all of them" in said
