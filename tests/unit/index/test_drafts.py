"""Drafts of lists: what is remembered between commands, and what is asked again at the push."""

from dataclasses import replace

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.index.drafts import Draft, DraftMember, Drafts, _docker_order, draw, plan_push
from ocitool.index.edit import EntryChanges
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor, view
from ocitool.tasks import Scope

LIST = "reg.test/app:latest"


@pytest.fixture
def drafts(tmp_path):
    return Drafts(tmp_path / "drafts")


@pytest.fixture
def images(repository):
    """Three images as the tags of a build matrix, and the draft that lists them."""
    made = {
        name: repository.platform_image(name, platform, Family.DOCKER)
        for name, platform in (("b-arm64", "linux/arm64/v8"), ("a-amd64", "linux/amd64"), ("a-arm", "linux/arm/v7"))
    }
    members = tuple(DraftMember(f"reg.test/app:{name}", document.digest) for name, document in made.items())
    return made, Draft(LIST, members)


def drawn(repository, draft):
    sources = [repository.source(m.reference.rpartition(":")[2]) for m in draft.members]
    return draw(draft, sources, scope=Scope())


def test_saved_draft_is_read_back_equal(drafts):
    marks = EntryChanges(variant="v8", os_version="10", os_features=("a", "b"))
    draft = Draft(LIST, (DraftMember("reg.test/app:a", Digest.of(b"1"), marks), DraftMember("b", Digest.of(b"2"))))

    drafts.save(draft)

    assert draft == drafts.load(LIST)
    assert drafts.load("reg.test/app:other") is None


def test_removed_draft_is_gone(drafts):
    drafts.save(Draft(LIST))

    assert [True, False] == [drafts.remove(LIST), drafts.remove(LIST)]


@pytest.mark.parametrize("text", ["{}", "[1]", '{"name": "x", "members": [{}]}', "{"])
def test_damaged_draft_is_an_error_that_says_what_to_do(drafts, text):
    drafts.save(Draft(LIST))
    [path] = drafts.root.iterdir()
    path.write_text(text)

    with pytest.raises(MalformedDocument):
        drafts.load(LIST)


def test_marks_add_up():
    draft = Draft(LIST, (DraftMember("a", Digest.of(b"1")),))

    twice = draft.annotated("a", EntryChanges(variant="v6")).annotated("a", EntryChanges(os="linux"))

    assert EntryChanges(os="linux", variant="v6") == twice.members[0].marks


def test_marks_on_a_stranger_are_refused_in_docker_s_words():
    with pytest.raises(NotFound, match="does not exist in"):
        Draft(LIST).annotated("reg.test/app:x", EntryChanges(variant="v6"))


def test_member_named_again_is_asked_anew():
    draft = Draft(LIST, (DraftMember("a", Digest.of(b"1"), EntryChanges(variant="v6")),))

    assert (DraftMember("a", Digest.of(b"2")),) == draft.with_members([DraftMember("a", Digest.of(b"2"))]).members


