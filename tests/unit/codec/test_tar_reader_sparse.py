"""Sparse files in every way they are written, and maps that lie (K158)."""

import io
import tarfile

import pytest

from ocitool.codec.tar_reader import MAX_EXTENTS, read_members
from ocitool.errors import MalformedDocument

LARGE = 200 << 30


def pax(headers: dict[str, str], data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("GNUSparseFile.1/f")
        info.size, info.pax_headers = len(data), headers
        archive.addfile(info, io.BytesIO(data))
        archive.addfile(tarfile.TarInfo("after"))
    return out.getvalue()


def version_1(size: int, *areas: tuple[int, int], data: bytes) -> bytes:
    text = "".join(f"{number}\n" for number in (len(areas), *(n for area in areas for n in area))).encode()
    headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "f",
        "GNU.sparse.realsize": str(size),
    }
    return pax(headers, text + bytes(-len(text) % 512) + data)


def version_0_1(size: int, *areas: tuple[int, int], data: bytes) -> bytes:
    numbers = ",".join(str(n) for area in areas for n in area)
    headers = {"GNU.sparse.name": "f", "GNU.sparse.size": str(size), "GNU.sparse.map": numbers}
    return pax({**headers, "GNU.sparse.major": "0", "GNU.sparse.minor": "1"}, data)


def version_0_0(size: int, *areas: tuple[int, int], data: bytes) -> bytes:
    """Records of one key, several times, in order; tarfile cannot write these."""
    words = [("path", "f"), ("GNU.sparse.size", str(size)), ("GNU.sparse.numblocks", str(len(areas)))]
    for offset, length in areas:
        words += [("GNU.sparse.offset", str(offset)), ("GNU.sparse.numbytes", str(length))]
    records = b"".join(record(key, value) for key, value in words)
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, len(records)
    info = tarfile.TarInfo("f")
    info.size = len(data)
    parts = (head.tobuf(tarfile.USTAR_FORMAT), padded(records), info.tobuf(tarfile.USTAR_FORMAT), padded(data))
    return b"".join(parts) + tarfile.TarInfo("after").tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


def old_gnu(size: int, *areas: tuple[int, int], data: bytes) -> bytes:
    """Four areas in the header, 21 in each block that follows it."""
    info = tarfile.TarInfo("f")
    info.size, info.type = len(data), tarfile.GNUTYPE_SPARSE
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    rest = [octal(offset) + octal(length) for offset, length in areas]
    head[386:482] = b"".join(rest[:4]).ljust(96, b"\0")
    head[482] = len(rest) > 4
    head[483:495] = octal(size)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    blocks = b"".join(
        b"".join(rest[at : at + 21]).ljust(504, b"\0") + bytes([len(rest) > at + 21]) + bytes(7)
        for at in range(4, len(rest), 21)
    )
    after = tarfile.TarInfo("after").tobuf(tarfile.GNU_FORMAT)
    return bytes(head) + blocks + padded(data) + after + bytes(1024)


def octal(number: int) -> bytes:
    """A number as GNU writes it: octal, or base 256 where that is too short."""
    return b"%011o\0" % number if number < 8**11 else b"\x80" + number.to_bytes(11, "big")


def record(key: str, value: str) -> bytes:
    rest = len(key) + len(value) + 3
    return f"{rest + len(str(rest + 2))} {key}={value}\n".encode()


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


WRITERS = {"old GNU": old_gnu, "pax 0.0": version_0_0, "pax 0.1": version_0_1, "pax 1.0": version_1}


