"""Resolving sources: where an entry's platform comes from, and what is refused."""

import pytest

from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.index.sources import SourceName, resolve
from ocitool.model import compose, mediatype
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor
from ocitool.tasks import Scope


def entries(*sources, **options):
    members, _ = resolve(sources, scope=Scope(), **options)
    return [m.entry for m in members]


class TestPlatformOfAnImage:
    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            ({"os": "linux", "architecture": "amd64"}, Platform("linux", "amd64")),
            ({"os": "linux", "architecture": "arm64"}, Platform("linux", "arm64")),
            ({"os": "linux", "architecture": "arm64", "variant": "v8"}, Platform("linux", "arm64", "v8")),
            ({"os": "linux", "architecture": "arm"}, Platform("linux", "arm", "v7")),
            ({"os": "linux", "architecture": "arm", "variant": "v6"}, Platform("linux", "arm", "v6")),
            ({"os": "linux", "architecture": "x86_64"}, Platform("linux", "amd64")),
            ({"os": "Linux", "architecture": "arm", "variant": "7"}, Platform("linux", "arm", "v7")),
            (
                {"os": "windows", "architecture": "amd64", "os.version": "10.0.1", "os.features": ["win32k"]},
                Platform("windows", "amd64", "", "10.0.1", ("win32k",)),
            ),
        ],
    )
    def test_is_what_its_config_says(self, repository, config, expected):
        repository.image("v1", config)

        [entry] = entries(repository.source("v1"))

        assert expected == entry.platform

    @pytest.mark.parametrize("config", [{}, {"os": "linux"}, {"os": "linux", "architecture": "vax"}])
    def test_missing_or_doubtful_is_an_error_that_asks(self, repository, config):
        repository.image("v1", config)

        with pytest.raises(UsageError) as caught:
            entries(repository.source("v1"))

        assert "say which one it is: app:v1=linux/amd64" == caught.value.hint

    def test_given_platform_wins_and_asks_for_no_config(self, repository):
        repository.image("v1", {})

        [entry] = entries(repository.source("v1", "linux/arm64/v8"))

        assert Platform("linux", "arm64", "v8") == entry.platform
        assert ["v1"] == repository.asked

    def test_two_requests_for_an_image(self, repository):
        repository.image("v1", {"os": "linux", "architecture": "amd64"})

        entries(repository.source("v1"))

        assert ["v1", "blob"] == repository.asked

    def test_artifact_without_platform_asks(self, repository):
        config = Descriptor("application/vnd.oci.empty.v1+json", Document(b"{}", "").digest, 2)
        repository.put_manifest(compose.manifest(Family.OCI, config, []), "v1")

        with pytest.raises(UsageError, match="is no image but application"):
            entries(repository.source("v1"))

    def test_artifact_with_a_platform_is_listed_with_its_type(self, repository):
        config = Descriptor("application/vnd.oci.example.v1+json", Document(b"{}", "").digest, 2)
        repository.put_manifest(compose.manifest(Family.OCI, config, []), "v1")

        [entry] = entries(repository.source("v1", "linux/amd64"))

        assert ("application/vnd.oci.example.v1+json", Platform("linux", "amd64")) == (
            entry.descriptor.artifact_type,
            entry.platform,
        )

    def test_schema_1_is_refused(self, repository):
        """K125: never included in a new index."""
        document = Document(b'{"schemaVersion":1,"name":"app","fsLayers":[]}', mediatype.SCHEMA1_SIGNED)
        repository.put_manifest(document, "v1")

        with pytest.raises(UsageError, match="schema 1"):
            entries(repository.source("v1"))


