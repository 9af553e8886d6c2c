"""Whatever files there are: a tar of ours gives them back, and any cut of the stream gives the same layer."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocitool.codec.codecs import decompress, parse_codec
from ocitool.codec.members import read_table, table_bytes, tail_length
from ocitool.codec.tar_reader import read_members
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry
from ocitool.pack.tar import tar_stream
from ocitool.tasks import Scope

pytestmark = pytest.mark.property

LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc"])
PART = st.text(LETTERS, min_size=1, max_size=120).filter(
    lambda part: part not in {".", ".."} and not part.startswith(".wh.")
)
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)
IDS = st.sampled_from([0, 1000, 0o7777777, 0o7777777 + 1, 1_000_240_000])
ENTRY = st.builds(
    Entry,
    path=PATH,
    kind=st.just(FileKind.FILE),
    mode=st.integers(0, 0o7777),
    uid=IDS,
    gid=IDS,
    mtime=st.none() | st.integers(0, 2_000_000_000),
    content=st.binary(max_size=1500).map(BytesContent),
    xattrs=st.just(()) | st.binary(min_size=1, max_size=30).map(lambda value: (("security.capability", value),)),
)
EPOCH = 1_600_000_000


@given(st.lists(ENTRY, max_size=4, unique_by=lambda entry: entry.path))
def test_a_tar_gives_back_what_went_in(entries):
    found = []
    for member in read_members(tar_stream(entries, EPOCH)):
        data = b"".join(member.pieces())
        found.append(
            (member.path, member.kind, member.mode, member.uid, member.gid, member.mtime, member.xattrs, data)
        )

    assert [
        (
            e.path,
            e.kind,
            e.mode,
            e.uid,
            e.gid,
            EPOCH if e.mtime is None else min(e.mtime, EPOCH),
            e.xattrs,
            e.content.data,
        )
        for e in entries
    ] == found


@given(st.lists(ENTRY, max_size=3, unique_by=lambda entry: entry.path))
def test_pythons_tarfile_reads_the_same(entries):
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(entries, EPOCH)))) as tar:
        assert [(e.path, e.mode, e.uid, e.content.data) for e in entries] == [
            (member.name, member.mode, member.uid, tar.extractfile(member).read()) for member in tar
        ]


@given(st.binary(max_size=5000), st.lists(st.integers(1, 700), min_size=1, max_size=9), st.integers(1, 3))
def test_a_layer_does_not_depend_on_how_its_input_comes(data, cuts, width):
    codec = parse_codec("gzip")
    pieces, at = [], 0
    while at < len(data):
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(data[at : at + size])
        at += size

    layer = b"".join(codec.compress(iter(pieces), Scope(), width))

    assert b"".join(codec.compress(iter([data]), Scope(), 1)) == layer
    assert data == b"".join(decompress(iter([layer])))


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50), st.integers(1, 2**32 - 1), st.binary(max_size=50))
def test_member_tables_come_back(sizes, block, before):
    table = table_bytes(block, sizes)

    assert len(table) == tail_length((before + table)[-22:])
    assert (block, tuple(sizes)) == ((found := read_table(table)).block, found.sizes)


@given(st.binary(max_size=200))
def test_any_tail_is_a_table_or_none(data):
    read_table(data)
    tail_length(data[-22:])
