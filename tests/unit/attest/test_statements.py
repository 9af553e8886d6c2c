"""Statements and provenance: valid by in-toto's own messages, and refused where they are about something else."""

import base64
import dataclasses
import json

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as TheirStatement

from ocitool.attest.attachment import as_referrer, in_index
from ocitool.attest.find import find_statements
from ocitool.attest.provenance import PREDICATE, compose_provenance, git_material, image_material, names_of
from ocitool.attest.statement import compose_statement, kind_of, read_statement
from ocitool.errors import MalformedDocument, NotFound
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import Descriptor, view
from tests.fakes.sick import Loose, Ward

ARM = Platform("linux", "arm64")
ABOUT = Digest.of(b"image")


def provenance():
    materials = [
        image_material("docker.io/library/debian:12", Digest.of(b"base"), ARM),
        git_material("https://git.example/app", "0" * 40 + "-dirty"),
    ]
    return compose_provenance({"frontend": "go", "with": []}, materials, host=ARM, builder="https://ci.example/1")


def test_a_statement_is_valid_by_in_totos_message():
    data = compose_statement(ABOUT, ["pkg:docker/app@1"], PREDICATE, provenance())

    message = json_format.Parse(data, statement_pb2.Statement())
    TheirStatement.copy_from_pb(message).validate()
    assert (ABOUT.hex, "pkg:docker/app@1") == (message.subject[0].digest["sha256"], message.subject[0].name)


def test_provenance_is_valid_by_slsas_message():
    """Unknown fields and wrong types are refused; what SLSA requires is there."""
    message = json_format.ParseDict(provenance(), provenance_pb2.Provenance())

    assert "urn:ocitool:build:v1" == message.build_definition.build_type
    assert "go" == message.build_definition.external_parameters["frontend"]
    assert "https://ci.example/1" == message.run_details.builder.id


def test_the_message_notices_what_is_wrong():
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(provenance() | {"more": 1}, provenance_pb2.Provenance())


def test_materials_have_package_urls_and_digests():
    assert [
        {
            "name": "base",
            "uri": "pkg:docker/docker.io/library/debian@12?platform=linux%2Farm64",
            "digest": {"sha256": Digest.of(b"base").hex},
        },
        {"name": "sources, changed", "uri": "git+https://git.example/app", "digest": {"gitCommit": "0" * 40}},
    ] == provenance()["buildDefinition"]["resolvedDependencies"]


def test_empty_parameters_are_left_out():
    assert {"frontend": "go"} == provenance()["buildDefinition"]["externalParameters"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("localhost:5000/team/app:1", "pkg:docker/localhost%3A5000/team/app@1?platform=linux%2Farm64"),
        ("debian", "pkg:docker/debian@latest?platform=linux%2Farm64"),
    ],
)
def test_an_image_is_named_as_buildkit_names_it(reference, name):
    assert (name,) == names_of([Reference.parse(reference)], ARM)


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://example.com/other"},
        {"subject": []},
        {"subject": None},
        {"subject": [{"digest": {"sha256": "0" * 64}}]},
        {"subject": [{"digest": "sha256"}]},
        {"predicateType": 5},
        {"predicate": [1]},
    ],
)
def test_a_statement_about_something_else_is_refused(change):
    tree = json.loads(compose_statement(ABOUT, [], PREDICATE, {})) | change

    with pytest.raises(MalformedDocument):
        read_statement(json.dumps(tree).encode(), ABOUT, "here")


@pytest.mark.parametrize(
    ("predicate", "kind"),
    [
        ("https://spdx.dev/Document", "sbom"),
        ("https://spdx.dev/Document/v2.3", "sbom"),
        ("https://cyclonedx.org/bom", "sbom"),
        ("https://slsa.dev/provenance/v0.2", "provenance"),
        ("https://openvex.dev/ns", ""),
    ],
)
def test_kinds_are_known_by_their_type(predicate, kind):
    assert kind == kind_of(predicate)


