"""RUN lines carried out: the root as layers, mounts, the cache in this machine's store, and what is left behind.

One thread at a time looks at Dockerfiles; only while an executor works does it let another one go on (`Turn`). An
execution that two platforms have in common is carried out once.
"""

import hashlib
import os
import posixpath
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocitool.codec.codecs import decompress
from ocitool.dockerfile.copy import LayerBuilder, Order, copy, not_found
from ocitool.dockerfile.resources import Mounted, Process, Ran, Root
from ocitool.dockerfile.run.cache import RunCache, RunOutcome, places_of
from ocitool.dockerfile.run.execution import (
    PIPES,
    cache_key,
    check_security,
    command,
    environment,
    history,
    line_key,
    mount_key,
    proxies,
)
from ocitool.dockerfile.run.options import RunOptions
from ocitool.dockerfile.run.output import ProcessOutput, hidden
from ocitool.dockerfile.run.tar_entries import tar_entries
from ocitool.dockerfile.spool import Spool
from ocitool.dockerfile.syntax.run_flags import RunMount
from ocitool.errors import BuildError, DigestMismatch, NotFound, UsageError, local_io
from ocitool.events import Done, Noted, Started
from ocitool.executor.base import Changes, Execution, Executor, Mount, MountKind, RootLayer, Sharing
from ocitool.model.digest import Digest, Tap
from ocitool.model.files import FileKind
from ocitool.model.numbers import KIB
from ocitool.model.path_pattern import literal
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Entry
from ocitool.pack.entry_table import kept_objects
from ocitool.pack.layer import StoredTar, tar_digest
from ocitool.pack.tar import tar_stream
from ocitool.rootfs.files import Files
from ocitool.store.base import Reader, ingested
from ocitool.values import dataclass, field, replace

if TYPE_CHECKING:
    from ocitool.workspace import Workspace

_PIECE: Final = 256 * KIB
_WAIT_S: Final = 0.1


