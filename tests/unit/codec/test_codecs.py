import gzip
import hashlib
import sys
import tracemalloc
import zlib

import pytest
import zstandard

from ocitool.codec.codecs import (
    BLOCK,
    PIECE,
    CodecId,
    _probe,
    blocks,
    decompress,
    isal_members,
    parse_codec,
    parse_codecs,
    sniff,
)
from ocitool.codec.members import TAIL, read_table, tail_length
from ocitool.errors import Cancelled, MalformedDocument, Unsupported, UsageError
from ocitool.tasks import Scope

CODECS = ["gzip", "gzip:6", "gzip,single", "gzip:9,single", "isal", "isal:0", "zstd", "zstd:7", "none"]
DATA = b"".join(hashlib.sha256(str(n).encode()).digest() * (n % 5) for n in range(60_000))  # about 3.8 MB


def pieces(data: bytes, size: int = 100_000):
    return (data[at : at + size] for at in range(0, len(data), size))


def compress(name: str, data: bytes, width: int = 1, size: int = 100_000) -> bytes:
    return b"".join(parse_codec(name).compress(pieces(data, size), Scope(), width))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("data", [DATA, b"", b"x", b"y" * BLOCK], ids=["large", "empty", "byte", "block"])
def test_what_is_compressed_comes_back(name, data):
    if name.startswith("zstd") and not data:
        pytest.skip("a layer is never empty: a tar ends with two blocks")

    assert data == b"".join(decompress(pieces(compress(name, data))))


@pytest.mark.parametrize("name", CODECS)
def test_bytes_do_not_depend_on_threads_or_on_how_the_input_is_cut(name):
    expected = compress(name, DATA)

    assert expected == compress(name, DATA, width=4)
    if "single" not in name:  # zlib keeps what it was given together
        assert expected == compress(name, DATA, width=2, size=7_777)


def test_the_default_codec_has_golden_bytes():
    """A layer's digest is the same on every machine; a change here changes every digest ever published."""
    assert "9c323f2345787c95" == hashlib.sha256(compress("gzip", DATA)).hexdigest()[:16]


@pytest.mark.parametrize("name", ["gzip", "isal", "gzip,single"])
def test_gzip_is_read_by_the_standard_library(name):
    assert DATA == gzip.decompress(compress(name, DATA))


def test_the_table_finds_any_stretch_of_a_layer():
    layer = compress("gzip", DATA)
    table = read_table(layer[-tail_length(layer[-TAIL:]) :])

    offset, length, skip = table.members_for(1_500_000, 2_600_000)

    stretch = gzip.decompress(layer[offset : offset + length])
    assert DATA[1_500_000:2_600_000] == stretch[skip : skip + 1_100_000]
    assert length < len(layer) * 0.8


def test_single_is_one_member():
    machine = zlib.decompressobj(31)

    assert DATA == machine.decompress(compress("gzip,single", DATA))
    assert b"" == machine.unused_data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lz4",
        "gzip:0",
        "gzip:13",
        "gzip:x",
        "gzip,double",
        "zstd,single",
        "none:1",
        "isal:4",
        "auto:1",
        "auto,single",
        "zstd:20",
        "gzip:10,single",
        "gzip:²",
        "estargz:13",
        "estargz,single",
    ],
)
def test_unknown_codecs_and_levels_are_refused(text):
    with pytest.raises(UsageError):
        parse_codec(text)


def test_auto_is_the_fastest_that_is_installed(monkeypatch):
    assert parse_codec("isal").id == parse_codec("auto").id
    assert ["isal", "zstd"] == [codec.id.name for codec in parse_codecs("auto+zstd")]

    monkeypatch.setitem(sys.modules, "isal", None)
    isal_members.cache_clear()

    assert parse_codec("gzip").id == parse_codec("auto").id


def test_codec_identities_differ_where_bytes_do():
    names = ["gzip", "gzip:6", "gzip,single", "isal", "zstd", "none", "estargz", "estargz:6"]

    assert len(names) == len({parse_codec(name).id for name in names})


