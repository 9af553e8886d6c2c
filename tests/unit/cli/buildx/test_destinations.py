from pathlib import Path

import pytest

from ocitool.builder.outputs import BuildOutputs, FilesOutput
from ocitool.cli.buildx.destinations import Destinations, destinations
from ocitool.errors import Unsupported, UsageError
from ocitool.image.annotations import Annotation, AnnotationLevel
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference

TAGS = (Reference.parse("reg.test/app:1"), Reference.parse("other.test/app:latest"), Reference.parse("app:1"))


@pytest.mark.parametrize(
    ("text", "scheme", "path", "names"),
    [
        ("oci:out", "oci", "out", ("",)),
        ("oci:out:v1", "oci", "out", ("v1",)),
        ("oci-archive:a.tar", "oci-archive", "a.tar", ("1", "latest")),
        ("oci-archive:a.tar:v1", "oci-archive", "a.tar", ("v1",)),
        ("docker-archive:d.tar", "docker-archive", "d.tar", ("reg.test/app:1", "other.test/app:latest", "app:1")),
        ("docker-archive:d.tar:x/y:2", "docker-archive", "d.tar", ("x/y:2",)),
        ("type=oci,dest=a.tar", "oci-archive", "a.tar", ("1", "latest")),
        ("type=oci,dest=a.tar,name=reg.test/app:9", "oci-archive", "a.tar", ("9",)),
        ("type=oci,dest=a.tar,name=v2", "oci-archive", "a.tar", ("v2",)),
        ("type=oci", "oci-archive", "-", ("1", "latest")),
        ("type=oci,dest=out,tar=false", "oci", "out", ("",)),
        ("type=docker,dest=-", "docker-archive", "-", ("reg.test/app:1", "other.test/app:latest", "app:1")),
    ],
)
def test_places(text, scheme, path, names):
    (place,) = destinations([text]).outputs.places

    assert (scheme, Path(path)) == (place.locator.scheme, place.locator.path)
    assert names == place.names(TAGS)


@pytest.mark.parametrize(
    ("text", "push", "keeps"),
    [
        ("type=registry", True, False),
        ("type=image,push=true", True, False),
        ("type=image", False, True),
        ("type=registry,push=false", False, True),
    ],
)
def test_registries_in_buildx_words(text, push, keeps):
    wanted = destinations([text])

    assert (push, keeps, ()) == (wanted.outputs.push, wanted.outputs.keeps, wanted.outputs.places)


def test_what_an_output_says_about_the_image():
    """The form of the matrix builds that docker's own pages recommend, quoted as CSV."""
    text = (
        'type=image,"name=reg.test/a,reg.test/b:2",push-by-digest=true,name-canonical=true,push=true,'
        "oci-mediatypes=true,compression=zstd,compression-level=3,registry.insecure=true,"
        "annotation.k=v,annotation-index.i=1,annotation-manifest[linux/arm64].m=2"
    )

    wanted = destinations([text])

    assert Destinations(
        BuildOutputs(push=True, by_digest=True),
        insecure=True,
        names=("reg.test/a", "reg.test/b:2"),
        format="oci",
        compression="zstd:3",
        annotations=wanted.annotations,
    ) == wanted  # fmt: skip
    assert (
        Annotation(AnnotationLevel.MANIFEST, "k", "v"),
        Annotation(AnnotationLevel.INDEX, "i", "1"),
        Annotation(AnnotationLevel.MANIFEST, "m", "2", Platform.parse("linux/arm64")),
    ) == wanted.annotations.all


@pytest.mark.parametrize("text", ["type=docker", "type=docker,name=reg.test/app:1"])
def test_what_docker_would_load_stays_here(text):
    assert destinations([text]).loads
    assert destinations([], load=True).loads


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("type=local,dest=out", FilesOutput(Path("out"))),
        ("type=local,dest=out,platform-split=false", FilesOutput(Path("out"), split=False)),
        ("type=tar,dest=out.tar", FilesOutput(Path("out.tar"), is_tar=True)),
        ("type=tar", FilesOutput(Path("-"), is_tar=True)),
    ],
)
def test_root_file_systems(text, files):
    assert (files,) == destinations([text]).outputs.files


def test_a_lone_word_is_a_folder_for_buildx_alone():
    assert (FilesOutput(Path("out")),) == destinations(["out"], bare=True).outputs.files
    assert (FilesOutput(Path("-"), is_tar=True),) == destinations(["-"], bare=True).outputs.files
    assert "oci" == destinations(["oci:out"], bare=True).outputs.places[0].locator.scheme


@pytest.mark.parametrize(
    "text",
    [
        "out",
        "reg.test/app:1",
        "dir:out",
        "oci:",
        "type=what",
        "dest=x",
        "type=oci,dest",
        "type=local",
        "type=local,dest=-",
        "type=image,psuh=true",
        "type=image,push=perhaps",
        "type=registry,annotation-index[linux/arm64],x",
    ],
)
def test_what_says_no_place_is_refused(text):
    with pytest.raises(UsageError):
        destinations([text])


def test_a_misspelt_attribute_is_told_the_right_one():
    with pytest.raises(UsageError, match="type=image has no 'psuh'") as caught:
        destinations(["type=image,psuh=true"])

    assert "did you mean push?" == caught.value.hint


@pytest.mark.parametrize(
    ("said", "compression"),
    [
        ("", ""),
        (",compression-level=9", "gzip:9"),
        (",compression=zstd", "zstd"),
        (",compression=uncompressed,compression-level=9", "none"),
    ],
)
def test_a_compression_and_its_level(said, compression):
    assert compression == destinations([f"type=image{said}"]).compression


def test_a_compression_that_is_not_written_is_named():
    with pytest.raises(Unsupported, match="lz4"):
        destinations(["type=image,compression=lz4"])


def test_standard_output_takes_one():
    with pytest.raises(UsageError, match="standard output"):
        destinations(["docker-archive:-", "type=tar"])


def test_an_output_of_type_oci_chooses_oci():
    assert "oci" == destinations(["type=oci,dest=a.tar"]).format
    assert "" == destinations(["oci-archive:a.tar", "type=docker,dest=d.tar"]).format
