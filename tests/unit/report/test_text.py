"""The table, the tree, and text from strangers that is shown and not obeyed."""

import pytest

from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.printable import shown
from ocitool.model.views import Descriptor
from ocitool.report.text import configs, table, tree

SLSA = "https://slsa.dev/provenance/v1"


@pytest.fixture
def published(repository):
    amd = repository.image("linux/amd64", "base", "amd64")
    arm = repository.image("linux/arm64", "base", "arm")
    repository.index("v1", amd, arm, repository.attestation(amd.digest, SLSA), note="hello")
    return repository.survey("v1")


def test_table_shows_platforms_as_docker_hub_does(published):
    amd, arm = (image.descriptor.digest.short for image in published.images)

    assert [
        "reg.test/app:v1",
        f"  index  application/vnd.oci.image.index.v1+json  {published.root.digest}",
        "  note: hello",
        "",
        "PLATFORM     DIGEST                 SIZE  CREATED              LAYERS",
        f"linux/amd64  {amd}  9.0 kB  2024-05-06 07:08:09       2  provenance",
        f"linux/arm64  {arm}  7.0 kB  2024-05-06 07:08:09       2",
        "",
        "2 platforms, 12.0 kB in 3 layers, 16.0 kB without sharing",
    ] == table(published).splitlines()


def test_layers_follow_their_image(published):
    base, top = published.images[0].layers

    lines = table(published, layers=True).splitlines()

    assert [f"    {base.digest.short}    4.0 kB  in 2 images", f"    {top.digest.short}    5.0 kB"] == lines[6:8]


def test_tree_hangs_attestations_below_their_image(published):
    amd, arm = published.images

    assert [
        f"reg.test/app:v1  index  application/vnd.oci.image.index.v1+json  {published.root.digest}",
        f"├─ linux/amd64  {amd.descriptor.digest}  9.0 kB",
        f"│  └─ provenance  {amd.attestations[0].descriptor.digest}",
        f"└─ linux/arm64  {arm.descriptor.digest}  7.0 kB",
    ] == tree(published).splitlines()


def test_missing_child_stands_in_its_row(repository):
    """K034: seen at a glance."""
    amd = repository.image("linux/amd64", "a")
    repository.index("v1", amd)
    repository.delete(str(amd.digest))

    assert any(
        line.startswith("linux/amd64") and line.endswith("missing")
        for line in table(repository.survey("v1")).splitlines()
    )


def test_config_that_disagrees_is_said(repository):
    """K007: entry and config side by side."""
    image = repository.image("linux/amd64", "a")
    document = repository.index("v1", image).edit(
        lambda t: t["manifests"][0]["platform"].update(architecture="arm64")
    )
    repository.put_manifest(document, "v1")

    assert "its config says linux/amd64" in table(repository.survey("v1"))


def test_control_characters_from_a_registry_are_shown(repository):
    image = repository.image("linux/amd64", "a")
    repository.index("v1", image, evil="\x1b[2Jgone\u202e")

    text = table(repository.survey("v1"))

    assert "evil: \\x1b[2Jgone\\u202e" in text
    assert "\x1b" not in tree(repository.survey("v1"))


def test_configs_follow_a_line_that_names_them(published):
    lines = configs(published).splitlines()

    assert f"# linux/amd64 {published.images[0].descriptor.digest}" == lines[0]
    assert '  "architecture": "amd64",' in lines


def test_plain_keeps_letters_of_any_script():
    assert "多架构 é" == shown("多架构 é")


def test_what_is_no_image_is_a_head_with_a_note_and_what_it_is_about(repository):
    about = repository.image("linux/amd64", "a")
    subject = {key: about.to_tree()[key] for key in ("mediaType", "digest", "size")}
    unknown = Document(b'{"schemaVersion":1,"name":"app","fsLayers":[]}', mediatype.SCHEMA1_SIGNED)
    artifact = repository.artifact("", Descriptor(mediatype.OCI_EMPTY, Digest.of(b"{}"), 2))
    repository.put_manifest(artifact.edit(lambda tree: tree.update(subject=subject)), "artifact")
    repository.put_manifest(unknown, "old")

    old, referrer = (table(repository.survey(name)).splitlines() for name in ("old", "artifact"))

    assert "  schema 1 manifest, obsolete since 2017" == old[2]
    assert f"  about {about.digest}" == referrer[2]
    assert [] == [line for line in (*old, *referrer) if "PLATFORM" in line]


def test_an_attestation_of_what_is_not_listed_stands_below(repository):
    gone = repository.attestation(Digest.of(b"gone"), SLSA)
    repository.index("v1", repository.image("linux/amd64", "a"), gone)

    assert (
        f"provenance  {gone.digest}  of an image that is not listed" in table(repository.survey("v1")).splitlines()
    )


def test_a_config_that_is_gone_is_said_in_the_row_of_its_image(repository):
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"gone"), 4)
    document = compose.manifest(Family.OCI, config, [])
    repository.put_manifest(document)
    repository.index(
        "v1", Descriptor(document.media_type, document.digest, document.size, Platform("linux", "arm"))
    )

    [row] = [line for line in table(repository.survey("v1")).splitlines() if line.startswith("linux/arm")]

    assert "config: no blob" in row
