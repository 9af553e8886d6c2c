"""This machine's store: a layout of content, memos of what is known, and images under local names.

    <root>/content   an OCI layout; names are full references
    <root>/memo      what was computed before, by the digest of the question; safe to lose
    <root>/journal   uploads that were cut, so that a later run can go on
    <root>/places    which repositories were seen to have which blobs, a file for each registry
    <root>/work      where compilers write, a folder for each project
    <root>/zig       what zig keeps, for all projects; zig-made tells what it has made of its own libraries
    <root>/sysroots  libraries and headers of other platforms, unpacked
    <root>/unpacked  layers as folders, caches of mounts, and what running commands write, some of it other users'
    <root>/emulators programs out of images that --emulator named, a folder for each image
    <root>/changes   what commands changed, until a layer is made of it
    <root>/backup    the old bytes of everything that was changed in place
    <root>/lock      held shared by whoever uses the store, alone by whoever prunes it

Everything is written to a temporary name and renamed, so several processes can share a root.
"""

import fcntl
import json
import os
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ocitool.errors import LocalIOError, NotFound, local_io
from ocitool.events import Listener, Noted
from ocitool.model.digest import Digest
from ocitool.model.files import temporary_in
from ocitool.model.views import Index, Manifest, view
from ocitool.registry.hosts import home_folder
from ocitool.store.base import CACHE_TAG, CACHE_TAG_TEXT
from ocitool.values import dataclass

if TYPE_CHECKING:
    from ocitool.store.layout import LayoutStore

_PATIENCE_S: Final = 2.0
_TURN_S: Final = 0.05
_AGAIN: Final = (
    "memo",
    "work",
    "journal",
    "places",
    "zig",
    "zig-made",
    "sysroots",
    "unpacked",
    "changes",
    "caches",
    "emulators",
)
"""What can be made again."""
_SCHEMA: Final = "1"
"""Part of every memo key; raise it when the meaning of memos changes."""


