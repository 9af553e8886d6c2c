"""Archives as stores that mean harm: read by our own bounded reader (K260), with every member hashed once (K261)."""

import io
import json
import tarfile
import tracemalloc
from dataclasses import replace

import pytest

from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest
from ocitool.store import archive_read
from ocitool.store.archive_read import ArchiveReader

CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'


def header(name: bytes, size: int, flag: bytes) -> bytes:
    info = tarfile.TarInfo("x")
    info.size, info.type = size, flag
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[:100] = name[:100].ljust(100, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: bytes, data: bytes, flag: bytes = b"0") -> bytes:
    return header(name, len(data), flag) + data + bytes(-len(data) % 512)


def record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest + len(str(rest))))
    return b"%d %s=%s\n" % (length, key, value)


INDEX = member(b"index.json", b'{"schemaVersion":2,"manifests":[]}')


def opened(tmp_path, *parts: bytes, docker: bool = False) -> ArchiveReader:
    (tmp_path / "a.tar").write_bytes(b"".join(parts) + bytes(1024))
    return ArchiveReader(str(tmp_path / "a.tar"), docker=docker)


def docker(tmp_path, images: object, *parts: bytes) -> ArchiveReader:
    return opened(tmp_path, member(b"manifest.json", json.dumps(images).encode()), *parts, docker=True)


@pytest.mark.parametrize(
    "extra",
    [
        member(b"p", record(b"comment", b"x"), b"x"),
        member(b"p", b"long\0", b"L"),
        member(b"p", b"long\0", b"K"),
        member(b"p", record(b"comment", b"x"), b"g"),
    ],
    ids=["pax", "long name", "long link", "global"],
)
def test_k260_any_number_of_extended_headers(tmp_path, extra):
    """K260: what the standard library reads by calling itself."""
    with opened(tmp_path, extra * 5000, member(b"f", b""), INDEX) as archive:
        assert [] == list(archive.tags())


@pytest.mark.slow
def test_k260_global_headers_take_no_memory(tmp_path):
    """K260: two thousand keys, which each of four thousand files would get."""
    keys = b"".join(record(b"k%d" % number, b"v") for number in range(2000))
    files = b"".join(member(b"f%d" % number, b"") for number in range(4000))
    tracemalloc.start()
    try:
        with opened(tmp_path, member(b"p", keys, b"g"), files, INDEX):
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("body", [b"9" * 900_000, b"9" * 900_000 + b" path=x\n"])
def test_k260_digits_without_end(tmp_path, body):
    with pytest.raises(MalformedDocument, match="damaged pax record"):
        opened(tmp_path, member(b"p", body, b"x"), INDEX)


def test_k260_extended_headers_are_bounded(tmp_path):
    with pytest.raises(MalformedDocument, match="extended headers of"):
        opened(tmp_path, member(b"p", b"x" * 700_000 + b"\0", b"L") * 2, INDEX)


def test_the_number_of_files_is_bounded_from_both_sides(tmp_path, monkeypatch):
    """K254: as many as an archive may have, here a hundredth of them."""
    most = archive_read.LIMITS.members // 100
    monkeypatch.setattr(archive_read, "LIMITS", replace(archive_read.LIMITS, members=most))
    empty = member(b"f", b"")

    opened(tmp_path, empty * (most - 1), INDEX).__exit__(None, None, None)
    with pytest.raises(MalformedDocument, match=f"more than {most} files"):
        opened(tmp_path, empty * most, INDEX)


def test_bodies_are_passed_over_and_an_end_before_its_time_is_seen(tmp_path):
    info = tarfile.TarInfo("big")
    info.size = 1 << 40
    head = info.tobuf(tarfile.GNU_FORMAT)

    with pytest.raises(MalformedDocument, match="ends in the middle of a file"):
        opened(tmp_path, INDEX, head)


def test_a_sparse_archive_of_a_terabyte_is_listed_by_its_headers(tmp_path):
    info = tarfile.TarInfo("big")
    info.size = 1 << 40
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.seek(1 << 40, io.SEEK_CUR)
        file.write(INDEX + bytes(1024))

    with ArchiveReader(str(tmp_path / "a.tar"), docker=False) as archive:
        assert [] == list(archive.tags())


def test_a_blob_is_read_from_where_its_member_stands(tmp_path):
    data = b"some bytes" * 10_000
    digest = Digest.of(data)
    with opened(tmp_path, member(b"p", record(b"comment", b"x" * 600), b"x"),
                member(b"blobs/sha256/" + digest.hex.encode(), data), INDEX) as archive:  # fmt: skip
        assert data == b"".join(archive._read(archive._blobs[digest]))


def test_k261_a_layer_that_is_named_often_is_hashed_once(tmp_path):
    """K261: also under other spellings and through links and hard links."""
    reads = []

    class Counted(ArchiveReader):
        def _read(self, member, offset=0):
            reads.append(member.offset)
            return super()._read(member, offset)

    image = {"Config": "c", "RepoTags": None, "Layers": ["l", "./l", "link", "hard"] * 500}
    parts = [member(b"c", CONFIG), member(b"l", b"layer" * 1000)]
    for name, flag in ((b"link", b"2"), (b"hard", b"1")):
        block = bytearray(header(name, 0, flag))
        block[157:158] = b"l"
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        parts.append(bytes(block))
    (tmp_path / "a.tar").write_bytes(
        member(b"manifest.json", json.dumps([image]).encode()) + b"".join(parts) + bytes(1024)
    )
    with Counted(str(tmp_path / "a.tar"), docker=True) as archive:
        layers = json.loads(archive.get_manifest("").raw)["layers"]

    assert (2000, 1) == (len(layers), len({one["digest"] for one in layers}))
    assert 3 == len(reads)  # manifest.json, the config, the layer


@pytest.mark.parametrize("config", ["x/" * 200_000, "x/../" * 50_000 + "c", "\0", "", 5, None, ["c"], {"a": 1}])
def test_k261_a_config_that_is_no_path(tmp_path, config):
    with pytest.raises(MalformedDocument):
        docker(tmp_path, [{"Config": config, "Layers": []}], member(b"c", CONFIG))


@pytest.mark.parametrize("layers", [5, None, "l", {"l": 1}, [5], [None], [["l"]], ["x/" * 200_000]])
def test_k261_layers_that_are_no_list_of_paths(tmp_path, layers):
    with pytest.raises(MalformedDocument):
        docker(tmp_path, [{"Config": "c", "Layers": layers}], member(b"c", CONFIG))


@pytest.mark.parametrize("tags", [5, "a:b", {"a:b": 1}, [5], [["a:b"]], True])
def test_k261_repo_tags_that_are_no_list_of_names(tmp_path, tags):
    with pytest.raises(MalformedDocument, match="RepoTags"):
        docker(tmp_path, [{"Config": "c", "Layers": [], "RepoTags": tags}], member(b"c", CONFIG))


@pytest.mark.parametrize("tags", [None, [], False, 0])
def test_an_image_may_have_no_name(tmp_path, tags):
    with docker(tmp_path, [{"Config": "c", "Layers": [], "RepoTags": tags}], member(b"c", CONFIG)) as archive:
        assert archive.head("") is not None


@pytest.mark.parametrize("images", [5, {}, [5], [[]], "x", None])
def test_a_manifest_that_is_no_list_of_images(tmp_path, images):
    with pytest.raises(MalformedDocument):
        docker(tmp_path, images)
