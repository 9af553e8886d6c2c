"""eStargz as it is written: where members begin, what the table says, and the plain gzip that everybody else reads."""

import gzip
import hashlib
import io
import json
import tarfile
import tracemalloc

import pytest

from ocitool.codec.codecs import parse_codec
from ocitool.codec.estargz import ANNOTATION, FOOTER, find_toc, read_footer
from ocitool.codec.estargz_writer import CHUNK, LANDMARK
from ocitool.errors import Cancelled, MalformedDocument, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from ocitool.tasks import Scope
from tests.fakes.estargz import BIG, CONTENTS, EVERYTHING, member, tar, written


@pytest.fixture(scope="module")
def made():
    return written(EVERYTHING)


def listed(made):
    blob, unpacked = made
    found = find_toc(
        Digest(dict(unpacked.annotations)[ANNOTATION]), len(blob), lambda at, size: blob[at : at + size]
    )
    return found, {entry.path: entry for entry in found.entries()}


def test_our_reader_finds_every_file_and_each_chunk_is_a_member_of_its_own(made):
    blob, _ = made
    _, files = listed(made)

    for name, data in CONTENTS.items():
        chunks = [gzip.decompress(blob[one.offset : one.end])[: one.size] for one in files[name].chunks]
        assert data == b"".join(chunks)
        assert all(one.digest.matches(part) for one, part in zip(files[name].chunks, chunks, strict=True))
    assert [CHUNK, CHUNK, len(BIG) - 2 * CHUNK] == [one.size for one in files["usr/big"].chunks]
    assert {LANDMARK, "", "usr", *CONTENTS, "soft", "hard", "null", "pipe", "capable"} == set(files)


def test_the_table_says_what_the_tar_says(made):
    _, files = listed(made)

    assert (0o640, 7, 8, 1_700_000_000) == tuple(
        getattr(files["usr/a"], key) for key in ("mode", "uid", "gid", "mtime")
    )
    assert (FileKind.SYMLINK, "usr/a") == (files["soft"].kind, files["soft"].link)
    assert (FileKind.HARDLINK, "usr/a") == (files["hard"].kind, files["hard"].link)
    assert (FileKind.CHAR, (1, 3)) == (files["null"].kind, files["null"].device)
    assert (("user.x", b"value"),) == files["capable"].xattrs


def test_it_has_the_fields_that_the_format_requires(made):
    found, _ = listed(made)
    table = json.loads(found.raw)

    assert 1 == table["version"]
    by_name = {(entry["name"], entry.get("chunkOffset", 0)): entry for entry in table["entries"]}
    digest = f"sha256:{hashlib.sha256(BIG).hexdigest()}"
    first, second, last = (by_name["usr/big", at] for at in (0, CHUNK, 2 * CHUNK))
    assert ("reg", len(BIG), CHUNK, digest) == tuple(first[key] for key in ("type", "size", "chunkSize", "digest"))
    assert ("chunk", CHUNK) == (second["type"], second["chunkSize"])
    assert ("chunk", False) == (last["type"], "chunkSize" in last)
    assert ("dir", "2023-11-14T22:13:20Z") == tuple(by_name["usr/", 0][key] for key in ("type", "modtime"))
    assert "stargz.index.json" not in found.raw.decode()


def test_everybody_else_reads_a_gzip_of_the_same_files(made):
    blob, unpacked = made
    plain = gzip.decompress(blob)

    assert Digest.of(plain) == unpacked.diff_id
    assert str(len(plain)) == dict(unpacked.annotations)["io.containers.estargz.uncompressed-size"]
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        found = archive.getmembers()
        assert CONTENTS == {one.name: archive.extractfile(one).read() for one in found if one.name in CONTENTS}
        assert b"\x0f" == archive.extractfile(LANDMARK).read()
    with tarfile.open(fileobj=io.BytesIO(EVERYTHING)) as archive:
        expected = [(one.name, one.mode, one.type, one.pax_headers) for one in archive]
    assert expected == [(one.name, one.mode, one.type, one.pax_headers) for one in found[1:-1]]
    assert [LANDMARK, "stargz.index.json"] == [found[0].name, found[-1].name]
    assert plain.endswith(bytes(1024))


