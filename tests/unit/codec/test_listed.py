"""Listed layers: the gzip layer that there would be without, a table of contents, and every part where it says."""

import gzip
import io
import json
import random
import struct
import tarfile

import pytest

from ocitool.codec.codecs import BLOCK, decompress, parse_codec
from ocitool.codec.listed import ANNOTATION, find_toc
from ocitool.codec.members import TAIL, empty_member, read_table, table_bytes, tail_length
from ocitool.codec.toc import TOC_LIMIT
from ocitool.errors import MalformedDocument, Unsupported
from ocitool.model.digest import Digest
from ocitool.tasks import Scope
from tests.fakes import tocs
from tests.fakes.layers import tar

BIG = random.Random(3).randbytes(5 * BLOCK // 2)


def raw_tar(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


TAR = raw_tar(("a", b"first"), ("big", BIG), ("z", b"last"))


def table_of(blob: bytes, annotations: dict[str, str]):
    return find_toc(Digest(annotations[ANNOTATION]), len(blob), lambda at, size: blob[at : at + size])


def test_the_content_is_that_of_the_default():
    blob, _ = tocs.listed(TAR)
    plain = b"".join(parse_codec("gzip").compress([TAR], Scope()))
    members = plain[: -tail_length(plain[-TAIL:])]

    assert TAR == b"".join(decompress([blob]))
    assert blob.startswith(members)
    assert read_table(blob[-tail_length(blob[-TAIL:]) :]) == read_table(plain[len(members) :])


def test_every_part_of_a_file_is_where_the_table_says():
    blob, annotations = tocs.listed(TAR)
    found = table_of(blob, annotations)
    big = found.entries()[1]
    parts = [b"".join(decompress([blob[c.offset : c.end]]))[c.skip :][: c.size] for c in big.chunks]

    assert 3 == len(big.chunks)
    assert BIG == b"".join(parts)
    assert [chunk.digest for chunk in big.chunks] == [Digest.of(part) for part in parts]


@pytest.mark.parametrize("size", [1, 511, 70_000, BLOCK])
def test_the_bytes_are_the_same_for_any_pieces_and_width(size):
    codec = parse_codec("gzip,toc")
    expected = tocs.listed(TAR)[0]
    pieces = [TAR[at : at + size] for at in range(0, len(TAR), size)] if size > 1 else [TAR]

    assert expected == b"".join(codec.compress(pieces, Scope(), 3))


def test_a_table_of_many_files_takes_several_members():
    blob, annotations = tocs.listed(raw_tar(*((f"{n:05}", b"%d" % n) for n in range(3000))))
    found = table_of(blob, annotations)

    assert len(blob) - found.data_end > 70_000
    assert [f"{n:05}" for n in range(3000)] == [entry.path for entry in found.entries()]


SPARSE = {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": "holes",
    "GNU.sparse.realsize": "1000000",
}


def sparse() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("GNUSparseFile.0/holes")
        data = b"1\n999999\n1\n".ljust(512, b"\0") + b"x"
        info.size, info.pax_headers = len(data), SPARSE
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("data", [sparse(), raw_tar(("a", b"1"), ("a", b"2"))], ids=["sparse", "twice"])
def test_a_tar_that_no_table_can_tell_has_none(data):
    blob, annotations = tocs.listed(data)

    assert {} == annotations
    assert b"".join(parse_codec("gzip").compress([data], Scope())) == blob


def test_names_that_are_not_utf8_and_odd_times_are_told():
    blob, annotations = tocs.listed(tar(("a\udcff", "x", {"mtime": -5}), ("far", "y", {"mtime": 2**40})))

    assert [("a\udcff", 0), ("far", 253402300799)] == [
        (entry.path, entry.mtime) for entry in table_of(blob, annotations).entries()
    ]


def test_an_ordinary_layer_has_no_table():
    plain = b"".join(parse_codec("gzip").compress([TAR], Scope()))

    with pytest.raises(MalformedDocument, match="without the table of contents"):
        table_of(plain, {ANNOTATION: tocs.digest(b"")})
    assert table_of(b"", {ANNOTATION: tocs.digest(b"")}) is None
    assert table_of(bytes(100), {ANNOTATION: tocs.digest(b"")}) is None


def test_a_table_of_members_that_is_longer_than_the_blob_is_not_read():
    blob = bytes(30) + struct.pack("<I", 500) + table_bytes(1, [])[-18:]

    with pytest.raises(Unsupported, match="a table of members of 500 bytes"):
        table_of(blob, {ANNOTATION: tocs.digest(b"")})


@pytest.mark.parametrize("at", [0, 5, 13, 14, 40, -8])
def test_a_damaged_table_of_contents_is_refused(at):
    blob, annotations = tocs.listed(TAR)
    found = table_of(blob, annotations)
    end = len(blob) - tail_length(blob[-TAIL:])
    damaged = bytearray(blob)
    damaged[found.data_end + at if at >= 0 else end + at] ^= 0xFF

    with pytest.raises(MalformedDocument):
        table_of(bytes(damaged), annotations)


def test_the_table_is_json_that_others_read_too():
    found = table_of(*tocs.listed(TAR))

    assert 1 == json.loads(found.raw)["version"]


def large_table(room: int, sizes: tuple[int, ...] = (10,)):
    """The size of a blob with so much room for its table of contents, and what reads its end."""
    table = table_bytes(BLOCK, sizes)
    size = sum(sizes) + room + len(table)

    def read(offset, length):
        at = offset - (size - len(table))
        return table[at : at + length] if at >= 0 else pytest.fail("read")

    return size, read


def test_a_large_table_of_contents_is_not_read():
    size, read = large_table(TOC_LIMIT + 1)

    with pytest.raises(Unsupported, match=f"a table of contents of {TOC_LIMIT + 1} bytes"):
        find_toc(Digest.of(b""), size, read)


def test_members_that_are_longer_than_the_blob_are_refused():
    size, read = large_table(0, (10, 2**31))

    with pytest.raises(MalformedDocument):
        find_toc(Digest.of(b""), size - 2**31, lambda at, length: read(at + 2**31, length))


def test_a_table_of_contents_that_unpacks_to_too_much_is_refused():
    packed = gzip.compress(bytes(TOC_LIMIT + 1), 9)
    members = [gzip.compress(b"x")]
    carried = b"".join(empty_member(b"OC", packed[at : at + 60_000]) for at in range(0, len(packed), 60_000))
    blob = members[0] + carried + table_bytes(BLOCK, [len(members[0])])

    with pytest.raises(Unsupported, match="more than"):
        table_of(blob, {ANNOTATION: tocs.digest(b"")})


def test_a_table_of_members_that_does_not_hold_together_is_none():
    blob = bytearray(tocs.listed(TAR)[0])
    blob[-tail_length(blob[-TAIL:]) + 1] ^= 0xFF

    assert table_of(bytes(blob), {ANNOTATION: tocs.digest(b"")}) is None
