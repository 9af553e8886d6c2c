"""SPDX and CycloneDX documents: valid by the validators of others, the same bytes again, and nothing lost."""

import dataclasses
import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from ocitool.attest.inventory import Inventory, InventoryFile
from ocitool.attest.options import AttestOptions
from ocitool.attest.package import Distribution, FoundPackage
from ocitool.attest.sbom import Sbom, images_of, moment
from ocitool.errors import MalformedDocument, Unsupported, UsageError
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCI_MANIFEST
from ocitool.model.platform import Platform
from tests.fakes.sick import Loose, Ward

PACKAGES = (
    FoundPackage("deb", "bash", "5.2", "debian", (("arch", "amd64"),), "var/lib/dpkg/status", "GPL"),
    FoundPackage("golang", "b", "v1.0.0", "github.com/a", (), "usr/bin/app"),
    FoundPackage("golang", "app", "", "example.com", (), "usr/bin/app"),
    FoundPackage("npm", "x", "1", "@scope", (), "node_modules/@scope/x/package.json", "see LICENSE.txt"),
    FoundPackage("pypi", "ü", "1", found_in="x\udcff.dist-info/METADATA"),
)
FILES = (
    InventoryFile("usr/bin/app", 5, "1" * 40, "2" * 64, "ELF program", "COPY app /usr/bin/"),
    InventoryFile("x\udcff", 5, "1" * 40, "2" * 64),
)


@pytest.fixture
def sbom():
    inventory = Inventory(
        Digest.of(b"image"),
        Platform("linux", "arm64"),
        Distribution("debian", "12", "Debian"),
        PACKAGES,
        FILES,
        ("an rpm database of Berkeley DB, /var/lib/rpm/Packages",),
    )
    return Sbom("registry.example/team/app", inventory, "2024-05-06T07:08:09Z")


@pytest.fixture(params=["full", "empty", "layout"])
def any_sbom(sbom, request):
    """With everything, with nothing, and of a place that is no registry."""
    if request.param == "empty":
        empty = dataclasses.replace(
            sbom.inventory, platform=None, distribution=Distribution(), packages=(), files=(), unread=()
        )
        return dataclasses.replace(sbom, inventory=empty)
    return dataclasses.replace(sbom, name="oci:out:1") if request.param == "layout" else sbom


def test_cyclonedx_is_valid_by_its_schema(any_sbom):
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(any_sbom.document("cyclonedx").decode())

    assert problem is None


def test_spdx_is_valid_by_its_validator(any_sbom):
    parsed = JsonLikeDictParser().parse(json.loads(any_sbom.document("spdx")))

    assert [] == [message.validation_message for message in validate_full_spdx_document(parsed, "SPDX-2.3")]


def test_the_validators_notice_what_is_wrong(sbom):
    """So that the two tests above can fail."""
    spdx, cyclonedx = (json.loads(sbom.document(form)) for form in ("spdx", "cyclonedx"))
    del spdx["relationships"]
    cyclonedx["components"].append({"type": "nothing", "name": "x"})

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(cyclonedx)) is not None
    assert validate_full_spdx_document(JsonLikeDictParser().parse(spdx), "SPDX-2.3")


def test_every_package_and_file_is_in_both(sbom):
    spdx, cyclonedx = (json.loads(sbom.document(form)) for form in ("spdx", "cyclonedx"))
    wanted = [package.purl for package in PACKAGES]

    assert wanted == [one["externalRefs"][0]["referenceLocator"] for one in spdx["packages"][1:]]
    assert wanted == [one["purl"] for one in cyclonedx["components"] if one["type"] == "library"]
    assert ["./usr/bin/app", "./x\\xff"] == [one["fileName"] for one in spdx["files"]]
    assert ["/usr/bin/app", "/x\\xff"] == [one["name"] for one in cyclonedx["components"] if one["type"] == "file"]


def test_where_a_package_was_found_is_told(sbom):
    spdx = json.loads(sbom.document("spdx"))

    assert "found in /usr/bin/app" == spdx["packages"][2]["sourceInfo"]
    assert [("SPDXRef-package-1", "SPDXRef-file-0"), ("SPDXRef-package-2", "SPDXRef-file-0")] == [
        (one["spdxElementId"], one["relatedSpdxElement"])
        for one in spdx["relationships"]
        if one["relationshipType"] == "OTHER"
    ]


def test_the_image_is_named_by_a_package_url_of_its_own(sbom):
    spdx = json.loads(sbom.document("spdx"))
    hexed = sbom.inventory.digest.hex

    assert (
        f"pkg:oci/app@sha256%3A{hexed}?arch=arm64&repository_url=registry.example/team/app"
        == spdx["packages"][0]["externalRefs"][0]["referenceLocator"]
    )


def test_the_same_image_gives_the_same_bytes(sbom):
    again = dataclasses.replace(sbom)

    assert [sbom.document(form) for form in ("spdx", "cyclonedx")] == [
        again.document(form) for form in ("spdx", "cyclonedx")
    ]


def test_another_format_is_refused(sbom):
    with pytest.raises(UsageError, match="no format"):
        sbom.document("swid")


@pytest.mark.parametrize(
    ("created", "environ", "time"),
    [
        ("2024-05-06T07:08:09.123456Z", {}, "2024-05-06T07:08:09Z"),
        ("2024-05-06T09:08:09+02:00", {}, "2024-05-06T07:08:09Z"),
        ("2024-05-06T07:08:09Z", {"SOURCE_DATE_EPOCH": "1"}, "1970-01-01T00:00:01Z"),
        ("", {}, "1970-01-01T00:00:00Z"),
        ("0999-12-31T23:59:59Z", {}, "1970-01-01T00:00:00Z"),
        ("1000-01-01T00:00:00Z", {}, "1000-01-01T00:00:00Z"),
        ("yesterday", {}, "1970-01-01T00:00:00Z"),
    ],
)
def test_its_time_is_the_images(created, environ, time):
    assert time == moment(created, environ)


class TestImages:
    """The images that a bill is made for."""

    @pytest.fixture
    def ward(self):
        return Ward(Loose())

    def test_of_an_index_all_that_are_images(self, ward):
        text = {"schemaVersion": 2, "artifactType": "text/plain", "layers": []}
        config = ward.blob(b"{}", "application/vnd.oci.empty.v1+json")
        artifact = ward.manifest({**text, "mediaType": OCI_MANIFEST, "config": config})
        ward.index(ward.image("linux/arm64"), ward.image(), artifact)

        assert ["linux/arm64", "linux/amd64"] == [str(one) for _, one in images_of(ward.store, "1", ())]

    @pytest.mark.parametrize("kind", ["nested", "empty"])
    def test_an_index_that_lists_none(self, ward, kind):
        inner = [ward.index(ward.image(), tag="inner")] if kind == "nested" else []
        ward.index(*inner)
        error, said = (MalformedDocument, "is an index of indexes") if inner else (Unsupported, "lists no image")

        with pytest.raises(error, match=f"1 {said}"):
            images_of(ward.store, "1", ())


def test_forms_of_attestations_are_known():
    with pytest.raises(UsageError, match="no form of attestations: 'sheet'") as raised:
        AttestOptions(form="sheet")

    assert "one of " in raised.value.hint
