"""What a survey gathers: images, sizes, attestations with their image, and what is not there."""

import pytest

from ocitool.errors import MalformedDocument, NotFound, RegistryError
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_MANIFEST, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.report.survey import pick, survey, with_referrers
from ocitool.report.text import table, tree
from ocitool.store.forwarding import ForwardingReader
from ocitool.tasks import Scope

SLSA, SPDX = "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"


def test_platforms_sizes_and_sharing(repository):
    """Shared layers count once in the total."""
    amd = repository.image("linux/amd64", "base", "amd64")
    arm = repository.image("linux/arm64", "base", "arm")
    repository.index("v1", amd, arm)

    found = repository.survey("v1")

    assert [("linux/amd64", 9000), ("linux/arm64", 7000)] == [(i.label, i.size) for i in found.images]
    assert 12000 == found.total_size
    assert [2, 1, 1] == [count for _, count in found.layers.values()]


def test_layer_used_twice_in_one_image_counts_once_for_sharing(repository):
    """K052: repeated layers are legal."""
    repository.image("linux/amd64", "a", "b", "a", tag="v1")

    found = repository.survey("v1")

    assert 3 == len(found.images[0].layers)
    assert [1, 1] == [count for _, count in found.layers.values()]


def test_attestations_stand_with_their_image_and_are_no_platforms(repository):
    """K013, K019: counted and chosen without them."""
    amd, arm = repository.image("linux/amd64", "a"), repository.image("linux/arm64", "b")
    proof = repository.attestation(amd.digest, SLSA, SPDX)
    orphan = repository.attestation(Digest.of(b"gone"), SPDX)
    repository.index("v1", amd, arm, proof, orphan)

    found = repository.survey("v1")

    assert ["linux/amd64", "linux/arm64"] == [image.label for image in found.images]
    assert [("provenance", "sbom")] == [a.kinds for a in found.images[0].attestations]
    assert [orphan.digest] == [o.descriptor.digest for o in found.orphans]
    tree = found.to_tree()
    assert [True, False] == ["attestations" in image for image in tree["platforms"]]
    assert [proof.digest] == [one["digest"] for one in tree["platforms"][0]["attestations"]]
    assert [orphan.digest] == [one["digest"] for one in tree["orphans"]]


def test_attestations_and_entries_of_one_image_do_not_multiply(repository, monkeypatch):
    """Each entry is told with all of them."""
    image = repository.image("linux/amd64", "a")
    proofs = [repository.attestation(image.digest, kind) for kind in (SLSA, SPDX)]
    repository.index("v1", image, image, image, *proofs)
    monkeypatch.setattr("ocitool.report.survey.MAX_ATTESTED", 6)

    assert [2, 2, 2] == [len(one.attestations) for one in repository.survey("v1").images]
    monkeypatch.setattr("ocitool.report.survey.MAX_ATTESTED", 5)
    with pytest.raises(MalformedDocument, match="more than 5 attestations"):
        repository.survey("v1")


def test_child_that_is_gone_is_a_fact_not_an_error(repository):
    """K034: the rest is shown."""
    amd = repository.image("linux/amd64", "a")
    arm = repository.image("linux/arm64", "b")
    repository.index("v1", amd, arm)
    repository.delete(str(arm.digest))

    images = repository.survey("v1").images

    assert ["", "missing"] == [image.problem for image in images]


def test_config_that_is_gone_is_told(repository):
    """K034: also a config can be dropped by a cleanup."""
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"gone"), 4)
    repository.put_manifest(compose.manifest(Family.OCI, config, []), "v1")

    [image] = repository.survey("v1").images

    assert "no blob" in image.problem


@pytest.mark.parametrize("platform", ["absent", None, {}])
def test_entry_without_platform_is_shown_by_its_config(repository, platform):
    """K014: no crash for no platform, null and {}."""
    image = repository.image("linux/s390x", "a")
    tree = image.to_tree()
    del tree["platform"]
    if platform != "absent":
        tree["platform"] = platform
    document = compose.index(Family.OCI, ()).edit(lambda index: index["manifests"].append(tree))
    repository.put_manifest(document, "v1")

    assert ["linux/s390x"] == [image.label for image in repository.survey("v1").images]


