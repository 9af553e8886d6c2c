"""Merged file systems compared: what counts as a change, and what is read for it."""

import io
import tarfile

import pytest

from ocitool.errors import MalformedDocument
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor, view
from ocitool.report.compare import ComparedFiles, FileChange
from ocitool.report.filediff import ImageFiles, compare_files
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.unit.dockerfile.test_spool import sparse


class Layers(MemoryStore):
    """A store that counts how often a layer is opened, and makes images of plain tars."""

    def __init__(self):
        super().__init__()
        self.opened: list[Digest] = []

    def open_blob(self, descriptor, offset=0):
        self.opened.append(descriptor.digest)
        return super().open_blob(descriptor, offset)

    def image(self, *layers):
        stack = []
        for layer in layers:
            raw = tar(layer)
            blob = Descriptor(mediatype.OCI_LAYER, Digest.of(raw), len(raw))
            self.put_blob(blob, BytesSource(raw))
            stack.append(blob)
        config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"none"), 4)
        return ImageFiles(self, view(compose.manifest(Family.OCI, config, stack)))


def tar(members):
    """A tar of {path: bytes, or a TarInfo change}; a str is a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, member in members.items():
            content, fields = member if isinstance(member, tuple) else (member, {})
            info = tarfile.TarInfo(path)
            for name, value in fields.items():
                setattr(info, name, value)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def store():
    return Layers()


def compared(before, after):
    return compare_files(before, after, None, scope=Scope()).changes


def test_added_removed_and_changed_by_path(store):
    before = store.image({"bin/old": b"1", "etc/a": b"12"})
    after = store.image({"bin/new": b"1", "etc/a": b"123"})

    assert (
        FileChange("added", "bin/new"),
        FileChange("removed", "bin/old"),
        FileChange("changed", "etc/a", ("size 2 → 3",)),
    ) == compared(before, after)


def test_same_size_is_compared_by_content(store):
    before = store.image({"a": b"xx", "b": b"yy"})
    after = store.image({"a": b"xx", "b": b"zz"})

    assert (FileChange("changed", "b", ("content",)),) == compared(before, after)


def test_attributes(store):
    before = store.image({"a": (b"", {"mode": 0o644}), "l": "one", "o": (b"", {"uid": 0})})
    after = store.image({"a": (b"", {"mode": 0o4755}), "l": "two", "o": (b"", {"uid": 1000, "gid": 5})})

    assert ["mode 0644 → 4755", "link one → two", "owner 0:0 → 1000:5"] == [
        change.what[0] for change in compared(before, after)
    ]


def test_times_alone_are_counted_and_not_listed(store):
    """What differs in more than its time is listed and not counted, and what only one side has is neither."""
    before = store.image(
        {"a": (b"1", {"mtime": 1}), "b": (b"1", {"mtime": 1}), "c": b"1", "old": (b"", {"mtime": 7})}
    )
    after = store.image({"a": (b"1", {"mtime": 2}), "b": (b"2", {"mtime": 2}), "c": b"1"})

    found = compare_files(before, after, None, scope=Scope())

    assert (1, ["b", "old"]) == (found.times, [change.path for change in found.changes])
    assert ComparedFiles() == compare_files(
        store.image({"x": b""}, {}), store.image({"x": b""}), None, scope=Scope()
    )


def test_whiteouts_are_applied_first(store):
    """K148, K149: what is compared is the merged tree."""
    before = store.image({"d/old": b"1"})
    after = store.image({"d/old": b"1"}, {"d/.wh.old": b"", "d/new": b"2"})

    assert (FileChange("added", "d/new"), FileChange("removed", "d/old")) == compared(before, after)


def test_same_layers_are_not_read(store):
    image = store.image({"a": b"1"})

    assert () == compared(image, image)
    assert [] == store.opened


def test_files_of_a_shared_layer_are_not_read_for_content(store):
    base, top = {"big": b"x" * 1000}, {"app": b"1"}
    before, after = store.image(base), store.image(base, top)

    compared(before, after)

    assert 3 == len(store.opened)  # the listings of the two images, one layer and two


def test_name_that_is_not_utf8_is_shown(store):
    path = b"a\xff".decode("utf-8", "surrogateescape")

    [change] = compared(store.image({}), store.image({path: b""}))

    assert "a\\xff" == change.path


def test_k258_holes_without_end_are_not_compared(store):
    sides = []
    for end in (b"", bytes(512)):
        raw = sparse(1 << 40) + end
        blob = Descriptor(mediatype.OCI_LAYER, Digest.of(raw), len(raw))
        store.put_blob(blob, BytesSource(raw))
        config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"none"), 4)
        sides.append(ImageFiles(store, view(compose.manifest(Family.OCI, config, [blob]))))

    with pytest.raises(MalformedDocument, match="has files of more than"):
        compare_files(*sides, None, scope=Scope())


def test_a_file_that_becomes_something_else_and_a_device_of_another_number(store):
    before = store.image({"a": b"", "d": (b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})})
    after = store.image({"a": "to", "d": (b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5})})

    assert [("file → symlink", "link  → to"), ("device (1, 3) → (1, 5)",)] == [
        change.what for change in compared(before, after)
    ]


def test_extended_attributes_count_in_whatever_order(store):
    def image(*pairs):
        return store.image(
            {"a": (b"", {"pax_headers": {f"SCHILY.xattr.user.{key}": value for key, value in pairs}})}
        )

    one, turned, other = image(("x", "1"), ("y", "2")), image(("y", "2"), ("x", "1")), image(("x", "1"), ("y", "3"))

    assert () == compared(one, turned)
    assert (FileChange("changed", "a", ("extended attributes",)),) == compared(one, other)
