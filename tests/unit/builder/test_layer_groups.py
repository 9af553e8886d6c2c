"""Which layer a copied file goes into (K213)."""

import os

from ocitool.builder.layer_groups import Group, Placed, split
from ocitool.builder.programs import Holding
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry, FileContent
from ocitool.pack.placing import place


class Memo(dict):
    def recall(self, key):
        return self.get(key)

    def remember(self, key, value):
        self[key] = value


def image(programs: str = "", /, **files: "bytes | Entry") -> Placed:
    """Copied files by path, `__` for a slash; `programs` are the paths of those that are programs."""
    entries = [
        value if isinstance(value, Entry) else Entry(path, FileKind.FILE, content=BytesContent(value))
        for name, value in files.items()
        for path in [name.replace("__", "/")]
    ]
    return Placed(place(entries, None), frozenset(programs.split()))


def groups(*images: Placed, memo=None) -> list[dict[str, set[str]]]:
    found = split(images, memo, Holding())
    return [{group.name: {entry.path for entry in entries} for group, entries in one.items()} for one in found]


def test_k213_what_is_equal_is_shared_and_programs_are_apart():
    one = image("bin/app", bin__app=b"amd", srv__data=b"same", etc__arch=b"a", etc__os=b"linux")
    two = image("bin/app", bin__app=b"arm", srv__data=b"same", etc__arch=b"b", etc__os=b"linux")
    expected = {
        "SHARED": {"srv", "srv/data", "etc", "etc/os"}, "OWN": {"etc/arch"}, "PROGRAMS": {"bin", "bin/app"},
    }  # fmt: skip

    assert [expected, expected] == groups(one, two)


def test_k213_one_platform_has_data_and_programs():
    found = groups(image("bin/app", bin__app=b"amd", srv__data=b"x", empty=Entry("empty", FileKind.DIRECTORY)))

    assert [{"SHARED": {"srv", "srv/data", "empty"}, "PROGRAMS": {"bin", "bin/app"}}] == found


def test_one_group_stays_one():
    assert [{"SHARED": {"a"}}] == groups(image(a=b"x"))
    assert [{"PROGRAMS": {"a"}}] == groups(image("a", a=b"x"))
    assert [{"OWN": {"a"}}, {"OWN": {"a"}}] == groups(image(a=b"x"), image(a=b"y"))
    assert [{}, {}] == groups(image(), image())


def test_what_only_some_platforms_have_is_their_own():
    assert [{"SHARED": {"a"}, "OWN": {"b"}}, {"SHARED": {"a"}}] == groups(image(a=b"x", b=b"y"), image(a=b"x"))


def test_attributes_count_as_content_does():
    plain = Entry("a", FileKind.FILE, 0o644, content=BytesContent(b"x"))
    for other in (
        Entry("a", FileKind.FILE, 0o755, content=BytesContent(b"x")),
        Entry("a", FileKind.FILE, 0o644, uid=1, content=BytesContent(b"x")),
        Entry("a", FileKind.SYMLINK, 0o644, link="x"),
        Entry("a", FileKind.FILE, 0o644, content=BytesContent(b"x"), xattrs=(("security.capability", b"1"),)),
        Entry("a", FileKind.FILE, 0o644),
    ):
        assert [{"OWN": {"a"}}, {"OWN": {"a"}}] == groups(image(a=plain), image(a=other))


def test_links_that_say_the_same_are_shared():
    links = [image(a=Entry("a", FileKind.SYMLINK, 0o777, link=text)) for text in ("x", "x", "y")]

    assert [{"SHARED": {"a"}}] * 2 == groups(*links[:2])
    assert [{"OWN": {"a"}}] * 2 == groups(*links[1:])


def names_of_one(*paths: str, data: bytes = b"x") -> Placed:
    content = BytesContent(data)
    return Placed(place([Entry(path, FileKind.FILE, content=content) for path in paths], None), frozenset())


def test_names_of_one_file_stay_in_one_layer():
    assert [{"SHARED": {"a", "b"}}] * 2 == groups(names_of_one("a", "b"), names_of_one("a", "b"))
    assert [{"OWN": {"a", "b"}}, {"OWN": {"a"}}] == groups(names_of_one("a", "b"), names_of_one("a"))
    assert [{"OWN": {"a", "b"}}, {"OWN": {"a", "b"}}] == groups(names_of_one("a", "b"), image(a=b"x", b=b"x"))

    (found,) = split([Placed(names_of_one("a", "b").entries, frozenset("a"))], None, Holding())
    assert ["a", "b"] == [entry.path for entry in found[Group.PROGRAMS]]


