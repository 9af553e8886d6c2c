import os
import socket
import tracemalloc
from contextlib import nullcontext
from pathlib import Path

import pytest

from ocitool.errors import LocalIOError, NotFound, UsageError
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import (
    CopyRule,
    Entry,
    FileContent,
    FileOrigin,
    expand,
    file_entry,
    parse_copy,
    refuse_holes,
    scan,
)
from ocitool.pack.file_identity import stamp_of
from ocitool.store.base import PIECE

ARM = Platform("linux", "arm", "v7")


def found(entries):
    return [(entry.path, entry.kind, oct(entry.mode)) for entry in entries]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a:/b", CopyRule("a", "/b")),
        ("out/{arch}/app:/bin/", CopyRule("out/{arch}/app", "/bin/")),
        ("a:/b:0640", CopyRule("a", "/b", 0o640)),
        ("a:/b:4755", CopyRule("a", "/b", 0o4755)),
    ],
)
def test_copy_rules(text, rule):
    assert rule == parse_copy(text)


@pytest.mark.parametrize("text", ["", "a", "a:", ":b", "a:b:c", "a:b:999", "a:../b", "a:b:77777"])
def test_what_is_no_copy_rule_is_refused(text):
    with pytest.raises(UsageError):
        parse_copy(text)


def test_placeholders_are_the_platform(tmp_path):
    (tmp_path / "out-linux-arm-v7").write_text("x")

    (entry,) = expand(parse_copy("out-{os}-{arch}-{variant}:/bin/"), ARM, tmp_path)
    assert "bin/out-linux-arm-v7" == entry.path


@pytest.mark.parametrize("source", ["dir", "dir/", "dir/.", "./dir", "x/../dir"])
def test_spellings_of_one_directory_are_the_same(tmp_path, source):
    """K146"""
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "x").mkdir()
    (tmp_path / "dir/sub/f").write_text("x")

    entries = expand(CopyRule(source, "/app"), ARM, tmp_path)

    assert ["app", "app/sub", "app/sub/f"] == [entry.path for entry in entries]


def test_nothing_of_the_host_leaks(tmp_path):
    """K136, K140: owner, umask, times and setuid of this machine do not reach the layer."""
    for name, mode in (("plain", 0o600), ("program", 0o4711), ("group", 0o664)):
        (tmp_path / name).write_text(name)
        os.chmod(tmp_path / name, mode)
        os.utime(tmp_path / name, (1, 1))

    entries = scan(tmp_path)

    assert [("group", "0o644"), ("plain", "0o644"), ("program", "0o755")] == [
        (e.path, oct(e.mode)) for e in entries
    ]
    assert {(0, 0, None)} == {(e.uid, e.gid, e.mtime) for e in entries}


def test_links_stay_links_and_sockets_are_left_out(tmp_path):
    """K155: a target is stored as it is, wherever it leads."""
    os.symlink("../../../etc/pki/java/cacerts", tmp_path / "cacerts")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.close()
    os.mkfifo(tmp_path / "fifo")

    assert [("cacerts", "../../../etc/pki/java/cacerts"), ("fifo", "")] == [
        (e.path, e.link) for e in scan(tmp_path)
    ]


def test_names_of_one_file_share_their_content(tmp_path):
    (tmp_path / "a").write_text("x")
    os.link(tmp_path / "a", tmp_path / "b")

    first, second = scan(tmp_path)
    assert first.content is second.content


def test_empty_directories_are_kept(tmp_path):
    (tmp_path / "empty/inner").mkdir(parents=True)

    assert [("empty", FileKind.DIRECTORY, "0o755"), ("empty/inner", FileKind.DIRECTORY, "0o755")] == found(
        scan(tmp_path)
    )


def test_a_file_of_holes_is_refused_before_it_is_read(tmp_path):
    """K158: a sparse file of 200 GiB must not be read as data."""
    with (tmp_path / "lastlog").open("wb") as file:
        file.truncate(200 * 1024**3)

    with pytest.raises(UsageError, match="holes"):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("size", "taken", "fits"),
    [
        (1 << 30, 0, True),
        ((1 << 30) + 1, 0, False),
        (8 << 30, 1 << 30, True),
        ((8 << 30) + 1, 1 << 30, False),
        ((9 << 30) - 1, 1 << 30, False),
    ],
)
def test_k158_a_file_is_mostly_holes_from_a_size_and_a_share_on(size, taken, fits):
    with (
        nullcontext() if fits else pytest.raises(UsageError, match=f"x is mostly holes: {size} bytes long, {taken}")
    ):
        refuse_holes("x", size, taken)


