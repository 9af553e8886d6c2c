"""Tables of contents of layers: found, believed as far as their digest goes, refused where they do not hold together."""

import base64
import gzip
import io
import json
import tarfile

import pytest

from ocitool.codec import estargz, listed, zstd_chunked
from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import TarLimits, read_members
from ocitool.codec.toc import TOC_LIMIT, Chunk, parse_toc
from ocitool.errors import DigestMismatch, EscapingPath, MalformedDocument, OcitoolError, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from tests.fakes import tocs
from tests.fakes.layers import tar

TAR = tar(
    ("bin/", "755"),
    ("bin/app", "0123456789" * 20, {"mode": 0o4755, "mtime": 1_600_000_000, "uid": 7, "gid": 8}),
    ("bin/link", "-> app"),
    ("bin/hard", "= bin/app"),
    ("dev/null", "c 1 3"),
    ("empty", ""),
    ("run/pipe", "p"),
    ("tagged", "x", {"pax_headers": {"SCHILY.xattr.user.a": "b"}}),
)
SHA = tocs.digest(b"abc")


def toc(*entries, **more):
    return json.dumps({"version": 1, "entries": list(entries)} | more).encode()


def reg(name="a", size=3, **more):
    return {"name": name, "type": "reg", "size": size, "offset": 10, "chunkDigest": SHA} | more


def found(form, blob, annotations):
    def read(offset, size):
        return blob[offset : offset + size]

    if form == "estargz":
        return estargz.find_toc(Digest(annotations[estargz.ANNOTATION]), len(blob), read)
    if form == "gzip,toc":
        return listed.find_toc(Digest(annotations[listed.ANNOTATION]), len(blob), read)
    where, digest = zstd_chunked.position_and_digest(annotations)
    return zstd_chunked.find_toc(where, digest, len(blob), read)


FORMS = {"estargz": tocs.estargz, "zstd:chunked": tocs.zstd_chunked, "gzip,toc": tocs.listed}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_lists_what_the_tar_lists(form):
    blob, annotations = FORMS[form](TAR)
    table = found(form, blob, annotations)

    expected = [
        (m.path, m.kind, m.mode, m.uid, m.gid, m.mtime, m.size, m.link, m.xattrs, m.device)
        for m in read_members(decompress((blob,)))
        if m.path != "stargz.index.json"
    ]
    assert expected == [
        (e.path, e.kind, e.mode, e.uid, e.gid, e.mtime, e.size, e.link, e.xattrs, e.device) for e in table.entries()
    ]


@pytest.mark.parametrize("form", ["estargz", "zstd:chunked"])
def test_chunks_are_the_content_where_the_table_says(form):
    blob, annotations = FORMS[form](TAR, chunk=64)
    table = found(form, blob, annotations)
    app = next(entry for entry in table.entries() if entry.path == "bin/app")

    parts = [
        b"".join(decompress((blob[c.offset : c.end],), table.kind))[c.skip : c.skip + c.size] for c in app.chunks
    ]
    assert [0, 64, 128, 192] == [chunk.start for chunk in app.chunks]
    assert b"0123456789" * 20 == b"".join(parts)
    assert [tocs.digest(part) for part in parts] == [chunk.digest for chunk in app.chunks]


@pytest.mark.parametrize("form", FORMS)
def test_another_table_than_the_manifest_says_is_refused(form):
    blob, annotations = FORMS[form](TAR)
    key = next(key for key in annotations if not key.endswith("position"))

    with pytest.raises(DigestMismatch, match=r"table of contents hashes to .* as the manifest says"):
        found(form, blob, annotations | {key: SHA})


def test_a_blob_without_a_footer_is_no_estargz():
    assert found("estargz", bytes(1000), {estargz.ANNOTATION: SHA}) is None
    assert found("estargz", b"", {estargz.ANNOTATION: SHA}) is None


def test_a_blob_without_a_skippable_frame_is_not_chunked():
    annotations = {f"{tocs.CHUNKED}manifest-position": "100:20:40:1", f"{tocs.CHUNKED}manifest-checksum": SHA}

    assert found("zstd:chunked", bytes(1000), annotations) is None


def test_a_footer_is_read_as_it_is_written():
    assert 51 == len(estargz.footer(12345))
    assert 12345 == estargz.read_footer(b"before" + estargz.footer(12345))
    assert estargz.read_footer(b"\0" * 51) is None


def test_the_older_annotations_of_chunked_layers_are_read():
    annotations = {
        "io.containers.zstd-chunked.manifest-position": "8:1:1:1",
        "io.containers.zstd-chunked.manifest-checksum": SHA,
    }

    assert ("8:1:1:1", SHA) == zstd_chunked.position_and_digest(annotations)
    assert zstd_chunked.position_and_digest({"io.containers.zstd-chunked.manifest-position": "8:1:1:1"}) is None