def default_root(environ: dict[str, str] | None = None) -> Path:
    """`$XDG_CACHE_HOME/ocitool`, else `~/.cache/ocitool`; without a home, a place that nobody can create."""
    environ = dict(os.environ) if environ is None else environ
    base = environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "ocitool"
    return (home_folder(environ) or Path(os.devnull)) / ".cache" / "ocitool"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning did: bytes freed, or that other runs use the store, and all of it was spared."""

    freed: int = 0
    is_in_use: bool = False


class MachineStore:
    """The parts of a cache root. Nothing is created before something is written.

    One that does not last (`lasts`) is gone after this run: no backup belongs there.
    """

    def __init__(self, root: Path, *, lasts: bool = True) -> None:
        self.root, self.lasts = root, lasts
        self.memo = DiskMemo(root / "memo")
        self._content: LayoutStore | None = None
        self._lock: int | None = None
        self._unlock: weakref.finalize[..., MachineStore] | None = None
        self._holding = Lock()

    @property
    def content(self) -> "LayoutStore":
        """The layout of content; nobody prunes it while this object is in use."""
        from ocitool.store.layout import LayoutStore

        self.hold()
        with self._holding:
            self._content = self._content or LayoutStore(self.root / "content", create=True, durable=False)
        return self._content

    def hold(self) -> None:
        """Keep the store from being pruned until it is let go; waits for the end of a prune (K243)."""
        with self._holding, suppress(OSError):  # what cannot be written by us is not pruned by us either
            if self._lock is None and self.root.is_dir():
                self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._unlock = weakref.finalize(self, os.close, self._lock)
                fcntl.flock(self._lock, fcntl.LOCK_SH)

    def let_go(self) -> None:
        """Allow the store to be pruned again, as the end of this object does; using it holds it once more."""
        with self._holding:
            if self._unlock is not None:
                self._unlock()
            self._lock = self._unlock = None

    def or_temporary(self, stack: ExitStack, listener: Listener) -> "MachineStore":
        """This store, or one that is gone with the stack where it cannot be written, which is told.

        Raises LocalIOError where no other can be made.
        """
        try:
            self.check_writable()
        except LocalIOError as error:
            from tempfile import TemporaryDirectory

            try:
                folder = stack.enter_context(TemporaryDirectory(prefix="ocitool-"))
            except OSError:
                raise error from None
            note = f"note: {error.what}; nothing of this run is remembered, and {folder} is used until it ends"
            listener(Noted(note, "notice"))
            return MachineStore(Path(folder), lasts=False)
        return self

    def tool_caches(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables by which compilers keep their caches below this store, but for modules that are there."""
        found = {"XDG_CACHE_HOME": f"{self.root}/tools"}
        modules = (home_folder(environ) or Path(os.devnull)) / "go"
        if not ({"GOPATH", "GOMODCACHE"} & set(environ) or os.path.lexists(modules)):
            found["GOMODCACHE"] = f"{self.root}/modules"
        return found

    @property
    def journal(self) -> Path:
        """Folder of the upload journal."""
        return self.root / "journal"

    @property
    def places(self) -> Path:
        """Folder of what is known of the places of blobs in registries."""
        return self.root / "places"

    @property
    def backup(self) -> Path:
        """Layout that keeps the old bytes of changed manifests."""
        return self.root / "backup"

    def check_writable(self) -> None:
        """Raise LocalIOError now, before long work, if the root cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = temporary_in(self.root)
            probe.touch()
            probe.unlink()
            tag = self.root / CACHE_TAG
            if not tag.exists():
                tag.write_text(CACHE_TAG_TEXT, encoding="ascii")
            self.hold()
        except OSError as error:
            raise LocalIOError(
                f"cannot write this machine's store {self.root}: {(error.strerror or str(error)).lower()}",
                path=str(self.root),
                hint="choose another folder with --cache-dir or OCITOOL_CACHE_DIR",
            ) from error

    def image(self, name: str) -> None:
        """Raise NotFound unless an image is kept here under the full reference `name`."""
        if self.content.head(name) is None:
            raise NotFound(
                f"no image {name} in this machine's store",
                name=name,
                where=str(self.root),
                hint="ocitool build -t it",
            )

    def prune(self, *, everything: bool = False, remove: Callable[[Path], None] | None = None) -> Pruned:
        """Remove what can be made again, and with `everything` the kept images too.

        Blobs that a kept image refers to stay. While another run uses the store, nothing is removed; its end is
        waited for a moment. `remove` takes a folder away that can be made again. Raises LocalIOError.
        """
        if not self.root.is_dir():
            return Pruned()
        self.hold()
        if self._lock is None:
            self.check_writable()
        elif not self._is_alone(self._lock):
            return Pruned(is_in_use=True)
        before = _size(self.root)
        try:
            self._remove(remove, everything=everything)
        except OSError as error:
            raise local_io(error, f"empty {self.root}") from error
        finally:
            if self._lock is not None:
                fcntl.flock(self._lock, fcntl.LOCK_SH)
        return Pruned(before - _size(self.root))

    def _is_alone(self, lock: int) -> bool:
        """Hold the lock alone, if others let go of it in time."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= deadline:
                    fcntl.flock(lock, fcntl.LOCK_SH)
                    return False
                time.sleep(_TURN_S)
            else:
                return True

    def _remove(self, remove: Callable[[Path], None] | None, *, everything: bool) -> None:
        from shutil import rmtree

        for name in (*_AGAIN, *(["content"] if everything else [])):
            if (self.root / name).exists():
                (remove or rmtree)(self.root / name)
        if everything:
            return
        kept = self._needed()
        for path in (self.root / "content" / "blobs").glob("*/*"):
            if f"{path.parent.name}:{path.name}" not in kept:
                path.unlink()
        for path in (self.root / "content").glob(".ingest-*"):
            path.unlink()

    def _needed(self) -> set[str]:
        """The digests of everything that the names in the content layout lead to."""
        needed: set[str] = set()
        todo = [entry.digest for entry in self.content.entries()]
        while todo:
            digest = todo.pop()
            if digest in needed:
                continue
            needed.add(digest)
            try:
                seen = view(self.content.get_manifest(str(digest)))
            except NotFound:
                continue  # a kept index without one of its children: the others stay
            match seen:
                case Index():
                    todo += [entry.digest for entry in seen.entries]
                case Manifest():
                    needed |= {blob.digest for blob in (seen.config, *seen.layers)}
                case _:  # nothing is known of what it leads to
                    pass
        return needed


def _size(root: Path) -> int:
    """Bytes of the files below a folder."""
    size = 0
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):  # an upload elsewhere has ended
            size += path.lstat().st_size if path.is_file() else 0
    return size


class DiskMemo:
    """Answers to questions asked before; a damaged or missing file is a question not asked yet."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def recall(self, key: str) -> dict[str, Any] | None:
        """The value remembered under `key`, or None."""
        try:
            tree = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(tree, dict) or tree.get("key") != key:
            return None
        value = tree.get("value")
        return value if isinstance(value, dict) else None

    def remember(self, key: str, value: dict[str, Any]) -> None:
        """Keep `value` under `key`; what cannot be written, as in a read-only home, is asked again next time."""
        path = self._path(key)
        temporary = temporary_in(path.parent)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_text(json.dumps({"key": key, "value": value}), encoding="utf-8")
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = Digest.of(f"{_SCHEMA}\0{key}".encode()).hex
        return self._root / name[:2] / name[2:]
