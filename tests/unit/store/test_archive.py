import gzip
import io
import json
import sys
import tarfile

import pytest
import zstandard

from ocitool.codec.tar_reader import TarLimits
from ocitool.errors import DigestMismatch, LocalIOError, MalformedDocument, NotFound, Unsupported, UsageError
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import DOCKER_LAYER, DOCKER_LAYER_GZIP, OCI_INDEX, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, view
from ocitool.store.archive_read import ArchiveReader
from ocitool.store.archive_write import ArchiveWriter
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.copies import copy

LAYER = gzip.compress(b"a tar, more or less" * 1000, mtime=0)


def image(store: MemoryStore, tag: str, architecture: str = "amd64", layer: bytes = LAYER):
    platform = Platform("linux", architecture)
    config = compose.image_config(
        Family.DOCKER, platform, settings={}, diff_ids=[Digest.of(layer)], history=[], created=""
    )
    blob = Descriptor(DOCKER_LAYER_GZIP, Digest.of(layer), len(layer))
    store.put_blob(Descriptor.of(config), BytesSource(config.raw))
    store.put_blob(blob, BytesSource(layer))
    document = compose.manifest(Family.DOCKER, Descriptor.of(config), [blob])
    store.put_manifest(document, tag)
    return document


def index(store: MemoryStore, tag: str):
    children = [image(store, name, name) for name in ("amd64", "arm64")]
    entries = [Descriptor.of(c, Platform("linux", a)) for c, a in zip(children, ("amd64", "arm64"), strict=True)]
    document = compose.index(Family.DOCKER, entries)
    store.put_manifest(document, tag)
    return document


def save(store: MemoryStore, name: str, path, *tags: str, docker: bool = False) -> None:
    with ArchiveWriter(str(path), docker=docker) as archive:
        copy(store, name, archive, *tags, scope=Scope())


def test_an_index_goes_into_an_archive_and_comes_out_with_its_digest(tmp_path):
    """K029"""
    source, target = MemoryStore(), MemoryStore()
    document = index(source, "v1")

    save(source, "v1", tmp_path / "a.tar", "v1")
    with ArchiveReader(str(tmp_path / "a.tar"), docker=False) as archive:
        assert ["v1"] == list(archive.tags())
        copy(archive, "", target, "v1", scope=Scope())

    assert document.raw == target.get_manifest("v1").raw


def test_the_same_content_gives_the_same_archive(tmp_path):
    source = MemoryStore()
    image(source, "v1")

    for name in ("a.tar", "b.tar"):
        with ArchiveWriter(str(tmp_path / name), docker=False) as archive:
            copy(source, "v1", archive, "v1", scope=Scope(), width=1)

    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_dockers_archive_lists_the_image_as_docker_does(tmp_path):
    source = MemoryStore()
    document = image(source, "v1")

    save(source, "v1", tmp_path / "d.tar", "reg.test/app:1", docker=True)

    with tarfile.open(tmp_path / "d.tar") as tar:
        (listed,) = json.load(tar.extractfile("manifest.json"))
        names = set(tar.getnames())
    assert ["reg.test/app:1"] == listed["RepoTags"]
    assert {listed["Config"], *listed["Layers"]} <= names
    with ArchiveReader(str(tmp_path / "d.tar"), docker=True) as archive:
        assert view(document).layers == view(archive.get_manifest("reg.test/app:1")).layers


def test_dockers_archive_takes_one_platform_and_leaves_nothing_of_an_index(tmp_path):
    source = MemoryStore()
    index(source, "v1")

    with pytest.raises(Unsupported, match="one platform"):
        save(source, "v1", tmp_path / "d.tar", "app:1", docker=True)
    assert [] == list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_archive_alone(tmp_path):
    source = MemoryStore()
    image(source, "v1")
    path = tmp_path / "a.tar"
    path.write_text("the old one")
    wrong = Descriptor(DOCKER_LAYER_GZIP, Digest.of(b"x"), 1)

    def fail_half_way() -> None:
        with ArchiveWriter(str(path), docker=False) as archive:
            copy(source, "v1", archive, "v1", scope=Scope())
            archive.put_blob(wrong, BytesSource(b"y"))

    with pytest.raises(DigestMismatch):
        fail_half_way()
    assert ["a.tar"] == [p.name for p in tmp_path.iterdir()]
    assert "the old one" == path.read_text()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    source = MemoryStore()
    image(source, "v1")

    with pytest.raises(LocalIOError, match="nowhere"):
        save(source, "v1", tmp_path / "nowhere" / "a.tar", "v1")


