import gzip
import io
import tarfile
import time
from typing import Any

import pytest

from ocitool.codec.codecs import parse_codec
from ocitool.errors import LocalIOError, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from ocitool.model.mediatype import DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD, Family
from ocitool.model.views import Descriptor
from ocitool.pack.entries import BytesContent, Entry, FileContent
from ocitool.pack.layer import StoredTar, pack_layer, pack_tar
from ocitool.store.base import ingested
from ocitool.store.layout import LayoutStore
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope

GZIP = parse_codec("gzip")


class Memo:
    """What a memo remembers, in a dictionary."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}

    def recall(self, key: str) -> dict[str, Any] | None:
        return self.known.get(key)

    def remember(self, key: str, value: dict[str, Any]) -> None:
        self.known[key] = value


class Counted:
    """Content that counts how often it is read."""

    stamp = None
    identity = ""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.reads = data, len(data), 0

    def pieces(self):
        self.reads += 1
        return iter((self.data,))


def entry(content) -> Entry:
    return Entry("bin/app", FileKind.FILE, 0o755, content=content)


def pack(entries, store, memo=None, codec=GZIP, width=1):
    return pack_layer(entries, store, codec, epoch=0, scope=Scope(), width=width, memo=memo)


def test_a_layer_is_described_by_what_it_is():
    store = MemoryStore()

    layer = pack([entry(BytesContent(b"program"))], store)

    with store.open_blob(Descriptor("", layer.digest, layer.size)) as pieces:
        tar = gzip.decompress(b"".join(pieces))
    assert Digest.of(tar) == layer.diff_id
    assert ["bin/app"] == tarfile.open(fileobj=io.BytesIO(tar)).getnames()
    assert DOCKER_LAYER_GZIP == layer.descriptor(Family.DOCKER).media_type


def test_a_tar_is_packed_as_it_is_and_known_the_next_time():
    store, memo, steps = MemoryStore(), Memo(), []
    data = b"a tar" * 300
    tar = StoredTar(*ingested(store.ingest(), [data]))
    assert (Digest.of(data), 1500) == (tar.diff_id, tar.size)

    made = [
        pack_tar(tar, store, GZIP, scope=Scope(), memo=memo, label="l", listener=steps.append) for _ in range(2)
    ]

    assert made[0] == made[1]
    assert tar.diff_id == made[0].diff_id
    short = tar.diff_id.hex[:12]
    told = {(event.key, getattr(event, "outcome", "")) for event in steps}
    assert {(f"pack:l:{short}:gzip", "packed"), (f"pack:l:{short}", "cached")} <= told


def test_threads_do_not_change_a_layer():
    content = BytesContent(bytes(range(256)) * 20_000)

    assert pack([entry(content)], MemoryStore()) == pack([entry(content)], MemoryStore(), width=8)


def test_the_first_time_a_file_is_read_once_and_the_second_time_nothing_is_compressed():
    store, memo, content = MemoryStore(), Memo(), Counted(b"x" * 1000)
    first = pack([entry(content)], store, memo)
    assert 1 == content.reads
    store.ingest = None  # whoever compresses needs one

    assert first == pack([entry(content)], store, memo)


def test_other_content_of_the_same_shape_is_another_layer():
    store, memo = MemoryStore(), Memo()
    first = pack([entry(BytesContent(b"one"))], store, memo)

    second = pack([entry(BytesContent(b"two"))], store, memo)

    assert first.digest != second.digest


def test_a_layer_that_is_gone_from_the_store_is_packed_again():
    memo, content = Memo(), BytesContent(b"data")
    first = pack([entry(content)], MemoryStore(), memo)
    store = MemoryStore()

    assert first == pack([entry(content)], store, memo)
    assert store.has_blob(Descriptor("", first.digest, first.size))


def test_a_failure_leaves_nothing_in_the_store(tmp_path):
    path = tmp_path / "f"
    path.write_text("x")
    content = FileContent(path)
    path.unlink()
    store = MemoryStore()

    with pytest.raises(LocalIOError):
        pack([entry(content)], store)
    assert {} == store._blobs


def test_zstd_has_no_docker_type():
    """K055"""
    layer = pack([entry(BytesContent(b"x"))], MemoryStore(), codec=parse_codec("zstd"))

    assert OCI_LAYER_ZSTD == layer.descriptor(Family.OCI).media_type
    with pytest.raises(Unsupported, match="zstd"):
        layer.descriptor(Family.DOCKER)


def stamped(data: bytes, **times: int) -> Counted:
    """Content that says it is a file with these times."""
    content = Counted(data)
    content.stamp = (1, 2, len(data), times.get("mtime_ns", 5), times.get("ctime_ns", 7))
    return content


def test_files_that_are_the_very_same_are_not_read_again():
    store, memo = MemoryStore(), Memo()
    first = pack([entry(stamped(b"program"))], store, memo)
    again = stamped(b"program")

    assert first == pack([entry(again)], store, memo)
    assert 0 == again.reads


def test_bytes_that_have_an_identity_are_not_read_again():
    """As those of a download or of another layer, which are no file of the user's."""
    store, memo = MemoryStore(), Memo()
    first, again, other = Counted(b"program"), Counted(b"program"), Counted(b"changed")
    first.identity = again.identity = "one"
    other.identity = "another"

    layer = pack([entry(first)], store, memo)

    assert layer == pack([entry(again)], store, memo)
    assert 0 == again.reads
    assert layer != pack([entry(other)], store, memo)


