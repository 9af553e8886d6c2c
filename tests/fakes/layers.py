"""Layers made of a few words, and images of them in memory."""

import gzip
import io
import tarfile

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCI_LAYER_GZIP, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Manifest, view
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore


def tar(*files: tuple[str, str] | tuple[str, str, dict]) -> bytes:
    """A layer of (path, what[, fields of TarInfo]).

    A path that ends with `/` is a directory and `what` its mode; `-> target` is a link, `= target` a hard link,
    `c 1 3` a device, `p` a pipe; anything else is a file's content.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, what, *fields in files:
            info = tarfile.TarInfo(path)
            if path.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, int(what or "755", 8)
            elif what.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, what[3:]
            elif what.startswith("= "):
                info.type, info.linkname = tarfile.LNKTYPE, what[2:]
            elif what.startswith("c "):
                info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, *map(int, what.split()[1:])
            elif what == "p":
                info.type = tarfile.FIFOTYPE
            else:
                info.size = len(what)
            for name, value in (fields[0] if fields else {}).items():
                setattr(info, name, value)
            archive.addfile(info, io.BytesIO(what.encode()) if info.isreg() else None)
    return out.getvalue()


def stored(*layers: bytes) -> tuple[MemoryStore, Manifest]:
    """An image of these tars, compressed by gzip, and the store it is in."""
    store = MemoryStore()
    descriptors = []
    for layer in layers:
        data = gzip.compress(layer, mtime=0)
        descriptors.append(Descriptor(OCI_LAYER_GZIP, Digest.of(data), len(data)))
        store.put_blob(descriptors[-1], BytesSource(data))
    config = compose.image_config(
        Family.OCI, Platform("linux", "amd64"), settings={}, diff_ids=[], history=[], created=""
    )
    return store, view(compose.manifest(Family.OCI, Descriptor.of(config), descriptors))