def test_config_that_disagrees_is_shown(repository):
    """K007: the entry says arm64, the config amd64."""
    image = repository.image("linux/amd64", "a")
    entry = Descriptor(image.media_type, image.digest, image.size, Platform("linux", "arm64", "v8"))
    repository.index("v1", entry)

    [tree] = repository.survey("v1").to_tree()["platforms"]

    assert ("linux/arm64/v8", "linux/amd64") == (tree["platform"], tree["configPlatform"])


def test_nested_index_is_descended(repository):
    """K020: grandchildren are listed."""
    amd = repository.image("linux/amd64", "a")
    inner = repository.index("inner", amd)
    repository.index("outer", Descriptor.of(inner))

    assert ["linux/amd64"] == [image.label for image in repository.survey("outer").images]


def test_index_without_media_type_is_an_index(repository):
    """K044: told by its shape."""
    image = repository.image("linux/amd64", "a")
    tree = compose.index(Family.OCI, [image]).edit(lambda t: t.pop("mediaType"))
    repository.put_manifest(Document(tree.raw, "application/json"), "v1")

    assert "index" == repository.survey("v1").kind


def test_half_converted_manifest_is_shown_as_it_is(repository):
    """K025: inspect succeeds."""
    image = repository.image("linux/amd64", "a", tag="v1")
    document = repository.get_manifest("v1").edit(lambda t: t.update(mediaType=mediatype.DOCKER_MANIFEST))
    repository.put_manifest(document, "v2")

    found = repository.survey("v2")

    assert ("image", 1000) == (found.kind, found.images[0].size)
    assert image.digest != found.root.digest


def test_schema_1_is_said_so_and_never_zero_layers(repository):
    """K125: obsolete, and no platform is invented."""
    document = Document(b'{"schemaVersion":1,"name":"app","fsLayers":[]}', mediatype.SCHEMA1_SIGNED)
    repository.put_manifest(document, "v1")

    found = repository.survey("v1")

    assert ("unknown", "schema 1 manifest, obsolete since 2017") == (found.kind, found.note)


def test_a_name_is_told_as_it_was_given(repository):
    repository.image("linux/amd64", "a", tag="v1")
    repository.put_manifest(Document(b'{"schemaVersion":1,"fsLayers":[]}', mediatype.SCHEMA1_SIGNED), "v2")

    for name in ("v1", "v2"):
        assert f"reg.test/app:{name}" == repository.survey(name).name
        assert name == survey(repository, name, scope=Scope()).name


def test_sha512_layers_are_shown(repository):
    """K046: sha512 digests are valid."""
    layer = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"x", "sha512"), 5)
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"gone"), 4)
    repository.put_manifest(compose.manifest(Family.OCI, config, [layer]), "v1")

    assert 5 == repository.survey("v1").total_size


def test_artifact(repository):
    config = Descriptor("application/vnd.example+json", Digest.of(b"{}"), 2)
    repository.artifact("v1", config)

    found = repository.survey("v1")

    assert ("artifact", "application/vnd.example+json", ()) == (found.kind, found.artifact_type, found.images)


def test_root_that_is_not_there_raises(repository):
    with pytest.raises(NotFound):
        repository.survey("v1")


def test_requests_are_one_for_each_distinct_document(repository):
    """32 platforms with all configs: the root, 32 manifests, 32 configs."""
    entries = [repository.image("windows/amd64", f"layer {n}", **{"os.version": f"10.0.{n}"}) for n in range(32)]
    repository.index("v1", *entries)
    repository.asked.clear()

    repository.survey("v1")

    assert 65 == len(repository.asked)