def classic(**extra: object) -> bytes:
    """What docker save wrote before version 25: layers uncompressed, one behind a link."""
    out = io.BytesIO()
    config = json.dumps(
        {"os": "linux", "architecture": "arm64", "rootfs": {"type": "layers", "diff_ids": []}}
    ).encode()
    files = {"c.json": config, "l1/layer.tar": b"tar one", "real.tar": b"tar two"}
    listed = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l1/layer.tar", "l2/layer.tar"], **extra}
    files["manifest.json"] = json.dumps([listed]).encode()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("l2/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../real.tar"
        tar.addfile(link)
    return out.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_archive_of_an_old_docker_is_read(tmp_path, pack):
    (tmp_path / "old.tar").write_bytes(pack(classic()))

    with ArchiveReader(str(tmp_path / "old.tar"), docker=True) as archive:
        manifest = view(archive.get_manifest("app:1"))
        assert [DOCKER_LAYER, DOCKER_LAYER] == [layer.media_type for layer in manifest.layers]
        with archive.open_blob(manifest.layers[1]) as pieces:
            assert b"tar two" == b"".join(pieces)


def test_an_archive_is_read_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(classic())))

    with ArchiveReader("-", docker=True) as archive:
        assert ["app:1"] == list(archive.tags())


@pytest.mark.parametrize(
    "extra",
    [{"Layers": ["../../etc/passwd"]}, {"Layers": ["nothing"]}, {"Config": None}, {"Layers": "x"}, {"Layers": [1]}],
)
def test_a_list_that_does_not_hold_together_is_refused(tmp_path, extra):
    (tmp_path / "bad.tar").write_bytes(classic(**extra))

    with pytest.raises(MalformedDocument):
        ArchiveReader(str(tmp_path / "bad.tar"), docker=True)


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, gzip.compress(b"no tar either" * 100, mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path, data):
    (tmp_path / "bad.tar").write_bytes(data)

    with pytest.raises(MalformedDocument):
        ArchiveReader(str(tmp_path / "bad.tar"), docker=False)


def test_names_that_are_not_there_are_told_apart(tmp_path):
    source = MemoryStore()
    index(source, "v1")
    save(source, "v1", tmp_path / "a.tar", "v1")

    with pytest.raises(NotFound):
        ArchiveReader(str(tmp_path / "missing.tar"), docker=False)
    with ArchiveReader(str(tmp_path / "a.tar"), docker=False) as archive:
        assert archive.head("v2") is None
        with pytest.raises(NotFound, match="v2"):
            archive.get_manifest("v2")
        with pytest.raises(Unsupported):
            archive.delete("v1")


def test_an_archive_of_several_images_asks_which(tmp_path):
    source = MemoryStore()
    first, second = image(source, "a"), image(source, "b", "arm64")
    with ArchiveWriter(str(tmp_path / "a.tar"), docker=False) as archive:
        copy(source, "a", archive, "a", scope=Scope())
        copy(source, "b", archive, "b", scope=Scope())

    with ArchiveReader(str(tmp_path / "a.tar"), docker=False) as archive:
        assert [first.digest, second.digest] == [archive.head(name).digest for name in "ab"]
        with pytest.raises(UsageError, match="2 images"):
            archive.head("")


