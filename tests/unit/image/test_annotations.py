import pytest

from ocitool.errors import Unsupported, UsageError
from ocitool.image.annotations import Annotation, AnnotationLevel, Annotations, parse_annotation, plain
from ocitool.model.platform import Platform

ARM64, AMD64 = Platform.parse("linux/arm64"), Platform.parse("linux/amd64")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k=v", [Annotation(AnnotationLevel.ROOT, "k", "v")]),
        ("org.example/a:b=v=w", [Annotation(AnnotationLevel.ROOT, "org.example/a:b", "v=w")]),
        ("k=http://x:y", [Annotation(AnnotationLevel.ROOT, "k", "http://x:y")]),
        ("index:k=", [Annotation(AnnotationLevel.INDEX, "k", "")]),
        ("manifest[linux/arm64]:k=v", [Annotation(AnnotationLevel.MANIFEST, "k", "v", ARM64)]),
        (
            "index,manifest:k=v",
            [Annotation(AnnotationLevel.INDEX, "k", "v"), Annotation(AnnotationLevel.MANIFEST, "k", "v")],
        ),
        ("manifest-descriptor:a.b=v", [Annotation(AnnotationLevel.ENTRY, "a.b", "v")]),
    ],
)
def test_places_of_an_annotation(text, expected):
    assert tuple(expected) == parse_annotation(text, AnnotationLevel.ROOT).all


@pytest.mark.parametrize("text", ["k", "=v", "index:=v", "manifst:k=v", "manifest[]:k=v", "a,b:k=v"])
def test_what_is_no_annotation_is_refused(text):
    with pytest.raises(UsageError):
        parse_annotation(text, AnnotationLevel.ROOT)


def test_a_misspelt_place_is_told_the_right_one():
    with pytest.raises(UsageError) as caught:
        parse_annotation("manifst:k=v", AnnotationLevel.ROOT)

    assert "did you mean manifest?" == caught.value.hint


def test_what_only_a_layout_has_is_not_supported():
    with pytest.raises(Unsupported, match="index-descriptor"):
        parse_annotation("index-descriptor:k=v", AnnotationLevel.ROOT)


def test_each_document_gets_its_own_and_the_later_of_two_counts():
    found = plain([("root", "1"), ("twice", "1")])
    for text in ("manifest:m=1", "manifest[linux/arm64]:m=2", "index:i=1", "manifest-descriptor:e=1", "twice=2"):
        found += parse_annotation(text, AnnotationLevel.ROOT)

    assert {"root": "1", "twice": "2", "i": "1"} == found.on_index()
    assert {"m": "1"} == found.on_manifest(AMD64, is_root=False)
    assert {"m": "2"} == found.on_manifest(ARM64, is_root=False)
    assert {"root": "1", "twice": "2", "m": "1"} == found.on_manifest(AMD64, is_root=True)
    assert {"e": "1"} == found.on_entry(AMD64)


def test_what_would_be_written_nowhere_is_refused():
    with pytest.raises(UsageError, match="k is for an index"):
        parse_annotation("index:k=v", AnnotationLevel.ROOT).check([AMD64], is_index=False)
    with pytest.raises(UsageError, match="k is for linux/arm64, which is not built"):
        parse_annotation("manifest[linux/arm64]:k=v", AnnotationLevel.ROOT).check([AMD64], is_index=True)
    assert not Annotations()
