"""Layers that mean harm, by the thousand (`make long`: twenty times as many): exported, they stay inside, end in errors of ours, and do not take long.

Two kinds: names, links, whiteouts and kinds put together at random in any order and layer, and tars that are
valid but for a few bytes. The seed is fixed, so that a failure comes again.
"""

import gzip
import os
import random
import shutil
from pathlib import Path

import pytest

from ocitool.codec.codecs import decompress
from ocitool.codec.tar_reader import read_members
from ocitool.errors import LocalIOError, MalformedDocument, UsageError
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.files import FileKind
from ocitool.model.mediatype import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from ocitool.model.views import Descriptor, Manifest
from ocitool.rootfs.extract import contents, export_tar, layer_contents
from ocitool.rootfs.folder import export_folder
from ocitool.rootfs.strip import spliced, strip_layers
from ocitool.rootfs.tree import Tree, list_layer, read_file
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.fakes.layers import stored, tar

pytestmark = [pytest.mark.property, pytest.mark.slow]

NAMES = [
    "a",
    "b",
    "c",
    "d",
    ".",
    "..",
    "",
    ".wh.a",
    ".wh.b",
    ".wh.",
    ".wh..wh..opq",
    ".wh..wh.plnk",
    "é",
    "n" * 101,
]
NO_MANIFEST = Document(b"{}", OCI_MANIFEST)
NO_CONFIG = Descriptor(OCI_CONFIG, Digest.of(b"{}"), 2)
IMAGES = amount(400, 20_000)
TARS = amount(1_000, 50_000)
LAYERS = amount(500, 10_000)


def path(dice: random.Random) -> str:
    return ("/" if dice.random() < 0.1 else "") + "/".join(
        dice.choices(NAMES[:4], k=dice.randint(0, 2)) + dice.choices(NAMES, k=1)
    ) or "a"


def target(dice: random.Random, outside: Path) -> str:
    return dice.choice(
        [
            str(outside),
            f"{outside}/victim",
            "..",
            "../outside",
            "../../../../..",
            "/",
            ".",
            "a",
            "../b",
            "c/d",
            "/a/../../b",
            path(dice) or "x",
        ]
    )


def member(dice: random.Random, outside: Path) -> tuple:
    name = path(dice).rstrip("/") or "a"
    fields = {"mode": dice.choice([0o644, 0o4755, 0o0, 0o7777]), "uid": dice.choice([0, 1, 2**31])}
    kind = dice.randrange(7)
    if kind < 2:
        return name, dice.choice(["", "data", "x" * 3000]), fields
    if kind == 2:
        return f"{name}/", dice.choice(["755", "0", "1777"])
    if kind == 3:
        return name, f"-> {target(dice, outside)}"
    if kind == 4:
        return name, f"= {target(dice, outside)}"
    return name, dice.choice(["c 8 0", "p", "c 0 0"])


@pytest.fixture
def outside(tmp_path):
    """A directory beside the one that is written, with one file."""
    made = tmp_path / "outside"
    made.mkdir()
    (made / "victim").write_text("as it was")
    return made


def merged(store: MemoryStore, manifest: Manifest) -> Tree:
    """What read_tree gives, without its threads: starting them takes longer than the work on layers so small."""
    return Tree(list_layer(store, layer, None, scope=Scope()) for layer in manifest.layers)


def test_random_images_stay_inside(tmp_path, outside):
    """K154"""
    dice = random.Random(154)
    exported = 0
    for number in range(IMAGES):
        layers = [
            tar(*(member(dice, outside) for _ in range(dice.randint(1, 6)))) for _ in range(dice.randint(1, 3))
        ]
        out = tmp_path / "out"
        try:
            store, manifest = stored(*layers)
            tree = merged(store, manifest)
            what = contents(tree)
            flat = b"".join(export_tar(store, manifest, tree, what, scope=Scope()))
            export_folder(store, manifest, tree, what, out, scope=Scope())
        except* (MalformedDocument, LocalIOError):
            assert not out.exists(), number
        if not out.exists():
            continue
        exported += 1
        assert {"out", "outside"} == set(os.listdir(tmp_path)), number
        assert ["victim"] == os.listdir(outside), number
        assert ("as it was", 1) == ((outside / "victim").read_text(), (outside / "victim").stat().st_nlink), number
        made = {str(found.relative_to(out)) for found in out.rglob("*")}
        again = list(read_members([flat]))
        assert made == {one.path for one in again}, number
        assert len(made) == len(again), number
        assert not {FileKind.CHAR, FileKind.BLOCK} & {one.kind for one in again}, number
        assert not any(f"/{name}".count("/.wh.") for name in made), number
        shutil.rmtree(out)
    assert exported > IMAGES // 3