class TestFound:
    """Statements beside an image, in every place where they stand."""

    @pytest.fixture
    def ward(self):
        return Ward(Loose())

    @pytest.fixture
    def put(self, ward):
        """Store what attests; gives the entry of an index, if it is one."""

        def call(attached):
            for blob, data in attached.blobs:
                ward.blob(data, blob.media_type)
            ward.store.put_manifest(attached.manifest)
            return attached.entry.to_tree() if attached.entry else None

        return call

    @staticmethod
    def statement(digest, text="x", kind=PREDICATE):
        return kind, compose_statement(Digest(digest), [], kind, {"is": text})

    def test_in_the_index_and_among_referrers_of_either_form(self, ward, put):
        image, other = ward.image("linux/arm64"), ward.image()
        about = Descriptor.from_tree(image)
        entry = put(in_index(about, [self.statement(image["digest"], "index")]))
        theirs = put(in_index(Descriptor.from_tree(other), [self.statement(other["digest"], "other")]))
        ward.index(image, other, entry, theirs)
        put(as_referrer(about, *self.statement(image["digest"], "referrer")))
        put(as_referrer(about, *self.statement(image["digest"], "bill", "https://spdx.dev/Document")))
        _, signed = self.statement(image["digest"], "bundle")
        bundle = json.dumps({"dsseEnvelope": {"payload": base64.b64encode(signed).decode()}}).encode()
        kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
        ward.manifest(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "artifactType": kind,
                "config": ward.blob(b"{}", "application/vnd.oci.empty.v1+json"),
                "layers": [ward.blob(bundle, kind)],
                "subject": {key: image[key] for key in ("mediaType", "digest", "size")},
                "annotations": {"dev.sigstore.bundle.predicateType": PREDICATE},
            }
        )

        found = find_statements(ward.store, "1", "provenance", ARM)

        assert {("index", False), ("referrer", False), ("bundle", True)} == {
            (one.predicate["is"], one.is_signed) for one in found
        }
        assert "index" == found[0].predicate["is"]
        assert ["bill"] == [one.predicate["is"] for one in find_statements(ward.store, "1", "sbom", ARM)]

    def test_one_that_is_about_another_image_is_refused(self, ward, put):
        image = ward.image("linux/arm64")
        entry = put(in_index(Descriptor.from_tree(image), [self.statement(ABOUT)]))
        ward.index(image, entry)

        with pytest.raises(MalformedDocument, match="not about"):
            find_statements(ward.store, "1", "provenance", ARM)

    def test_none_is_not_found_with_a_way_to_one(self, ward):
        ward.index(ward.image("linux/arm64"))

        with pytest.raises(NotFound, match="no sbom") as caught:
            find_statements(ward.store, "1", "sbom", ARM)
        assert "ocitool build --sbom" in caught.value.hint

    def test_the_manifest_in_the_index_is_the_form_of_buildkit(self, ward):
        image = Descriptor.from_tree(ward.image())
        made = in_index(image, [self.statement(image.digest, "a"), self.statement(image.digest, "b", "x")])

        seen = view(made.manifest)
        config = json.loads(made.blobs[0][1])
        assert made.entry.is_attestation
        assert str(image.digest) == made.entry.attested
        assert seen.is_statement
        assert [PREDICATE, "x"] == [layer.annotations["in-toto.io/predicate-type"] for layer in seen.layers]
        assert [str(layer.digest) for layer in seen.layers] == config["rootfs"]["diff_ids"]
        assert ("unknown", "unknown") == (config["os"], config["architecture"])

    def test_what_only_the_list_calls_a_statement_is_passed_over(self, ward, put):
        """A list may be older than what it lists, and of others."""
        image = ward.image("linux/arm64")
        about = Descriptor.from_tree(image)
        lost = in_index(about, [self.statement(image["digest"])]).entry.to_tree()
        nested = {**lost, **ward.index(image, tag="inner")}
        made = in_index(about, [self.statement(image["digest"], "kept")])
        text = ward.blob(b"text", "text/plain")
        more = made.manifest.edit(lambda tree: tree["layers"].insert(0, text))
        entry = {**put(dataclasses.replace(made, manifest=more)), "digest": str(more.digest), "size": more.size}
        ward.index(image, lost, nested, entry)
        put(as_referrer(about, *self.statement(image["digest"], "referrer")))
        (one,) = ward.store.referrers(about.digest)
        other = {"artifact_type": "text/plain"}, {"digest": Digest.of(b"gone")}
        ward.store.referrers = lambda _: [dataclasses.replace(one, **changed) for changed in other]

        assert ["kept"] == [one.predicate["is"] for one in find_statements(ward.store, "1", "provenance", ARM)]
