"""What images say of their base in annotations."""

import pytest

from ocitool.image.base_note import DIGEST, NAME, READS, BaseNote, moved_note, published_name
from ocitool.model.digest import Digest

ONE, TWO = (Digest.of(text) for text in (b"1", b"2"))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("a/b:1", "docker.io/a/b:1"),
        (f"reg.example:5000/a:1@{ONE}", "reg.example:5000/a:1"),
        (f"reg.example/a@{ONE}", f"reg.example/a@{ONE}"),
        ("oci:/home/me/secret:1", ""),
        ("docker-archive:/tmp/a.tar", ""),
    ],
)
def test_a_name_is_a_reference_in_full_and_never_a_path(place, name):
    assert name == published_name(place)


def test_what_is_said_is_read_again():
    note = BaseNote("a", ONE, frozenset({"run", "env:A"}))

    assert {NAME: "a", DIGEST: str(ONE), READS: '["env:A","run"]'} == note.annotations()
    assert note == BaseNote.of(note.annotations())


@pytest.mark.parametrize("reads", ["", "run", '{"run":1}', "[1]", "[" * 100_000, '"run"'])
def test_what_is_no_list_of_words_says_nothing(reads):
    assert BaseNote("a") == BaseNote.of({NAME: "a", DIGEST: "x", READS: reads})


@pytest.mark.parametrize(
    ("images", "after"),
    [
        ([("a", "a"), ("b", "b")], "a"),
        ([("a", "b"), ("a", "b")], "b"),
        ([("a", "b"), ("a", "a")], ""),
        ([("a", ""), ("a", "")], ""),
    ],
)
def test_an_index_says_what_all_its_images_say_once_they_move(images, after):
    pairs = [(BaseNote(before), BaseNote(now)) for before, now in images]

    assert BaseNote(after) == moved_note(BaseNote("a"), pairs)
    assert BaseNote() == moved_note(BaseNote(), pairs)
