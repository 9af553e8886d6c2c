"""A base image like busybox: links, a sticky /tmp, accounts, one binary with many names, for several platforms."""

import io
import json
import tarfile

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_LAYER, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Store

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww:x:82:83:www:/home/www:/bin/false\n"
GROUP = "root:x:0:\nweb:x:33:\n"


def layer_of(platform: str) -> bytes:
    """The one layer, an uncompressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def add(name, kind=tarfile.REGTYPE, mode=0o755, data=b"", link="", uid=0, gid=0):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.linkname, info.size, info.mtime = kind, mode, link, len(data), 1_600_000_000
            info.uid, info.gid = uid, gid
            archive.addfile(info, io.BytesIO(data))

        for folder, mode in (("usr", 0o755), ("usr/bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("var", 0o755)):
            add(folder, tarfile.DIRTYPE, mode)
        add("home", tarfile.DIRTYPE)
        add("home/www", tarfile.DIRTYPE, 0o750, uid=82, gid=83)
        add("bin", tarfile.SYMTYPE, 0o777, link="usr/bin")
        add("usr/bin/busybox", data=f"#!/busybox for {platform}\n".encode(), mode=0o4755)
        add("usr/bin/sh", tarfile.LNKTYPE, mode=0o4755, link="usr/bin/busybox")
        add("etc/passwd", data=PASSWD.encode(), mode=0o644)
        add("etc/group", data=GROUP.encode(), mode=0o644)
        add("var/run", tarfile.SYMTYPE, 0o777, link="/run")
    return buffer.getvalue()


def put_busybox(store: Store, tag: str, family: Family = Family.OCI, **settings: object) -> Digest:
    """Store the index of all platforms under a tag; `settings` go into each config."""
    entries = []
    for name in PLATFORMS:
        platform, data = Platform.parse(name), layer_of(name)
        layer = Descriptor(OCI_LAYER, Digest.of(data), len(data))
        store.put_blob(layer, BytesSource(data))
        config = {
            "created": "2024-05-06T07:08:09Z",
            "architecture": platform.architecture,
            "os": platform.os,
            **({"variant": platform.variant} if platform.variant else {}),
            "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"], **settings},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(data))]},
            "history": [{"created": "2024-05-06T07:08:09Z", "created_by": "BusyBox"}],
        }
        raw = json.dumps(config).encode()
        held = Descriptor.of(Document(raw, family.config))
        store.put_blob(held, BytesSource(raw))
        document = compose.manifest(family, held, [layer])
        store.put_manifest(document)
        entries.append(Descriptor.of(document, platform))
    index = compose.index(family, entries)
    store.put_manifest(index, tag)
    return index.digest
