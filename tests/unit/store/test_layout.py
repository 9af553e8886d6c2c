"""A layout on the disk: exact files, other people's index.json, damage, and nothing left behind."""

import json
import os
import threading
import time

import pytest

from ocitool.errors import DigestMismatch, LocalIOError, MalformedDocument, NotFound, UsageError
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import FULL_NAME, BytesSource, Put
from ocitool.store.layout import REF_NAME, LayoutStore
from ocitool.tasks import Scope, TaskGroup, Turns

DATA = b"some content"
BLOB = Descriptor(mediatype.OCI_LAYER, Digest.of(DATA), len(DATA))


def note(text: str):
    """An index that differs by one annotation."""
    return compose.index(Family.OCI, (), {"note": text})


@pytest.fixture
def store(tmp_path):
    return LayoutStore(tmp_path / "out", create=True)


def files(store):
    return sorted(str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file())


def entries(store):
    return json.loads((store.path / "index.json").read_text())["manifests"]


def test_the_files_are_those_of_the_specification(store):
    store.put_blob(BLOB, BytesSource(DATA))
    document = note("a")
    store.put_manifest(document, "v1")

    assert sorted(
        [f"blobs/sha256/{BLOB.digest.hex}", f"blobs/sha256/{document.digest.hex}", "index.json", "oci-layout"]
    ) == files(store)
    assert b'{"imageLayoutVersion":"1.0.0"}' == (store.path / "oci-layout").read_bytes()
    assert [
        {
            "mediaType": mediatype.OCI_INDEX,
            "digest": str(document.digest),
            "size": document.size,
            "annotations": {REF_NAME: "v1"},
        }
    ] == entries(store)
    assert DATA == store.blob_path(BLOB.digest).read_bytes()


def test_nothing_is_written_before_the_first_put(tmp_path):
    LayoutStore(tmp_path / "out", create=True)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_what_is_no_layout_is_not_opened(tmp_path, exists):
    if exists:
        (tmp_path / "out").mkdir()

    with pytest.raises(NotFound, match="layout"):
        LayoutStore(tmp_path / "out")


def test_other_peoples_entries_keep_their_bytes(store):
    """K028: adding a tag touches nothing else of index.json."""
    store.put_manifest(note("a"))
    theirs = f'{{"schemaVersion":2,\n\t"x": 1.0,"manifests":[{{"size":2,"mediaType":"application\\/x","digest":"{BLOB.digest}"}}]}}\n'
    (store.path / "index.json").write_text(theirs)
    document = note("a")

    store.put_manifest(document, "v1")

    added = {
        "mediaType": mediatype.OCI_INDEX,
        "digest": str(document.digest),
        "size": document.size,
        "annotations": {REF_NAME: "v1"},
    }
    ours = json.dumps(added, separators=(",", ":"))
    assert theirs.replace("}]}", f"}},{ours}]}}") == (store.path / "index.json").read_text()


def test_a_tag_moves_in_its_place(store):
    for text, tag in (("a", "v1"), ("b", "v2"), ("c", "v1")):
        store.put_manifest(note(text), tag)

    assert [("v1", note("c").digest), ("v2", note("b").digest)] == [
        (entry["annotations"][REF_NAME], entry["digest"]) for entry in entries(store)
    ]
    assert ["v1", "v2"] == list(store.tags())


def test_putting_the_same_again_changes_no_file(store):
    store.put_manifest(note("a"), "v1")
    before = (store.path / "index.json").stat().st_ino
    store.put_manifest(note("a"), "v1")

    assert before == (store.path / "index.json").stat().st_ino


def test_the_only_image_needs_no_name(store):
    store.put_manifest(note("a"), "")

    assert note("a") == store.get_manifest("")
    store.put_manifest(note("b"), "v1")
    with pytest.raises(UsageError, match="holds 2 images") as caught:
        store.get_manifest("")
    assert "v1" in caught.value.hint


def test_an_unknown_name_tells_which_there_are(store):
    store.put_manifest(note("a"), "v1")

    with pytest.raises(NotFound) as caught:
        store.get_manifest("v2")
    assert "it holds v1" == caught.value.hint


def test_containerds_full_name_is_a_name_too(store):
    store.put_manifest(note("a"), "v1")
    index = json.loads((store.path / "index.json").read_text())
    index["manifests"][0]["annotations"] = {FULL_NAME: "docker.io/library/app:v1"}
    (store.path / "index.json").write_text(json.dumps(index))

    assert note("a") == store.get_manifest("docker.io/library/app:v1")


def test_one_name_on_two_images_is_refused(store):
    store.put_manifest(note("a"), "v1")
    store.put_manifest(note("b"), "v2")
    path = store.path / "index.json"
    path.write_text(path.read_text().replace('"v2"', '"v1"'))

    with pytest.raises(MalformedDocument, match="several images named 'v1'"):
        store.head("v1")


def test_a_torn_blob_counts_as_absent_and_is_written_again(store):
    store.put_blob(BLOB, BytesSource(DATA))
    store.blob_path(BLOB.digest).write_bytes(DATA[:5])

    assert not store.has_blob(BLOB)
    assert Put.STORED == store.put_blob(BLOB, BytesSource(DATA))
    assert DATA == store.blob_path(BLOB.digest).read_bytes()


def test_damaged_content_is_never_given_out_as_good(store):
    store.put_blob(BLOB, BytesSource(DATA))
    store.blob_path(BLOB.digest).write_bytes(DATA.upper())
    document = note("a")
    store.put_manifest(document, "v1")
    store.blob_path(document.digest).write_bytes(document.raw.replace(b"note", b"evil"))

    with pytest.raises(DigestMismatch), store.open_blob(BLOB) as pieces:
        list(pieces)
    with pytest.raises(DigestMismatch):
        store.get_manifest("v1")


