"""Copies as plans: everything by default, smaller indexes on request, nothing written over silently."""

import json

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.change.plan import CopyFrom
from ocitool.errors import Conflict, NotFound, UsageError
from ocitool.graph.referrers import read_fallback
from ocitool.index.copy_plans import CopyOptions, plan_copy, plan_copy_tags
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor, view
from ocitool.store.base import BytesSource, Stored
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope

AMD, ARM, S390X = (Platform.parse(p) for p in ("linux/amd64", "linux/arm64", "linux/s390x"))


@pytest.fixture
def published(repository):
    """An index `1` of three platforms, the first with an attestation."""
    entries = []
    for platform in (AMD, ARM, S390X):
        image = repository.platform_image("", str(platform))
        entries.append(Descriptor(image.media_type, image.digest, image.size, platform))
    proof = repository.platform_image("", "unknown/unknown")
    marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(entries[0].digest)}
    unknown = Platform("unknown", "unknown")
    entries.append(Descriptor(proof.media_type, proof.digest, proof.size, unknown, annotations=marks))
    document = compose.index(Family.OCI, entries)
    repository.put_manifest(document, "1")
    return document


@pytest.fixture
def copied(repository, tmp_path):
    """`copied(target, wish)`: tag 1 copied to tag 1 of a target."""

    def run(target, *, tags=("1",), name="1", **wish):
        plan = plan_copy(repository, name, target, tags, CopyOptions(**wish), scope=Scope())
        return plan, apply(plan, target, Journal(tmp_path / "changes"), Scope())

    return run


def test_everything_is_copied_with_the_same_digest(repository, published, other_repository, copied):
    """K041: the whole tree, never one platform only; K029: the digest stays."""
    copied(other_repository)

    assert published == other_repository.get_manifest("1")
    for entry in view(published).entries:
        child = other_repository.get_manifest(str(entry.digest))
        assert other_repository.has_blob(view(child).config)


def test_some_platforms_make_a_smaller_index(repository, published, other_repository, copied):
    """K040: a filtered index is pushed and the change of digest told."""
    plan, _ = copied(other_repository, platforms=(AMD, ARM))

    entries = view(other_repository.get_manifest("1")).entries
    assert ["linux/amd64", "linux/arm64", "unknown/unknown"] == [str(e.platform) for e in entries]
    assert other_repository.head(str(view(published).entries[2].digest)) is None
    labels = ["linux/amd64", "linux/arm64", "unknown/unknown"]
    assert labels == [step.label for step in plan.steps if isinstance(step, CopyFrom)]
    assert [
        f"only linux/amd64, linux/arm64: the index becomes {plan.result.digest.short}, it was {published.digest.short}"
    ] == [*plan.notes]


def test_sparse_keeps_the_index(repository, published, other_repository, copied):
    """K040: a flag keeps the original list."""
    copied(other_repository, platforms=(ARM,), sparse=True)

    assert published == other_repository.get_manifest("1")
    assert other_repository.head(str(view(published).entries[0].digest)) is None


def test_platform_that_is_not_there_lists_what_is(repository, published, other_repository, copied):
    """K013: without attestations."""
    with pytest.raises(NotFound) as caught:
        copied(other_repository, platforms=(Platform.parse("linux/riscv64"),))

    assert "there is linux/amd64, linux/arm64, linux/s390x" == caught.value.hint


def test_a_platform_that_may_be_in_an_inner_index_has_a_way_out(repository, published, other_repository, copied):
    repository.put_manifest(compose.index(Family.OCI, [Descriptor.of(repository.get_manifest("1"))]), "outer")

    with pytest.raises(NotFound) as caught:
        copied(other_repository, name="outer", platforms=(ARM,))

    assert caught.value.hint.endswith("ocitool index flatten brings the entries of inner indexes up")


def test_image_of_another_platform_is_not_copied(repository, other_repository, copied):
    repository.platform_image("1", "linux/amd64")

    with pytest.raises(NotFound, match="is for linux/amd64 only"):
        copied(other_repository, platforms=(ARM,))


def test_image_of_the_platform_is_copied_as_it_is(repository, other_repository, copied):
    """K002: with a variant written or not."""
    image = repository.platform_image("1", "linux/arm64/v8")

    copied(other_repository, platforms=(ARM,))

    assert image == other_repository.get_manifest("1")


def test_artifact_has_no_platforms(repository, other_repository, copied):
    config = Descriptor("application/vnd.oci.example.v1+json", Digest.of(b"{}"), 2)
    repository.put_manifest(compose.manifest(Family.OCI, config, []), "1")

    with pytest.raises(UsageError, match="no platforms to choose"):
        copied(other_repository, platforms=(ARM,))


def test_smaller_index_can_be_copied_to_its_digest(repository, published, other_repository, copied):
    """K062: the digest has to be that of the smaller index."""
    plan = plan_copy(repository, "1", other_repository, ["x"], CopyOptions(platforms=(ARM,)), scope=Scope())
    digest = plan.result.digest

    copied(other_repository, platforms=(ARM,), tags=(str(digest),))

    assert other_repository.head(str(digest)) is not None


def test_tag_with_something_else_needs_consent(repository, published, other_repository, copied):
    old = other_repository.platform_image("1", "linux/amd64")

    with pytest.raises(Conflict) as caught:
        copied(other_repository)
    _, report = copied(other_repository, replaces=True)

    assert "--replace" in caught.value.hint
    assert (old.digest,) == report.backups


def test_same_again_is_already_there(repository, published, other_repository, copied):
    """K127: equal content is no conflict."""
    copied(other_repository)

    _, report = copied(other_repository)

    assert not report.changed