def read(data: bytes):
    return [(one.path, one.size, list(one.chunks())) for one in read_members([data])]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_data_is_found_where_it_belongs(write):
    data = write(LARGE, (4096, 3), (LARGE - 2, 2), data=b"abcde")

    assert [("f", LARGE, [(4096, b"abc"), (LARGE - 2, b"de")]), ("after", 0, [])] == read(data)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_that_is_one_hole_has_no_data(write):
    assert [("f", LARGE, []), ("after", 0, [])] == read(write(LARGE, (LARGE, 0), data=b""))


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_many_areas_are_read(write):
    areas = [(n * 10, 1) for n in range(100)]
    (member, _) = (m for m in read_members([write(1000, *areas, data=bytes(range(100)))]))

    assert areas == list(member.extents)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_holes_are_zeros_to_who_reads_on(write):
    for member in read_members([write(1_000_000, (500_000, 3), data=b"abc")]):
        if member.path == "f":
            pieces = list(member.pieces())

    assert max(map(len, pieces)) <= 256 * 1024
    assert bytes(500_000) + b"abc" + bytes(499_997) == b"".join(pieces)


LIES = {
    "beyond the end": (10, [(8, 5)], b"abcde"),
    "overlapping": (10, [(0, 3), (2, 2)], b"abcde"),
    "backwards": (10, [(5, 2), (0, 3)], b"abcde"),
    "more than there is": (10, [(0, 9)], b"abcde"),
    "less than there is": (10, [(0, 2)], b"abcde"),
    "larger than any file": (2**63, [(0, 5)], b"abcde"),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(("size", "areas", "data"), LIES.values(), ids=LIES)
def test_a_map_that_lies_is_refused(write, size, areas, data):
    with pytest.raises(MalformedDocument):
        read(write(size, *areas, data=data))


@pytest.mark.parametrize(
    "text", [b"x\n", b"2\n0\n", b"-1\n", b"999999\n", b"1\n0\nx\n", b"1" * 600, b"\n\n\n"], ids=str
)
def test_a_map_that_is_no_map_is_refused(text):
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "5"}

    with pytest.raises(MalformedDocument):
        read(pax(headers, text + bytes(-len(text) % 512)))


@pytest.mark.parametrize("words", ["", "1", "0,x", "0,-1", "0,1,2"])
def test_a_map_of_records_that_is_no_map_is_refused(words):
    with pytest.raises(MalformedDocument):
        read(pax({"GNU.sparse.size": "5", "GNU.sparse.map": words}, b"a"))


@pytest.mark.slow
def test_more_areas_than_anybody_needs_are_refused():
    areas = [(n, 0) for n in range(MAX_EXTENTS + 100)]

    with pytest.raises(MalformedDocument, match="too many parts"):
        read(old_gnu(10**6, *areas, data=b""))


def records(*pairs: tuple[str, str]) -> bytes:
    """A pax header of these records, in this order and however often, and a file of one byte behind it."""
    body = b""
    for key, value in pairs:
        rest = f" {key}={value}\n".encode()
        size = len(rest) + len(str(len(rest) + 1))
        body += str(size + (len(str(size)) > len(str(len(rest) + 1)))).encode() + rest
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, data in (("x", tarfile.XHDTYPE, body), ("f", tarfile.REGTYPE, b"x")):
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


OLD = (("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", "1"))


def test_the_oldest_map_is_made_of_pairs_in_their_order():
    right = records(*OLD, ("GNU.sparse.offset", "8"), ("GNU.sparse.numbytes", "1"))
    turned = records(*OLD, ("GNU.sparse.numbytes", "1"), ("GNU.sparse.offset", "8"))

    [member] = read_members([right])
    assert (9, bytes(8) + b"x") == (member.size, b"".join(next(read_members([right])).pieces()))
    with pytest.raises(MalformedDocument, match="a damaged sparse map"):
        list(read_members([turned]))


@pytest.mark.parametrize("way", ["records", "map"])
def test_a_map_in_records_has_a_bound(monkeypatch, way):
    monkeypatch.setattr("ocitool.codec.tar_reader.MAX_EXTENTS", 1)
    pairs = [("GNU.sparse.offset", "0"), ("GNU.sparse.numbytes", "1")] * 2
    raw = records(*OLD, *pairs) if way == "records" else records(*OLD, ("GNU.sparse.map", "0,1,8,0"))

    with pytest.raises(MalformedDocument, match="a sparse file of too many parts"):
        list(read_members([raw]))
