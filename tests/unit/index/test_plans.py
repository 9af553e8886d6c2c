"""Plans for indexes: what is read, what would be written, and what is refused before any write."""

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.errors import NotFound, UsageError
from ocitool.graph.convert import Losses
from ocitool.index import edit
from ocitool.index.plans import IndexRequest, plan_add, plan_convert, plan_create, plan_edit, plan_flatten, plan_tag
from ocitool.index.sources import MemberSource
from ocitool.model import compose, mediatype
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor, view
from ocitool.tasks import Scope


@pytest.fixture
def create(repository):
    def run(*sources, tags=("1",), **options):
        return plan_create(repository, tags, IndexRequest(sources, **options), scope=Scope())

    return run


@pytest.fixture
def carry_out(repository, tmp_path):
    return lambda plan: apply(plan, repository, Journal(tmp_path / "changes"), Scope())


def kinds(plan):
    return [step.to_tree()["step"] for step in plan.steps]


class TestCreate:
    def test_docker_children_make_a_docker_list(self, repository, create):
        """K023: the family is the children's."""
        amd = repository.platform_image("1-amd64", "linux/amd64", Family.DOCKER)
        arm = repository.platform_image("1-arm", "linux/arm", Family.DOCKER)

        document = create(repository.source("1-amd64"), repository.source("1-arm")).result

        assert mediatype.DOCKER_LIST == document.media_type
        assert (
            compose.index(
                Family.DOCKER,
                [
                    Descriptor(amd.media_type, amd.digest, amd.size, Platform("linux", "amd64")),
                    Descriptor(arm.media_type, arm.digest, arm.size, Platform("linux", "arm", "v7")),
                ],
            )
            == document
        )

    def test_oci_children_make_an_oci_index(self, repository, create):
        """K023: the family is the children's."""
        repository.platform_image("a", "linux/amd64")

        assert mediatype.OCI_INDEX == create(repository.source("a")).result.media_type

    def test_mixed_children_need_a_choice(self, repository, create):
        """K023: stop, or convert with an explicit flag."""
        repository.platform_image("a", "linux/amd64", Family.DOCKER)
        oci = repository.platform_image("b", "linux/arm64", Family.OCI)
        sources = repository.source("a"), repository.source("b")

        with pytest.raises(UsageError, match="mixed"):
            create(*sources)
        plan = create(*sources, family=Family.OCI)

        assert ["put-manifest", "tag"] == kinds(plan)
        assert {mediatype.OCI_MANIFEST} == {e.media_type for e in view(plan.result).entries}
        assert oci.digest == view(plan.result).entries[1].digest
        assert ("1 images are converted to oci: their digests change",) == plan.notes

    def test_second_run_lists_what_the_tags_hold_now(self, repository, create, carry_out):
        """K016: nothing is remembered between runs."""
        repository.platform_image("1-amd64", "linux/amd64")
        d2 = repository.platform_image("1-arm64", "linux/arm64")
        sources = repository.source("1-amd64"), repository.source("1-arm64")
        carry_out(create(*sources))
        d3 = repository.image("1-amd64", {"os": "linux", "architecture": "amd64", "author": "again"})

        carry_out(create(*sources))

        assert [d3.digest, d2.digest] == [e.digest for e in view(repository.get_manifest("1")).entries]

    def test_same_sources_again_write_nothing(self, repository, create, carry_out):
        repository.platform_image("a", "linux/amd64")
        carry_out(create(repository.source("a")))

        assert create(repository.source("a")).is_empty

    def test_children_elsewhere_are_brought_first(self, repository, other_repository, create, carry_out):
        """K035: blobs and the child by digest into the target, then the index."""
        child = other_repository.platform_image("a", "linux/amd64")
        plan = create(MemberSource(other_repository, "a"))

        carry_out(plan)

        assert ["bring", "tag"] == kinds(plan)
        assert child.raw == repository.get_manifest(str(child.digest)).raw
        assert repository.has_blob(view(child).config)

    def test_converted_child_from_elsewhere_finds_its_blobs(self, repository, other_repository, create, carry_out):
        child = other_repository.platform_image("a", "linux/amd64", Family.DOCKER)

        carry_out(create(MemberSource(other_repository, "a"), family=Family.OCI))

        [entry] = view(repository.get_manifest("1")).entries
        assert view(child).config.digest == view(repository.get_manifest(str(entry.digest))).config.digest
        assert repository.has_blob(view(child).config)

    def test_platform_twice_is_refused_after_normalising(self, repository, create):
        """K001: arm64 and arm64/v8 are one."""
        repository.platform_image("a", "linux/arm64")
        repository.platform_image("b", "linux/arm64/v8")
        sources = repository.source("a"), repository.source("b")

        with pytest.raises(UsageError, match="same platform"):
            create(*sources)
        assert 2 == len(view(create(*sources, allow_duplicates=True).result).entries)

    def test_two_arm_images_that_name_no_variant(self, repository, create):
        """K004: refused until the user says which is which."""
        repository.image("a", {"os": "linux", "architecture": "arm", "author": "v6 build"})
        repository.image("b", {"os": "linux", "architecture": "arm", "author": "v7 build"})

        with pytest.raises(UsageError, match="same platform"):
            create(repository.source("a"), repository.source("b"))
        plan = create(repository.source("a", "linux/arm/v6"), repository.source("b"))

        assert ["linux/arm/v6", "linux/arm/v7"] == [str(e.platform) for e in view(plan.result).entries]

    def test_annotations_are_refused_on_a_docker_list(self, repository, create):
        """K032: before anything is written, with the hint to use OCI."""
        repository.platform_image("a", "linux/amd64", Family.DOCKER)

        with pytest.raises(UsageError, match="annotations") as caught:
            create(repository.source("a"), annotations={"a": "b"})

        assert "add --format oci" == caught.value.hint

    def test_annotations_of_an_oci_index(self, repository, create):
        """K032: with OCI the index carries them."""
        repository.platform_image("a", "linux/amd64", Family.DOCKER)

        plan = create(repository.source("a"), annotations={"a": "b"}, family=Family.OCI)

        assert {"a": "b"} == dict(view(plan.result).annotations)

    def test_append_starts_from_what_the_tag_holds(self, repository, create, carry_out):
        repository.platform_image("a", "linux/amd64")
        repository.platform_image("b", "linux/arm64")
        carry_out(create(repository.source("a")))

        plan = create(repository.source("b"), append=True)

        assert ["linux/amd64", "linux/arm64"] == [str(e.platform) for e in view(plan.result).entries]

    def test_append_to_nothing_makes_a_new_one(self, repository, create):
        repository.platform_image("a", "linux/amd64")

        assert 1 == len(view(create(repository.source("a"), append=True).result).entries)

    def test_append_sets_annotations_too(self, repository, create, carry_out):
        repository.platform_image("a", "linux/amd64")
        carry_out(create(repository.source("a")))

        plan = create(repository.source("a"), append=True, annotations={"a": "b"})

        assert {"a": "b"} == dict(view(plan.result).annotations)

    def test_digest_is_no_place_to_write_to(self, repository, create):
        """K062: an index cannot be made to have a digest."""
        image = repository.platform_image("a", "linux/amd64")

        with pytest.raises(UsageError, match="cannot be made to be"):
            create(repository.source("a"), tags=(str(image.digest),))

    def test_image_under_the_tag_vanishes_without_a_word(self, repository, create):
        """What an image was for is not looked up for a warning."""
        repository.platform_image("1", "linux/amd64")
        repository.platform_image("b", "linux/arm64")

        assert () == create(repository.source("b")).notes

    @pytest.mark.parametrize("drop", [False, True])
    def test_annotated_entry_into_docker(self, repository, create, drop):
        """K032: an entry's annotations are an error, or left behind by choice."""
        image = repository.platform_image("", "linux/amd64")
        entry = Descriptor(
            image.media_type, image.digest, image.size, Platform("linux", "amd64"), annotations={"a": "b"}
        )
        repository.put_manifest(compose.index(Family.OCI, [entry]), "listed")
        losses = Losses(annotations=drop)

        if drop:
            plan = create(repository.source("listed"), family=Family.DOCKER, losses=losses)
            assert b"annotations" not in plan.result.raw
        else:
            with pytest.raises(UsageError, match="cannot carry"):
                create(repository.source("listed"), family=Family.DOCKER, losses=losses)

    def test_image_that_cannot_be_converted_is_named(self, repository, create):
        """K055: zstd does not go into Docker's family."""
        config = view(repository.platform_image("", "linux/amd64")).config
        layer = Descriptor(mediatype.OCI_LAYER_ZSTD, config.digest, config.size)
        repository.put_manifest(compose.manifest(Family.OCI, config, [layer]), "zstd")

        with pytest.raises(UsageError, match="zstd") as caught:
            create(repository.source("zstd"), family=Family.DOCKER)

        assert ["converting linux/amd64"] == caught.value.__notes__

    def test_platforms_that_vanish_are_told(self, repository, create, carry_out):
        """K038: a smaller index under a shared tag is not silent."""
        repository.platform_image("a", "linux/amd64")
        repository.platform_image("b", "linux/arm64")
        carry_out(create(repository.source("a"), repository.source("b")))

        plan = create(repository.source("a"))

        assert ("1 holds linux/arm64 now and will not any more",) == plan.notes

    def test_several_tags_get_the_same_bytes(self, repository, create, carry_out):
        repository.platform_image("a", "linux/amd64")

        carry_out(create(repository.source("a"), tags=("1", "latest")))

        assert repository.get_manifest("1") == repository.get_manifest("latest")

    def test_missing_source_is_left_out_and_told(self, repository, create):
        repository.platform_image("a", "linux/amd64")

        plan = create(repository.source("a"), repository.source("gone"), skip_missing=True)

        assert ("app:gone is missing and left out",) == plan.notes

    def test_nothing_left_is_refused(self, repository, create):
        with pytest.raises(UsageError, match="nothing"):
            create(repository.source("gone"), skip_missing=True)