def test_missing_child_is_refilled_though_the_index_is_there(repository, published, other_repository, copied):
    """K034: that the index is there does not prove that its children are."""
    copied(other_repository)
    gone = view(published).entries[1].digest
    other_repository.delete(str(gone))

    copied(other_repository)

    assert other_repository.head(str(gone)) is not None


def test_digest_as_target_must_be_the_digest(repository, published, other_repository, copied):
    """K062: refused unless what is pushed is just that."""
    with pytest.raises(UsageError):
        copied(other_repository, tags=(str(Digest.of(b"other")),))
    copied(other_repository, tags=(str(published.digest),))

    assert other_repository.head(str(published.digest)) is not None
    assert [] == list(other_repository.tags())


class TestAttestationThatIsGone:
    """K221: the registry lost the attestation of an image, which is there with all it needs."""

    @pytest.fixture(params=["manifest", "blob"])
    def lost(self, request, repository, published):
        entry = view(published).entries[-1]
        if request.param == "manifest":
            repository.delete(str(entry.digest))
        else:
            del repository._blobs[view(repository.get_manifest(str(entry.digest))).config.digest]
        return entry

    def test_is_left_out_of_a_subset_with_a_line(self, lost, other_repository, copied):
        plan, _ = copied(other_repository, platforms=(AMD,))

        kept = view(other_repository.get_manifest("1")).entries
        assert [AMD] == [entry.platform for entry in kept]
        assert f"attestation of {lost.attested[:19]} is gone from reg.test/app and left out" in plan.notes

    def test_stays_behind_where_the_index_is_kept(self, lost, published, other_repository, copied):
        copied(other_repository, platforms=(AMD,), sparse=True)

        assert published == other_repository.get_manifest("1")
        assert other_repository.head(str(lost.digest)) is None

    def test_of_another_image_does_not_matter(self, lost, other_repository, copied):
        plan, _ = copied(other_repository, platforms=(ARM,))

        assert not [note for note in plan.notes if "left out" in note]

    def test_that_is_there_is_taken_along(self, published, other_repository, copied):
        plan, _ = copied(other_repository, platforms=(AMD,))

        assert 2 == len(view(other_repository.get_manifest("1")).entries)
        assert not [note for note in plan.notes if "left out" in note]


def test_a_whole_copy_says_that_what_is_gone_is_an_attestation(repository, published, other_repository, copied):
    """K221: and names the flag that does without it."""
    lost = view(published).entries[-1]
    repository.delete(str(lost.digest))

    with pytest.raises(NotFound) as caught:
        copied(other_repository)

    assert f"it is the attestation of {lost.attested[:19]}" in caught.value.__notes__
    assert "--platform" in caught.value.hint


def test_a_whole_copy_without_an_image_says_nothing_of_attestations(
    repository, published, other_repository, copied
):
    repository.delete(str(view(published).entries[0].digest))

    with pytest.raises(NotFound) as caught:
        copied(other_repository)

    assert "attestation" not in " ".join([*caught.value.__notes__, caught.value.hint])


class TestReferrers:
    @pytest.fixture
    def signed(self, repository, published):
        """An SBOM that refers to the index, and a cosign signature tag of its first image."""
        empty = b"{}"
        config = Descriptor("application/vnd.example.sbom+json", Digest.of(empty), 2)
        repository.put_blob(config, BytesSource(empty))
        tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "config": config.to_tree(), "layers": []}
        tree["subject"] = Descriptor.of(published).to_tree()
        sbom = Document(json.dumps(tree).encode(), mediatype.OCI_MANIFEST)
        repository.put_manifest(sbom)
        first = view(published).entries[0].digest
        repository.platform_image(f"sha256-{first.hex}.sig", "unknown/unknown")
        return sbom, f"sha256-{first.hex}.sig"

    def test_are_left_behind_by_default(self, repository, signed, other_repository, copied):
        sbom, tag = signed

        copied(other_repository)

        assert [None, None] == [other_repository.head(str(sbom.digest)), other_repository.head(tag)]

    def test_come_along_on_request(self, repository, signed, other_repository, copied):
        sbom, tag = signed

        copied(other_repository, referrers=True)

        assert sbom.raw == other_repository.get_manifest(str(sbom.digest)).raw
        assert other_repository.head(tag) is not None

    def test_of_what_is_left_behind_stay(self, repository, signed, published, other_repository, copied):
        """Of a smaller index its own images' come, and what is said of the whole index."""
        sbom, first = signed
        second = f"sha256-{view(published).entries[1].digest.hex}.sig"
        repository.platform_image(second, "unknown/unknown")

        copied(other_repository, referrers=True, platforms=(ARM,))

        assert other_repository.head(second) is not None
        assert other_repository.head(first) is None
        assert other_repository.head(str(sbom.digest)) is not None

    def test_are_listed_where_there_is_no_api(self, repository, published, signed, copied):
        """K131: the fallback tag is maintained for what a copy brings."""
        sbom, _ = signed

        class Old(MemoryStore):
            def put_manifest(self, document, *tags, expect=None):
                return Stored(
                    super().put_manifest(document, *tags, expect=expect).descriptor, subject_indexed=False
                )

        target = Old("reg.test/old")
        copied(target, referrers=True)

        assert [sbom.digest] == [entry.digest for entry in read_fallback(target, published.digest)]


def test_all_tags(repository, published, other_repository, tmp_path):
    repository.platform_image("other", "linux/amd64")

    plan = plan_copy_tags(repository, other_repository, CopyOptions(), scope=Scope())
    apply(plan, other_repository, Journal(tmp_path / "changes"), Scope())

    assert ["1", "other"] == list(other_repository.tags())


def test_all_tags_of_nothing(repository, other_repository):
    with pytest.raises(NotFound, match="no tags"):
        plan_copy_tags(repository, other_repository, CopyOptions(), scope=Scope())