def on_disk(folder, name: str, data: bytes, age_s: int = 100) -> Entry:
    (folder / name).write_bytes(data)
    os.utime(folder / name, ns=(0, (folder / name).stat().st_ctime_ns - age_s * 10**9))
    return Entry("f", FileKind.FILE, content=FileContent(folder / name))


def test_files_that_differ_are_read_no_further_than_where_they_do(tmp_path, monkeypatch):
    pieces = []
    inner = FileContent.pieces

    def read(self):
        for piece in inner(self):
            pieces.append(len(piece))
            yield piece

    monkeypatch.setattr(FileContent, "pieces", read)
    data = bytes(3 << 20)
    alike = [on_disk(tmp_path, name, data) for name in ("a", "b")]
    late = [on_disk(tmp_path, "c", data), on_disk(tmp_path, "d", data[:-1] + b"x")]
    early = [on_disk(tmp_path, "e", data), on_disk(tmp_path, "f", b"x" + data[1:])]

    for entries, groups_of, most in (
        (alike, "SHARED", 2 * len(data)),
        (late, "OWN", 2 * len(data)),
        (early, "OWN", 1 << 20),
    ):
        pieces.clear()
        assert [{groups_of: {"f"}}] * 2 == groups(*(image(f=entry) for entry in entries))
        assert sum(pieces) <= most


def test_files_are_compared_however_much_of_each_comes_at_once(tmp_path, monkeypatch):
    """A network or FUSE file system may give less than was asked for."""
    read, counts = os.read, iter(range(1, 1 << 20))
    monkeypatch.setattr(os, "read", lambda file, size: read(file, min(size, 1000 + 7 * next(counts))))
    data = os.urandom(600_000)
    alike = [on_disk(tmp_path, name, data) for name in ("a", "b")]
    other = [on_disk(tmp_path, "c", data), on_disk(tmp_path, "d", data[:-1] + bytes([data[-1] ^ 1]))]

    assert [{"SHARED": {"f"}}] * 2 == groups(*(image(f=entry) for entry in alike))
    assert [{"OWN": {"f"}}] * 2 == groups(*(image(f=entry) for entry in other))


def test_files_are_compared_by_their_bytes_once(tmp_path, monkeypatch):
    reads = []

    def read(self):
        reads.append(self.path)
        yield from ()
        with open(self.path, "rb") as file:
            yield file.read()

    entries = [on_disk(tmp_path, name, b"equal") for name in ("a", "b")]
    memo = Memo()
    clock = lambda: 2**62  # noqa: E731 - long after the files were made
    monkeypatch.setattr(FileContent, "pieces", read)
    rows = [Placed(place([entry], None), frozenset()) for entry in entries]

    first = split(rows, memo, Holding(), clock_ns=clock)
    assert 2 == len(reads)
    assert first == split(rows, memo, Holding(), clock_ns=clock)
    assert 2 == len(reads)
    assert [Group.SHARED] == list(first[0])


def test_files_of_another_size_are_not_read(tmp_path):
    entries = [on_disk(tmp_path, name, data) for name, data in (("a", b"1"), ("b", b"22"))]
    for name in ("a", "b"):
        (tmp_path / name).unlink()

    assert [{"OWN": {"f"}}, {"OWN": {"f"}}] == groups(*(Placed((entry,), frozenset()) for entry in entries))


def test_the_very_same_file_is_not_read(tmp_path):
    entry = on_disk(tmp_path, "a", b"x")
    again = Entry("f", FileKind.FILE, content=FileContent(tmp_path / "a"))
    (tmp_path / "a").unlink()

    assert [{"SHARED": {"f"}}] * 2 == groups(Placed((entry,), frozenset()), Placed((again,), frozenset()))


def test_small_files_that_were_compared_are_packed_from_memory(tmp_path):
    entries = [on_disk(tmp_path, name, b"equal") for name in ("a", "b")]
    groups(*(Placed((entry,), frozenset()) for entry in entries))

    assert all(entry.content.is_held for entry in entries)
