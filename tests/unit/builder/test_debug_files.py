"""`ocitool.builder.debug_files`: programs without debug information, and where a debugger finds it."""

import pytest

from ocitool.builder.debug_files import without_debug
from ocitool.errors import LocalIOError
from ocitool.events import Noted
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import BytesContent, Entry, FileContent
from tests.fakes.programs import Elf, note

AMD64 = Platform("linux", "amd64")
ID = (".note.gnu.build-id", 7, note(b"GNU", 3, b"\xab\xcd\xef\x01"))
DEBUG = (".debug_info", 1, b"d" * 100)


@pytest.fixture
def split(tmp_path):
    """`split(raw)`: the entry of a program on disk, stripped, with what was told; debug files are in `debug`."""

    def call(raw):
        (tmp_path / "app").write_bytes(raw)
        told = []
        entry = Entry("bin/app", FileKind.FILE, 0o755, content=FileContent(tmp_path / "app"))
        [left] = without_debug([entry], AMD64, tmp_path / "debug", tmp_path / "work", told.append)
        return entry, left, told

    return call


def test_a_program_loses_its_debug_information_which_a_debugger_finds_by_the_build_id(split, tmp_path):
    raw = Elf(sections=[ID, DEBUG]).build()

    entry, left, [told] = split(raw)

    small = b"".join(left.content.pieces())
    assert (entry.path, entry.mode) == (left.path, left.mode)
    assert b"dddd" not in small
    assert raw == (tmp_path / "app").read_bytes() == (tmp_path / "debug/linux-amd64/bin/app.debug").read_bytes()
    assert raw == (tmp_path / "debug/.build-id/ab/cdef01.debug").read_bytes()
    assert (tmp_path / "debug/.build-id/ab/cdef01.debug").is_symlink()
    assert told.text.endswith("(build id abcdef01)")


def test_a_link_of_an_older_build_is_replaced(split, tmp_path):
    old = tmp_path / "debug/.build-id/ab/cdef01.debug"
    old.parent.mkdir(parents=True)
    old.symlink_to("nowhere")

    split(Elf(sections=[ID, DEBUG]).build())

    assert "../../linux-amd64/bin/app.debug" == str(old.readlink())


def test_a_program_without_a_build_id_is_kept_and_told(split, tmp_path):
    _, _, told = split(Elf(sections=[DEBUG]).build())

    kept = tmp_path / "debug/linux-amd64/bin/app.debug"
    assert [Noted(f"{kept} has no build id, so that a debugger has to be told of it", "notice")] == told
    assert (True, False) == (kept.is_file(), (tmp_path / "debug/.build-id").exists())


@pytest.mark.parametrize("raw", [b"#!/bin/sh\n", Elf(sections=[ID]).build()], ids=["script", "small"])
def test_what_has_nothing_to_lose_is_left_as_it_is(split, tmp_path, raw):
    entry, left, told = split(raw)

    assert (entry, []) == (left, told)
    assert not (tmp_path / "debug").exists()


def test_what_is_no_file_on_disk_is_passed_on(tmp_path):
    entries = [
        Entry("bin", FileKind.DIRECTORY, 0o755),
        Entry("a", FileKind.FILE, 0o644, content=BytesContent(b"a")),
    ]

    assert entries == list(without_debug(entries, AMD64, tmp_path / "debug", tmp_path, lambda _: None))


def test_a_folder_that_cannot_be_written_is_told(split, tmp_path):
    (tmp_path / "debug").write_text("in the way")

    with pytest.raises(LocalIOError, match="cannot write debug files into"):
        split(Elf(sections=[ID, DEBUG]).build())