@pytest.mark.parametrize(
    "where",
    ["", "1:2:3", "1:2:3:4:5", "-9:1:1:1", "a:b:c:1", "0:5:5:1", "990:20:20:1", f"{10**30}:1:1:1", "9:0:1:1"],
)
def test_a_position_that_cannot_be_is_refused(where):
    with pytest.raises(MalformedDocument):
        zstd_chunked.find_toc(where, Digest(SHA), 1000, lambda offset, size: bytes(size))


@pytest.mark.parametrize("where", [f"9:5:{TOC_LIMIT + 1}:1", f"9:{TOC_LIMIT + 1}:5:1", "9:5:5:2"])
def test_a_position_that_is_too_much_or_of_another_type_is_unsupported(where):
    with pytest.raises(Unsupported):
        zstd_chunked.find_toc(where, Digest(SHA), 1 << 40, lambda offset, size: pytest.fail("read"))


def test_a_table_that_unpacks_to_more_than_it_says_is_refused():
    import zstandard

    packed = zstandard.compress(bytes(1 << 20))
    blob = bytes(8) + tocs._skipped(packed)

    with pytest.raises(MalformedDocument, match="has not the 100 bytes"):
        zstd_chunked.find_toc(
            f"16:{len(packed)}:100:1",
            Digest(tocs.digest(packed)),
            len(blob),
            lambda offset, size: blob[offset : offset + size],
        )


@pytest.mark.parametrize("at", [0, 949, 950, 2**63])
def test_a_footer_that_points_elsewhere_is_refused(at):
    blob = bytes(949) + estargz.footer(at)

    with pytest.raises(MalformedDocument):
        found("estargz", blob, {estargz.ANNOTATION: SHA})


WRONG = {
    "no list": (toc(entries={}), "no list"),
    "no object": (b"[1]", "no list"),
    "entry of another kind": (toc(1), "no list"),
    "unknown type": (toc({"name": "a", "type": "socket"}), "type is 'socket'"),
    "type that is none": (toc({"name": "a", "type": {}}), "type is"),
    "no name": (toc({"type": "dir"}), "without a name"),
    "name that is a number": (toc({"name": 5, "type": "dir"}), "name is no text"),
    "name with half a letter": (toc({"name": "\ud800", "type": "dir"}), "name is no text"),
    "long name": (toc({"name": "a" * 5000, "type": "dir"}), "5000 bytes"),
    "negative size": (toc(reg(size=-1)), "size is '-1'"),
    "size that is a fraction": (toc(reg(size=1.5)), "size is '1.5'"),
    "size that is a truth": (toc(reg(size=True)), "size is 'True'"),
    "endless number": (toc(reg(size=10**90)), "size is '1000"),
    "endless owner": (toc({"name": "a", "type": "dir", "uid": 2**63}), "uid is"),
    "content outside": (toc(reg(offset=1000)), "outside of the blob"),
    "content missing": (toc(reg(chunkSize=2)), "2 of 3 bytes"),
    "content too much": (toc(reg(chunkSize=4)), "one after the other"),
    "chunk that begins late": (toc(reg(chunkOffset=1)), "one after the other"),
    "chunk of nothing": (toc({"type": "chunk", "name": "a"}), "chunk without its file"),
    "chunk of another": (toc(reg(), {"type": "chunk", "name": "b"}), "chunk without its file"),
    "chunk after a link": (
        toc({"name": "a", "type": "symlink", "linkName": "b"}, {"type": "chunk", "name": "a"}),
        "chunk without its file",
    ),
    "much before a chunk": (toc(reg(innerOffset=1 << 30)), "innerOffset is"),
    "no digest of ours": (toc(reg(chunkDigest="sha256:1")), "not a sha256 digest"),
    "digest nobody computes": (toc(reg(chunkDigest="blake3:1")), "cannot be computed"),
    "same content twice": (toc(reg("a"), reg("b")), "overlap at 10"),
    "contents that overlap": (toc(reg("a", innerOffset=0), reg("b", innerOffset=2)), "overlap at 10"),
    "name twice": (toc(reg("a"), reg("./a", offset=20)), "comes twice"),
    "file that is a directory": (toc(reg("a"), {"name": "a/", "type": "dir"}), "comes twice"),
    "link to itself": (toc({"name": "a", "type": "hardlink", "linkName": "/a"}), "circle"),
    "links in a circle": (
        toc(*({"name": a, "type": "hardlink", "linkName": b} for a, b in ("ab", "bc", "ca"))),
        "circle",
    ),
    "link to nothing": (toc({"name": "a", "type": "symlink"}), "symbolic link to nothing"),
    "time that is none": (toc({"name": "a", "type": "dir", "modtime": "yesterday"}), "modtime is"),
    "xattrs that are a list": (toc({"name": "a", "type": "dir", "xattrs": [1]}), "xattrs are no texts"),
    "xattrs that are no base64": (toc({"name": "a", "type": "dir", "xattrs": {"a": "?"}}), "not base64"),
}