@pytest.mark.parametrize("change", [{"mtime_ns": 6}, {"ctime_ns": 8}])
def test_a_file_with_another_stamp_is_read(change):
    store, memo = MemoryStore(), Memo()
    first = pack([entry(stamped(b"program"))], store, memo)
    changed = stamped(b"PROGRAM", **change)

    second = pack([entry(changed)], store, memo)

    assert 1 <= changed.reads
    assert first.diff_id != second.diff_id


def test_contents_in_memory_count_beside_files():
    store, memo, same = MemoryStore(), Memo(), stamped(b"program")
    other = [Entry("etc/passwd", FileKind.FILE, content=BytesContent(text)) for text in (b"one", b"two")]
    first = pack([entry(same), other[0]], store, memo)

    assert first.diff_id != pack([entry(same), other[1]], store, memo).diff_id


def test_a_file_that_is_too_young_is_read_every_time():
    store, memo = MemoryStore(), Memo()
    young = {"ctime_ns": time.time_ns() + 10**12}
    pack([entry(stamped(b"program", **young))], store, memo)
    again = stamped(b"program", **young)

    pack([entry(again)], store, memo)

    assert 1 == again.reads


def test_an_unread_layer_that_is_gone_from_the_store_is_packed_again():
    memo = Memo()
    first = pack([entry(stamped(b"program"))], MemoryStore(), memo)

    assert first == pack([entry(stamped(b"program"))], MemoryStore(), memo)


@pytest.mark.parametrize("codec", ["gzip", "zstd", "none"])
def test_k245_a_failed_pack_leaves_nothing_of_a_layer_on_disk(tmp_path, codec):
    store = LayoutStore(tmp_path / "content", create=True)
    pack_layer([entry(Counted(b"whole"))], store, parse_codec(codec), epoch=0, scope=Scope())
    before = sorted(str(path) for path in tmp_path.rglob("*"))

    class Failing(Counted):
        def pieces(self):
            yield b"x" * 2_000_000
            raise LocalIOError("gone")

    with pytest.raises(LocalIOError):
        pack_layer([entry(Failing(b"x" * 3_000_000))], store, parse_codec(codec), epoch=0, scope=Scope())

    assert before == sorted(str(path) for path in tmp_path.rglob("*"))
