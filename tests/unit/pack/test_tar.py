import hashlib
import io
import tarfile

import pytest

from ocitool.codec.tar_reader import read_members
from ocitool.errors import UsageError
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry
from ocitool.pack.tar import parse_epoch, tar_stream

LENGTHS = [99, 100, 101, 155, 255, 256, 300]


def packed(*entries: Entry, epoch: int = 0) -> bytes:
    return b"".join(tar_stream(entries, epoch))


def members(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def name_of(length: int) -> str:
    """A path of that many bytes whose components are short enough for any file system."""
    parts = "/".join(["d" * 49] * (length // 50))
    return f"{parts}/{'f' * length}"[:length].replace("//", "/x").rstrip("/").ljust(length, "f")


@pytest.mark.parametrize("length", LENGTHS)
def test_names_of_any_length_come_back(length):
    """K133: ustar holds 100 bytes, 255 with a prefix; beyond that a pax record carries the name."""
    entry = Entry(name_of(length), FileKind.FILE, content=BytesContent(b"x"))

    assert [entry.path] == [member.name for member in members(packed(entry))]


def test_short_names_have_no_extension_header():
    assert 512 * 4 == len(packed(Entry("bin/app", FileKind.FILE, content=BytesContent(b"x"))))


def test_a_name_beyond_ascii_comes_back():
    path = "usr/share/" + "é" * 60

    assert [path] == [member.name for member in members(packed(Entry(path, FileKind.DIRECTORY, 0o755)))]


@pytest.mark.parametrize("length", [100, 101, 250])
@pytest.mark.parametrize("kind", [FileKind.SYMLINK, FileKind.HARDLINK])
def test_link_targets_of_any_length_come_back(kind, length):
    """K134"""
    target = name_of(length)
    data = packed(Entry("link", kind, 0o777, link=target))

    assert [target] == [member.linkname for member in members(data)]
    assert data == packed(Entry("link", kind, 0o777, link=target))


def test_large_owners_are_kept():
    """K136: ids above 2097151 do not fit ustar."""
    entry = Entry("f", FileKind.FILE, uid=3_000_000, gid=1_000_240_000)

    (member,) = members(packed(entry))
    assert (3_000_000, 1_000_240_000) == (member.uid, member.gid)
    assert ("", "") == (member.uname, member.gname)


@pytest.mark.parametrize(
    ("field", "number", "is_extended"),
    [
        ("uid", 0o7777777, False), ("uid", 0o10000000, True), ("gid", 0o7777777, False), ("gid", 0o10000000, True),
        ("mtime", 0o77777777777, False), ("mtime", 0o100000000000, True), ("mtime", 0, False), ("mtime", -1, True),
    ],
)  # fmt: skip
def test_numbers_that_fill_their_field_stay_in_it(field, number, is_extended):
    ids = {} if field == "mtime" else {field: number}
    data = packed(Entry("f", FileKind.DIRECTORY, 0o755, **ids), epoch=number if field == "mtime" else 0)

    (member,) = members(data)

    assert (number, is_extended) == (getattr(member, field), field in member.pax_headers)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777, 0o644, 0])
def test_special_mode_bits_are_kept(mode):
    """K157"""
    assert [mode] == [member.mode for member in members(packed(Entry("f", FileKind.FILE, mode)))]


def test_extended_attributes_keep_their_bytes():
    """K139: a file capability is binary."""
    value = bytes.fromhex("0100000200200000000000000000000000000000") + b"\n=\xff"
    entry = Entry("f", FileKind.FILE, 0o755, xattrs=(("security.capability", value),))

    (member,) = read_members([packed(entry)])
    assert (("security.capability", value),) == member.xattrs


def test_no_time_is_later_than_the_epoch():
    """K142: what has a time of its own is clamped, what has none gets the epoch."""
    entries = [
        Entry("a", FileKind.FILE),
        Entry("b", FileKind.FILE, mtime=5),
        Entry("c", FileKind.FILE, mtime=2_000_000_000),
    ]

    assert [1_000_000_000, 5, 1_000_000_000] == [m.mtime for m in members(packed(*entries, epoch=1_000_000_000))]


@pytest.mark.parametrize("text", ["", "abc", "-1", "1e9", "1700000000.5", " 1", "١", "9" * 13])
def test_a_bad_epoch_is_refused(text):
    """K142"""
    with pytest.raises(UsageError):
        parse_epoch(text)


def test_a_good_epoch_is_seconds():
    assert 1_700_000_000 == parse_epoch("1700000000")


def test_the_tar_has_golden_bytes():
    """Changing this changes the diff_id of every layer."""
    data = packed(
        Entry("bin", FileKind.DIRECTORY, 0o755),
        Entry("bin/app", FileKind.FILE, 0o755, content=BytesContent(b"#!/bin/sh\n")),
        Entry("bin/link", FileKind.SYMLINK, 0o777, link="app"),
        Entry("etc/" + "n" * 200, FileKind.FILE, uid=3_000_000),
    )

    assert "0d10ba7381e937e3" == hashlib.sha256(data).hexdigest()[:16]


@pytest.mark.parametrize("path", ["", "/abs", "a/../b", "./a", "a//b", "a/", "..", "a\0b", "x" * 5000])
def test_paths_that_no_layer_can_carry_are_refused(path):
    with pytest.raises(UsageError):
        Entry(path, FileKind.FILE)


@pytest.mark.parametrize("path", [".wh.config", "etc/.wh.", "a/.wh.dir/f", ".wh..wh..opq"])
def test_a_file_that_would_be_read_as_a_deletion_is_refused(path):
    """K152"""
    with pytest.raises(UsageError, match=r"\.wh\."):
        Entry(path, FileKind.FILE, content=BytesContent(b"data"))
