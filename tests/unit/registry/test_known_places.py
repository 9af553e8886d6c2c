"""What is kept of the places of blobs between runs."""

import pytest

from ocitool.model.digest import Digest
from ocitool.registry.session_state import PLACES, KnownPlaces

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "places"


def kept(folder, *adds):
    places = KnownPlaces(folder)
    for add in adds:
        places.add(*add)
    places.save()


def test_the_newest_place_of_a_blob_is_known_to_a_later_run(folder):
    kept(folder, ("reg.test:5000", ONE, "team/app"), ("reg.test:5000", TWO, "team/app"))
    kept(folder, ("reg.test:5000", ONE, "team/other"))

    later = KnownPlaces(folder)

    assert "team/other" == later.of("reg.test:5000", ONE)
    assert "team/app" == later.of("reg.test:5000", TWO)
    assert "" == later.of("other.test", ONE)


def test_a_place_that_is_forgotten_is_gone(folder):
    kept(folder, ("reg.test", ONE, "app"))
    kept(folder, ("reg.test", ONE, ""))

    assert "" == KnownPlaces(folder).of("reg.test", ONE)


def test_the_oldest_go_where_there_are_too_many(folder):
    kept(folder, ("reg.test", ONE, "app"))
    kept(folder, *(("reg.test", Digest.of(str(number).encode()), "app") for number in range(PLACES)))

    assert "" == KnownPlaces(folder).of("reg.test", ONE)
    assert "app" == KnownPlaces(folder).of("reg.test", Digest.of(b"1"))


@pytest.mark.parametrize("text", ["\0\xff", f"{ONE} ../../other?x=1", f"{ONE} APP", f"{ONE}", f"{ONE} a b", "\n\n"])
def test_a_damaged_file_is_nothing_known(folder, text):
    kept(folder, ("reg.test", TWO, "app"))
    (file,) = folder.iterdir()
    file.write_text(text, encoding="latin-1")

    assert "" == KnownPlaces(folder).of("reg.test", ONE)


def test_without_a_folder_nothing_is_kept():
    places = KnownPlaces(None)
    places.add("reg.test", ONE, "app")
    places.save()

    assert "" == places.of("reg.test", ONE)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")

    kept(tmp_path / "file" / "places", ("reg.test", ONE, "app"))

    assert "" == KnownPlaces(tmp_path / "file" / "places").of("reg.test", ONE)
