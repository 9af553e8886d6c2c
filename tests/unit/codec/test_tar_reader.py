import io
import tarfile
import tracemalloc

import pytest

from ocitool.codec.tar_reader import MAX_HEADER, USUAL, TarFile, TarLimits, read_members
from ocitool.errors import MalformedDocument
from ocitool.model.files import FileKind


def archive(*infos: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT, data: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(data[: info.size]))
    return out.getvalue()


def info(name: str, **fields) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def read(data: bytes, cut: int = 1000):
    return list(read_members(data[at : at + cut] for at in range(0, len(data), cut)))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("cut", [1, 511, 512, 100_000])
def test_members_of_every_format_are_read(form, cut):
    data = archive(
        info("usr/bin", type=tarfile.DIRTYPE, mode=0o755),
        info("usr/bin/app", size=3, mode=0o4755, uid=10, gid=20, mtime=99),
        info("usr/bin/link", type=tarfile.SYMTYPE, linkname="../../etc/x"),
        info("usr/bin/hard", type=tarfile.LNKTYPE, linkname="usr/bin/app"),
        form=form,
        data=b"abc",
    )

    found = read(data, cut)

    assert [
        ("usr/bin", FileKind.DIRECTORY, 0o755),
        ("usr/bin/app", FileKind.FILE, 0o4755),
        ("usr/bin/link", FileKind.SYMLINK, 0o644),
        ("usr/bin/hard", FileKind.HARDLINK, 0o644),
    ] == [(m.path, m.kind, m.mode) for m in found]
    assert (10, 20, 99, 3) == (found[1].uid, found[1].gid, found[1].mtime, found[1].size)
    assert ("../../etc/x", "usr/bin/app") == (found[2].link, found[3].link)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_large_numbers_are_read(form):
    name = "d/" * 100 + "f" * 90
    link = info("l", type=tarfile.SYMTYPE, linkname=name)
    member, linked = read(archive(info(name, uid=3_000_000, linkname="", mtime=2**34), link, form=form))

    assert (name, 3_000_000, 2**34) == (member.path, member.uid, member.mtime)
    assert name == linked.link


@pytest.mark.parametrize("name", ["./a", "/a", "a/", "a//", "././a", ".//a/."])
def test_spellings_of_a_name_are_one(name):
    """K146"""
    assert ["a"] == [member.path for member in read(archive(info(name)))]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "a/.."])
def test_a_name_that_climbs_is_refused(name):
    """K154"""
    with pytest.raises(MalformedDocument):
        read(archive(info(name)))


def test_content_is_read_while_it_is_there():
    data = archive(info("a", size=700_000), info("b", size=5), data=b"x" * 700_000)

    got = []
    for member in read_members(data[at : at + 9999] for at in range(0, len(data), 9999)):
        pieces = list(member.pieces()) if member.path == "a" else []
        got.append((member.path, sum(map(len, pieces))))

    assert [("a", 700_000), ("b", 0)] == got


@pytest.mark.parametrize("length", [100, 512, 600, 1100])
def test_an_archive_that_ends_early_is_an_error(length):
    data = archive(info("a", size=600), data=b"x" * 600)

    with pytest.raises(MalformedDocument):
        read(data[:length])


def test_a_wrong_checksum_is_an_error():
    data = bytearray(archive(info("a")))
    data[150] ^= 1

    with pytest.raises(MalformedDocument, match="checksum"):
        read(bytes(data))


