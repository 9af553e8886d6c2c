"""The executor of a build: what it is asked about is remembered, and its emulators are found where flags say.

What was found to work on this machine is not tried again until it is started anew, so that a build whose RUN lines
are all known starts nothing.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ocitool.dockerfile.run.options import RunOptions
from ocitool.errors import NotFound, Unsupported, local_io
from ocitool.executor.base import Changes, Execution
from ocitool.image.base import BaseImage, open_base
from ocitool.model.digest import Digest, Tap
from ocitool.model.files import FileKind
from ocitool.model.numbers import KIB, MIB
from ocitool.model.platform import Platform
from ocitool.rootfs.tree import Tree, read_file, read_tree
from ocitool.store.base import Memo
from ocitool.tasks import Scope
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.executor.id_maps import IdMaps
    from ocitool.executor.runtime import RuntimeExecutor

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_FOLDERS: Final = ("usr/bin", "usr/local/bin", "bin")
_EMULATOR_LIMIT: Final = 64 * MIB
"""Most bytes of an emulator; a guess, they have 5 to 15 MB."""
_PIECE: Final = 256 * KIB


class RememberedExecutor:
    """An executor that `make` gives when it is needed, and whose checks that succeeded are remembered in `memo`.

    `identity` is what decides whether commands run here. `named` are the emulators that the user named, each with
    the image that it is out of.
    """

    def __init__(
        self,
        make: "Callable[[], RuntimeExecutor]",
        memo: Memo,
        identity: str,
        environ: Mapping[str, str] | None = None,
        named: Mapping[Path, BaseImage | None] | None = None,
    ) -> None:
        self.named = named or {}
        self._make = make
        self._made: RuntimeExecutor | None = None
        self._lock = threading.Lock()
        self._memo = memo
        self._identity = identity
        self._environ = environ or {}

    @property
    def _inner(self) -> "RuntimeExecutor":
        with self._lock:
            self._made = self._made or self._make()
            return self._made

    @property
    def owners(self) -> str:
        """How owners are kept, for keys: what one user stands for is not what a range of them gives."""
        known = self._memo.recall(f"run-owners:{self._identity}")
        if known is not None:
            return str(known["owners"])
        try:
            maps = self._inner.maps
        except Unsupported:  # what is in a cache is found without trying
            from ocitool.executor.id_maps import of_this_user

            return _word(of_this_user(self._environ))
        self._memo.remember(f"run-owners:{self._identity}", {"owners": _word(maps)})
        return _word(maps)

    def check(self, platforms: Iterable[Platform]) -> None:
        """Raise Unsupported if a platform's commands cannot run here; nothing is left running."""
        todo = [one for one in platforms if self._memo.recall(self._key(one)) is None]
        if not todo:
            return
        try:
            self._inner.check(todo)
            _ = self.owners
            found = {one: self._inner.emulator(one) for one in todo}
        finally:
            self._inner.close()
        for one, path in found.items():
            self._memo.remember(self._key(one), {"emulator": path})

    def emulator(self, platform: Platform) -> str:
        """What was found to emulate a platform; "" for nothing, also where it was not checked."""
        return str((self._memo.recall(self._key(platform)) or {}).get("emulator", ""))

    def _key(self, platform: Platform) -> str:
        return f"run-works-by:{self._identity}:{platform.normalised()}"

    def run(self, execution: Execution, *, scope: Scope, output: Callable[[bytes], None]) -> Changes:
        """Carry a command out; see `Executor.run`."""
        return self._inner.run(execution, scope=scope, output=output)

    def close(self) -> None:
        """End every process."""
        if self._made is not None:
            self._made.close()


def _word(maps: "IdMaps") -> str:
    return "one" if maps.is_single else "range"