def test_damaged_tars_end_in_errors_of_ours(outside):
    """Every byte of headers, pax records, names and sparse maps may be anything, and an archive may end anywhere."""
    dice = random.Random(6)
    whole = 0
    for number in range(TARS):
        store, manifest = image(damaged(dice, outside))
        try:
            tree = merged(store, manifest)
            what = contents(tree, 10**7)
            flat = b"".join(export_tar(store, manifest, tree, what, scope=Scope()))
        except MalformedDocument:
            continue
        whole += 1
        assert what.count == len(list(read_members([flat]))), number
        for path, node in tree.walk():
            if node.kind is FileKind.FILE and path not in what.left_out:
                content = b"".join(read_file(store, manifest, tree, path, scope=Scope()))
                assert node.size == len(content), (number, path)
    assert whole > TARS // 20


def test_damaged_tars_become_one_layer_and_lose_a_file_or_are_refused(outside):
    dice = random.Random(8)
    whole = lost = 0
    for number in range(TARS // 2):
        data = damaged(dice, outside)
        store, manifest = image(data)
        try:
            listing = list_layer(store, manifest.layers[0], None, scope=Scope())
            tree = Tree([listing])
            what = layer_contents(tree, Tree())
            one = b"".join(export_tar(store, manifest, tree, what, scope=Scope()))
            ((layer,), found) = strip_layers([listing], {"a": "a".__eq__})
        except (MalformedDocument, UsageError):
            continue
        whole += 1
        assert what.count == len(list(read_members([one]))), number
        if any(cut.entry is not None for cut in layer.cuts):
            continue
        left = [one.path for one in read_members([b"".join(spliced([data], layer.cuts))])]
        assert [row.path for row in listing if row.path not in layer.gone] == left, number
        assert bool(found) == bool(layer.gone)
        lost += bool(found)
    assert whole > TARS // 40
    assert lost > TARS // 100


def damaged(dice: random.Random, outside: Path) -> bytes:
    """A tar of a few members, some of whose bytes are others, and which may end anywhere."""
    data = bytearray(tar(*(member(dice, outside) for _ in range(dice.randint(1, 3))))[: 512 * dice.randint(2, 12)])
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        data[at : at + dice.choice([1, 1, 8, 12])] = dice.choice(
            [
                bytes([dice.randrange(256)]),
                b"\xff" * 8,
                b"\x80" + bytes(11),
                b"77777777777\0",
                b"../",
                b"\0",
            ]
        )
    mend(data)
    return bytes(data)


def image(layer: bytes) -> tuple[MemoryStore, Manifest]:
    """An image of one layer, as it is."""
    store = MemoryStore()
    blob = Descriptor(OCI_LAYER, Digest.of(layer), len(layer))
    store.put_blob(blob, BytesSource(layer))
    # Made without its JSON, which nothing here reads and which would take a third of the time.
    return store, Manifest(NO_MANIFEST, NO_CONFIG, (blob,))


def mend(data: bytearray) -> None:
    """Let the checksums of the headers be right, so that the reader looks at what stands in them."""
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])


def test_damaged_layers_end_in_errors_of_ours():
    """What a registry serves need not unpack at all."""
    dice = random.Random(7)
    good = gzip.compress(tar(("a", "x" * 2000), ("d/", ""), ("l", "-> a")), mtime=0)
    for _ in range(LAYERS):
        data = bytearray(good)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        try:
            for one in read_members(decompress([bytes(data)])):
                list(one.pieces())
        except MalformedDocument:
            continue