def test_the_footer_leads_to_the_table(made):
    blob, _ = made
    at = read_footer(blob[-FOOTER:])

    assert b"stargz.index.json" == gzip.decompress(blob[at:])[:17]
    assert b"" == gzip.decompress(blob[-FOOTER:])


@pytest.mark.parametrize(("width", "size"), [(1, 512), (3, 7_777), (4, 10_000_000)])
def test_bytes_do_not_depend_on_threads_or_on_how_the_tar_comes(made, width, size):
    assert made == written(EVERYTHING, width=width, size=size)


def test_the_bytes_are_golden():
    """The diff_id depends on them too; a change here changes every digest ever published in this form."""
    blob, unpacked = written(tar(member("a", b"hello" * 100), member("b/", kind=tarfile.DIRTYPE)))

    assert ("6481ca456877169d", "fce8fb1acb2837e5") == (
        hashlib.sha256(blob).hexdigest()[:16],
        unpacked.diff_id.hex[:16],
    )


def test_an_estargz_packed_again_is_the_same(made):
    assert made == written(gzip.decompress(made[0]))


def test_a_tar_without_files_has_a_landmark_and_a_table():
    _, files = listed(written(tar()))

    assert {LANDMARK} == set(files)


def test_another_level_is_other_bytes_of_the_same_files(made):
    high = written(EVERYTHING, name="estargz:9")

    assert len(high[0]) < len(made[0])
    assert set(listed(made)[1]) == set(listed(high)[1])


def sparse():
    """A file of 1 MiB of which 512 bytes are there, in GNU's old format."""
    info = tarfile.TarInfo("hole")
    info.size = 512
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[156:157] = b"S"
    block[386:410] = b"%011o\0%011o\0" % (0, 512)
    block[483:495] = b"%011o\0" % (1 << 20)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(512 + 1024)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (sparse(), "is a sparse file"),
        (tar(member("a", b"1"), member("a", b"2")), "comes twice"),
        (tar(member("n\udcff", b"1")), "no UTF-8"),
        (tar(member("n", kind=tarfile.SYMTYPE, link="\udcff")), "no UTF-8"),
    ],
    ids=["sparse", "twice", "name", "link"],
)
def test_what_the_table_cannot_say_is_refused(data, told):
    with pytest.raises(Unsupported, match=told) as caught:
        written(data)

    assert "gzip" in caught.value.hint


def test_what_is_no_tar_is_refused():
    with pytest.raises(MalformedDocument):
        written(b"x" * 4096)


def test_memory_does_not_grow_with_a_file():
    info = member("big")[0]
    info.size = 12 * CHUNK
    head = tar(member("a"))[:512]

    def stream():
        yield info.tobuf(tarfile.GNU_FORMAT)
        for _ in range(info.size // 65_536):
            yield bytes(65_536)
        yield head + bytes(1024)

    tracemalloc.start()
    size = sum(map(len, parse_codec("estargz").compress(stream(), Scope(), 1)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size > 1000
    assert peak < 6 * CHUNK


def test_many_headers_are_cut_into_members_and_dropped_when_they_are_written():
    count = 5_000
    block = tar(member("d" * 90, kind=tarfile.FIFOTYPE))[:512]

    def stream():
        for number in range(count):
            one = bytearray(block)
            one[:6] = b"%06d" % number
            one[148:156] = b" " * 8
            one[148:156] = b"%06o\0 " % sum(one)
            yield bytes(one)
        yield bytes(1024)

    blob, unpacked = written(b"".join(stream()))

    assert count * 512 < len(gzip.decompress(blob))
    assert count + 1 == len(listed((blob, unpacked))[1])


def test_it_ends_with_its_scope():
    scope = Scope()
    making = parse_codec("estargz").compress(iter([EVERYTHING]), scope, 1)
    next(making)
    scope.cancel()

    with pytest.raises(Cancelled):
        list(making)