@pytest.mark.parametrize("level", range(4))
def test_isal_s_identity_is_not_that_of_its_other_way_to_compress(level):
    """Their bytes differ, and the probe does not tell it at every level."""
    from isal import __version__, isal_zlib

    def by_object(block):
        machine = isal_zlib.compressobj(level, isal_zlib.DEFLATED, 31)
        return machine.compress(block) + machine.flush()

    text = b"hello world %d" * 8

    assert by_object(text) != compress(f"isal:{level}", text)
    assert parse_codec(f"isal:{level}").id != CodecId("isal", "isal", __version__, level, BLOCK, _probe(by_object))


@pytest.mark.parametrize("cut", [1, 9, 1000, -1, -20])
def test_cut_off_gzip_is_an_error(cut):
    layer = compress("gzip,single", DATA)

    with pytest.raises(MalformedDocument):
        b"".join(decompress(pieces(layer[:cut]), "gzip"))


def test_garbage_after_the_last_member_is_an_error():
    with pytest.raises(MalformedDocument):
        b"".join(decompress([compress("gzip", b"abc") + b"garbage"]))


def test_damaged_zstd_is_an_error():
    frame = bytearray(compress("zstd", DATA))
    frame[len(frame) // 2] ^= 0xFF

    with pytest.raises(MalformedDocument):
        b"".join(decompress(pieces(bytes(frame))))


@pytest.mark.parametrize("cut", [5, 20, 1000, -1, -4, -5])
def test_cut_off_zstd_is_an_error(cut):
    with pytest.raises(MalformedDocument):
        b"".join(decompress(pieces(zstandard.compress(DATA)[:cut])))


def test_garbage_after_the_last_zstd_frame_is_an_error():
    with pytest.raises(MalformedDocument):
        b"".join(decompress([zstandard.compress(DATA) + b"garbage"]))


def test_a_skippable_frame_is_skipped():
    """zstd:chunked keeps its table of contents in one."""
    skippable = b"\x50\x2a\x4d\x18\x05\0\0\0table"

    assert DATA == b"".join(decompress(pieces(zstandard.compress(DATA) + skippable)))


def test_several_zstd_frames_are_one_stream():
    frames = zstandard.compress(b"one ") + zstandard.compress(b"two")

    assert b"one two" == b"".join(decompress([frames]))


@pytest.mark.parametrize("make", [lambda d: gzip.compress(d, 9), zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.slow
def test_a_bomb_passes_in_small_pieces(make):
    bomb = make(bytes(50_000_000))
    tracemalloc.start()
    total = 0
    for piece in decompress([bomb]):
        assert len(piece) <= PIECE
        total += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 50_000_000 == total
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x50\x2a\x4d\x18", "zstd"),
        (b"BZh9", "bzip2"),
        (b"", "none"),
    ],
)
def test_compression_is_told_by_the_first_bytes(head, kind):
    assert kind == sniff(head)


def test_compressions_that_layers_do_not_use_are_named():
    with pytest.raises(Unsupported, match="bzip2"):
        list(decompress([b"BZh91AY&SY"]))


def test_blocks_are_full_but_the_last():
    assert [3, 3, 2] == [len(block) for block in blocks([b"ab", b"c", b"defgh"], 3)]
    assert [] == list(blocks([], 3))


def test_cancelling_stops_compressing():
    scope = Scope()
    scope.cancel()

    with pytest.raises(Cancelled):
        list(parse_codec("gzip").compress(pieces(DATA), scope, 2))


@pytest.mark.parametrize("text", ["gzip:001", "gzip:+1", "gzip:\u0661", "gzip:10000", "zstd:0"])
def test_levels_are_one_or_two_plain_digits(text):
    """K254"""
    with pytest.raises(UsageError):
        parse_codec(text)


def test_no_bytes_in_a_zstd_frame_are_no_bytes():
    assert b"" == b"".join(decompress([zstandard.compress(b"")]))
