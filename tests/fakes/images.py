"""Images put into a store with few words: a config that says the platform, and layers of named content."""

import gzip
import io
import json
import tarfile
from collections.abc import Sequence

from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Store

_UNIX = "386 amd64 arm64 riscv64 mips mipsle mips64 mips64le ppc64 ppc64le loong64 s390x".split()
PLATFORMS = tuple(
    f"{system}/{architecture}"
    for system, architectures in (
        ("linux", _UNIX),
        ("windows", _UNIX[:3]),
        ("freebsd", _UNIX[:10]),
        ("netbsd", _UNIX[:7]),
    )
    for architecture in architectures
)
"""32 platforms by names that engines know, so that an index of them needs no word from anybody."""


def put_image(
    store: Store,
    tag: str,
    platform: str,
    *,
    family: Family = Family.OCI,
    layers: Sequence[bytes] = (),
    compress: bool = False,
    note: str = "",
) -> Digest:
    """Store an image for `platform` (as its config is to say it) under a tag; returns its digest.

    `layers` are uncompressed tars, stored so or with gzip; `note` makes it differ from another of the same platform.
    """
    named = Platform(*platform.split("/"))
    config = {"created": "2024-05-06T07:08:09Z", "architecture": named.architecture, "os": named.os}
    config |= {"variant": named.variant} if named.variant else {}
    config |= {"author": note} if note else {}
    stack = []
    for data in layers:
        blob = gzip.compress(data, mtime=0) if compress else data
        layer = Descriptor(mediatype.layer_type(family, "gzip" if compress else "none"), Digest.of(blob), len(blob))
        store.put_blob(layer, BytesSource(blob))
        stack.append(layer)
    config |= {"rootfs": {"type": "layers", "diff_ids": [str(Digest.of(data)) for data in layers]}}
    raw = json.dumps(config).encode()
    held = Descriptor.of(Document(raw, family.config))
    store.put_blob(held, BytesSource(raw))
    document = compose.manifest(family, held, stack)
    store.put_manifest(document, *([tag] if tag else []))
    return document.digest


def tar(**files: bytes) -> bytes:
    """An uncompressed layer of the named files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
