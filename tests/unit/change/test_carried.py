"""Whether another writer's index holds what we wrote, and whether our changes touch each other's platforms (K267)."""

import pytest

from ocitool.change.difference import is_apart, is_carried
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_MANIFEST, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor


def entry(platform, text=""):
    os, arch = platform.split("/")
    return Descriptor(OCI_MANIFEST, Digest.of(f"{platform} {text}".encode()), 9, platform=Platform(os, arch))


def index(*entries, **annotations):
    return compose.index(Family.OCI, entries, annotations or None)


AMD, ARM, RISCV = entry("linux/amd64"), entry("linux/arm64"), entry("linux/riscv64")
NEWER = entry("linux/arm64", "newer")
IMAGE = Document(b'{"schemaVersion": 2}', OCI_MANIFEST)


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "expected"),
    [
        (index(AMD), index(AMD, ARM), index(AMD, ARM, RISCV), True),
        (index(AMD), index(AMD, ARM), index(AMD, RISCV), False),
        (index(AMD), index(AMD, ARM), index(ARM), True),
        (index(AMD, ARM), index(AMD), index(AMD, RISCV), True),
        (index(AMD, ARM), index(AMD), index(AMD, ARM, RISCV), False),
        (index(AMD, ARM), index(AMD, NEWER), index(AMD, NEWER, RISCV), True),
        (index(AMD, ARM), index(AMD, NEWER), index(AMD, ARM, NEWER), False),
        (index(AMD, ARM), index(ARM, AMD), index(ARM, AMD, RISCV), False),
        (index(AMD), index(AMD, a="1"), index(AMD, RISCV, a="1"), True),
        (index(AMD), index(AMD, a="1"), index(AMD, a="1", b="2"), True),
        (index(AMD), index(AMD, a="1"), index(AMD, a="2"), False),
        (index(AMD), index(AMD, a="1"), index(AMD, RISCV), False),
        (index(AMD, a="1"), index(AMD), index(AMD, RISCV), True),
        (None, index(AMD), index(AMD, ARM), True),
        (None, index(AMD), index(ARM), False),
        (IMAGE, index(AMD), index(AMD, ARM), False),
        (index(AMD), IMAGE, index(AMD), False),
        (index(AMD), index(AMD, ARM), IMAGE, False),
    ],
)
def test_carried(before, ours, theirs, expected):
    assert expected is is_carried(before, ours, theirs)


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "expected"),
    [
        (index(AMD), index(AMD, ARM), index(AMD, RISCV), True),
        (index(AMD), index(AMD, ARM), index(RISCV), True),
        (index(AMD), index(AMD, ARM), index(AMD, NEWER), False),
        (index(AMD, ARM), index(AMD, NEWER), index(AMD), False),
        (index(AMD, ARM), index(AMD, NEWER), index(AMD, ARM, RISCV), True),
        (index(AMD), index(AMD, ARM), IMAGE, False),
        (None, index(AMD), index(ARM), True),
        (None, index(AMD), index(AMD, ARM), False),
        (None, index(AMD), IMAGE, False),
    ],
)
def test_apart(before, ours, theirs, expected):
    assert expected is is_apart(before, ours, theirs)