class Turn:
    """The right to look at Dockerfiles, which one thread has at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> "Turn":
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let others go on while this thread waits for something; it has the right again afterwards."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()


@dataclass
class _Flight:
    """An execution that one thread is about, and others wait for."""

    done: threading.Event = field(default_factory=threading.Event)
    outcome: RunOutcome | None = None


class RunExecutions:
    """Carries out the RUN lines of one build, from several threads. `turn` is held by whoever asks."""

    def __init__(
        self,
        executor: Executor,
        options: RunOptions,
        workspace: "Workspace",
        spool: Spool,
        *,
        project: Path,
        arguments: Mapping[str, str],
        context: Callable[[str], Files],
        epoch: int | None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.executor = executor
        self.turn = Turn()
        self.scope = workspace.scope
        self._options = options
        self._workspace = workspace
        self._machine = workspace.machine
        self._spool = spool
        self._project = str(project.absolute())
        self._arguments = arguments
        self._context = context
        self._epoch = epoch
        self._environ = os.environ if environ is None else environ
        self.cache = RunCache(
            workspace,
            places_of("--cache-from", options.cache_from, workspace),
            places_of("--cache-to", options.cache_to, workspace),
        )
        self._flights: dict[str, _Flight] = {}
        self._layers: dict[int, tuple[Collection[Entry], RootLayer]] = {}
        self._tars: dict[Digest, tuple[Entry, ...]] = {}

    def ran(self, process: Process) -> Ran:
        """What a RUN leaves behind, carried out or remembered.

        Raises BuildError for a command that fails, and what reading its root and mounts and the executor raise.
        """
        check_security(process)
        made = command(process)
        env = environment(process)
        secrets: dict[str, bytes] = {}
        mounts: list[Mount] = []
        keys: list[Mapping[str, Any]] = []
        for mounted in process.mounts():
            mount, part = self._mount(process, mounted, secrets)
            keys.append(part)
            mounts += [mount] if mount is not None else []
        hide = hidden((*secrets.values(), *(mount.content for mount in mounts)))
        if made.script is not None:
            name, data = made.script
            target = posixpath.join(PIPES, name)
            mounts.append(Mount(MountKind.SECRET, target, content=data, read_only=True, mode=0o755))
            keys.append({"kind": "script", "target": target, "digest": hashlib.sha256(data).hexdigest()})
        variables = {name: value.decode("utf-8", "surrogateescape") for name, value in secrets.items()}
        told = {**env, **proxies(self._arguments, env), **variables}
        execution = Execution(
            platform=process.native,
            args=made.args,
            root=self._root(process.root),
            env=tuple(f"{name}={value}" for name, value in told.items()),
            workdir=process.workdir,
            user=process.user,
            mounts=tuple(mounts),
            network=self._options.network_of(process.run.options.network),
            extra_hosts=self._options.extra_hosts,
            shm_size=self._options.shm_size,
            ulimits=self._options.ulimits,
            limits=self._options.limits,
            epoch=self._epoch,
            label=process.label,
        )
        key = cache_key(execution, env, keys, str(getattr(self.executor, "owners", "")))
        is_fresh = not self._options.use_cache or process.stage.name in self._options.fresh
        outcome = self._once(key, lambda: self._outcome(key, execution, hide, is_fresh=is_fresh))
        self._machine.memo.remember(line_key(process.native, process.run.words), {})
        entries = self._entries(outcome.tar) if outcome.tar is not None else ()
        return Ran(history(process, made.args), entries, outcome.tar, was_run=True)

    # Once

    def _once(self, key: str, make: Callable[[], RunOutcome]) -> RunOutcome:
        """What `make` gives; a second asker waits for the first one's."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            try:
                flight.outcome = make()
            finally:
                flight.done.set()
        with self.turn.away():
            while not flight.done.wait(_WAIT_S):
                self.scope.check()
        while flight.outcome is None:  # the first failed, and ends this one too
            self.scope.sleep(_WAIT_S)
        return flight.outcome

    def _outcome(self, key: str, execution: Execution, hide: Callable[[str], str], *, is_fresh: bool) -> RunOutcome:
        listener, label = self._workspace.listener, execution.label
        outcome = None
        if not is_fresh:
            with self.turn.away():
                outcome = self.cache.find(key, self.scope)
        listener(Started(f"run {key}", label))
        word = "cached"
        if outcome is None:
            output = ProcessOutput(f"{label.partition('] ')[0]}]", hide, listener)
            with self.turn.away():
                outcome = self._executed(execution, output, hide)
            self.cache.keep(key, outcome)
            word = "run"
        self.cache.used[key] = outcome
        for warning in outcome.warnings:
            listener(Noted(warning))
        listener(Done(f"run {key}", word, outcome.tar.size if outcome.tar is not None else 0))
        return outcome

    def _executed(self, execution: Execution, output: ProcessOutput, hide: Callable[[str], str]) -> RunOutcome:
        try:
            changes = self.executor.run(execution, scope=self.scope, output=output.take)
        except BuildError as error:
            error.what, error.stderr = hide(error.what), hide(error.stderr)
            raise
        finally:
            output.end()
        try:
            tar = None if changes.is_empty else self._kept(changes)
        finally:
            changes.tar.unlink(missing_ok=True)
        return RunOutcome(tar, changes.warnings)

    def _kept(self, changes: Changes) -> StoredTar:
        """The tar of changes in this machine's store."""
        try:
            with changes.tar.open("rb", buffering=0) as file:
                pieces = self.scope.pieces(iter(lambda: file.read(_PIECE), b""))
                digest, size = ingested(self._machine.content.ingest(), pieces)
        except OSError as error:
            raise local_io(error, f"read {changes.tar}") from error
        if str(digest) != changes.key:
            raise DigestMismatch(f"{changes.tar} is not what was written", expected=changes.key, got=str(digest))
        return StoredTar(digest, size)

    def _entries(self, tar: StoredTar) -> tuple[Entry, ...]:
        entries = self._tars.get(tar.diff_id)
        if entries is None:
            entries = tar_entries(self._machine.content.blob_path(tar.diff_id), tar)
            self._tars[tar.diff_id] = entries
            self._layers[id(entries)] = (entries, self._stored(tar))
        return entries

    # The root

    def _root(self, root: Root) -> tuple[RootLayer, ...]:
        """The layers that a process stands on, the lowest first."""
        base = root.base
        below: tuple[RootLayer, ...] = ()
        if base is not None:
            pairs = zip(base.manifest.layers, base.config.diff_ids, strict=True)
            below = tuple(_base_layer(base.store, layer, diff_id) for layer, diff_id in pairs)
        return (*below, *map(self._layer, root.layers))

    def _layer(self, entries: Collection[Entry]) -> RootLayer:
        known = self._layers.get(id(entries))
        if known is None:
            epoch, scope = self._epoch or 0, self.scope
            self._spool.fill(
                entry.content for entry in kept_objects(entries)
            )  # each layer that files come from is read once
            diff_id = tar_digest(entries, epoch=epoch, scope=scope, memo=self._machine.memo)
            known = (entries, RootLayer(str(diff_id), lambda: _checked(tar_stream(entries, epoch), diff_id)))
            self._layers[id(entries)] = known
        return known[1]

    def _stored(self, tar: StoredTar) -> RootLayer:
        def opened() -> Iterator[bytes]:
            with self._machine.content.open_blob(tar.descriptor) as pieces:
                yield from pieces

        return RootLayer(str(tar.diff_id), opened)

    # Mounts

    def _mount(
        self, process: Process, mounted: Mounted, secrets: dict[str, bytes]
    ) -> tuple[Mount | None, Mapping[str, Any]]:
        """A mount, None where there is nothing to mount, and its part of the key; variables go into `secrets`."""
        said = mounted.mount
        match said.type:
            case "secret":
                return self._secret(process, said, secrets)
            case "ssh":
                return self._agent(process, said)
            case "tmpfs":
                mount = Mount(MountKind.TMPFS, _target(process, said.target), size=said.size, mode=0o1777)
                return mount, mount_key(mount)
        layers, source = self._shown(mounted)
        if said.type == "bind":
            mount = Mount(
                MountKind.BIND,
                _target(process, said.target),
                layers=layers,
                source=source,
                read_only=said.read_only,
            )
            return mount, mount_key(mount)
        name = said.id or posixpath.normpath(said.target)
        own = hashlib.sha256(
            "\0".join((self._project, str(process.native.normalised()), name)).encode()
        ).hexdigest()
        mount = Mount(
            MountKind.CACHE,
            _target(process, said.target),
            layers=layers,
            source=source,
            cache=own[:32],
            sharing=Sharing(said.sharing),
            read_only=said.read_only,
            mode=0o755 if said.mode is None else said.mode,
            uid=said.uid,
            gid=said.gid,
        )
        return mount, mount_key(mount, name)

    def _shown(self, mounted: Mounted) -> tuple[tuple[RootLayer, ...], str]:
        """The layers of what a mount shows, and the path in them."""
        said = mounted.mount
        if mounted.root is not None:
            return self._root(mounted.root), posixpath.normpath(posixpath.join("/", said.source))
        if said.type == "cache" and not said.source_stage:
            return (), "/"
        files = mounted.files if mounted.files is not None else self._context("")
        source = said.source or "/"
        is_folder = files.kind_at(files.resolve(source)) is FileKind.DIRECTORY
        layer = LayerBuilder(None)
        copy(Order((literal(source),), "/" if is_folder else "/file"), files, layer, _missing)
        return (self._layer(layer.sorted()),), "/" if is_folder else "/file"

    def _secret(
        self, process: Process, said: RunMount, secrets: dict[str, bytes]
    ) -> tuple[Mount | None, Mapping[str, Any]]:
        name = said.id or posixpath.basename(said.target)
        place = said.target or posixpath.join("/run/secrets", posixpath.basename(name))
        mount = replace(_owned(MountKind.SECRET, process, place, said, 0o400), read_only=True)
        key = mount_key(mount, name, said.env)
        secret = self._options.secrets.get(name)
        if secret is None:
            if said.required:
                raise NotFound(
                    f"secret {name} is required, and none is given",
                    name=name,
                    hint=f"add --secret id={name},src=FILE",
                )
            return None, key
        data = secret.value(self._environ)
        if said.env:
            secrets[said.env] = data
        if said.env and not said.target:
            return None, key
        return replace(mount, content=data), key

    def _agent(self, process: Process, said: RunMount) -> tuple[Mount | None, Mapping[str, Any]]:
        name = said.id or "default"
        place = said.target or "/run/buildkit/ssh_agent.0"
        path = self._options.ssh.get(name)
        mount = replace(_owned(MountKind.SSH, process, place, said, 0o600), socket=path)
        if path is None and said.required:
            raise NotFound(f"ssh {name} is required, and no agent is given", name=name, hint=f"add --ssh {name}")
        return (mount if path is not None else None), mount_key(mount, name)


