"""What `imagetools inspect` prints, as buildx prints it."""

from dataclasses import replace

from ocitool.cli.buildx.imagetools import listed
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCI_MANIFEST, Family
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import Descriptor

NAME = Reference.parse("localhost:5000/app:1")
ONE, TWO = (Descriptor(OCI_MANIFEST, Digest.of(name), 3) for name in (b"one", b"two"))


def test_an_index_is_listed_entry_by_entry():
    first = replace(ONE, platform=Platform.parse("linux/arm64"))
    index = compose.index(Family.OCI, [first, replace(TWO, annotations={"a": "1", "long": "2"})])

    assert listed(NAME, index).split("\n") == [
        "Name:      localhost:5000/app:1",
        f"MediaType: {index.media_type}",
        f"Digest:    {index.digest}",
        " ",
        "Manifests: ",
        f"  Name:      localhost:5000/app:1@{ONE.digest}",
        f"  MediaType: {OCI_MANIFEST}",
        "  Platform:  linux/arm64",
        "             ",
        f"  Name:      localhost:5000/app:1@{TWO.digest}",
        f"  MediaType: {OCI_MANIFEST}",
        "  Annotations: ",
        "    a:    1",
        "    long: 2",
    ]