@pytest.mark.parametrize(
    "numbers",
    [
        {"uid": -1},
        {"gid": -1},
        {"device": (-1, 0)},
        {"device": (0, -1)},
        {"device": (0o10000000, 0)},
        {"device": (0, 0o10000000)},
    ],
    ids=str,
)
def test_numbers_that_no_header_holds_are_refused(numbers):
    with pytest.raises(UsageError, match="d has an owner or device number that a layer cannot carry"):
        Entry("d", FileKind.CHAR, 0o600, **numbers)
    assert Entry("d", FileKind.CHAR, 0o600, device=(0o7777777, 0o7777777)).device


@pytest.mark.parametrize("source", ["../secret", "link/secret"])
def test_a_relative_source_does_not_leave_its_folder(tmp_path, source):
    root = tmp_path / "context"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    os.symlink("..", root / "link")

    with pytest.raises(UsageError, match="leads out"):
        expand(CopyRule(source, "/"), ARM, root)


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(NotFound, match="nothing-there") as caught:
        expand(CopyRule("nothing-there", "/"), ARM, tmp_path)

    assert f"sources stand below {tmp_path}" == caught.value.hint


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "f"
    path.write_text("before")
    content = FileContent(path)
    path.write_text("after, and longer")

    with pytest.raises(LocalIOError, match="changed"):
        list(content.pieces())


def test_a_file_that_is_replaced_by_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    path = tmp_path / "f"
    path.write_text("public")
    content = FileContent(path)
    path.unlink()
    os.symlink(tmp_path / "secret", path)

    with pytest.raises(LocalIOError):
        list(content.pieces())


def test_a_file_that_stays_as_it_is_is_read_whole_and_one_that_changes_meanwhile_is_told(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 600_000)
    content = FileContent(path)

    assert b"x" * 600_000 == b"".join(content.pieces())
    pieces = content.pieces()
    next(pieces)
    with path.open("ab") as file:
        file.write(b"y")
    with pytest.raises(LocalIOError, match="changed while it was being packed"):
        list(pieces)


def test_a_file_that_shrinks_while_it_is_read_is_told(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(PIECE + 1))
    pieces = FileContent(path).pieces()
    next(pieces)
    os.truncate(path, PIECE)

    with pytest.raises(LocalIOError, match=f"{path}.*changed"):
        list(pieces)


@pytest.mark.parametrize(
    ("kind", "link", "said"),
    [
        (FileKind.SYMLINK, "", "l is a symbolic link to nothing"),
        (FileKind.SYMLINK, "a\0b", "l is a symbolic link to nothing"),
        (FileKind.HARDLINK, "", "l is a hard link to nothing"),
    ],
)
def test_a_link_leads_somewhere(kind, link, said):
    with pytest.raises(UsageError, match=said):
        Entry("l", kind, 0o777, link=link)


def test_a_socket_is_not_packed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")

        entry = file_entry("pipe", "p", os.lstat("pipe"))
        assert (FileKind.FIFO, 0o644) == (entry.kind, entry.mode)
        with pytest.raises(UsageError, match="socket is a device or socket and cannot be packed"):
            file_entry("socket", "s", os.lstat("socket"))


def test_a_file_says_all_that_is_known_of_it_and_takes_little_memory(tmp_path):
    """A context may have a hundred thousand; before, each took 360 bytes."""
    names = [b"file%04d.txt" % number for number in range(999)] + [b"not-utf-8-\xff"]
    places = [os.fsdecode(os.path.join(os.fsencode(tmp_path), name)) for name in names]
    for number, place in enumerate(places):
        Path(place).write_bytes(bytes(number))
        os.chmod(place, 0o640 + number % 8)
    known = [os.lstat(place) for place in places]

    tracemalloc.start()
    files = [FileContent(place, status) for place, status in zip(places, known, strict=True)]
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert taken < 1000 * 180
    assert places == [file.path for file in files]
    assert [(stamp_of(one), one.st_size, one.st_mode & 0o7777) for one in known] == [
        (file.stamp, file.size, file.mode) for file in files
    ]


def test_the_origin_of_a_file_of_a_folder_has_its_name():
    folder, whole = (
        FileOrigin("COPY . /srv", "context", "data", is_folder=True),
        FileOrigin("ADD", "https://x.test/a"),
    )

    assert FileOrigin("COPY . /srv", "context", "data/a") == folder.of("srv/b/a")
    assert "context:a" == FileOrigin("COPY", "context", "", is_folder=True).of("srv/a").label
    assert whole is whole.of("srv/a")
