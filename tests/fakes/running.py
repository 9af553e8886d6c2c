"""A base image in which commands can be run: this machine's static busybox, and accounts."""

import io
import os
import tarfile
from pathlib import Path

from ocitool.errors import OcitoolError
from ocitool.executor.runtime import RuntimeExecutor
from ocitool.store.base import Store
from ocitool.store.machine import MachineStore
from ocitool.workspace import host_platform
from tests.fakes.images import put_image

BUSYBOX = Path("/usr/bin/busybox")
NAMES = (
    "cat chgrp chmod chown cp cut echo env expr false find grep head id ln ls mkdir mount mv nc ping printf ps rm rmdir sed"
    " sh sleep sort stat tail tar test touch tr true umount uname wc wget xargs"
).split()
PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:7:8:app:/home/app:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:8:\n"


def why_nothing_runs(folder: Path) -> str:
    """Why commands cannot be run here; empty if they can."""
    if not BUSYBOX.is_file():
        return "needs /usr/bin/busybox (package busybox-static)"
    executor = RuntimeExecutor(MachineStore(folder / "tried"), environ=dict(os.environ))
    try:
        executor.check((host_platform(),))
    except OcitoolError as error:
        return str(error)
    finally:
        executor.close()
    return ""


def layer() -> bytes:
    """The one layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:

        def add(
            name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o755, data: bytes = b"", link: str = ""
        ) -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
            archive.addfile(info, io.BytesIO(data))

        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("home", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            add(folder, tarfile.DIRTYPE, mode)
        add("bin/busybox", data=BUSYBOX.read_bytes())
        for name in NAMES:
            add(f"bin/{name}", tarfile.SYMTYPE, 0o777, link="busybox")
        add("etc/passwd", mode=0o644, data=PASSWD)
        add("etc/group", mode=0o644, data=GROUP)
    return buffer.getvalue()


def put_running(store: Store, tag: str) -> None:
    """Store the image under a tag, for the platform of this machine."""
    put_image(store, tag, str(host_platform()), layers=[layer()])