def executor_of(options: RunOptions, workspace: Workspace, environ: Mapping[str, str]) -> RememberedExecutor:
    """What carries the RUN lines of a build out. Raises NotFound for an emulator that is not there, and as reading.

    Nothing is started yet.
    """
    named = dict[Path, BaseImage | None]()
    for place in options.emulators:
        named |= find_emulators(place, workspace)

    def make() -> "RuntimeExecutor":
        from ocitool.executor.runtime import RuntimeExecutor

        return RuntimeExecutor(workspace.machine, named=tuple(named), environ=environ)

    return RememberedExecutor(make, workspace.machine.memo, _identity(environ, named), environ, named)


def _identity(environ: Mapping[str, str], named: Iterable[Path]) -> str:
    """A digest of what decides whether commands run here, as far as that is seen without trying."""
    try:
        boot = _BOOT.read_text("utf-8").strip()
    except OSError:
        boot = ""
    programs = []
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        for name in ("runc", "crun", "newuidmap", "newgidmap"):
            path = os.path.join(folder, name)  # noqa: PTH118 - a PATH may hold an empty word
            try:
                found = os.stat(path)  # noqa: PTH116
            except (OSError, ValueError):
                continue
            programs.append((path, found.st_ino, found.st_mtime_ns, found.st_mode))
    told = repr((boot, os.geteuid(), os.getegid(), environ.get("PATH", ""), programs, [str(one) for one in named]))
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def find_emulators(place: str, workspace: Workspace) -> dict[Path, BaseImage | None]:
    """The emulators that --emulator names: a file, files qemu-… of a folder, or those of an image, with that image.

    Files of an image are kept in this machine's store. Raises NotFound where there is none, UsageError, NotVerified
    for an image that is not trusted, and what reading it raises.
    """
    path, image = Path(place), None
    try:
        if path.is_dir():
            found = sorted(one.absolute() for one in path.iterdir() if one.name.startswith("qemu-"))
        elif path.is_file():
            found = [path.absolute()]
        else:
            image = _image_of_emulators(place, workspace)
            found = list(_out_of_image(image, workspace))
    except OSError as error:
        raise local_io(error, f"read {place}") from error
    if not found:
        raise NotFound(
            f"no emulator in {place}", name=place, hint="its files are called qemu-aarch64, qemu-arm and the like"
        )
    return dict.fromkeys(found, image)


def digest_of(emulator: Path) -> Digest:
    """The digest of an emulator. Raises LocalIOError."""
    tap = Tap()
    try:
        with emulator.open("rb") as file:
            for _ in tap(iter(partial(file.read, _PIECE), b"")):
                pass
    except OSError as error:
        raise local_io(error, f"read {emulator}") from error
    return tap.digest


def _image_of_emulators(place: str, workspace: Workspace) -> BaseImage:
    store, name, _ = workspace.open_source(place)
    return open_base(store, name).image(workspace.host, workspace.listener, role="image of emulators")


def _out_of_image(image: BaseImage, workspace: Workspace) -> Iterator[Path]:
    store = image.store
    folder = workspace.machine.root / "emulators" / image.manifest.document.digest.hex
    workspace.machine.hold()
    if folder.is_dir():
        yield from sorted(folder.iterdir())
        return
    tree = read_tree(store, image.manifest, workspace.machine.memo, scope=workspace.scope, in_parts=True)
    workspace.machine.check_writable()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        for name, path in _emulators_in(tree).items():
            pieces = read_file(store, image.manifest, tree, path, scope=workspace.scope, limit=_EMULATOR_LIMIT)
            with (made / name).open("wb") as file:
                file.writelines(pieces)
            (made / name).chmod(0o755)
        with suppress(OSError):  # another build was first
            made.rename(folder)
    yield from sorted(folder.iterdir())


def _emulators_in(tree: Tree) -> dict[str, str]:
    """The paths of emulators in an image by their names; of two with one name that in the first folder."""
    found: dict[str, str] = {}
    for above in _FOLDERS:
        for name in tree.names(tree.resolve(above)):
            node = tree.lookup(f"{above}/{name}")
            if name.startswith("qemu-") and node is not None and node.kind is FileKind.FILE:
                found.setdefault(name, f"{above}/{name}")
    return found