def test_contents_are_found_by_digest_and_read_from_anywhere(tmp_path):
    source = MemoryStore()
    document = index(source, "v1")
    child = view(document).entries[0]
    save(source, "v1", tmp_path / "a.tar", "v1")

    with ArchiveReader(str(tmp_path / "a.tar"), docker=False) as archive:
        (layer,) = view(archive.get_manifest(str(child.digest))).layers
        missing = Descriptor(DOCKER_LAYER, Digest.of(b"none"), 4)
        with archive.open_blob(layer, 5) as pieces:
            rest = b"".join(pieces)
        found = archive.head(str(child.digest)), archive.head(str(missing.digest))
        with pytest.raises(NotFound, match=f"no blob {missing.digest} in oci-archive:"):
            archive.open_blob(missing)

    assert (LAYER[5:], child.digest, None) == (rest, found[0].digest, found[1])


def test_an_archive_that_was_cut_while_it_was_open_is_told(tmp_path):
    source, path = MemoryStore(), tmp_path / "a.tar"
    document = image(source, "v1")
    save(source, "v1", path, "v1")

    with ArchiveReader(str(path), docker=False) as archive:
        (layer,) = view(document).layers
        path.write_bytes(b"")
        with (
            pytest.raises(MalformedDocument, match="ends in the middle of a file"),
            archive.open_blob(layer) as data,
        ):
            b"".join(data)


def listed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_a_layout_that_lists_what_it_does_not_hold(tmp_path):
    lost = Descriptor(OCI_INDEX, Digest.of(b"none"), 4).to_tree()
    tree = {"schemaVersion": 2, "manifests": [lost | {"annotations": {"org.opencontainers.image.ref.name": "v1"}}]}
    (tmp_path / "a.tar").write_bytes(listed(**{"index.json": json.dumps(tree).encode()}))

    with (
        ArchiveReader(str(tmp_path / "a.tar"), docker=False) as archive,
        pytest.raises(NotFound, match="no sha256:"),
    ):
        archive.get_manifest("v1")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"schemaVersion": 1}', "is no index"),
        (b" " * (5 << 20), "has 5242880 bytes, more than 4194304"),
    ],
)
def test_an_index_that_is_none(tmp_path, data, said):
    (tmp_path / "a.tar").write_bytes(listed(**{"index.json": data}))

    with pytest.raises(MalformedDocument, match=f"index.json of oci-archive:.* {said}"):
        ArchiveReader(str(tmp_path / "a.tar"), docker=False)


def test_a_small_archive_that_unpacks_to_very_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ocitool.store.archive_read.USUAL", TarLimits(10, size=1 << 20))
    (tmp_path / "a.tar").write_bytes(zstandard.compress(bytes(3 << 20)))

    with pytest.raises(MalformedDocument, match=r"an archive of .* bytes unpacks to more than"):
        ArchiveReader(str(tmp_path / "a.tar"), docker=False)


def test_a_manifest_that_is_written_may_be_read_and_named_again(tmp_path):
    source, path = MemoryStore(), tmp_path / "a.tar"
    document = image(source, "v1")
    with ArchiveWriter(str(path), docker=False) as archive:
        archive.put_blob(Descriptor.of(document), BytesSource(document.raw))
        copy(source, "v1", archive, "v1", scope=Scope())
        archive.put_manifest(document, "v2")
        again = archive.get_manifest(str(document.digest))
        with pytest.raises(NotFound, match="no manifest v1"):
            archive.get_manifest("v1")

    with tarfile.open(path) as tar:
        names = tar.getnames()
    with ArchiveReader(str(path), docker=False) as archive:
        tags = list(archive.tags())
    assert (document.raw, ["v1", "v2"], len(set(names))) == (again.raw, tags, len(names))


def test_dockers_list_has_images_alone(tmp_path):
    with ArchiveWriter(str(tmp_path / "d.tar"), docker=True) as archive:
        archive.put_manifest(Document(b'{"a": 1}', "application/vnd.test+json"), "app:1")

    with tarfile.open(tmp_path / "d.tar") as tar:
        assert [] == json.load(tar.extractfile("manifest.json"))
