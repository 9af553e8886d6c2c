"""What is refused before anything is packed, and which program starts the image."""

import time

import pytest

from ocitool.builder.programs import PROJECT, Holding, check_start, refuse_foreign, startable, survey
from ocitool.errors import LocalIOError, WrongPlatform
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import BytesContent, Entry, FileContent
from ocitool.rootfs.files import Layered
from tests.fakes.programs import Elf, pe

ARM64 = Platform.parse("linux/arm64")


def files(**contents: tuple[bool, bytes]):
    return survey(
        Entry(path.replace("_", "/"), FileKind.FILE, 0o755 if is_executable else 0o644, content=BytesContent(data))
        for path, (is_executable, data) in contents.items()
    )


def test_k010_refused_with_path_and_both_architectures():
    """K010: an x86-64 file in an image for linux/arm64."""
    found = files(bin_ok=(True, Elf(183).build()), bin_app=(True, Elf(62).build()), lib_x=(False, Elf(62).build()))

    with pytest.raises(WrongPlatform) as refused:
        refuse_foreign(found, ARM64)

    assert "/bin/app is for linux/amd64, the image for linux/arm64: its header says x86-64" == str(refused.value)
    assert (6, "bin/app", "linux/amd64", "linux/arm64") == (
        refused.value.exit_code,
        refused.value.path,
        refused.value.found,
        refused.value.expected,
    )
    assert ["/lib/x is for linux/amd64: its header says x86-64"] == refused.value.__notes__


def test_of_many_foreign_programs_the_rest_is_counted():
    found = files(**{f"bin_{n}": (True, Elf(62).build()) for n in range(23)})

    with pytest.raises(WrongPlatform) as refused:
        refuse_foreign(found, ARM64)

    assert (21, "and 2 more") == (len(refused.value.__notes__), refused.value.__notes__[-1])


@pytest.mark.parametrize(("platform", "told"), [("windows/amd64", 0), ("wasi/wasm", 0), ("linux/amd64", 1)])
def test_how_an_image_for_another_system_starts_is_not_judged(platform, told):
    heard = []

    check_start(Layered(()), {"Cmd": ["/app"]}, (), Platform.parse(platform), words=PROJECT, listener=heard.append)

    assert told == len(heard)


def test_k010_allowed_is_a_warning():
    """K010: --allow-foreign-arch."""
    heard = []

    refuse_foreign(files(bin_app=(True, Elf(62).build())), ARM64, allow=True, listener=heard.append)

    assert ["/bin/app is for linux/amd64, the image for linux/arm64: its header says x86-64"] == [
        n.text for n in heard
    ]


def test_k010_scripts_and_data_do_not_trip_it():
    """K010: text, scripts, objects; a launcher for Windows that is only data is a warning."""
    heard = []
    found = files(
        bin_run=(True, b"#!/bin/sh\n"),
        etc_conf=(False, b"text"),
        lib_o=(False, Elf(62, kind=1).build()),
        lib_exe=(False, pe(0x8664)),
    )

    refuse_foreign(found, ARM64, listener=heard.append)

    assert 1 == len(heard)
    assert heard[0].text.startswith("/lib/exe is for windows/amd64")


def test_programs_that_can_be_started():
    program, library = Elf(183).build(), Elf(183, kind=3).build()

    assert ("bin/app",) == startable(files(bin_app=(True, program), lib_so=(True, library), data=(True, b"x")))
    assert ("bin/run",) == startable(files(bin_run=(True, b"#!/bin/sh\n"), bin_app=(False, program)))
    assert ("bin/a", "bin/b") == startable(files(bin_a=(True, program), bin_b=(True, program)))
    assert () == startable(())


def test_files_on_disk_are_read_where_they_are(tmp_path):
    path = tmp_path / "app"
    path.write_bytes(Elf(183).build())
    entry = Entry("bin/app", FileKind.FILE, 0o755, content=FileContent(path))
    others = (Entry("bin", FileKind.DIRECTORY, 0o755), Entry("bin/empty", FileKind.FILE))

    assert ["bin/app"] == [one.path for one in survey((*others, entry))]

    path.unlink()
    with pytest.raises(LocalIOError, match=f"cannot read {path}"):
        survey([entry])


def test_small_files_are_read_once_for_the_look_and_the_layer(tmp_path):
    """What was looked at is what is packed, even if the file goes away in between; then it is let go."""
    (tmp_path / "small").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "large").write_bytes(bytes(65_537))
    small, large = (FileContent(tmp_path / name) for name in ("small", "large"))
    entries = [Entry(name, FileKind.FILE, content=content) for name, content in (("s", small), ("l", large))]

    found = survey(entries, holding=Holding())
    (tmp_path / "small").unlink()

    assert ["s"] == [one.path for one in found]
    assert (True, False) == (small.is_held, large.is_held)
    assert b"#!/bin/sh\n" == b"".join(small.pieces())
    with pytest.raises(LocalIOError):
        list(small.pieces())


def test_what_is_held_has_a_limit(tmp_path):
    (tmp_path / "f").write_bytes(bytes(60_000))
    contents = [FileContent(tmp_path / "f") for _ in range(600)]
    holding = Holding()

    for content in contents:
        holding.take(content)

    assert 16 * 1024 * 1024 // 60_000 == sum(content.is_held for content in contents)


class Notes(dict):
    """A memo in memory."""

    recall = dict.get
    remember = dict.__setitem__


@pytest.fixture
def old(tmp_path):
    """A program and a text on disk, as entries made anew by every call."""
    (tmp_path / "app").write_bytes(Elf(183).build())
    (tmp_path / "text").write_text("x" * 64)

    def entries():
        return [Entry(name, FileKind.FILE, 0o755, content=FileContent(tmp_path / name)) for name in ("app", "text")]

    return entries


def later() -> int:
    """A clock on which the files of the test are old."""
    return time.time_ns() + 10**12


def test_files_that_were_no_programs_are_not_opened_again(old, tmp_path):
    notes = Notes()
    first = survey(old(), notes, clock_ns=later)
    entries = old()
    (tmp_path / "text").unlink()  # whoever opens it now fails

    assert ["app"] == [one.path for one in first]
    assert first == survey(entries, notes, clock_ns=later)


def test_a_file_that_changed_is_looked_at_again(old, tmp_path):
    notes = Notes()
    survey(old(), notes, clock_ns=later)

    (tmp_path / "text").write_bytes(Elf(62).build()[:64])

    assert ["app", "text"] == [one.path for one in survey(old(), notes, clock_ns=later)]


def test_young_files_are_not_remembered(tmp_path):
    notes = Notes()
    (tmp_path / "app").write_bytes(Elf(183).build())

    survey([Entry("app", FileKind.FILE, 0o755, content=FileContent(tmp_path / "app"))], notes)

    assert {} == notes


def test_contents_in_memory_are_always_looked_at(old):
    notes = Notes()
    text, program = (
        Entry("x", FileKind.FILE, 0o755, content=BytesContent(data)) for data in (b"x", Elf(62).build())
    )
    survey([*old(), text], notes, clock_ns=later)

    assert ["app", "x"] == [one.path for one in survey([*old(), program], notes, clock_ns=later)]
