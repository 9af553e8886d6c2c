"""docker manifest in our words, and answers in docker's."""

import base64
import json

from ocitool.cli import docker
from ocitool.model.document import Document
from ocitool.model.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_MANIFEST
from ocitool.model.platform import Platform


def test_push_is_an_index_of_the_images():
    members = [
        ("reg.test/app:amd64", None),
        ("reg.test/app:win", Platform("windows", "amd64", "", "10.0.1", ("win32k",))),
    ]

    assert (
        "ocitool index create reg.test/app:1 reg.test/app:amd64 'reg.test/app:win=windows(10.0.1+win32k)/amd64'"
        == docker.shown(docker.create_index("reg.test/app:1", members))
    )


def test_platform_of_the_native_command_parses_back():
    platform = Platform("linux", "arm", "v6", "1.2", ("a", "b"))
    words = docker.create_index("x", [("app:1", platform)])

    assert platform == Platform.parse(words[-1].partition("=")[2])


def test_inspect():
    assert ("ocitool", "inspect", "app:1", "--raw") == docker.inspect("app:1", verbose=False)


def test_lists_are_indented_by_three_spaces_and_images_by_tabs():
    listed = docker.manifest_text(Document(b'{"manifests":[]}', DOCKER_LIST))
    image = docker.manifest_text(Document(b'{"layers":[]}', DOCKER_MANIFEST))

    assert '{\n   "manifests": []\n}' == listed
    assert '{\n\t"layers": []\n}' == image


def test_verbose_entry_has_docker_s_keys():
    document = Document(b'{"schemaVersion":2}', DOCKER_MANIFEST)

    entry = docker.verbose_entry("reg.test/app:1", document, Platform("linux", "amd64"))

    assert {
        "Ref": "reg.test/app:1",
        "Descriptor": {
            "mediaType": DOCKER_MANIFEST,
            "digest": document.digest,
            "size": 19,
            "platform": {"architecture": "amd64", "os": "linux"},
        },
        "Raw": base64.b64encode(document.raw).decode(),
        "SchemaV2Manifest": {"schemaVersion": 2},
    } == entry
    assert json.loads(docker.verbose_text([entry])) == [entry]


def test_oci_manifest_has_its_own_key():
    assert "OCIManifest" in docker.verbose_entry("a", Document(b"{}", OCI_MANIFEST), None)