@pytest.mark.parametrize(("raw", "why"), WRONG.values(), ids=WRONG)
def test_a_table_that_lies_is_refused(raw, why):
    with pytest.raises(MalformedDocument, match="table of contents is wrong") as caught:
        parse_toc(raw, 1000)

    assert why in caught.value.what


@pytest.mark.parametrize("field", ["name", "linkName"])
@pytest.mark.parametrize("path", ["../etc/passwd", "a/../../b", "/../a"])
def test_a_name_that_leads_out_is_refused(field, path):
    with pytest.raises(EscapingPath):
        parse_toc(toc({"name": "a", "linkName": "b", "type": "hardlink"} | {field: path}), 1000)


@pytest.mark.parametrize(
    "raw",
    [
        toc(version=2),
        toc(reg(chunkDigest="")),
        toc({"name": "a\ufffd", "type": "dir"}),
        b" " * (TOC_LIMIT + 1),
    ],
    ids=["version", "no digest", "lost name", "size"],
)
def test_a_table_that_cannot_be_used_is_unsupported(raw):
    with pytest.raises(Unsupported):
        parse_toc(raw, 1000)


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 100_000, b'{"entries":NaN}', b'{"a":1,"a":2}', b"\xff"])
def test_what_is_no_json_is_refused(raw):
    with pytest.raises(MalformedDocument):
        parse_toc(raw, 1000)


def test_more_files_or_names_than_the_limits_are_refused():
    entries = [{"name": f"{n:0100}", "type": "dir"} for n in range(10)]

    with pytest.raises(MalformedDocument, match="more than 5 files"):
        parse_toc(toc(*entries), 1000, TarLimits(members=5))
    with pytest.raises(MalformedDocument, match="bytes of names"):
        parse_toc(toc(*entries), 1000, TarLimits(names=500))
    with pytest.raises(MalformedDocument, match="more than 2 bytes"):
        parse_toc(toc(reg()), 1000, TarLimits(size=2))


def test_several_files_share_a_member():
    entries = parse_toc(toc(reg("a"), reg("b", innerOffset=3), reg("c", offset=50)), 1000)

    assert [
        (Chunk(0, 3, 10, 50, 0, Digest(SHA)),),
        (Chunk(0, 3, 10, 50, 3, Digest(SHA)),),
        (Chunk(0, 3, 50, 1000, 0, Digest(SHA)),),
    ] == [entry.chunks for entry in entries]


def test_directories_may_come_twice_and_modes_carry_types():
    entries = parse_toc(toc(*2 * [{"name": "./usr/", "type": "dir", "mode": 0o40755}]), 1000)

    assert [("usr", FileKind.DIRECTORY, 0o755)] * 2 == [(e.path, e.kind, e.mode) for e in entries]


def test_names_that_are_not_utf8_are_kept_where_the_table_can_tell_them():
    (entry,) = parse_toc(toc({"name": "a\udcff", "type": "dir"}), 1000)

    assert b"a\xff" == entry.path.encode("utf-8", "surrogateescape")


def test_attributes_are_bytes():
    value = base64.b64encode(b"\0\xff").decode()
    (entry,) = parse_toc(toc({"name": "a", "type": "dir", "xattrs": {"b": value, "a": ""}}), 1000)

    assert (("a", b""), ("b", b"\0\xff")) == entry.xattrs


def test_every_refusal_is_one_of_ours():
    for raw, _ in WRONG.values():
        with pytest.raises(OcitoolError) as caught:
            parse_toc(raw, 1000)
        assert 6 == caught.value.exit_code


def stargz_with(name: str, size: int, content: bytes) -> tuple[bytes, str]:
    """An eStargz whose last tar entry has this name and says this size; and its digest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    data = bytearray(out.getvalue())
    if size != len(content):
        info.size = size
        data[:512] = info.tobuf()
    return bytes(100) + gzip.compress(data) + estargz.footer(100), tocs.digest(content)


@pytest.mark.parametrize(
    ("name", "size", "error"),
    [
        ("stargz.index.json", TOC_LIMIT + 1, Unsupported),
        ("another.json", 2, MalformedDocument),
        ("stargz.index.json", 30_000, MalformedDocument),
    ],
    ids=["large", "another", "cut"],
)
def test_what_stands_in_the_place_of_an_estargz_table_is_refused(name, size, error):
    blob, digest = stargz_with(name, size, b"{}")

    with pytest.raises(error):
        found("estargz", blob, {estargz.ANNOTATION: digest})


def test_an_estargz_with_a_long_tail_is_not_read():
    end = estargz.footer(100)

    def read(offset, size):
        return end[-size:] if offset + size == 1 << 40 else pytest.fail("read")

    with pytest.raises(Unsupported, match="a table of contents of"):
        estargz.find_toc(Digest(SHA), 1 << 40, read)
