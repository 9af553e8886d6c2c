"""The member table: what is written is read back, what does not hold together is no table."""

import struct
import zlib

import pytest

from ocitool.codec.members import TAIL, MemberTable, read_table, table_bytes, tail_length

MIB = 1024 * 1024


@pytest.mark.parametrize("count", [0, 1, 2, 15_999, 16_000, 16_001, 40_000])
def test_tables_of_any_length_come_back(count):
    sizes = tuple((number * 7919) % MIB + 20 for number in range(count))
    blob = b"layer bytes before it" + (table := table_bytes(MIB, sizes))

    assert len(table) == tail_length(blob[-TAIL:])
    assert MemberTable(MIB, sizes) == read_table(table)


@pytest.mark.parametrize("count", [0, 3, 16_001])
def test_a_table_is_nothing_to_a_gzip_reader(count):
    data, out = table_bytes(MIB, [9] * count), b""
    while data:
        machine = zlib.decompressobj(wbits=31)
        out += machine.decompress(data)
        assert machine.eof
        data = machine.unused_data

    assert b"" == out


@pytest.mark.parametrize("end", [b"", b"short", bytes(TAIL), zlib.compress(bytes(100), wbits=31)[-TAIL:]])
def test_other_blobs_have_no_table(end):
    assert tail_length(end) is None


def test_a_damaged_table_is_no_table():
    table = table_bytes(MIB, [5, 6])
    for at in range(len(table)):
        if 20 <= at < 24 or 28 <= at < 36:
            continue  # a block length or size of another value is still one; who reads by it verifies the bytes
        damaged = bytearray(table)
        damaged[at] ^= 0xFF
        assert read_table(bytes(damaged)) in (None, MemberTable(MIB, (5, 6))), at
    for cut in range(len(table)):
        assert read_table(table[:cut]) is None


def test_a_table_of_blocks_without_length_is_refused():
    table = bytearray(table_bytes(MIB, [5]))
    struct.pack_into("<I", table, 20, 0)

    assert read_table(bytes(table)) is None


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 1, (0, 10, 0)),
        (0, 100, (0, 10, 0)),
        (99, 101, (0, 30, 99)),
        (100, 200, (10, 20, 0)),
        (150, 250, (10, 50, 50)),
        (200, 999, (30, 30, 0)),
        (250, 251, (30, 30, 50)),
    ],
)
def test_the_members_that_hold_a_stretch(start, end, expected):
    assert expected == MemberTable(100, (10, 20, 30)).members_for(start, end)
