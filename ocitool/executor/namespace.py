"""The helper in its namespaces, as the build sees it: given jobs from any thread, gone with the build.

What keeps it from starting is told apart: see `reasons.py`.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocitool.errors import OcitoolError, Unsupported, local_io
from ocitool.executor.id_maps import IdMaps, tool
from ocitool.executor.reasons import no_namespace
from ocitool.executor.wire import Message, raise_error, receive, send
from ocitool.toolchains.processes import Companion, capture, start
from ocitool.values import dataclass, field

_PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    "from ocitool.executor.inside import main; main(int(sys.argv[2]))"
)
_END_S: Final = 2.0


class Job:
    """A job in the helper: messages come and go until the helper closes its side. Leave its block to end it.

    Then nothing of it is left; once it `is_answered`, mounts of it may go a moment later.
    """

    def __init__(self, channel: socket.socket, later: "list[socket.socket]") -> None:
        self.channel = channel
        self.is_answered = False
        self._later = later

    def receive(self) -> Message:
        """The next message. Raises the error in it, and OcitoolError if the helper has ended."""
        message = receive(self.channel)
        if message is None:
            raise Vanished("the helper in the namespaces ended before its work did")
        raise_error(message)
        return message

    def cancel(self) -> None:
        """Have the helper end the job; it closes its side when nothing of it is left."""
        with suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def wait(self) -> None:
        """Wait until nothing of the job is left."""
        with suppress(OSError):
            while receive(self.channel) is not None:
                pass

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
        if self.is_answered:
            self._later.append(self.channel)
            return
        self.wait()
        self.channel.close()


class Vanished(OcitoolError):  # noqa: N818 - what happened
    """The helper ended, as when somebody kills it."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the helper is started with: the folder it works in, runtimes, and emulators by GOARCH."""

    folder: Path
    runtimes: tuple[str, ...]
    emulators: Mapping[str, str] = field(hash=False)


class Namespace:
    """The running helper."""

    def __init__(self, channel: socket.socket, process: Companion, maps: IdMaps) -> None:
        self.maps = maps
        self._channel = channel
        self._process = process
        self._lock = threading.Lock()
        self._ending: list[socket.socket] = []

    def job(self, word: str, message: Message | None = None, descriptors: Sequence[int] = ()) -> Job:
        """Start a job; "try ARCHITECTURE" takes no message. Raises Vanished."""
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
                self._forget()
                socket.send_fds(self._channel, [word.encode()], [theirs.fileno(), *descriptors])
            if message is not None:
                send(ours, message)
        except OSError as error:
            ours.close()
            raise Vanished("the helper in the namespaces has ended") from error
        finally:
            theirs.close()
        return Job(ours, self._ending)

    def _forget(self) -> None:
        """Close what the helper has closed."""
        for channel in tuple(self._ending):
            channel.setblocking(False)  # noqa: FBT003
            with suppress(BlockingIOError):
                with suppress(ConnectionError):
                    channel.recv(1)
                channel.close()
                self._ending.remove(channel)

    def close(self) -> None:
        """End the helper, and with it every process and mount of it; what commands wrote is removed first."""
        with self._lock:
            for channel in self._ending:
                channel.settimeout(_END_S)
                with suppress(OSError):
                    channel.recv(1)
                channel.close()
            self._ending.clear()
            self._channel.close()
        self._process.end(_END_S)


def enter(setup: Setup, maps: IdMaps, environ: Mapping[str, str]) -> Namespace:
    """Start the helper. Raises Unsupported with the reason, LocalIOError."""
    folder = setup.folder / maps.name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if maps.by == "root":
            os.chown(folder, maps.users[0].outside, maps.groups[0].outside)
        ours, theirs = socket.socketpair()
        argv = (sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps(sys.path), str(theirs.fileno()))
        process = start(argv, {"PATH": environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}, (theirs.fileno(),))
    except OSError as error:
        raise local_io(error, f"start the helper in {folder}") from error
    theirs.close()
    made = Namespace(ours, process, maps)
    try:
        send(ours, _first(setup, folder, maps))
        message = receive(ours)
        if message is not None and "wants" in message:
            _write_maps(maps, process.pid, environ)
            send(ours, {"mapped": True})
            message = receive(ours)
    except OSError:
        message = None
    except BaseException:
        made.close()
        raise
    if message is None or "failed" in message:
        made.close()
        if message is None:
            raise Unsupported("the helper in the namespaces ended at once", ability="run", hint="use --no-run")
        raise no_namespace(message, folder)
    return made


def _first(setup: Setup, folder: Path, maps: IdMaps) -> Message:
    return {
        "store": str(folder),
        "is_single": maps.is_single,
        "ids": [maps.users[0].outside, maps.groups[0].outside],
        "runtimes": list(setup.runtimes),
        "emulators": dict(setup.emulators),
    }


class CannotMap(Unsupported):
    """The range of subordinate ids cannot be used; one user alone may still do."""


def _write_maps(maps: IdMaps, process: int, environ: Mapping[str, str]) -> None:
    """Write the maps of the helper's user namespace. Raises CannotMap, LocalIOError."""
    for name, parts in (("uid", maps.users), ("gid", maps.groups)):
        numbers = [number for part in parts for number in (part.inside, part.outside, part.count)]
        if maps.by == "root":
            lines = "".join(f"{part.inside} {part.outside} {part.count}\n" for part in parts)
            try:
                Path(f"/proc/{process}/{name}_map").write_text(lines, encoding="ascii")
            except OSError as error:
                raise CannotMap(f"root cannot map its subordinate ids: {error.strerror}", ability="run") from error
            continue
        argv = (tool(environ, f"new{name}map") or f"new{name}map", str(process), *map(str, numbers))
        if capture(argv, Path("/"), {"PATH": environ.get("PATH", os.defpath)}) is None:
            raise CannotMap(f"new{name}map failed", ability="run")