class TestDraw:
    def test_order_and_layout_are_docker_s(self, repository, images):
        """Sorted by file name, three spaces, size before digest: the bytes docker's client publishes."""
        made, draft = images

        document = drawn(repository, draft).document

        names = ["a-amd64", "a-arm", "b-arm64"]
        assert [made[name].digest for name in names] == [e.digest for e in view(document).entries]
        first = made["a-amd64"]
        expected = (
            '{\n   "schemaVersion": 2,\n   "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",\n'
            '   "manifests": [\n      {\n'
            '         "mediaType": "application/vnd.docker.distribution.manifest.v2+json",\n'
            f'         "size": {first.size},\n         "digest": "{first.digest}",\n'
            '         "platform": {\n            "architecture": "amd64",\n            "os": "linux"\n         }\n      },'
        )
        assert document.raw.decode().startswith(expected)
        assert mediatype.DOCKER_LIST == document.media_type

    def test_attestations_come_last_whichever_member_has_them(self, repository):
        amd64, arm64, proof = (
            repository.platform_image(name, platform)
            for name, platform in (("", "linux/amd64"), ("b", "linux/arm64"), ("", "unknown/unknown"))
        )
        marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(amd64.digest)}
        entries = [
            replace(Descriptor.of(proof), platform=Platform("unknown", "unknown"), annotations=marks),
            replace(Descriptor.of(amd64), platform=Platform("linux", "amd64")),
        ]
        both = compose.index(Family.OCI, entries)
        repository.put_manifest(both, "a")
        draft = Draft(
            LIST, tuple(DraftMember(f"reg.test/app:{n}", d.digest) for n, d in (("a", both), ("b", arm64)))
        )

        listed = view(drawn(repository, draft).document).entries

        assert [amd64.digest, arm64.digest, proof.digest] == [entry.digest for entry in listed]

    def test_image_built_anew_is_noticed_and_renewed(self, repository, images):
        """K016: the list names what the tag holds now, and says so."""
        made, draft = images
        new = repository.image(
            "a-amd64", {"os": "linux", "architecture": "amd64", "author": "again"}, Family.DOCKER
        )

        result = drawn(repository, draft)

        assert new.digest == view(result.document).entries[0].digest
        assert (
            f"reg.test/app:a-amd64 was {made['a-amd64'].digest.short} and is {new.digest.short} now",
        ) == result.notes

    def test_nothing_renewed_says_nothing(self, repository, images):
        assert () == drawn(repository, images[1]).notes

    def test_marks_are_laid_over_what_the_image_says(self, repository, images):
        _, draft = images
        draft = draft.annotated("reg.test/app:a-arm", EntryChanges(variant="v6", os_features=("x",)))

        entry = view(drawn(repository, draft).document).entries[1]

        assert ("arm", "v6", ("x",)) == (
            entry.platform.architecture,
            entry.platform.variant,
            entry.platform.os_features,
        )

    def test_words_are_what_the_user_said(self, repository, images):
        """In the order of the draft, with a platform only where one was set."""
        _, draft = images
        draft = draft.annotated("reg.test/app:a-arm", EntryChanges(variant="v6"))

        assert (
            ("reg.test/app:b-arm64", None),
            ("reg.test/app:a-amd64", None),
            ("reg.test/app:a-arm", Platform("linux", "arm", "v6")),
        ) == drawn(repository, draft).words

    def test_index_as_a_member_gives_its_children(self, repository, images):
        """K019: what docker refuses as a manifest list."""
        made, _ = images
        listed = [Descriptor(d.media_type, d.digest, d.size) for d in made.values()]
        index = compose.index(Family.DOCKER, listed)
        repository.put_manifest(index, "all")

        document = drawn(repository, Draft(LIST, (DraftMember("reg.test/app:all", index.digest),))).document

        assert {d.digest for d in made.values()} == {e.digest for e in view(document).entries}

    def test_marks_on_an_index_of_several_are_refused(self, repository, images):
        made, _ = images
        index = compose.index(Family.DOCKER, [Descriptor(d.media_type, d.digest, d.size) for d in made.values()])
        repository.put_manifest(index, "all")
        draft = Draft(LIST, (DraftMember("reg.test/app:all", index.digest, EntryChanges(variant="v8")),))

        with pytest.raises(UsageError, match="index of 3 images"):
            drawn(repository, draft)

    def test_one_platform_twice_is_refused(self, repository, images):
        """K017: docker would publish both."""
        _, draft = images
        again = repository.image("z", {"os": "linux", "architecture": "amd64", "author": "x"}, Family.DOCKER)

        with pytest.raises(UsageError, match="same platform"):
            drawn(repository, draft.with_members([DraftMember("reg.test/app:z", again.digest)]))

    def test_image_that_is_gone_is_named(self, repository, images):
        _, draft = images
        repository.delete("a-arm")

        with pytest.raises(NotFound, match="a-arm"):
            drawn(repository, draft)


def test_push_publishes_under_the_tag(repository, images, tmp_path):
    _, draft = images
    result = drawn(repository, draft)

    apply(plan_push(result, repository, "latest"), repository, Journal(tmp_path / "changes"), Scope())

    assert result.document == repository.get_manifest("latest")


def test_an_entry_without_a_platform_is_written_as_one():
    digest = str(Digest.of(b"1"))
    tree = {"digest": digest, "size": 7, "mediaType": "x/y", "annotations": {"a": "b"}}

    ordered = _docker_order(tree)

    assert ["mediaType", "size", "digest"] == list(ordered)[:3]
    assert tree == ordered
