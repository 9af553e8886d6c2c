"""`sbom`: one document on standard output, or a file for each platform; what is no image is told."""

import json

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.programs import Elf, go_build
from tests.fakes.sick import Ward, member, tar

MODULES = "path\texample.com/app\nmod\texample.com/app\tv1.2.3\t\ndep\texample.com/b\tv2.0.0\th1:x\n"


def layer(machine):
    program = Elf(machine=machine, sections=[(".go.buildinfo", 1, go_build(MODULES))]).build()
    return tar(member("app", program, mode=0o755))


@pytest.fixture
def place(tmp_path):
    """An index of two images and an attestation under `1`, one image under `single`."""
    ward = Ward(LayoutStore(tmp_path / "layout", create=True))
    image = ward.image("linux/amd64", layers=[layer(62)], tag="single")
    ward.index(image, ward.image("linux/arm64", layers=[layer(183)]), ward.provenance(image["digest"]))
    return f"oci:{tmp_path / 'layout'}:1"


def test_one_platform_is_printed(run, place):
    done = run("sbom", place, "--platform", "linux/arm64")

    tree = json.loads(done.stdout)
    assert (0, "SPDX-2.3") == (done.exit_code, tree["spdxVersion"]), done.stderr
    assert ["example.com/app", "example.com/b"] == [one["name"] for one in tree["packages"][1:]]


def test_a_single_image_needs_no_platform(run, place):
    done = run("sbom", place.replace(":1", ":single"), "--format", "cyclonedx")

    assert (0, "1.6") == (done.exit_code, json.loads(done.stdout)["specVersion"]), done.stderr


def test_several_platforms_are_files_in_a_folder(run, place, tmp_path):
    asked = run("sbom", place)
    for _ in range(2):  # into a new folder, and into one that is there
        done = run("sbom", place, "-o", tmp_path / "new/out", "--format", "cyclonedx")

    assert 2 == asked.exit_code
    assert "linux/amd64, linux/arm64" in asked.stderr
    assert 0 == done.exit_code, done.stderr
    assert ["linux-amd64.cdx.json", "linux-arm64.cdx.json"] == sorted(
        path.name for path in (tmp_path / "new/out").iterdir()
    )


def test_json_has_every_document(run, place):
    done = run("sbom", place, "--json")

    found = json.loads(done.stdout)["data"]["sboms"]
    assert [("linux/amd64", 2), ("linux/arm64", 2)] == [(one["platform"], one["packages"]) for one in found]
    assert {"SPDX-2.3"} == {one["document"]["spdxVersion"] for one in found}


def test_what_cannot_be_read_is_told(run, tmp_path):
    ward = Ward(LayoutStore(tmp_path / "layout", create=True))
    ward.image(layers=[tar(member("var/lib/rpm/Packages", b"x"))], tag="1")

    done = run("sbom", f"oci:{tmp_path / 'layout'}:1")

    assert 0 == done.exit_code
    assert "not read: an rpm database of Berkeley DB, /var/lib/rpm/Packages" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--platform", "linux/s390x"], 3, "linux/s390x"),
        (["-o", "/dev/null/x"], 10, "cannot write into"),
    ],
)
def test_what_does_not_work_is_told_with_its_code(run, place, words, code, said):
    done = run("sbom", place, *words)

    assert code == done.exit_code
    assert said in done.stderr


def test_an_artifact_is_no_image(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("a")
    run("artifact", "push", "oci:out:1", "a")

    done = run("sbom", "oci:out:1")

    assert 9 == done.exit_code
    assert "is no image" in done.stderr