def test_configs_of_attestations_are_not_asked_for(repository):
    """They say nothing, and some stores have lost them."""
    image = repository.image("linux/amd64", "a")
    repository.index("v1", image, repository.attestation(image.digest, SLSA))
    repository.asked.clear()

    found = repository.survey("v1")

    assert 1 == repository.asked.count("blob")
    assert "" == found.images[0].attestations[0].problem


def test_configs_only_when_asked(repository):
    repository.image("linux/amd64", "a", tag="v1")
    repository.asked.clear()

    found = repository.survey("v1", configs=False)

    assert (["v1"], None) == (repository.asked, found.images[0].config)


def test_json_carries_configs_on_request(repository):
    repository.image("linux/amd64", "a", tag="v1", config={"Env": ["A=b"]})
    found = repository.survey("v1")

    assert "config" not in found.to_tree()["platforms"][0]
    assert {"Env": ["A=b"]} == found.to_tree(configs=True)["platforms"][0]["config"]["config"]


class TestPick:
    @pytest.fixture
    def published(self, repository):
        def make(*platforms):
            entries = [repository.image(p, f"layer of {p}") for p in platforms]
            repository.index("v1", *entries)
            return repository.survey("v1")

        return make

    def labels(self, published, *wanted):
        found, notes = pick(published, [Platform.parse(p) for p in wanted])
        return [i.label for i in found.images], notes

    def test_nothing_asked_keeps_everything(self, published):
        assert (["linux/amd64", "linux/arm64"], ()) == self.labels(published("linux/amd64", "linux/arm64"))

    @pytest.mark.parametrize(
        ("has", "asked"), [("linux/arm64", "linux/arm64/v8"), ("linux/arm64/v8", "linux/arm64")]
    )
    def test_variant_written_or_not_is_the_same(self, published, has, asked):
        """K002: both select it, and nothing is to be said."""
        assert ([has], ()) == self.labels(published("linux/amd64", has), asked)

    def test_arm_falls_back_downwards_and_says_so(self, published):
        """K005: v8 takes v7, never arm64."""
        labels, notes = self.labels(published("linux/arm64/v8", "linux/arm/v6", "linux/arm/v7"), "linux/arm/v8")

        assert ["linux/arm/v7"] == labels
        assert ("reg.test/app:v1 has no linux/arm/v8; linux/arm/v7 is what such a host runs",) == notes

    def test_no_match_lists_versions_and_no_attestations(self, repository):
        """K013: every platform there is, with its os version."""
        windows = repository.image("windows/amd64", "a", **{"os.version": "10.0.17763.1"})
        entry = Descriptor(
            windows.media_type, windows.digest, windows.size, Platform("windows", "amd64", "", "10.0.17763.1")
        )
        repository.index("v1", entry, repository.attestation(windows.digest, SPDX))

        with pytest.raises(NotFound) as caught:
            pick(repository.survey("v1"), [Platform.parse("windows/amd64:10.0.14393")])

        assert "there is windows(10.0.17763.1)/amd64" == caught.value.hint

    def test_entry_without_platform_never_matches_by_itself(self, repository):
        """K014: it is chosen only by what its config says."""
        image = repository.image("linux/s390x", "a")
        repository.index("v1", Descriptor(image.media_type, image.digest, image.size))

        with pytest.raises(NotFound):
            pick(repository.survey("v1", configs=False), [Platform.parse("linux/s390x")])


