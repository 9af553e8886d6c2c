"""The helper that lives in the namespaces: it makes them, and forks for every job that it is sent.

    the build ── a socket ──▶ helper ── fork, new user, mount and PID namespace ──▶ process 1 of these
                                                     └─ fork for each job; a command's in a PID namespace more

When the build ends, however it does, the socket is at its end: process 1 ends, and with it everything in its PID
namespace and every mount in its mount namespace.
"""

import gc
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from ocitool.errors import LocalIOError, OcitoolError, local_io
from ocitool.executor import emulators, kernel
from ocitool.executor.agent import start_connector
from ocitool.executor.command import carry_out, try_runtime
from ocitool.executor.removal import remove_tree
from ocitool.executor.stack import Stacks
from ocitool.executor.wire import Message, error_message, receive, send
from ocitool.model.numbers import KIB
from ocitool.values import dataclass, field

PLACES: Final = ("/mnt", "/media", "/srv", "/var/tmp", "/tmp")  # noqa: S108 - only mounted over, in a namespace
"""Folders that something is mounted over, in the helper's own mount namespace; the first that is there."""
_LOOK_S: Final = 1.0


def main(descriptor: int) -> None:
    """Serve the build at the other end of this socket until it ends."""
    os.umask(0o022)
    channel = socket.socket(fileno=descriptor)
    setup = receive(channel)
    if setup is None:
        return
    try:
        os.closerange(3, descriptor)
        os.closerange(descriptor + 1, 4096)
        opened = _enter(channel, setup)
    except OSError:
        return
    child = os.fork()
    if child:
        channel.close()
        os.waitpid(child, 0)
        os._exit(0)
    kernel.die_with_parent(signal.SIGKILL)
    _Server(channel, setup, opened).serve()


@dataclass(frozen=True, slots=True)
class _Opened:
    """What was opened as the user of the host: this machine's store, emulators, and what connects to sockets."""

    store: int
    emulators: dict[str, int] = field(hash=False)
    connector: socket.socket


