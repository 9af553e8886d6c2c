"""K046: an index that names a child by its sha512: found, copied, mended and looked at under that name."""

import pytest

from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor, view
from ocitool.store.base import BytesSource
from ocitool.store.layout import LayoutStore
from tests.fakes.sick import Ward


@pytest.fixture
def ward(tmp_path):
    return Ward(LayoutStore(tmp_path / "layout", create=True))


@pytest.fixture
def place(ward):
    return f"{ward.store.label}:1"


def by_sha512(ward, entry):
    """The entry, and its manifest in the layout, under the other digest only."""
    raw = ward.store.get_manifest(entry["digest"]).raw
    digest = Digest.of(raw, "sha512")
    ward.store.put_blob(Descriptor("application/octet-stream", digest, len(raw)), BytesSource(raw))
    ward.store.delete(entry["digest"])
    return entry | {"digest": str(digest)}


@pytest.fixture
def child(ward):
    """The digest by which an index names its arm64 image."""
    arm64 = by_sha512(ward, ward.image("linux/arm64"))
    ward.index(ward.image(), arm64)
    return Digest(arm64["digest"])


def test_copied_under_its_name(tmp_path, run, place, child):
    """From a layout through an archive into a layout: the index finds its child there."""
    first = run("copy", place, f"oci-archive:{tmp_path}/image.tar:1")
    second = run("copy", f"oci-archive:{tmp_path}/image.tar:1", f"oci:{tmp_path}/other:1")

    assert [0, 0] == [first.exit_code, second.exit_code]
    assert child.matches(LayoutStore(tmp_path / "other").blob_path(child).read_bytes())
    assert (0, "nothing wrong\n") == (run("check", f"oci:{tmp_path}/other:1").exit_code, run("check", place).stdout)


def test_looked_at(run, place, child):
    shown = run("inspect", place).stdout

    [line] = [line for line in shown.splitlines() if line.startswith("linux/arm64")]
    assert [child.short, "2.1", "kB"] == line.split()[1:4]


def test_what_is_wrong_below_it_is_found(ward, run, place):
    ward.index(by_sha512(ward, ward.image("linux/arm64", config=lambda tree: tree.update(architecture=""))))

    done = run("check", place)

    assert (1, True) == (done.exit_code, "[config/no-platform]" in done.stdout)


def test_what_the_index_says_of_it_is_mended(ward, run, place):
    arm64 = by_sha512(ward, ward.image("linux/arm64"))
    before = ward.index(ward.image(), arm64 | {"size": 3})["digest"]

    done = run("repair", place, "--apply")
    held = view(ward.store.get_manifest("1")).entries[1]
    undone = run("undo", place)

    assert (0, arm64["digest"], arm64["size"]) == (done.exit_code, str(held.digest), held.size), done.stderr
    assert (0, before) == (undone.exit_code, str(ward.store.head("1").digest))


def test_lost_and_brought_back(tmp_path, ward, run, place, child):
    run("copy", place, f"oci:{tmp_path}/kept:1")
    held = ward.store.head("1").digest
    ward.store.delete(str(child))

    done = run("repair", place, "--apply", "--source", f"oci:{tmp_path}/kept")

    assert (0, held) == (done.exit_code, ward.store.head("1").digest), done.stderr
    assert child.matches(ward.store.blob_path(child).read_bytes())