class TestReferrers:
    @pytest.fixture
    def signed(self, repository):
        """An index of one image; an SBOM refers to the image, a signature to the index."""
        image = repository.image("linux/amd64", "a")
        document = repository.index("v1", image)
        made = {}
        for name, subject in (("sbom", image), ("signature", Descriptor.of(document))):
            config = Descriptor(f"application/vnd.example.{name}+json", Digest.of(b"{}"), 2)
            artifact = repository.artifact("", config).edit(lambda t, s=subject: t.update(subject=s.to_tree()))
            repository.put_manifest(artifact)
            made[name] = artifact.digest
        return made

    def test_are_told_with_what_they_refer_to(self, repository, signed):
        found = with_referrers(repository.survey("v1"), repository, scope=Scope())

        assert [signed["signature"]] == [r.digest for r in found.referrers]
        assert [signed["sbom"]] == [r.digest for r in found.images[0].referrers]
        assert (
            "application/vnd.example.sbom+json" == found.to_tree()["platforms"][0]["referrers"][0]["artifactType"]
        )

    def test_of_a_plain_image_are_told_once(self, repository, signed):
        digest = repository.survey("v1").images[0].descriptor.digest

        found = with_referrers(repository.survey(str(digest)), repository, scope=Scope())

        assert ([signed["sbom"]], ()) == ([r.digest for r in found.referrers], found.images[0].referrers)

    def test_the_manifest_decides_and_not_the_list(self, repository, signed):
        """K223: one is listed under another type, one refers to something else, one is gone."""
        survey = repository.survey("v1")
        root, sbom, signature = survey.root.digest, signed["sbom"], signed["signature"]

        class Lying(ForwardingReader):
            def referrers(self, digest):
                said = (
                    [(signature, "application/x"), (sbom, ""), (Digest.of(b"gone"), "")] if digest == root else []
                )
                return [Descriptor(OCI_MANIFEST, one, 5, artifact_type=kind) for one, kind in said]

        found = with_referrers(survey, Lying(repository), scope=Scope())

        assert [(signature, "application/vnd.example.signature+json")] == [
            (one.digest, one.artifact_type) for one in found.referrers
        ]

    def test_cosign_s_tags_are_among_them(self, repository, signed):
        """K244."""
        survey = repository.survey("v1")
        tag = f"{str(survey.root.digest).replace(':', '-')}.sig"
        repository.put_manifest(repository.get_manifest(str(signed["sbom"])), tag)

        found = with_referrers(survey, repository, scope=Scope())

        assert f"cosign {tag}" in [one.artifact_type for one in found.referrers]

    def test_stand_in_table_and_tree(self, repository, signed):
        found = with_referrers(repository.survey("v1"), repository, scope=Scope())

        for text in (table(found), tree(found)):
            assert all(digest in text for digest in signed.values())


def test_an_inner_index_that_is_listed_twice_is_gathered_once(repository):
    inner = Descriptor.of(repository.index("inner", repository.image("linux/amd64", "a")))
    repository.index("outer", inner, inner)

    assert ["linux/amd64"] == [image.label for image in repository.survey("outer").images]


def test_two_platforms_that_one_image_serves_choose_it_once(repository):
    repository.index("v1", repository.image("linux/arm/v7", "a"), repository.image("linux/amd64", "b"))

    chosen, notes = pick(repository.survey("v1"), (Platform("linux", "arm", "v7"), Platform("linux", "arm", "v8")))

    assert ["linux/arm/v7"] == [image.label for image in chosen.images]
    assert ["reg.test/app:v1 has no linux/arm/v8; linux/arm/v7 is what such a host runs"] == list(notes)


class Silent(ForwardingReader):
    """A registry that does not answer for one manifest."""

    def __init__(self, store, digest):
        super().__init__(store)
        self._digest = str(digest)

    def get_manifest(self, name, *, limit=0):
        if name == self._digest:
            raise RegistryError("answered 500", status=500)
        return super().get_manifest(name)


def test_a_child_that_the_registry_does_not_answer_for_says_why(repository):
    amd, arm = repository.image("linux/amd64", "a"), repository.image("linux/arm64", "b")
    repository.index("v1", amd, arm)

    found = survey(Silent(repository, arm.digest), "v1", scope=Scope())

    assert ["", "answered 500"] == [image.problem for image in found.images]


def test_a_statement_of_another_kind_has_its_type_as_its_name(repository):
    amd = repository.image("linux/amd64", "a")
    repository.index("v1", amd, repository.attestation(amd.digest, "https://example.com/scan/v1", SPDX))

    [image] = repository.survey("v1").images

    assert ("https://example.com/scan/v1", "sbom") == image.attestations[0].kinds
