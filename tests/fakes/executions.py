"""Commands for an executor in a small tree: busybox of Debian, as one layer. Run as a program, it does what it is told.

executions.py STORE COMMAND      carry COMMAND out by a shell; prints what it says, and a JSON line of the result
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ocitool.errors import OcitoolError
from ocitool.executor.base import Changes, Execution, Network, RootLayer
from ocitool.executor.runtime import RuntimeExecutor
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import host_platform
from tests.fakes.confined import NOBODY, interpreter

BUSYBOX = Path("/bin/busybox")
WHEN = 1_600_000_000
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nwww:x:82:83:www:/home/www:/bin/sh\n"
GROUP = b"root:x:0:\nweb:x:33:www\nwww:x:83:\n"
APPLETS = "sh ls cat id chmod chown mkdir rm mv ln touch env mount stat true sleep nc dd pwd ps kill unshare wget seq printf".split()


def layer(*members: tuple[str, Mapping[str, object], bytes]) -> RootLayer:
    """A layer of members: name, fields of TarInfo, bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields, data in members:
            info = tarfile.TarInfo(name)
            info.mtime, info.mode, info.size = WHEN, 0o644, len(data)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    data = buffer.getvalue()
    return RootLayer(f"sha256:{hashlib.sha256(data).hexdigest()}", lambda: iter([data]))


def folder(name: str, mode: int = 0o755, **more: object) -> tuple[str, Mapping[str, object], bytes]:
    return name, {"type": tarfile.DIRTYPE, "mode": mode, **more}, b""


@functools.cache
def busybox() -> RootLayer:
    """A shell with accounts, a home of another user, and a file to change."""
    return layer(
        *(folder(name) for name in ("bin", "etc", "home", "root", "usr")),
        folder("tmp", 0o1777),
        folder("home/www", 0o750, uid=82, gid=83),
        ("bin/busybox", {"mode": 0o755}, BUSYBOX.read_bytes()),
        *((f"bin/{name}", {"type": tarfile.SYMTYPE, "linkname": "busybox"}, b"") for name in APPLETS),
        ("etc/passwd", {}, PASSWD),
        ("etc/group", {}, GROUP),
        ("etc/old", {}, b"old\n"),
        ("home/www/file", {"uid": 82, "gid": 83}, b"theirs\n"),
    )


def execution(command: str | tuple[str, ...], *more: RootLayer, **fields: object) -> Execution:
    """A command in that tree, with a network that needs nothing of this machine."""
    args = ("/bin/sh", "-c", command) if isinstance(command, str) else command
    fields = {"network": Network.NONE, "label": "RUN", "root": (busybox(), *more), **fields}
    return Execution(host_platform(), args, **fields)  # type: ignore[arg-type]


def files(changes: Changes) -> dict[str, tarfile.TarInfo]:
    """What a command changed, by name."""
    with tarfile.open(changes.tar) as archive:
        return {member.name: member for member in archive}


def contents(place: Path) -> Iterator[bytes]:
    """The bytes of each file below a folder; what an executor removes meanwhile may be gone already."""

    def passed_over(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for top, _, names in os.walk(place, onerror=passed_over):
        for path in (Path(top, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink():
                    yield path.read_bytes()


def start_as_nobody(store: Path, *argv: str, prefix: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    """This file as a program of another user than root, in a session of its own."""
    python, path = interpreter()
    return subprocess.Popen(
        [*prefix, python, __file__, str(store), *argv],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": str(store), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def main(store: str, command: str) -> None:
    executor = RuntimeExecutor(MachineStore(Path(store)))
    result: dict[str, object] = {}
    with contextlib.closing(executor):
        try:
            changes = executor.run(
                execution(command), scope=Scope(), output=lambda piece: os.write(1, piece) and None
            )
            result["changes"] = {
                name: [member.uid, member.gid, oct(member.mode)] for name, member in files(changes).items()
            }
            result["warnings"] = changes.warnings
        except OcitoolError as error:
            result["error"] = [type(error).__name__, error.what, error.hint]
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
