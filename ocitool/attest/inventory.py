"""The inventory of one image: its packages, its programs, and the files that ocitool itself put there.

The merged tree says which files a container would find; then each layer is read once, bottom first, and every file
that counts is looked at as it passes. What a package's files are is not told: databases are believed.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ocitool.attest.distributions import RPM_DATABASES, UNREAD, read_apk, read_dpkg, read_rpm
from ocitool.attest.languages import (
    CARGO,
    NPM,
    PYTHON,
    go_modules,
    read_cargo_lock,
    read_npm,
    read_python,
    rust_crates,
)
from ocitool.attest.package import MOST, Distribution, FoundPackage, read_distribution
from ocitool.binaries.identify import inspect_stream, is_promising
from ocitool.codec.tar_reader import TarMember
from ocitool.errors import MalformedDocument, local_io
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.model.views import ImageConfig, Manifest
from ocitool.rootfs.extract import contents, members
from ocitool.rootfs.tree import Tree, read_tree
from ocitool.store.base import Memo, Reader
from ocitool.store.verify import read_config
from ocitool.tasks import Scope

OURS: Final = "ocitool"
"""What the history of a layer that ocitool packed says of it, in its comment."""
_RELEASES: Final = ("etc/os-release", "usr/lib/os-release")
_DPKG: Final = "var/lib/dpkg/status"
_DPKG_FOLDER: Final = "var/lib/dpkg/status.d/"
_APK: Final = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_DATABASE_LIMIT: Final = 256 * 1024 * 1024
"""Largest text database that is read; Debian's with every package installed would have some 100 MiB."""
_RPM_LIMIT: Final = 2 * 1024**3
_SMALL_LIMIT: Final = 4 * 1024 * 1024
_METADATA_LIMIT: Final = 256 * 1024
"""Bytes of a METADATA file that are read: what counts stands at its beginning, and its description is long."""
_PROGRAM_LIMIT: Final = 1024**3


@dataclass(frozen=True, slots=True, order=True)
class InventoryFile:
    """A file that is listed by itself: a program with what is in it, or one of ours.

    `step` is what the history says of its layer, which is where it came from; empty for files that others put
    there.
    """

    path: str
    size: int
    sha1: str
    sha256: str
    kind: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is in one image. `unread` says, a line each, what was found and could not be read."""

    digest: Digest
    platform: Platform | None
    distribution: Distribution
    packages: tuple[FoundPackage, ...]
    files: tuple[InventoryFile, ...]
    unread: tuple[str, ...] = ()
    created: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The inventory for JSON output, without its packages, which a document has."""
        return {
            "digest": str(self.digest),
            "platform": str(self.platform) if self.platform else None,
            "distribution": self.distribution.label,
            "packages": len(self.packages),
            "files": len(self.files),
            "unread": list(self.unread),
        }


def take_inventory(
    store: Reader, manifest: Manifest, platform: Platform | None, memo: Memo | None, *, scope: Scope, width: int = 4
) -> Inventory:
    """Read an image and tell what is in it. Raises what reading layers raises, and MalformedDocument for a bomb."""
    tree = read_tree(store, manifest, memo, scope=scope, width=width)
    config = read_config(store, manifest.config)
    taker = _Taker(tree, _our_steps(config, len(manifest.layers)), scope)
    with taker:
        for names, member in members(store, manifest, contents(tree), scope=scope):
            taker.look(names, member)
        return taker.inventory(manifest.document.digest, platform or config.platform, config.created)


def _our_steps(config: ImageConfig, layers: int) -> dict[int, str]:
    """By the number of a layer what made it, where that was ocitool."""
    steps = [one for one in config.history if not one.empty_layer]
    if len(steps) != layers:
        return {}
    return {number: one.created_by for number, one in enumerate(steps) if one.comment.startswith(OURS)}