class TestIndexAsSource:
    @pytest.fixture
    def attested(self, repository):
        """What a builder pushes for one platform: an index of an image and its attestation (K019)."""

        def make(tag, platform):
            image = repository.image("", {"os": platform.os, "architecture": platform.architecture})
            proof = repository.image("", {"os": "unknown", "architecture": "unknown", "author": tag})
            marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(image.digest)}
            listed = [
                Descriptor(
                    image.media_type, image.digest, image.size, platform, annotations={"org.example.note": tag}
                ),
                Descriptor(
                    proof.media_type, proof.digest, proof.size, Platform("unknown", "unknown"), annotations=marks
                ),
            ]
            repository.put_manifest(compose.index(Family.OCI, listed), tag)
            return listed

        return make

    def test_becomes_flat_with_descriptors_kept(self, repository, attested):
        """K019: D1, D2, A1, A2; annotations and platforms as the sources say."""
        d1, a1 = attested("1-amd64", Platform("linux", "amd64"))
        d2, a2 = attested("1-arm64", Platform("linux", "arm64", "v8"))

        found = entries(repository.source("1-amd64"), repository.source("1-arm64"))

        assert [d1.to_tree(), d2.to_tree(), a1.to_tree(), a2.to_tree()] == [e.tree for e in found]

    def test_attestations_are_left_out_by_choice(self, repository, attested):
        d1, _ = attested("1-amd64", Platform("linux", "amd64"))

        assert [d1.digest] == [e.digest for e in entries(repository.source("1-amd64"), attestations=False)]

    def test_platform_picks_one_with_its_attestation(self, repository, attested):
        attested("a", Platform("linux", "amd64"))
        d2, a2 = attested("b", Platform("linux", "arm64", "v8"))
        everything = repository.get_manifest("a").edit(
            lambda tree: tree["manifests"].extend(repository.get_manifest("b").tree()["manifests"])
        )
        repository.put_manifest(everything, "all")

        found = entries(repository.source("all", "linux/arm64"))

        assert [d2.digest, a2.digest] == [e.digest for e in found]

    def test_platform_that_is_not_in_it_lists_what_is(self, repository, attested):
        """K013: attestations are left out of the list."""
        attested("a", Platform("linux", "amd64"))

        with pytest.raises(NotFound) as caught:
            entries(repository.source("a", "linux/s390x"))

        assert "there is linux/amd64" == caught.value.hint

    def test_entry_without_platform_gets_it_from_its_config(self, repository):
        """K014: neither a crash nor a guess."""
        image = repository.image("", {"os": "linux", "architecture": "s390x"})
        repository.put_manifest(compose.index(Family.OCI, [Descriptor.of(image)]), "v1")

        [entry] = entries(repository.source("v1"))

        assert Platform("linux", "s390x") == entry.platform

    def test_artifact_in_an_index_keeps_having_no_platform(self, repository):
        config = Descriptor("application/vnd.oci.example.v1+json", Document(b"{}", "").digest, 2)
        document = compose.manifest(Family.OCI, config, [])
        repository.put_manifest(document)
        repository.put_manifest(compose.index(Family.OCI, [Descriptor.of(document)]), "v1")

        [entry] = entries(repository.source("v1"))

        assert entry.platform is None

    def test_entry_that_only_says_that_it_is_an_index(self, repository):
        image = repository.platform_image("", "linux/amd64")
        false = Descriptor(mediatype.OCI_INDEX, image.digest, image.size)
        repository.put_manifest(compose.index(Family.OCI, [false]), "v1")

        with pytest.raises(MalformedDocument, match="listed as an index and is none"):
            entries(repository.source("v1"))

    def test_index_of_indexes_is_descended(self, repository, attested):
        """K020: grandchildren are found."""
        d1, a1 = attested("inner", Platform("linux", "amd64"))
        inner = repository.get_manifest("inner")
        repository.put_manifest(compose.index(Family.OCI, [Descriptor.of(inner)]), "outer")

        assert [d1.digest, a1.digest] == [e.digest for e in entries(repository.source("outer"))]

    def test_hostile_depth_ends(self, repository, attested):
        """K020: depth is bounded."""
        attested("level", Platform("linux", "amd64"))
        for _ in range(5):
            outer = compose.index(Family.OCI, [Descriptor.of(repository.get_manifest("level"))])
            repository.put_manifest(outer, "level")

        with pytest.raises(MalformedDocument, match="deeper than 4"):
            entries(repository.source("level"))

    def test_same_image_twice_is_one_member(self, repository):
        repository.image("v1", {"os": "linux", "architecture": "amd64"})

        assert 1 == len(entries(repository.source("v1"), repository.source("v1")))


class TestMissing:
    def test_missing_source_is_named(self, repository):
        with pytest.raises(NotFound, match="v9"):
            entries(repository.source("v9"))

    def test_missing_source_is_skipped_on_request(self, repository):
        repository.image("v1", {"os": "linux", "architecture": "amd64"})

        members, skipped = resolve(
            [repository.source("v9"), repository.source("v1")], scope=Scope(), skip_missing=True
        )

        assert (1, ["v9"]) == (len(members), [s.name for s in skipped])

    def test_missing_config_is_not_a_missing_source(self, repository):
        """A tag whose config is gone is broken, not absent."""
        config = Descriptor(mediatype.OCI_CONFIG, Document(b"gone", "").digest, 4)
        repository.put_manifest(compose.manifest(Family.OCI, config, []), "v1")

        with pytest.raises(NotFound, match="no blob"):
            entries(repository.source("v1"), skip_missing=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reg.test/app:v1", SourceName("reg.test/app:v1")),
        ("app:v1=linux/arm/v6", SourceName("app:v1", Platform("linux", "arm", "v6"))),
        ("oci:out:v1=linux/amd64", SourceName("oci:out:v1", Platform("linux", "amd64"))),
        ("oci:a=b/c:v1", SourceName("oci:a=b/c:v1")),
    ],
)
def test_source_names(text, expected):
    assert expected == SourceName.parse(text)


def test_misspelt_platform_is_not_taken_for_a_name():
    with pytest.raises(UsageError):
        SourceName.parse("app:v1=linux/amd46")