def test_an_entry_whose_blob_is_gone_is_absent(store):
    store.put_manifest(note("a"), "v1")
    store.blob_path(note("a").digest).unlink()

    assert store.head("v1") is None
    with pytest.raises(NotFound):
        store.get_manifest("v1")


def test_a_failed_write_leaves_no_file(store):
    store.put_blob(BLOB, BytesSource(DATA))
    before = files(store)
    other = Descriptor(mediatype.OCI_LAYER, Digest.of(b"other"), 5)

    with pytest.raises(DigestMismatch):
        store.put_blob(other, BytesSource(b"wrong"))
    ingest = store.ingest()
    ingest.write(b"half")
    ingest.abort()

    assert before == files(store)


def test_a_one_pass_write_becomes_visible_at_its_end(store):
    ingest = store.ingest()
    ingest.write(DATA[:3])
    assert not store.has_blob(BLOB)
    ingest.write(DATA[3:])

    assert (BLOB.digest, BLOB.size) == ingest.commit()
    assert store.has_blob(BLOB)
    ingest.abort()
    assert store.has_blob(BLOB)


def test_sha512_blobs_have_their_own_folder(store):
    """K046."""
    descriptor = Descriptor(mediatype.OCI_LAYER, Digest.of(DATA, "sha512"), len(DATA))
    store.put_blob(descriptor, BytesSource(DATA))

    assert DATA == (store.path / "blobs" / "sha512" / descriptor.digest.hex).read_bytes()


@pytest.mark.parametrize("name", ["sha256:../../oci-layout", "sha256:" + "A" * 64, "../oci-layout", "a/../../b"])
def test_names_are_never_paths(store, name):
    """K046: a malformed digest is looked up nowhere."""
    store.put_manifest(note("a"), "v1")

    assert store.head(name) is None
    with pytest.raises(NotFound):
        store.get_manifest(name)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schemaVersion":1}', '{"schemaVersion":2}', '{"schemaVersion":2,"manifests":[1]}']
)
def test_a_broken_index_is_told_with_its_path(store, text):
    store.put_manifest(note("a"), "v1")
    (store.path / "index.json").write_text(text)

    with pytest.raises(MalformedDocument) as caught:
        store.head("v1")
    assert str(store.path / "index.json") in " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_an_index_that_is_no_file_is_not_waited_for(store):
    store.put_manifest(note("a"), "v1")
    (store.path / "index.json").unlink()
    os.mkfifo(store.path / "index.json")

    with pytest.raises(MalformedDocument, match="not a file"):
        store.head("v1")


def test_a_file_in_the_way_is_an_error_of_this_machine(store):
    store.path.mkdir()
    (store.path / "blobs").write_text("")

    with pytest.raises(LocalIOError):
        store.put_blob(BLOB, BytesSource(DATA))


@pytest.mark.slow
def test_many_writers_lose_no_tag(store):
    meeting = threading.Barrier(8)

    def write(number):
        meeting.wait(20)
        for part in range(5):
            LayoutStore(store.path, create=True).put_manifest(note(f"{number}"), f"t{number}-{part}")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert sorted(f"t{number}-{part}" for number in range(8) for part in range(5)) == sorted(store.tags())


def test_deleting_a_tag_leaves_the_manifest_and_deleting_that_all_its_tags(store):
    store.put_manifest(note("a"), "v1", "v2", "v3")
    store.delete("v1")
    assert ["v2", "v3"] == list(store.tags())
    assert note("a") == store.get_manifest(str(note("a").digest))

    store.delete(str(note("a").digest))

    assert [] == list(store.tags())
    assert store.head(str(note("a").digest)) is None
    for name in ("v1", str(note("a").digest)):
        with pytest.raises(NotFound):
            store.delete(name)


@pytest.mark.parametrize(("size", "most"), [(1 << 20, 2), (1 << 10, 6)])
def test_few_large_blobs_are_asked_for_at_once_where_processors_are_what_limits(tmp_path, monkeypatch, size, most):
    """A blob that waits for its turn is not asked for yet: no server holds an answer that nobody reads."""
    open_now, seen, full = [], [], threading.Event()

    class Slow(BytesSource):
        def open(self, offset=0):
            open_now.append(1)
            seen.append(len(open_now))
            if len(open_now) >= most:
                full.set()
            full.wait(0.3)
            open_now.pop()
            return super().open(offset)

    store = LayoutStore(tmp_path / "layout", create=True)
    monkeypatch.setattr(store, "_turns", Turns(2, used=time.monotonic))
    blobs = [bytes([number]) * size for number in range(6)]
    with TaskGroup(Scope(), 6) as group:
        for data in blobs:
            group.spawn(store.put_blob, Descriptor("x/y", Digest.of(data), size), Slow(data))

    assert most == max(seen)
    assert all(store.blob_path(Digest.of(data)).read_bytes() == data for data in blobs)


def test_no_layout_is_made_for_a_blob_that_its_source_does_not_have(tmp_path):
    class Missing(BytesSource):
        def open(self, offset=0):
            raise NotFound("no such blob", name="x", where="there")

    store = LayoutStore(tmp_path / "layout", create=True)

    with pytest.raises(NotFound):
        store.put_blob(BLOB, Missing(DATA))

    assert not (tmp_path / "layout").exists()