def test_a_header_that_asks_for_gigabytes_is_refused_before_it_is_read():
    header = bytearray(archive(info("a"))[:512])
    header[124:136] = b"77777777777\0"
    header[156:157] = b"x"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)

    def endless():
        yield bytes(header)
        while True:
            yield bytes(100_000)

    tracemalloc.start()
    with pytest.raises(MalformedDocument):
        list(read_members(endless()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_an_unknown_kind_is_an_error():
    with pytest.raises(MalformedDocument):
        read(archive(info("a", type=b"V")))


def test_a_nul_in_a_pax_name_is_an_error():
    """K154"""
    with pytest.raises(MalformedDocument):
        read(archive(info("x", pax_headers={"path": "a\0b"})))


def test_random_bytes_are_refused_not_crashed_on():
    with pytest.raises(MalformedDocument):
        read(bytes(range(1, 256)) * 20)


def test_a_global_header_says_nothing_of_members():
    """containerd ignores them; a layer must not mean something else here."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "5"}) as tar:
        tar.addfile(info("a"))

    assert [("a", 0)] == [(member.path, member.uid) for member in read(out.getvalue())]


def test_a_member_with_two_names_is_refused():
    """Readers differ in which one counts."""
    long = archive(info("n" * 150), form=tarfile.GNU_FORMAT)[:1024]
    other = archive(info("x", pax_headers={"path": "other"}))

    with pytest.raises(MalformedDocument, match="two names"):
        read(long + other)


def test_extended_headers_of_one_member_are_bounded_together():
    one = archive(info("x", pax_headers={"comment": "c" * 500_000}))
    extended = one[: one.rindex(b"ustar\0") - 257]

    with pytest.raises(MalformedDocument, match="extended headers"):
        read(extended * 2 + one)


@pytest.mark.parametrize(("text", "second"), [("5.9", 5), ("-5", -5), ("-5.1", -6), ("-5.0", -5), ("1e3", None)])
def test_times_are_whole_seconds_rounded_down(text, second):
    data = archive(info("a", pax_headers={"mtime": text}))

    if second is None:
        with pytest.raises(MalformedDocument):
            read(data)
    else:
        assert [second] == [member.mtime for member in read(data)]


@pytest.mark.parametrize("key", ["size", "uid", "gid"])
@pytest.mark.parametrize("text", ["-1", "x", "9" * 30, "1.5", " 1"])
def test_numbers_that_are_none_are_refused(key, text):
    with pytest.raises(MalformedDocument):
        read(archive(info("a", pax_headers={key: text})))


def test_attributes_of_both_ways_of_writing_are_read():
    headers = {"LIBARCHIVE.xattr.user.a%20b": "AP8", "SCHILY.xattr.user.c": "text"}

    (member,) = read(archive(info("a", pax_headers=headers)))

    assert (("user.a b", b"\0\xff"), ("user.c", b"text")) == member.xattrs


def test_one_zero_block_and_then_more_is_damage():
    good = archive(info("a"))[:512]

    with pytest.raises(MalformedDocument, match="zero block"):
        read(good + bytes(512) + good)


@pytest.mark.parametrize("end", [0, 512, 1024, 10_240])
def test_an_archive_may_end_with_any_number_of_zero_blocks(end):
    assert 1 == len(read(archive(info("a"))[:512] + bytes(end)))


def test_what_follows_the_end_is_read_so_that_it_is_verified():
    seen = []

    def pieces():
        for piece in (archive(info("a")), b"left over", b"more"):
            seen.append(len(piece))
            yield piece

    assert 1 == len(list(read_members(pieces())))
    assert 3 == len(seen)


def test_links_and_directories_have_no_data_whatever_they_say():
    """As in Go's reader, which engines use; a reader that skipped bytes would see other members."""
    link = bytearray(archive(info("l", type=tarfile.SYMTYPE, linkname="x"))[:512])
    link[124:136] = b"00000001000\0"
    link[148:156] = b" " * 8
    link[148:156] = b"%06o\0 " % sum(link)

    assert ["l", "a"] == [member.path for member in read(bytes(link) + archive(info("a")))]


def test_a_version_7_archive_is_read():
    head = bytearray(archive(info("d/x", size=1, mode=0o600), data=b"x")[:1024])
    head[257:512] = bytes(255)
    head[156:157] = b"\0"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    folder = bytearray(head[:512])
    folder[:4] = b"d/\0\0"
    folder[124:136] = b"00000000000\0"
    folder[148:156] = b" " * 8
    folder[148:156] = b"%06o\0 " % sum(folder)

    found = read(bytes(folder + head) + bytes(1024))

    assert [("d", FileKind.DIRECTORY), ("d/x", FileKind.FILE)] == [(member.path, member.kind) for member in found]


def test_a_sum_of_signed_bytes_is_right_too():
    head = bytearray(archive(info("é" * 5), form=tarfile.GNU_FORMAT)[:512])
    plain = sum(head[:148]) + sum(head[156:]) + 8 * 32
    head[148:156] = b"%06o\0 " % (plain - 256 * 10)

    assert ["é" * 5] == [member.path for member in read(bytes(head))]


def base_256(number: int, width: int) -> bytes:
    return (number | 0x80 << 8 * (width - 1)).to_bytes(width, "big")


def octal(number: int, width: int) -> bytes:
    return b"%0*o" % (width, number)


@pytest.mark.parametrize("written", [octal, base_256])
@pytest.mark.parametrize(("kind", "size", "device"), [(b"0", 3, (0, 0)), (b"3", 0, (5, 6))])
def test_numbers_fill_their_fields_from_the_first_byte_to_the_last(written, kind, size, device):
    head = bytearray(archive(info("a"), form=tarfile.GNU_FORMAT)[:512])
    head[156:157] = kind
    for at, width, number in (
        *((100, 8, 0o711), (108, 8, 1), (116, 8, 2), (124, 12, 3), (136, 12, 4)),
        *((329, 8, 5), (337, 8, 6)),
    ):
        head[at : at + width] = written(number, width)
    head[345:346] = b"7"  # what stands behind the last one
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)

    (found,) = read(bytes(head) + (b"abc" + bytes(509) if size else b""))

    assert (0o711, 1, 2, size, 4, device) == (
        *(found.mode, found.uid, found.gid, found.size, found.mtime, found.device),
    )


ATTRIBUTES = {"SCHILY.xattr.user.a": "v" * 90}


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ((info("a" * 50), info("b" * 50)), TarLimits(names=100)),
        ((info("a", type=tarfile.SYMTYPE, linkname="l" * 99),), TarLimits(names=100)),
        ((info("a" * 4, pax_headers=ATTRIBUTES),), TarLimits(names=4 + 6 + 90)),
        ((info("a"), info("b")), TarLimits(members=2)),
        ((info("a"),), TarLimits(size=10240)),
    ],
    ids=["names", "links", "attributes", "members", "bytes"],
)
def test_limits_hold_from_both_sides(given, limits):
    """K250, K254: what is exactly as much as the limit is read, one more is refused."""
    data = archive(*given)
    less = TarLimits(limits.members - 1, limits.names - 1, limits.size - 1)
    one_less = [
        TarLimits(**{name: getattr(less, name)})
        for name in ("members", "names", "size")
        if getattr(limits, name) != getattr(USUAL, name)
    ]

    assert len(given) == sum(1 for _ in read_members([data], limits=limits))
    for tight in one_less:
        with pytest.raises(MalformedDocument, match="more than"):
            list(read_members([data], limits=tight))


