"""What images say of their base, and `base status`: whether it is underneath, and whether it moved."""

import json
from pathlib import Path

import pytest

from ocitool.image.base_note import DIGEST, NAME, READS
from ocitool.store.layout import LayoutStore
from tests.fakes.based import COPIES, annotations, held
from tests.fakes.sick import member, tar

DOCKERFILE = "FROM BASE\nARG TARGETARCH\nCOPY $TARGETARCH /bin/app\nCOPY conf /etc/app/\n"


def test_images_and_their_index_say_what_they_are_built_upon(base, build_upon, ward, registry):
    base("1")
    digest = ward(f"{registry.host}/base").store.head("1").digest

    build_upon("FROM BASE\nARG A=1\nENV B=$A PATH=/x:$PATH\nCOPY conf /c\n")

    said = {NAME: f"{registry.host}/base:1", DIGEST: str(digest)}
    assert [said, *[said | {READS: '["env:PATH"]'}] * 2] == annotations()


@pytest.mark.parametrize("how", [COPIES, DOCKERFILE], ids=["project", "dockerfile"])
def test_no_base_annotations_are_written_where_nobody_wants_them(base, build_upon, sources, how):
    base("1")
    build_upon(how, "1", "--no-base-annotations")
    build_upon(how, "own", "--annotation", f"manifest:{NAME}=mine")
    (sources / "ocitool.toml").write_text("base-annotations = false\n")
    build_upon(how, "spec")

    assert [{}] * 3 == annotations() == annotations("spec")
    assert ["mine"] * 2 == [one[NAME] for one in annotations("own")[1:]]


def test_a_base_of_this_machine_has_a_digest_and_no_name(run, base, build_upon, sources, registry):
    base("1")
    assert 0 == run("copy", f"{registry.host}/base:1", "oci:mine:1").exit_code

    done = run("build", ".", "--toolchain", "prebuilt", "--base", "oci:mine:1", *COPIES, "-o", "oci:app:1")

    assert 0 == done.exit_code, done.stderr
    digest = LayoutStore(Path("mine")).head("1").digest
    assert [{DIGEST: str(digest)}] * 3 == [{k: v for k, v in one.items() if k != READS} for one in annotations()]
    assert b"mine" not in LayoutStore(Path("app")).get_manifest("1").raw


def test_status_tells_what_moved(run, base, build_upon, registry):
    base("1")
    build_upon(COPIES)
    before = run("base", "status", "oci:app:1")
    base("2")

    after = run("base", "status", "oci:app:1", "--json")
    done = run("rebase", "oci:app:1")
    again = run("rebase", "oci:app:1")

    assert (0, 2) == (before.exit_code, before.stdout.count(" current\n")), before.stdout
    assert 1 == after.exit_code
    images = json.loads(after.stdout)["data"]["images"]
    assert [("moved", True, f"{registry.host}/base:1")] * 2 == [
        (one["state"], one["underneath"], one["base"]["name"]) for one in images
    ]
    assert 0 == done.exit_code, done.stderr
    assert "nothing to change" in again.stderr
    assert 0 == run("base", "status", "oci:app:1").exit_code


def test_a_base_that_is_not_underneath_is_told_and_refused(run, base, build_upon, ward, registry):
    base("1")
    first = build_upon(COPIES)
    ward(f"{registry.host}/other").image("linux/amd64", layers=[tar(member("a"))], tag="1")
    other = f"{registry.host}/other:1"

    status = run("base", "status", "oci:app:1", "--base", other, "--platform", "linux/amd64")
    refused = run("rebase", "oci:app:1", "--old-base", other, "--platform", "linux/amd64")

    assert (1, True) == (status.exit_code, "moved" in status.stdout)
    assert (2, first) == (refused.exit_code, held("1"))
    assert f"{other} is not underneath the image" in refused.stderr


def test_status_of_images_that_name_no_base(run, base, build_upon, registry):
    base("1")
    build_upon(COPIES, "1", "--no-base-annotations")
    said = (("no base is named", 0, ()), ("current", 0, ("--base", f"{registry.host}/base:1")))
    for word, code, words in said:
        done = run("base", "status", "oci:app:1", *words)

        assert (code, 2) == (done.exit_code, done.stdout.count(f"{word}\n")), done.stdout
    base("2")

    moved = run("base", "status", "oci:app:1", "--base", f"{registry.host}/base:1")

    assert (1, 2) == (moved.exit_code, moved.stdout.count("not underneath\n"))


@pytest.mark.parametrize("word", ["oci:/etc", "no reference", "../x", "http://x/y"])
def test_what_an_annotation_calls_the_base_is_a_reference_or_refused(run, base, build_upon, word):
    base("1")
    build_upon(COPIES)
    assert 0 == run("config", "edit", "oci:app:1", "--annotation", f"{NAME}={word}").exit_code

    for command in (("rebase",), ("base", "status")):
        done = run(*command, "oci:app:1")

        assert done.exit_code in {5, 6}, done.stderr
        assert "Traceback" not in done.stderr


def test_squashed_it_stands_on_nothing_and_says_so(run, base, build_upon):
    base("1")
    build_upon(COPIES)

    assert 0 == run("squash", "oci:app:1").exit_code

    assert [{}] * 3 == annotations()


def test_an_index_says_what_its_images_say_then(run, base, build_upon, registry):
    """Whatever edit moves a base: what all images say afterwards is said of all."""
    base("1")
    build_upon(COPIES)
    digest = annotations()[0][DIGEST]
    words = ("config", "edit", "oci:app:1", "--annotation")

    assert 0 == run(*words, f"{NAME}=example.com/b:1").exit_code
    all_of_them = annotations()[0]
    assert 0 == run(*words, f"manifest[linux/arm64]:{NAME}=example.com/b:2").exit_code

    assert {NAME: "example.com/b:1", DIGEST: digest} == all_of_them
    assert {} == annotations()[0]


@pytest.mark.parametrize("place", ["index", "manifest-descriptor"])
def test_status_reads_what_stands_above_the_images(run, base, build_upon, registry, place):
    base("1")
    digest = registry.tags["base", "1"]
    said = [
        f"--annotation={place}:{key}={value}"
        for key, value in ((NAME, f"{registry.host}/base:1"), (DIGEST, digest))
    ]
    build_upon(COPIES, "1", "--no-base-annotations", *said)

    before = run("base", "status", "oci:app:1")
    base("2")

    assert (0, 2) == (before.exit_code, before.stdout.count(" current\n"))
    assert 1 == run("base", "status", "oci:app:1").exit_code
