"""Tables of contents that lie, by the thousand (`make long`: 50,000): refused by errors of ours, or true to the letter.

A table is changed and sealed again, so that its digest is the one that the manifest vouches for; or bytes of a layer
are changed and its digests are not. Whatever is read of it then, costs no more than it says, and is what its
digests say. The seed is fixed, so that a failure comes again.
"""

import gzip
import json
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
import zstandard

from ocitool.codec.codecs import BLOCK
from ocitool.errors import OcitoolError
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind, clean
from ocitool.model.mediatype import OCI_LAYER_GZIP
from ocitool.model.views import Descriptor
from ocitool.rootfs.tree import read_file, read_tree
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.fakes import tocs
from tests.fakes.layers import stored, tar

pytestmark = [pytest.mark.property, pytest.mark.slow]

TABLES = amount(500, 35_000)
BLOBS = amount(300, 15_000)
NOISE = random.Random(11).randbytes(60_000)
TAR = tar(
    ("a/", "755"),
    ("a/one", "1" * 700),
    ("a/two", "2" * 30),
    ("b", NOISE.hex()),
    ("c", "-> a/one"),
    ("d", "= b"),
    ("e", "c 1 3"),
    ("f", "", {"pax_headers": {"SCHILY.xattr.user.x": "y"}}),
)
_, MANIFEST = stored(TAR)
NUMBERS = (-1, 0, 1, 2, 511, 512, 10**4, 2**31, 2**53, 2**63 - 1, 2**63, 10**40, 0.5, True)
TEXTS = ("", ".", "..", "../x", "/", "a", "a/one", "b", "é", "\0", "\ud800", "\ufffd", "n" * 5000, "a/../../x")
OTHERS = ("null", "[]", "{}", "[1]", '{"a": "b"}', '{"a": 1}')  # as JSON: each is made anew
KINDS = ("dir", "reg", "symlink", "hardlink", "char", "block", "fifo", "chunk", "socket")
FIELDS = (
    "name type size mode uid gid modtime linkName offset innerOffset endOffset chunkOffset chunkSize chunkDigest "
    "digest devMajor devMinor xattrs chunkType"
).split()


