"""Unpacked layers in this machine's store, and trees of them mounted by overlayfs; used inside the user namespace.

    layers/<hex>               a layer: `fs`, its files, and `about.json`, what files could not be given
    layers/<hex>.borrowed      an empty file: this layer needs those below it, and is kept as
    layers/<hex>.<chain>       … one for each chain of layers below
    locks/<hex>                held while a layer is unpacked
    runs/<name>                what a running command writes; runs/<name>.lock is held as long as it runs

Nothing is seen under its name before it is whole.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from typing import Any, Final

from ocitool.errors import DigestMismatch, Unsupported
from ocitool.executor import kernel
from ocitool.executor.removal import remove_tree
from ocitool.executor.unpack import Attributes, Unpacked, unpack
from ocitool.values import dataclass

MAX_LAYERS: Final = 500
"""As many as overlayfs takes."""
_KEY: Final = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Lower:
    """An unpacked layer; `folder` is where `fs` and `about.json` are."""

    folder: str

    @property
    def files(self) -> str:
        """Its files."""
        return f"{self.folder}/fs"

    @cached_property
    def about(self) -> Mapping[str, Any]:
        """What was written beside it."""
        with open(f"{self.folder}/about.json", encoding="utf-8", errors="surrogateescape") as file:
            found: Mapping[str, Any] = json.load(file)
        return found


class Stacks:
    """The folder of this machine's store that belongs to one kind of user namespace."""

    def __init__(self, root: str, *, is_single: bool, connector: socket.socket | None = None) -> None:
        """`connector` reaches sockets of the host: see `agent.py`."""
        self.root = root
        self.connector = connector
        self.is_single = is_single

    def prepare(self) -> None:
        """Make the folders, and remove what commands that were killed left behind."""
        for name in ("layers", "locks", "runs", "caches"):
            os.makedirs(f"{self.root}/{name}", 0o700, exist_ok=True)
        for name in os.listdir(f"{self.root}/runs"):
            if name.endswith(".lock"):
                with suppress(OSError), _held(f"{self.root}/runs/{name}", wait=False):
                    _remove(f"{self.root}/runs/{name.removesuffix('.lock')}")
                    os.unlink(f"{self.root}/runs/{name}")

    @contextmanager
    def run_folder(self) -> Iterator[str]:
        """A new folder for what one command writes; removed with the block, or by who comes next."""
        name = f"{self.root}/runs/{secrets.token_hex(8)}"
        with _held(f"{name}.lock"):
            os.mkdir(name, 0o700)
            try:
                yield name
            finally:
                _remove(name)
                os.unlink(f"{name}.lock")

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Keep others from adding this layer."""
        return _held(f"{self.root}/locks/{_name(key)}")

    def find(self, keys: Sequence[str]) -> Lower | None:
        """The topmost of these layers (lowest first) if it is unpacked."""
        name = _name(keys[-1])
        if os.path.exists(f"{self.root}/layers/{name}.borrowed"):
            name = f"{name}.{_chain(keys)}"
        folder = f"{self.root}/layers/{name}"
        return Lower(folder) if os.path.isdir(folder) else None

    def lowers(self, keys: Sequence[str]) -> list[Lower]:
        """The layers of a tree, topmost first, without those that nothing can be seen of. All must be unpacked."""
        found: dict[str, Lower] = {}
        for count in range(len(keys), 0, -1):
            lower = self.find(keys[:count])
            if lower is None:
                raise FileNotFoundError(2, "a layer has vanished from this machine's store", keys[count - 1])
            found.setdefault(lower.folder, lower)
        return list(found.values())

    def add(self, keys: Sequence[str], pieces: Callable[[], Iterable[bytes]]) -> None:
        """Unpack the topmost of these layers if it is not here; `pieces` is called only then.

        Others that want the same one wait. Raises MalformedDocument, DigestMismatch for a tar with another digest
        than its key says, and what `unpack` raises; nothing is left then. Changes the working directory.
        """
        name = _name(keys[-1])
        with self.lock(keys[-1]):
            if self.find(keys) is not None:
                return
            with self.run_folder() as place:
                digest = hashlib.sha256()
                with self._base(keys[:-1], place) as base:
                    about = unpack(_counted(pieces(), digest), f"{place}/fs", base, is_single=self.is_single)
                    os.chdir("/")
                if digest.hexdigest() != name:
                    raise DigestMismatch(
                        f"a layer unpacks to sha256:{digest.hexdigest()}",
                        expected=keys[-1],
                        got=f"sha256:{digest.hexdigest()}",
                    )
                self.keep(keys, place, about)

    def keep(self, keys: Sequence[str], place: str, about: Unpacked) -> None:
        """Make `place`, which holds `fs`, the folder of the topmost of these layers."""
        name = _name(keys[-1])
        _write_about(place, about)
        if about.has_borrowed:
            os.close(os.open(f"{self.root}/layers/{name}.borrowed", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            name = f"{name}.{_chain(keys)}"
        made = f"{place}.made"
        os.mkdir(made, 0o700)
        try:
            os.rename(f"{place}/fs", f"{made}/fs")
            os.rename(f"{place}/about.json", f"{made}/about.json")
            os.rename(made, f"{self.root}/layers/{name}")
        except BaseException:
            _remove(made)
            raise

    @contextmanager
    def _base(self, keys: Sequence[str], place: str) -> Iterator[Callable[[], int | None]]:
        """What gives a descriptor of the tree of these layers, mounted when it is first asked for."""
        opened: list[int] = []
        point = f"{place}/base"

        def base() -> int | None:
            if not keys:
                return None
            if not opened:
                os.mkdir(point)
                mount_tree(self.lowers(keys), point, place)
                opened.append(os.open(point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            return opened[0]

        try:
            yield base
        finally:
            for descriptor in opened:
                os.close(descriptor)
                kernel.unmount(point)


def mount_tree(lowers: Sequence[Lower], point: str, place: str, upper: str = "") -> None:
    """Mount a tree at `point`: these layers, topmost first, below `upper` (a folder with `files` and `work`).

    Without `upper` it is read-only. `place` is a folder for short names: the options of a mount end at 4096 bytes.
    Raises Unsupported for more layers than overlayfs takes, OSError.
    """
    seen = [lower.files for lower in lowers if not lower.about["is_empty"]]
    if len(seen) > MAX_LAYERS:
        raise Unsupported(f"a tree of {len(seen)} layers: overlayfs takes {MAX_LAYERS}", ability="run")
    names = f"{place}/names-{secrets.token_hex(4)}"
    os.mkdir(names, 0o700)
    # An overlay needs two folders to read; empty ones stand in.
    for name in ("x", "y"):
        os.mkdir(f"{names}/{name}", 0o755)
    for number, files in enumerate(seen):
        os.symlink(files, f"{names}/{number}")
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(names)
    options = "lowerdir=" + ":".join([*map(str, range(len(seen))), "x", *([] if upper or seen else ["y"])])
    if upper:
        os.symlink(f"{upper}/files", "u")
        os.symlink(f"{upper}/work", "w")
        # Whatever is written becomes a layer or nothing: no disk is waited for, in fsync or at the end.
        options += ",upperdir=u,workdir=w,volatile"
    try:
        kernel.mount("overlay", point, "overlay", 0 if upper else kernel.READ_ONLY, f"{options},userxattr")
    finally:
        os.fchdir(before)
        os.close(before)


def make_upper(lowers: Sequence[Lower], upper: str, *, is_single: bool) -> None:
    """Make the folders of `upper`, its root with the attributes that the topmost layer with any gives it."""
    os.makedirs(f"{upper}/work", 0o700)
    os.mkdir(f"{upper}/files", 0o755)
    given = next((Attributes(**lower.about["root"]) for lower in lowers if lower.about["root"]), None)
    if given is not None:
        if not is_single:
            os.chown(f"{upper}/files", given.uid, given.gid)
        os.chmod(f"{upper}/files", given.mode)
        os.utime(f"{upper}/files", ns=(given.mtime_ns, given.mtime_ns))


def owner_of(lowers: Sequence[Lower], path: str) -> tuple[int, int]:
    """The recorded owner of a file that these layers (topmost first) show, where one user stands for all."""
    for lower in lowers:
        if os.path.lexists(f"{lower.files}/{path}"):
            uid, gid = lower.about["owners"].get(path, (0, 0))
            return uid, gid
    return 0, 0


def _write_about(folder: str, about: Unpacked) -> None:
    with open(f"{folder}/about.json", "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(asdict(about), file, ensure_ascii=False)


def _counted(pieces: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _name(key: str) -> str:
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"no key of a layer: {key!r}")
    return match.group(1)


def _chain(keys: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(keys[:-1]).encode()).hexdigest()[:32]


@contextmanager
def _held(path: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file alone. Raises OSError (EWOULDBLOCK) if another process holds it and `wait` is not given."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                    yield
                    return
        finally:
            os.close(descriptor)


def _remove(path: str) -> None:
    with suppress(OSError):
        remove_tree(path)