class TestAttestationsOfConvertedImages:
    @pytest.fixture
    def attested(self, repository):
        image = repository.platform_image("", "linux/amd64", Family.DOCKER)
        proof = repository.platform_image("", "unknown/unknown")
        marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(image.digest)}
        unknown = Platform("unknown", "unknown")
        listed = [
            Descriptor(image.media_type, image.digest, image.size, Platform("linux", "amd64")),
            Descriptor(proof.media_type, proof.digest, proof.size, unknown, annotations=marks),
        ]
        repository.put_manifest(compose.index(Family.OCI, listed), "mixed")
        return image

    def test_need_consent(self, repository, attested, create):
        """K022: dropped only with consent."""
        with pytest.raises(UsageError, match="1 attestations"):
            create(repository.source("mixed"), family=Family.OCI)

    def test_are_left_behind_with_consent(self, repository, attested, create):
        plan = create(repository.source("mixed"), family=Family.OCI, losses=Losses(attestations=True))

        assert 1 == len(view(plan.result).entries)
        assert "1 attestations are left behind: they describe the old digests" in plan.notes


class TestEdits:
    @pytest.fixture
    def published(self, repository, create, carry_out):
        for name in ("linux/amd64", "linux/arm64"):
            repository.platform_image(name.replace("/", "-"), name)
        carry_out(create(repository.source("linux-amd64"), repository.source("linux-arm64")))
        return repository.get_manifest("1")

    def test_add_replaces_a_platform(self, repository, published, carry_out):
        """K001, K017: one step, the other entry untouched."""
        new = repository.image("new", {"os": "linux", "architecture": "arm64", "author": "me"})

        carry_out(plan_add(repository, "1", IndexRequest((repository.source("new"),)), scope=Scope()))

        old, now = view(published).entries, view(repository.get_manifest("1")).entries
        assert [old[0], new.digest] == [now[0], now[1].digest]

    def test_add_of_another_family_is_refused_or_converted(self, repository, published):
        """K023: refused by default, converted by choice."""
        repository.platform_image("docker", "linux/s390x", Family.DOCKER)
        source = repository.source("docker")

        with pytest.raises(UsageError, match="not every tool"):
            plan_add(repository, "1", IndexRequest((source,)), scope=Scope())
        plan = plan_add(repository, "1", IndexRequest((source,), family=Family.OCI), scope=Scope())

        assert ["put-manifest", "tag"] == kinds(plan)

    def test_edit_of_nothing_is_an_empty_plan(self, repository, published):
        assert plan_edit(repository, "1", edit.order).is_empty

    def test_edit_under_another_tag_leaves_the_first(self, repository, published, carry_out):
        plan = plan_edit(repository, "1", lambda index: edit.annotate_index(index, {"a": "b"}), tags=["2"])

        carry_out(plan)

        assert published == repository.get_manifest("1")
        assert {"a": "b"} == dict(view(repository.get_manifest("2")).annotations)

    def test_edit_of_a_digest_needs_a_tag(self, repository, published):
        """K062: a digest is never a place to write to."""
        with pytest.raises(UsageError, match="is a digest"):
            plan_edit(repository, str(published.digest), edit.order)

    def test_edit_of_an_image_says_so(self, repository, published):
        with pytest.raises(UsageError, match="is no index"):
            plan_edit(repository, "linux-amd64", edit.order)

    def test_edit_of_nothing_there_says_so(self, repository):
        with pytest.raises(NotFound):
            plan_edit(repository, "1", edit.order)

    def test_convert_puts_children_first_and_keeps_the_old_ones(self, repository, published, carry_out):
        """K026: children are converted as well, and their digests change."""
        plan = plan_convert(repository, "1", Family.DOCKER, scope=Scope())

        assert ["put-manifest", "put-manifest", "tag"] == kinds(plan)
        assert {e.digest for e in view(published).entries} == {d.digest for d in plan.replaced}
        assert "digests change" in plan.notes[0]

    def test_flatten(self, repository, published, carry_out):
        """K020: one level is left."""
        repository.put_manifest(compose.index(Family.OCI, [Descriptor.of(published)]), "outer")

        plan = plan_flatten(repository, "outer", scope=Scope())

        assert [e.digest for e in view(published).entries] == [e.digest for e in view(plan.result).entries]

    def test_tag_points_further_names_at_it(self, repository, published, carry_out):
        carry_out(plan_tag(repository, "1", ["2", "3"]))

        assert published == repository.get_manifest("2") == repository.get_manifest("3")
        assert plan_tag(repository, "1", ["2"]).is_empty


def test_thirty_two_sources_of_one_repository_are_read_with_two_requests_each(repository, create):
    """The plan's reads: 32 manifests, 32 configs, and one look at the target tag."""
    for number in range(32):
        repository.image(f"t{number}", {"os": "windows", "architecture": "amd64", "os.version": f"10.0.{number}"})
    repository.asked.clear()

    create(*(repository.source(f"t{number}") for number in range(32)))

    assert 65 == len(repository.asked)