class Counted(MemoryStore):
    """A store that counts what is asked of it."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def open_range(self, descriptor, offset, size):
        data = self._blobs[descriptor.digest][offset : offset + size]
        self.asked += len(data)
        return BytesSource(data).open()


def sealed(form: str, change) -> tuple[bytes, dict[str, str]]:
    """A layer of a form whose table was changed before it was sealed."""
    if form == "gzip,toc":
        return tocs.seal_listed(MEMBERS, *change(json.loads(LISTED)["entries"]))
    entries, parts = tocs.pieces_of(TAR, 20_000)
    if form == "estargz":
        blob = tocs._blob(parts, lambda part: gzip.compress(part, 0, mtime=0))
        return tocs.seal_estargz(blob, *change(entries))
    return tocs.seal_chunked(tocs._blob(parts, zstandard.compress), *change(entries))


def listed_entries() -> bytes:
    from ocitool.codec.listed import ANNOTATION, find_toc

    blob, annotations = tocs.listed(TAR)
    return find_toc(Digest(annotations[ANNOTATION]), len(blob), lambda at, size: blob[at : at + size]).raw


LISTED = listed_entries()
MEMBERS = [gzip.compress(TAR[at : at + BLOCK], 1, mtime=0) for at in range(0, len(TAR), BLOCK)]
MAKERS = {"estargz": tocs.estargz, "zstd:chunked": tocs.zstd_chunked, "gzip,toc": tocs.listed}


def code_of(does: Callable[[], object]) -> int:
    """0, or the exit code of the error of ours that it ends in; other errors fail the test."""
    try:
        does()
    except OcitoolError as error:
        return error.exit_code
    return 0


def look(blob: bytes, annotations: dict[str, str]) -> int:
    """List a layer and read its files; returns how many were read, and fails for what must not be."""
    store = Counted()
    layer = Descriptor(OCI_LAYER_GZIP, Digest.of(blob), len(blob), annotations=annotations)
    store.put_blob(layer, BytesSource(blob))
    manifest = replace(MANIFEST, layers=(layer,))
    trees = []
    code = code_of(lambda: trees.append(read_tree(store, manifest, None, scope=Scope(), in_parts=True)))
    assert store.asked <= 2 * len(blob)
    if not trees:
        assert code in {6, 9}
        return 0
    (tree,), read = trees, 0
    for path, node in tree.walk():
        assert clean(path) == path
        if node.kind is not FileKind.FILE or node.offset >= 0:
            continue
        before, sizes = store.asked, []
        code = code_of(
            lambda path=path, sizes=sizes: sizes.extend(
                map(len, read_file(store, manifest, tree, path, scope=Scope()))
            )
        )
        assert max(sizes, default=0) <= 256 * 1024
        assert (code, sum(sizes)) == (0, node.size) or code == 6
        read += not code
        assert store.asked - before <= max(1, len(tree.parts[0].entry(node.offset).chunks)) * len(blob)
    return read


def twisted(dice: random.Random, entries: list[dict]) -> list:
    """Entries with a few of them changed, taken away, doubled or in another order."""
    found: list = [dict(entry) for entry in entries]
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        at = dice.randrange(len(found)) if found else 0
        match dice.randrange(8):
            case 0 if found:
                del found[at]
            case 1 if found:
                found.insert(dice.randrange(len(found) + 1), deepcopy(found[at]))
            case 2:
                dice.shuffle(found)
            case 3:
                found.insert(at, json.loads(dice.choice(OTHERS)))
            case 4 if found and isinstance(found[at], dict):
                other = dice.choice(found)
                if isinstance(other, dict):
                    field = dice.choice(FIELDS)
                    found[at][field] = deepcopy(other.get(field))
            case _ if found and isinstance(found[at], dict):
                field = dice.choice(FIELDS)
                found[at][field] = dice.choice(
                    (dice.choice(NUMBERS), dice.choice(TEXTS), json.loads(dice.choice(OTHERS)), dice.choice(KINDS))
                )
                if isinstance(found[at].get("offset"), int) and dice.random() < 0.3:
                    found[at]["offset"] += dice.randint(-40, 40)
    return found


@pytest.mark.parametrize("form", MAKERS)
def test_a_table_that_was_changed_is_refused_or_true(form):
    dice = random.Random(form)
    read = refused = 0
    for _ in range(TABLES // len(MAKERS)):

        def change(entries):
            return (twisted(dice, entries),)

        found = look(*sealed(form, change))
        read, refused = read + found, refused + (not found)

    assert read > TABLES // 20, "the changes leave something that can be read"
    assert refused > TABLES // 20, "and something that cannot"


@pytest.mark.parametrize("form", MAKERS)
def test_a_layer_with_other_bytes_is_refused_or_true(form):
    dice = random.Random(form)
    whole, annotations = MAKERS[form](TAR)
    for _ in range(BLOBS // len(MAKERS)):
        blob, said = bytearray(whole), dict(annotations)
        for _ in range(dice.choice((1, 1, 2, 5))):
            at = -dice.randint(1, 200) if dice.random() < 0.4 else dice.randrange(len(blob))
            blob[at] = dice.randrange(256)
        if dice.random() < 0.2:
            del blob[dice.randrange(len(blob)) :]
        if dice.random() < 0.2:
            key = dice.choice(list(said))
            said[key] = dice.choice(
                ("", "sha256:", "1:2:3:1", f"{2**70}:1:1:1", "8:9:9:1", f"sha512:{'0' * 128}", "x")
            )
        look(bytes(blob), said)


def test_layers_that_were_not_changed_read_whole():
    assert dict.fromkeys(MAKERS, 5) == {form: look(*make(TAR)) for form, make in MAKERS.items()}
