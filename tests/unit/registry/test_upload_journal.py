import os
import stat

import pytest

from ocitool.model.digest import Digest
from ocitool.registry.upload_journal import KEPT_S, Cut, UploadJournal

DIGEST = Digest.of(b"x")
PLACE = "reg.test/app"


@pytest.fixture
def journal(tmp_path):
    return UploadJournal(tmp_path / "journal")


def note(journal, offset=7, size=100):
    with journal.entry(PLACE, DIGEST, size) as entry:
        entry.note("https://reg.test/v2/app/blobs/uploads/u1?_state=s", offset)


def test_a_later_process_learns_where_the_upload_was(journal):
    note(journal)

    with journal.entry(PLACE, DIGEST, 100) as entry:
        assert Cut("https://reg.test/v2/app/blobs/uploads/u1?_state=s", 7) == entry.recall()


def test_the_newest_note_counts_and_leaves_nothing_of_longer_ones(journal):
    with journal.entry(PLACE, DIGEST, 100) as entry:
        entry.note("https://reg.test/" + "long" * 50, 7)
        entry.note("https://reg.test/u", 8)

    with journal.entry(PLACE, DIGEST, 100) as entry:
        assert Cut("https://reg.test/u", 8) == entry.recall()


def test_what_was_forgotten_leaves_no_file(journal, tmp_path):
    with journal.entry(PLACE, DIGEST, 100) as entry:
        entry.note("https://reg.test/u", 8)
        entry.forget()

    assert [] == list((tmp_path / "journal").iterdir())


@pytest.mark.parametrize(
    ("place", "digest", "size"),
    [("reg.test/other", DIGEST, 100), (PLACE, Digest.of(b"y"), 100), (PLACE, DIGEST, 101)],
)
def test_other_content_does_not_go_on_there(journal, place, digest, size):
    note(journal)

    with journal.entry(place, digest, size) as entry:
        assert entry.recall() is None


def test_two_at_once_never_share_a_session(journal):
    with journal.entry(PLACE, DIGEST, 100) as first:
        first.note("https://reg.test/u", 8)
        with journal.entry(PLACE, DIGEST, 100) as second:
            assert second.recall() is None
            second.note("https://reg.test/other", 9)
            second.forget()

    with journal.entry(PLACE, DIGEST, 100) as entry:
        assert Cut("https://reg.test/u", 8) == entry.recall()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"location":5}', b"\xff", b"[" * 60_000])
def test_a_damaged_entry_is_none(journal, tmp_path, text):
    note(journal)
    (file,) = (tmp_path / "journal").iterdir()
    file.write_bytes(text)

    with journal.entry(PLACE, DIGEST, 100) as entry:
        assert entry.recall() is None


def test_only_web_addresses_are_gone_to(journal):
    with journal.entry(PLACE, DIGEST, 100) as entry:
        entry.note("file:///etc/passwd", 7)

    with journal.entry(PLACE, DIGEST, 100) as entry:
        assert entry.recall() is None


def test_an_entry_is_private(journal, tmp_path):
    note(journal)
    (file,) = (tmp_path / "journal").iterdir()

    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def test_entries_older_than_any_session_are_swept(journal, tmp_path):
    note(journal)
    (file,) = (tmp_path / "journal").iterdir()
    old = file.stat().st_mtime - KEPT_S - 1
    os.utime(file, (old, old))

    with journal.entry("reg.test/other", DIGEST, 1):
        assert not file.exists()


def test_a_folder_that_cannot_be_is_no_trouble(tmp_path):
    (tmp_path / "file").write_text("")

    with UploadJournal(tmp_path / "file" / "journal").entry(PLACE, DIGEST, 100) as entry:
        entry.note("https://reg.test/u", 8)
        assert entry.recall() is None


def test_a_file_that_goes_while_its_lock_is_waited_for_holds_nothing(journal, tmp_path, monkeypatch):
    """The process that held it was done with it, and a third one may have made another of that name."""
    note(journal)
    [path] = (tmp_path / "journal").iterdir()
    monkeypatch.setattr("fcntl.flock", lambda *_: path.unlink())

    with journal.entry(PLACE, DIGEST, 100) as entry:
        entry.note("https://reg.test/u", 8)

        assert entry.recall() is None
    assert [] == list((tmp_path / "journal").iterdir())