def _owned(kind: MountKind, process: Process, place: str, said: RunMount, mode: int) -> Mount:
    """A mount with the owner that is said, and the mode if one is."""
    mode = mode if said.mode is None else said.mode
    return Mount(kind, _target(process, place), mode=mode, uid=said.uid, gid=said.gid)


def _target(process: Process, target: str) -> str:
    """Where something is mounted, as an absolute path. Raises UsageError for the root."""
    path = posixpath.normpath(posixpath.join(process.workdir, target))
    path = "/" + path.lstrip("/")
    if path == "/":
        raise UsageError("a mount cannot take the place of the root", hint="name a folder below it")
    return path


def _base_layer(store: Reader, layer: Descriptor, diff_id: Digest) -> RootLayer:
    def opened() -> Iterator[bytes]:
        with store.open_blob(layer) as pieces:
            yield from _checked(decompress(pieces), diff_id)

    return RootLayer(str(diff_id), opened)


def _checked(pieces: Iterable[bytes], diff_id: Digest) -> Iterator[bytes]:
    """The pieces of a tar. Raises DigestMismatch at the end of another one."""
    hint = "the image is damaged; ocitool check --deep tells more"
    return Tap(diff_id.algorithm).expecting(diff_id, pieces, "an unpacked layer", hint)


def _missing(path: str) -> NotFound:
    return not_found(path, "what is mounted", "")
