"""Images in a fake registry whose one layer can be read in parts, or cannot."""

import gzip
import io
import random
import tarfile
from collections.abc import Mapping
from functools import lru_cache

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from tests.fakes import tocs
from tests.fakes.registry import FakeRegistry


def many_files(count: int, size: int) -> bytes:
    """The tar of an image whose bin is a link, with so many files of so many bytes that do not compress."""
    chance = random.Random(1)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("usr", "usr/bin", "data"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        info = tarfile.TarInfo("bin")
        info.type, info.linkname = tarfile.SYMTYPE, "usr/bin"
        archive.addfile(info)
        for number in range(count):
            info = tarfile.TarInfo(f"data/{number:05}")
            info.size, info.mode = size, 0o755
            archive.addfile(info, io.BytesIO(chance.randbytes(size)))
    return out.getvalue()


def content(tar: bytes, path: str) -> bytes:
    """A file of a tar."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return archive.extractfile(path).read()


@lru_cache(4)
def blob_of(form: str, tar: bytes) -> tuple[bytes, dict[str, str], str]:
    """A layer in a form: its bytes, the annotations of its descriptor, its media type."""
    if form == "estargz":
        return *tocs.estargz(tar, level=0), OCI_LAYER_GZIP
    if form == "zstd:chunked":
        return *tocs.zstd_chunked(tar, chunk=1 << 20), OCI_LAYER_ZSTD
    if form == "gzip,toc":
        return *tocs.listed(tar), OCI_LAYER_GZIP
    return gzip.compress(tar, 1, mtime=0), {}, OCI_LAYER_GZIP


def put(registry: FakeRegistry, name: str, form: str, tar: bytes, **settings: object) -> Descriptor:
    """An image for linux/amd64 as `NAME:1`; returns its layer."""
    blob, annotations, media_type = blob_of(form, tar)
    return put_layer(registry, name, blob, annotations, media_type, **settings)


def put_layer(
    registry: FakeRegistry,
    name: str,
    blob: bytes,
    annotations: Mapping[str, str],
    media_type: str = OCI_LAYER_GZIP,
    **settings: object,
) -> Descriptor:
    """An image of this layer as `NAME:1`."""
    layer = Descriptor(media_type, Digest.of(blob), len(blob), annotations=annotations)
    config = compose.image_config(
        Family.OCI,
        Platform("linux", "amd64"),
        settings=settings,
        diff_ids=[Digest.of(b"nobody compares it")],
        history=[],
        created="",
    )
    manifest = compose.manifest(Family.OCI, Descriptor.of(config), [layer])
    registry.blobs[name, str(layer.digest)] = blob
    registry.blobs[name, str(config.digest)] = config.raw
    registry.manifests[name, str(manifest.digest)] = (manifest.media_type, manifest.raw)
    registry.tags[name, "1"] = str(manifest.digest)
    return layer


def fetched(registry: FakeRegistry, layer: Descriptor) -> int:
    """Bytes of the layer that were sent."""
    return fetched_of(registry, str(layer.digest))


def fetched_of(registry: FakeRegistry, digest: str) -> int:
    """Bytes of a blob that were sent."""
    return sum(size for path, size in registry.sent.items() if path.endswith(digest))
