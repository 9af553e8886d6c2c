"""Files as an artifact: titles, types, annotations, packed directories, and the plan."""

import json

import pytest

from ocitool.artifact.conventions import ARTIFACT_TYPE, CONFIG_TYPE, CONTENT_DIGEST, TITLE, UNPACK
from ocitool.errors import LocalIOError, MalformedDocument, NotFound, UsageError
from ocitool.model.digest import Digest
from ocitool.model.views import view

EMPTY = "application/vnd.oci.empty.v1+json"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder with two files and a directory."""
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    (here / "a.txt").write_text("a")
    (here / "sub" / "b.bin").write_bytes(b"b")
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def push(client, folder):
    """`push("a.txt", …)`: the manifest that a plan would put under a tag of a layout."""

    def call(*files, **words):
        return view(client.artifact("oci:out:1").push(*files, **words).result)

    return call


def titles(manifest):
    return [layer.annotations[TITLE] for layer in manifest.layers]


def test_a_file_is_listed_with_its_path_its_type_and_the_artifacts(push):
    found = push("a.txt:text/plain", "sub/b.bin", artifact_type="x/y")

    assert ["a.txt", "sub/b.bin"] == titles(found)
    assert ["text/plain", "application/vnd.oci.image.layer.v1.tar"] == [one.media_type for one in found.layers]
    assert ("x/y", EMPTY, Digest.of(b"{}")) == (found.artifact_type, found.config.media_type, found.config.digest)


def test_without_a_type_and_without_files_it_is_what_image_spec_wants(push):
    found = push()

    assert (ARTIFACT_TYPE, [EMPTY]) == (found.artifact_type, [one.media_type for one in found.layers])


def test_a_config_says_what_the_artifact_is(push):
    found = push("sub/b.bin", config="a.txt:x/config")
    plain = push("sub/b.bin", config="a.txt")

    assert ("", "x/config", Digest.of(b"a")) == (found.artifact_type, found.config.media_type, found.config.digest)
    assert CONFIG_TYPE == plain.config.media_type


def test_a_file_that_lies_elsewhere_keeps_its_name_only(push, folder, tmp_path):
    (tmp_path / "far").write_text("x")

    assert ["far", "a.txt"] == titles(push("../far", str(folder / "a.txt")))


def test_a_file_whose_name_has_a_colon_is_that_file(push, folder):
    (folder / "x:y").write_text("1")

    assert ["x:y"] == titles(push("x:y"))


@pytest.mark.parametrize(
    ("files", "error", "said"),
    [
        (["none"], NotFound, "no file none"),
        (["a.txt:plain"], UsageError, "no media type"),
        (["a.txt", "../here/a.txt"], UsageError, "would both be a.txt"),
        (["/dev/null"], UsageError, "no file and no directory"),
        ([":text/plain"], UsageError, "not a file"),
    ],
)
def test_what_cannot_be_pushed_is_told(push, files, error, said):
    with pytest.raises(error, match=said):
        push(*files)


def test_a_directory_is_packed_the_same_whenever_it_is(push, folder, client):
    first = push("sub")
    (folder / "sub" / "b.bin").touch()
    second = push("sub")

    [layer] = first.layers
    assert first.document.digest == second.document.digest
    assert ("sub", "true", "application/vnd.oci.image.layer.v1.tar+gzip") == (
        layer.annotations[TITLE],
        layer.annotations[UNPACK],
        layer.media_type,
    )
    assert Digest(layer.annotations[CONTENT_DIGEST]) != layer.digest


def test_an_annotation_file_speaks_of_paths_manifest_and_config(push, folder):
    tree = {"$manifest": {"m": "1", "k": "file"}, "$config": {"c": "2"}, "a.txt": {"f": "3"}}
    (folder / "notes.json").write_text(json.dumps(tree))

    found = push("a.txt", annotations={"k": "flag"}, annotation_file="notes.json")

    assert {"m": "1", "k": "flag"} == dict(found.annotations)
    assert ({"c": "2"}, "3") == (dict(found.config.annotations), found.layers[0].annotations["f"])


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ('{"b.txt": {"k": "v"}}', UsageError, "b.txt"),
        ('{"a.txt": {"k": 1}}', MalformedDocument, "notes.json"),
        ('["a.txt"]', MalformedDocument, "notes.json"),
        ("{", MalformedDocument, "in the annotation file notes.json"),
        (" " * (1024 * 1024 + 1), MalformedDocument, "notes.json"),
    ],
)
def test_annotations_that_nobody_gets_are_refused(push, folder, text, error, said):
    (folder / "notes.json").write_text(text)

    with pytest.raises(error) as caught:
        push("a.txt", annotation_file="notes.json")

    assert said in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_the_plan_is_carried_out_listed_and_taken_back(client, folder):
    artifact = client.artifact("oci:out:1")
    before = client.apply(artifact.push("a.txt")).digest

    client.apply(artifact.push("sub/b.bin"))

    assert ["sub/b.bin"] == [file.title for file in artifact.listing().files]
    assert before == client.undo("oci:out:1").digest
    assert ["a.txt"] == [file.title for file in artifact.listing().files]


def test_a_file_that_changes_between_plan_and_push_is_not_pushed(client, folder):
    plan = client.artifact("oci:out:1").push("a.txt")
    (folder / "a.txt").write_text("other")

    with pytest.raises(Exception, match="sent more than") as raised:
        client.apply(plan)

    assert 6 == raised.value.exit_code
    assert [] == list(client.tags("oci:out"))


def test_a_file_that_cannot_be_read_is_told(push, folder):
    (folder / "loop").symlink_to("loop")

    with pytest.raises(LocalIOError, match="cannot read loop"):
        push("loop")


def test_a_digest_is_no_name_for_a_push(client, folder):
    with pytest.raises(UsageError, match="under a tag"):
        client.artifact(f"oci:out@{Digest.of(b'')}").push("a.txt")