def _enter(channel: socket.socket, setup: Message) -> _Opened:
    """Make the namespaces."""
    step = "user namespace"
    try:
        kernel.unshare(kernel.NEW_USERS)
        step = "id map"
        if setup["is_single"]:
            uid, gid = setup["ids"]
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"0 {uid} 1")
            _write("/proc/self/gid_map", f"0 {gid} 1")
        else:
            send(channel, {"wants": "maps"})
            if receive(channel) is None:
                raise ConnectionResetError
            os.setgroups([])
        step = "mount namespace"
        kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_PROCESSES)
        kernel.mount("none", "/", flags=kernel.PRIVATE | kernel.RECURSIVE)
        store = os.open(setup["store"], os.O_PATH | os.O_DIRECTORY)
        emulated = {}
        for architecture, path in setup["emulators"].items():
            with suppress(OSError):
                emulated[architecture] = os.open(path, os.O_PATH)
        connector = start_connector()
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        kernel.hide_memory()
    except OSError as error:
        send(channel, {"failed": step, "errno": error.errno or 0})
        raise
    return _Opened(store, emulated, connector)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class _Server:
    """Process 1 of the namespaces."""

    def __init__(self, channel: socket.socket, setup: Message, opened: _Opened) -> None:
        self._channel = channel
        self._opened = opened
        self._setup = setup
        self._place = ""
        self._registered: set[str] = set()
        self._answers: dict[str, Message] = {}

    def serve(self) -> None:
        """Answer until the other end is closed."""
        step = "file system"
        try:
            self._mount()
            stacks = Stacks(
                f"{self._place}/store", is_single=self._setup["is_single"], connector=self._opened.connector
            )
            stacks.prepare()
        except OSError as error:
            send(self._channel, {"failed": step, "errno": error.errno or 0, "at": str(error.filename or "")})
            return
        send(self._channel, {"ready": True})
        gc.freeze()
        while True:
            ready, _, _ = select.select([self._channel], [], [], _LOOK_S)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not ready:
                continue
            data, descriptors, _, _ = socket.recv_fds(self._channel, 256, 8, socket.MSG_CMSG_CLOEXEC)
            if not data:
                return
            self._start(data.decode(), descriptors, stacks)

    def _mount(self) -> None:
        """Mount a folder for ourselves, this machine's store in it, and the processes of the namespace."""
        runtimes = self._setup["runtimes"]
        free = (
            place for place in PLACES if os.path.isdir(place) and not any(r.startswith(place) for r in runtimes)
        )
        self._place = next(free, "/tmp")  # noqa: S108
        kernel.mount("tmpfs", self._place, "tmpfs", kernel.NO_SETUID | kernel.NO_DEVICES, "mode=0755,uid=0,gid=0")
        for name in ("store", "job", "emulators", "binfmt"):
            os.mkdir(f"{self._place}/{name}", 0o755)
        kernel.bind(f"/proc/self/fd/{self._opened.store}", f"{self._place}/store")
        os.close(self._opened.store)
        _mount_processes()

    def _start(self, word: str, descriptors: list[int], stacks: Stacks) -> None:
        """Fork for a job, whose own socket is the first descriptor; "try ARCHITECTURE" is answered here."""
        control = socket.socket(fileno=descriptors[0])
        verb, _, architecture = word.partition(" ")
        if verb == "try":
            with suppress(OSError):
                send(control, self._try(architecture))
        else:
            kernel.fork(lambda: self._work(control, descriptors[1:], stacks))
        control.close()
        for descriptor in descriptors[1:]:
            os.close(descriptor)

    def _work(self, control: socket.socket, descriptors: list[int], stacks: Stacks) -> None:
        """Do the job that comes by its socket; none does where the build is gone."""
        self._channel.close()
        job = receive(control)
        if job is not None:
            _work(control, job, descriptors, stacks, f"{self._place}/job")

    def _try(self, architecture: str) -> Message:
        """Whether programs of an architecture run, with an emulator registered for them where they do not else."""
        if architecture not in self._answers:
            self._answers[architecture] = self._tried(architecture)
        return self._answers[architecture]

    def _tried(self, architecture: str) -> Message:
        machine = emulators.MACHINES.get(architecture)
        if machine is None:
            return {"runs": False, "why": "unknown"}
        program = f"{self._place}/program-{architecture}"
        with open(program, "wb") as file:
            file.write(emulators.program(machine))
        os.chmod(program, 0o755)  # noqa: S103 - a program
        if _runs(program):
            return {"runs": True, "by": ""}
        interpreter = self._setup["emulators"].get(architecture)
        if interpreter is None or architecture not in self._opened.emulators:
            return {"runs": False, "why": "emulator"}
        try:
            self._register(architecture)
        except OSError as error:
            return {"runs": False, "why": "binfmt", "errno": error.errno or 0}
        return {"runs": _runs(program), "why": "program", "by": interpreter}

    def _register(self, architecture: str) -> None:
        """Have the kernel run programs of an architecture by its emulator, in this user namespace alone."""
        folder, interpreter = f"{self._place}/binfmt", f"{self._place}/emulators/{architecture}"
        os.close(os.open(interpreter, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        kernel.bind(f"/proc/self/fd/{self._opened.emulators[architecture]}", interpreter)
        if not self._registered:
            kernel.mount("binfmt_misc", folder, "binfmt_misc")
        with open(f"{folder}/register", "wb", buffering=0) as file:
            file.write(emulators.registration(architecture, interpreter))
        self._registered.add(architecture)


def _runs(program: str) -> bool:
    child = kernel.fork(lambda: os.execv(program, [program]))
    return os.waitpid(child, 0)[1] == 0


def _work(control: socket.socket, job: Message, descriptors: list[int], stacks: Stacks, place: str) -> None:
    """Do a job in a process of its own, and answer."""
    kernel.unshare(kernel.NEW_MOUNTS)
    try:
        answer = _JOBS[job["do"]](control, job, descriptors, stacks, place)
    except OcitoolError as error:
        answer = error_message(error)
    except OSError as error:
        where = os.fsdecode(error.filename or "")
        told = local_io(
            OSError(error.errno, error.strerror), f"work in this machine's store{where and ': '}{where}"
        )
        answer = error_message(LocalIOError(told.what, hint=told.hint))
    if answer:
        with suppress(OSError):
            send(control, answer)


def _unpack(control: socket.socket, job: Message, descriptors: list[int], stacks: Stacks, _place: str) -> Message:
    def pieces() -> Iterator[bytes]:
        send(control, {"needs": True})
        return iter(lambda: os.read(descriptors[0], 256 * KIB), b"")

    stacks.add(job["keys"], pieces)
    return {"done": True}


def _find(_control: socket.socket, job: Message, _descriptors: list[int], stacks: Stacks, _place: str) -> Message:
    """Which layers of a tree are not here; a layer above one that is not may be named needlessly."""
    keys = job["keys"]
    return {"missing": [count for count in range(len(keys)) if stacks.find(keys[: count + 1]) is None]}


def _remove(
    _control: socket.socket, _job: Message, _descriptors: list[int], stacks: Stacks, _place: str
) -> Message:
    for name in os.listdir(stacks.root):
        remove_tree(f"{stacks.root}/{name}")
    return {"done": True}


def _run(control: socket.socket, job: Message, descriptors: list[int], stacks: Stacks, place: str) -> Message:
    """Carry a command out in a PID namespace of its own, whose first process answers; clean up behind it."""
    with stacks.run_folder() as folder:
        kernel.unshare(kernel.NEW_PROCESSES)
        child = kernel.fork(lambda: _first(control, job, descriptors, stacks, (place, folder)))
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(child, 0)
    return {}


def _first(
    control: socket.socket, job: Message, descriptors: list[int], stacks: Stacks, places: tuple[str, str]
) -> None:
    """What the first process of a command's namespace does."""
    kernel.die_with_parent(signal.SIGKILL)
    _mount_processes()
    try:
        answer = carry_out(job, control, descriptors, stacks, places)
    except OcitoolError as error:
        answer = error_message(error)
    except OSError as error:
        answer = error_message(local_io(error, "carry out a command"))
    with suppress(OSError):
        send(control, answer)


def _try_runtime(
    control: socket.socket, job: Message, _descriptors: list[int], stacks: Stacks, place: str
) -> Message:
    """Whether a runtime works here, by a program that ends at once."""
    with stacks.run_folder() as folder:
        kernel.unshare(kernel.NEW_PROCESSES)

        def first() -> None:
            _mount_processes()
            send(control, try_runtime(job, stacks, (place, folder)))

        os.waitpid(kernel.fork(first), 0)
    return {}


def _mount_processes() -> None:
    """Mount the processes of the PID namespace that this one is in."""
    kernel.mount("proc", "/proc", "proc", kernel.NO_SETUID | kernel.NO_DEVICES | kernel.NO_EXEC)


_JOBS: Final = {
    "find": _find,
    "unpack": _unpack,
    "run": _run,
    "runtime": _try_runtime,
    "remove": _remove,
}