def test_a_limit_that_is_passed_says_how_much_there_was_before():
    """K254"""
    with pytest.raises(MalformedDocument, match="more than 2 files or 5 bytes of names in them"):
        list(read_members([archive(info("aa"), info("bb"), info("cc"))], limits=TarLimits(members=2)))


def test_a_prefix_is_part_of_a_name_in_posix_headers_alone():
    """Old GNU headers have times where POSIX has the rest of a long name."""
    name = "d" * 90 + "/" + "f" * 90
    gnu = bytearray(archive(info("short"), form=tarfile.GNU_FORMAT)[:512])
    gnu[345:357] = b"13371337133\0"
    gnu[148:156] = b" " * 8
    gnu[148:156] = b"%06o\0 " % sum(gnu)

    assert [name] == [member.path for member in read(archive(info(name), form=tarfile.USTAR_FORMAT))]
    assert ["short"] == [member.path for member in read(bytes(gnu) + bytes(1024))]


@pytest.mark.parametrize("length", [4096, 4097])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_paths_and_targets_have_a_length(kind, length):
    """K254"""
    long = "/".join(["p" * 250] * 20)[:length]
    one = info(long) if kind == tarfile.REGTYPE else info("a", type=kind, linkname=long)

    if length == 4096:
        assert long in {text for member in read(archive(one)) for text in (member.path, member.link)}
    else:
        with pytest.raises(MalformedDocument, match="of 4097 bytes"):
            read(archive(one))


@pytest.mark.parametrize("digits", [19, 20, 100])
def test_numbers_have_a_length(digits):
    """K254"""
    number = "1" * digits
    data = archive(info("a", pax_headers={"uid": number}))

    if digits == 19:
        assert int(number) == read(data)[0].uid
    else:
        with pytest.raises(MalformedDocument, match="pax uid is not a number"):
            read(data)


@pytest.mark.parametrize("size", [MAX_HEADER, MAX_HEADER + 1])
def test_extended_headers_have_a_size(size):
    """K254"""
    key = "comment"
    record = size - len(key) - len(str(size)) - 3
    data = archive(info("a", pax_headers={key: "x" * record}))

    if size == MAX_HEADER:
        assert ["a"] == [member.path for member in read(data)]
    else:
        with pytest.raises(MalformedDocument, match=f"extended headers of {size} bytes"):
            read(data)


@pytest.mark.parametrize("start", [0, 512, 10_240])
def test_a_file_is_passed_over_by_seeking(tmp_path, start):
    """What nobody reads of a file on disk is not read: a hole of a terabyte costs nothing."""
    (tmp_path / "t").write_bytes(archive(info("a", size=3), info("b", size=2), data=b"abc"))
    with (tmp_path / "t").open("rb") as file:
        file.seek(start)
        found = [(member.path, b"".join(member.pieces()) if member.path == "b" else b"", member.start)
                 for member in read_members(TarFile(file))]  # fmt: skip

    assert [("a", b"", 512), ("b", b"ab", 1536)] == found


@pytest.mark.slow
def test_k259_few_members_have_few_bytes_of_names():
    """Packed, 32 MiB of names are a few kilobytes."""
    names = [f"{number:08}{'/d' * 2000}" for number in range(9000)]
    total = 0

    def members():
        for name in names:
            yield archive(info(name))[: 512 * 10]

    with pytest.raises(MalformedDocument, match="bytes of names"):
        for member in read_members(members()):
            total += len(member.path)
    assert 16 * 1024 * 1024 < total < 40 * 1024 * 1024
