"""Archives and layers that are unpacked to be packed again: bounded, and nothing is left behind (K258, K259)."""

import bz2
import gzip
import io
import lzma
import os
import random
import resource
import tarfile
import tracemalloc

import pytest

from ocitool.codec.tar_reader import USUAL, TarLimits
from ocitool.dockerfile.copy import LayerBuilder, Order, copy
from ocitool.dockerfile.remote_context import receive
from ocitool.dockerfile.spool import LayerContent, Spool
from ocitool.errors import LocalIOError, MalformedDocument, UsageError
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry
from ocitool.rootfs.files import Imaged, Layered
from ocitool.rootfs.tree import read_tree
from ocitool.tasks import Scope
from tests.fakes.layers import stored, tar

GIB = 1024**3


def sparse(*sizes: int) -> bytes:
    """Files of GNU's sparse format 1.0 that are one hole and a letter."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number, size in enumerate(sizes):
            info = tarfile.TarInfo(f"GNUSparseFile.0/f{number}")
            data = f"1\n{size - 1}\n1\n".encode().ljust(512, b"\0") + b"x"
            info.size = len(data)
            info.pax_headers = {
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.name": f"f{number}",
                "GNU.sparse.realsize": str(size),
            }
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def left(folder) -> list[str]:
    return sorted(os.path.join(here, name) for here, _, names in os.walk(folder) for name in names)


def image_files(spool, *layers):
    store, manifest = stored(*layers)
    tree = read_tree(store, manifest, None, scope=Scope())
    return Imaged(
        tree, lambda _, node: LayerContent(spool, store, manifest.layers[node.layer], node.offset, node.size)
    )


def add(spool, data: bytes):
    layer = LayerBuilder(None)
    source = Layered([Entry("a.tar", FileKind.FILE, content=BytesContent(data))])
    copy(Order(("a.tar",), "/"), source, layer, NotImplementedError, spool.unpack)
    return layer.sorted()


@pytest.mark.parametrize("sizes", [(1024 * GIB,), (GIB,) * 40], ids=["one", "many small ones"])
@pytest.mark.parametrize("way", ["add", "context", "copy"])
def test_k258_holes_are_refused_on_every_way_in(tmp_path, sizes, way):
    archive = sparse(*sizes)
    spool = Spool(tmp_path, Scope())

    with pytest.raises(UsageError, match="mostly holes") as caught:
        if way == "add":
            add(spool, archive)
        elif way == "context":
            receive([archive], "standard input", tmp_path, Scope())
        else:
            files = image_files(spool, archive)
            spool.fill([files.get(name).content for name in files.names("")])

    assert "--allow-sparse" in caught.value.hint
    assert all(os.lstat(path).st_blocks * 512 < 1024 * 1024 for path in left(tmp_path))


@pytest.mark.parametrize("size", [GIB, GIB + 1])
def test_k258_holes_from_both_sides(tmp_path, size):
    assert ["f0"] == [one.path for one in add(Spool(tmp_path, Scope()), sparse(size))]


def test_k258_holes_that_are_meant_stay_holes(tmp_path):
    (entry,) = add(Spool(tmp_path, Scope(), allow_sparse=True), sparse(3 * GIB))
    (path,) = left(tmp_path)

    assert (3 * GIB, 3 * GIB) == (entry.content.size, os.lstat(path).st_size)
    assert os.lstat(path).st_blocks * 512 < 1024 * 1024


def test_k258_what_a_killed_build_left_is_removed(tmp_path):
    files = image_files(Spool(tmp_path, Scope()), tar(("a", "one"), ("b", "two")))
    folder = files.get("a").content.path.parent
    folder.mkdir()
    (folder / ".5").write_text("half")
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "7").write_text("of an earlier build")

    assert b"one" == b"".join(files.get("a").content.pieces())
    assert [str(files.get("a").content.path)] == left(tmp_path)


def test_k258_a_disk_that_is_full_leaves_nothing(tmp_path):
    spool = Spool(tmp_path, Scope())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(LocalIOError):
            add(spool, tar(("f", "x" * 200_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [] == left(tmp_path)


def deep(count: int) -> bytes:
    """Members of which each stands in two thousand directories that are nowhere named."""
    return tar(*((f"{number}{'/d' * 2000}/f", "") for number in range(count)))


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("way", ["add", "context"])
def test_k259_deep_paths_are_refused_before_they_fill_memory(tmp_path, way):
    archive = gzip.compress(deep(400))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedDocument, match="longer, all in all"):
            add(Spool(tmp_path, Scope()), archive) if way == "add" else receive([archive], "-", tmp_path, Scope())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 64 * 1024 * 1024


def test_k259_one_deep_path_is_none_of_that(tmp_path):
    assert 2 + 2000 == len(add(Spool(tmp_path, Scope()), deep(1)))


@pytest.mark.parametrize("limits", [TarLimits(members=1), TarLimits(names=600), TarLimits(size=2000)])
def test_an_archive_has_the_limits_of_every_tar(tmp_path, limits):
    with pytest.raises(MalformedDocument, match="more than"):
        Spool(tmp_path, Scope()).unpacked(iter([tar(("x" * 90, "a"), ("y" * 600, "b"))]), limits)
    assert 2 == len(Spool(tmp_path, Scope()).unpacked(iter([tar(("x" * 90, "a"), ("y" * 600, "b"))]), USUAL))


def test_k208_a_hard_link_to_nothing_is_not_copied(tmp_path):
    files = image_files(Spool(tmp_path, Scope()), tar(("r/a", "= r/z"), ("r/z", "x"), ("ok", "y")))
    layer = LayerBuilder(None)

    copy(Order(("ok",), "/"), files, layer, NotImplementedError)
    with pytest.raises(MalformedDocument, match="/r/a is a hard link to /r/z") as caught:
        copy(Order(("/",), "/"), files, layer, NotImplementedError)

    assert "check --deep" in caught.value.hint


def test_k208_a_hard_link_in_an_archive_to_what_follows_is_refused(tmp_path):
    with pytest.raises(UsageError, match="which is not before it"):
        add(Spool(tmp_path, Scope()), tar(("a", "= z"), ("z", "x")))


class Small(BytesContent):
    """Content that comes in small pieces."""

    def pieces(self):
        return (self.data[at : at + 7] for at in range(0, len(self.data), 7))


def unpacked(folder, data):
    """Path to content of what an archive holds."""
    layer = LayerBuilder(None)
    source = Layered([Entry("a.tar", FileKind.FILE, content=Small(data))])
    copy(Order(("a.tar",), "/"), source, layer, NotImplementedError, Spool(folder, Scope()).unpack)
    return {one.path: b"".join(one.content.pieces()) for one in layer.sorted() if one.content is not None}


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_an_archive_may_be_of_several_parts_and_come_in_any_pieces(tmp_path, pack):
    data = tar(("./", ""), ("a", "x" * 5000), ("b", "y"))

    assert {"a": b"x" * 5000, "b": b"y"} == unpacked(tmp_path, pack(data[:2000]) + pack(data[2000:]))


@pytest.mark.parametrize("pack", [lambda data: bz2.compress(data, 1), lambda data: lzma.compress(data, preset=0)])
@pytest.mark.parametrize(
    ("middle", "said"), [(b"", "the archive ends in the middle of its data"), (bytes(200), "damaged archive")]
)
def test_an_archive_that_is_cut_or_damaged_is_refused(tmp_path, pack, middle, said):
    data = pack(tar(("a", random.Random(1).randbytes(120_000).hex())))
    half = len(data) // 2

    with pytest.raises(MalformedDocument, match=said):
        unpacked(tmp_path, data[:half] + middle + (data[half + 200 :] if middle else b""))


def test_a_hard_link_to_a_link_is_one(tmp_path):
    found = {one.path: one for one in add(Spool(tmp_path, Scope()), tar(("l", "-> x"), ("h", "= l", {"uid": 5})))}

    assert [(FileKind.SYMLINK, "x", 5)] * 2 == [(one.kind, one.link, one.uid) for _, one in sorted(found.items())]


def test_a_layer_that_does_not_hold_what_was_listed_of_it_is_refused(tmp_path):
    store, manifest = stored(tar(("a", "x")))
    content = LayerContent(Spool(tmp_path, Scope()), store, manifest.layers[0], 5 * 512, 1)

    with pytest.raises(MalformedDocument, match="does not hold what was listed of it"):
        b"".join(content.pieces())


def test_an_archive_needs_no_end_of_its_own(tmp_path):
    assert {"a": b"x"} == unpacked(tmp_path, bz2.compress(tar(("a", "x"))[:1024]))