class _Taker:
    """The inventory of one image in the making. Databases are kept in files until the distribution is known."""

    def __init__(self, tree: Tree, ours: Mapping[int, str], scope: Scope) -> None:
        self._tree, self._ours, self._scope = tree, ours, scope
        self._stack = ExitStack()
        self._folder = Path()
        self._texts: dict[str, str] = {}
        self._databases: dict[str, Path] = {}
        self._packages: set[FoundPackage] = set()
        self._files: set[InventoryFile] = set()
        self._unread: list[str] = []
        self._release = next((real for path in _RELEASES if (real := self._real(path))), "")
        self._rpm = {real: path for path in RPM_DATABASES if (real := self._real(path))}
        self._logs = {f"{real}-wal": f"{real}" for real in self._rpm}
        self._distribution = Distribution()

    def __enter__(self) -> "_Taker":
        try:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ocitool-")))
        except OSError as error:
            raise local_io(error, "make a temporary folder") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was kept."""
        self._stack.close()

    def _real(self, path: str) -> str:
        """The path where a file really is, empty where there is none."""
        try:
            real = self._tree.resolve(path)
        except MalformedDocument:
            return ""
        return real if self._tree.kind_at(real) is FileKind.FILE else ""

    def look(self, names: tuple[str, ...], member: TarMember) -> None:
        """Look at a file as it passes; `names` are all of its paths."""
        path = names[0]
        if path == self._release:
            self._distribution = read_distribution(self._text(member, _SMALL_LIMIT))
        elif path in self._rpm or path in self._logs:
            self._keep(path, member)
        elif path == _DPKG or path in _APK or _is_status(path):
            self._texts[path] = self._text(member, _DATABASE_LIMIT)
        elif PYTHON.search(path):
            self._told(path, lambda: read_python(self._text(member, _METADATA_LIMIT, cut=True), path))
        elif NPM.search(path):
            self._told(path, lambda: read_npm(self._bytes(member, _SMALL_LIMIT), path))
        elif CARGO.search(path):
            self._told(path, lambda: read_cargo_lock(self._text(member, _SMALL_LIMIT), path))
        else:
            self._program(names, member)

    def inventory(self, digest: Digest, platform: Platform | None, created: str) -> Inventory:
        """All that was found."""
        for path, text in self._texts.items():
            read = read_apk if path in _APK else read_dpkg
            self._add(read(text, path, self._distribution))
        for path, copy in self._databases.items():
            self._told(path, lambda path=path, copy=copy: read_rpm(copy, path, self._distribution))  # type: ignore[misc]
        self._unread += [f"{what}, /{path}" for path, what in UNREAD.items() if self._real(path)]
        packages = tuple(sorted(self._packages, key=lambda one: (one.purl, one.found_in)))
        return Inventory(
            digest,
            platform,
            self._distribution,
            packages,
            tuple(sorted(self._files)),
            tuple(dict.fromkeys(self._unread)),
            created,
        )

    def _add(self, found: Iterable[FoundPackage]) -> None:
        for package in found:
            self._scope.check()
            self._packages.add(package)
            if len(self._packages) > MOST:
                raise MalformedDocument(f"an image of more than {MOST} packages")

    def _told(self, path: str, read: Callable[[], Iterable[FoundPackage]]) -> None:
        """Add what a file tells; one that is damaged is named, and the others count."""
        try:
            self._add(list(read()))
        except MalformedDocument as error:
            self._unread.append(f"/{path}: {error.what}")

    def _program(self, names: tuple[str, ...], member: TarMember) -> None:
        node = self._tree.get(names[0])
        step = self._ours.get(node.layer, "") if node is not None else ""
        if not step and not 0 < member.size <= _PROGRAM_LIMIT:
            return
        sha1, sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()

        def update(piece: bytes) -> None:
            sha1.update(piece)
            sha256.update(piece)

        binary = inspect_stream(_hashed(member.pieces(), update, always=bool(step)))
        kind = f"{binary.format.value} {binary.kind.value}" if binary is not None else ""
        if binary is not None:
            found = [*go_modules(binary, names[0]), *rust_crates(binary, names[0])]
            self._add(found)
            if not found and not step:
                return
        if step or binary is not None:
            for path in names:
                self._files.add(InventoryFile(path, member.size, sha1.hexdigest(), sha256.hexdigest(), kind, step))

    def _keep(self, path: str, member: TarMember) -> None:
        if member.size > _RPM_LIMIT:
            self._unread.append(f"/{path} has {member.size} bytes, more than is read")
            return
        owner = self._logs.get(path, path)
        number = list(self._rpm).index(owner)
        copy = self._folder / f"{number}.sqlite{'-wal' if path in self._logs else ''}"
        try:
            with copy.open("wb") as file:
                for piece in self._scope.pieces(member.pieces()):
                    file.write(piece)
        except OSError as error:
            raise local_io(error, f"write {copy}") from error
        if path in self._rpm:
            self._databases[path] = copy

    def _text(self, member: TarMember, limit: int, *, cut: bool = False) -> str:
        return self._bytes(member, limit, cut=cut).decode("utf-8", "replace")

    def _bytes(self, member: TarMember, limit: int, *, cut: bool = False) -> bytes:
        """The content of a file; with `cut` no more than `limit` bytes of it. Raises MalformedDocument."""
        if member.size > limit and not cut:
            raise MalformedDocument(f"/{member.path} has {member.size} bytes, {limit} are read")
        data = bytearray()
        for piece in self._scope.pieces(member.pieces()):
            data += piece
            if len(data) >= limit:
                break
        return bytes(data[:limit])


def _is_status(path: str) -> bool:
    return path.startswith(_DPKG_FOLDER) and not path.endswith(".md5sums")


def _hashed(pieces: Iterable[bytes], update: Callable[[bytes], None], *, always: bool) -> Iterator[bytes]:
    """The same pieces, hashed as well if they may be a program's, or `always`."""
    head, is_wanted = b"", always
    for piece in pieces:
        if is_wanted:
            update(piece)
        elif len(head) < 4:
            head += piece
            is_wanted = len(head) >= 4 and is_promising(head)
            if is_wanted:
                update(head)
        yield piece
