"""RuntimeExecutor: commands carried out by runc or crun in a user namespace, whoever starts it."""

import base64
import os
import secrets
import select
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocitool.errors import BuildError, Cancelled, OcitoolError, Unsupported, local_io
from ocitool.executor import emulators
from ocitool.executor.base import Changes, Execution, Mount, Network, RootLayer
from ocitool.executor.id_maps import IdMaps, is_host, of_this_user, single, tool
from ocitool.executor.namespace import CannotMap, Job, Namespace, Setup, enter
from ocitool.executor.reasons import no_emulation, no_runtime
from ocitool.executor.wire import Message
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import host_platform

FOLDER: Final = "unpacked"
"""The folder of this machine's store of the helper: layers, caches, and what running commands write."""
_CHANGES: Final = "changes"
_RUNTIMES: Final = ("runc", "crun")
_WAYS_OUT: Final = ("slirp4netns", "pasta")
_TAIL: Final = 16 * KIB
_PIECE: Final = 64 * KIB
_TURN_MS: Final = 200


class RuntimeExecutor:
    """Carries commands out on this machine. Nothing is started before it is asked for something."""

    def __init__(
        self, machine: MachineStore, *, named: Sequence[Path] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        """`named` are emulators that the user named, files called qemu-ARCH or so."""
        self._machine = machine
        self._environ = dict(os.environ if environ is None else environ)
        self._named = tuple(named)
        self._lock = threading.Lock()
        self._namespace: Namespace | None = None
        self._failure: OcitoolError | None = None
        self._runtime = ""
        self._unpacked: set[tuple[str, ...]] = set()
        self._no_network = ""

    @property
    def maps(self) -> IdMaps:
        """Which users stand behind those inside. Raises what `check` raises."""
        return self._ready().maps

    @property
    def runtime(self) -> str:
        """The path of the OCI runtime that was found to work. Raises what `check` raises."""
        self._ready()
        return self._runtime

    def check(self, platforms: Iterable[Platform]) -> None:
        """Raise Unsupported with the true reason and the ways out if a platform's commands cannot run here."""
        for platform in platforms:
            if platform.os != "linux":
                raise Unsupported(f"RUN is for linux, and not for {platform}", ability=str(platform))
        namespace = self._ready()
        for platform in platforms:
            architecture = emulators.architecture_of(platform)
            with namespace.job(f"try {architecture}") as job:
                answer = job.receive()
            if not answer["runs"] and architecture != emulators.architecture_of(host_platform()):
                machine = emulators.MACHINES.get(architecture)
                qemu = machine.qemu if machine is not None else architecture
                raise no_emulation(str(platform), qemu, answer, os.uname().release)

    def emulator(self, platform: Platform) -> str:
        """The path of what emulates a platform; "" where this machine runs its programs itself."""
        with self._ready().job(f"try {emulators.architecture_of(platform)}") as job:
            return str(job.receive().get("by", ""))

    def run(self, execution: Execution, *, scope: Scope, output: Callable[[bytes], None]) -> Changes:
        """Carry a command out; see `Executor.run`."""
        self.check((execution.platform,))
        namespace = self._ready()
        for layers in (execution.root, *(mount.layers for mount in execution.mounts)):
            self._unpack(namespace, layers, scope)
        path = self._machine.root / _CHANGES / f"{secrets.token_hex(8)}.tar"
        try:
            path.parent.mkdir(exist_ok=True)
            tar = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise local_io(error, f"write {path}") from error
        try:
            answer, said = self._carry_out(namespace, execution, tar, scope, output)
            return self._changes(execution, namespace.maps, path, answer, said)
        except OcitoolError as error:
            path.unlink(missing_ok=True)
            if execution.label and not isinstance(error, Cancelled) and execution.label not in error.what:
                error.add_note(execution.label)
            raise
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(tar)

    def close(self) -> None:
        """End every process; see `Executor.close`."""
        with self._lock:
            namespace, self._namespace = self._namespace, None
        if namespace is not None:
            namespace.close()

    def _ready(self) -> Namespace:
        """The helper, started and with a runtime that works. Raises Unsupported, the same each time."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._namespace is None:
                try:
                    self._namespace = self._start()
                except OcitoolError as error:
                    self._failure = error
                    raise
            return self._namespace

    def _start(self) -> Namespace:
        self._machine.check_writable()
        found = {name: path for name in _RUNTIMES if (path := tool(self._environ, name)) is not None}
        if not found:
            raise no_runtime({})
        emulated = emulators.find(self._environ, self._named)
        setup = Setup(self._machine.root / FOLDER, tuple(found.values()), emulated)
        namespace = enter_any(setup, self._environ)
        tried = {}
        for name, path in found.items():
            try:
                with namespace.job("job", _trial(path)) as job:
                    answer = job.receive()
            except OcitoolError as error:
                answer = {"runs": False, "said": error.what}
            if answer["runs"]:
                self._runtime = path
                return namespace
            tried[name] = answer["said"]
        namespace.close()
        raise no_runtime(tried)

    def _unpack(self, namespace: Namespace, layers: Sequence[RootLayer], scope: Scope) -> None:
        """See to it that the layers of a tree, lowest first, are unpacked."""
        keys = tuple(layer.key for layer in layers)
        if keys in self._unpacked or not keys:
            return
        with namespace.job("job", {"do": "find", "keys": keys}) as job:
            missing = job.receive()["missing"]
        for count in missing:
            self._unpack_one(namespace, keys[: count + 1], layers[count], scope)
        self._unpacked.add(keys)

    def _unpack_one(self, namespace: Namespace, keys: tuple[str, ...], layer: RootLayer, scope: Scope) -> None:
        reading, writing = os.pipe()
        try:
            try:
                job = namespace.job("job", {"do": "unpack", "keys": keys}, [reading])
            finally:
                os.close(reading)
            with job, scope.on_cancel(job.cancel):
                answer = _receive(job, scope)
                if "needs" in answer:
                    # The helper that has had enough says why.
                    with suppress(BrokenPipeError):
                        for piece in scope.pieces(layer.open()):
                            rest = memoryview(piece)
                            while rest:
                                rest = rest[os.write(writing, rest) :]
                    os.close(writing)
                    writing = -1
                    _receive(job, scope)
        finally:
            if writing >= 0:
                os.close(writing)

    def _carry_out(
        self, namespace: Namespace, execution: Execution, tar: int, scope: Scope, output: Callable[[bytes], None]
    ) -> tuple[Message, bytes]:
        """(The helper's answer, the last words of the command)."""
        reading, writing = os.pipe()
        try:
            try:
                job = namespace.job("job", self._message(execution), [writing, tar])
            finally:
                os.close(writing)
            with job, scope.on_cancel(job.cancel):
                said = _listen(reading, scope, output)
                answer = _receive(job, scope)
                job.is_answered = True
                return answer, said
        finally:
            os.close(reading)

    def _message(self, execution: Execution) -> Message:
        tools = {name: path for name in _WAYS_OUT if (path := tool(self._environ, name)) is not None}
        return {
            "do": "run",
            "runtime": self._runtime,
            "root": [layer.key for layer in execution.root],
            "args": execution.args,
            "env": execution.env,
            "workdir": execution.workdir,
            "user": execution.user,
            "mounts": [_mount(mount) for mount in execution.mounts],
            "network": "host"
            if self._no_network and execution.network is Network.DEFAULT
            else execution.network.value,
            "tools": tools,
            "hosts": execution.extra_hosts,
            "hostname": execution.hostname,
            "shm_size": execution.shm_size,
            "ulimits": [(limit.name, limit.soft, limit.hard) for limit in execution.ulimits],
            "limits": {
                "memory": execution.limits.memory,
                "pids": execution.limits.pids,
                "disk": execution.limits.disk,
            },
            "epoch": execution.epoch,
        }

    def _changes(self, execution: Execution, maps: IdMaps, path: Path, answer: Message, said: bytes) -> Changes:
        """What came of a command. Raises BuildError if it failed."""
        failure = ""
        if "limit" in answer:
            failure = f"was ended: {answer['limit']}"
        elif "code" in answer:
            failure = f"exited with {answer['code']}"
        if failure:
            raise BuildError(
                f"{execution.label or execution.args[0]}: {failure}",
                target=str(execution.platform),
                argv=execution.args,
                returncode=answer.get("code"),
                stderr=said.decode("utf-8", "replace"),
            )
        written = answer["changes"]
        self._unpacked.add((*(layer.key for layer in execution.root), written["key"]))
        if execution.network is Network.DEFAULT:
            self._no_network = self._no_network or answer["warning"]
        warnings = [self._no_network] if self._no_network and execution.network is Network.DEFAULT else []
        if maps.is_single:
            warnings.append(f"owners of files are lost, one user stands for all: {maps.why}")
        return Changes(path, written["key"], written["size"], written["is_empty"], tuple(warnings))


def enter_any(setup: Setup, environ: Mapping[str, str]) -> Namespace:
    """The helper with the maps of this user, or where they cannot be written with this user alone."""
    maps = of_this_user(environ)
    try:
        return enter(setup, maps, environ)
    except CannotMap as error:
        if maps.by == "root" and is_host():
            raise
        return enter(setup, single(os.geteuid(), os.getegid(), error.what), environ)


def _trial(runtime: str) -> Message:
    return {"do": "runtime", "runtime": runtime, "architecture": emulators.architecture_of(host_platform())}


def _receive(job: Job, scope: Scope) -> Message:
    """The next message of a job; Cancelled rather than the error that cancelling it gave."""
    try:
        return job.receive()
    except OcitoolError:
        scope.check()
        raise


def _listen(reading: int, scope: Scope, output: Callable[[bytes], None]) -> bytes:
    """Pass on what comes until its end; the last of it."""
    tail = b""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    while True:
        if not poll.poll(_TURN_MS):
            continue
        piece = os.read(reading, _PIECE)
        if not piece:
            return tail
        tail = (tail + piece)[-_TAIL:]
        if not scope.cancelled:
            output(piece)


def _mount(mount: Mount) -> Message:
    return {
        "kind": mount.kind.value,
        "target": mount.target,
        "layers": [layer.key for layer in mount.layers],
        "source": mount.source,
        "cache": mount.cache,
        "sharing": mount.sharing.value,
        "content": base64.b64encode(mount.content).decode("ascii"),
        "socket": str(mount.socket or ""),
        "read_only": mount.read_only,
        "mode": mount.mode,
        "uid": mount.uid,
        "gid": mount.gid,
        "size": mount.size,
    }
