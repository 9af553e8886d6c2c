"""The inventory of one image: its packages, its programs, and the files that ocitool itself put there.

The merged tree says which files a container would find; then each layer is read once, bottom first, and every file
that counts is looked at as it passes. What a package's files are is not told: databases are believed.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
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
from ocitool.model.numbers import GIB, KIB, MIB
from ocitool.model.platform import Platform
from ocitool.model.printable import unicode
from ocitool.model.views import ImageConfig, Manifest
from ocitool.pack.entries import FileOrigin
from ocitool.rootfs.extract import contents, members
from ocitool.rootfs.tree import Tree, read_tree
from ocitool.store.base import Memo, Reader
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from ocitool.values import dataclass

OURS: Final = "ocitool"
"""What the history of a layer that ocitool packed says of it, in its comment."""
_RELEASES: Final = ("etc/os-release", "usr/lib/os-release")
_DPKG: Final = "var/lib/dpkg/status"
_DPKG_FOLDER: Final = "var/lib/dpkg/status.d/"
_APK: Final = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_DATABASE_LIMIT: Final = 64 * MIB
"""Largest text database that is read; Debian's has a KiB for each package."""
_TEXTS_LIMIT: Final = 256 * MIB
"""Most bytes of all files of metadata together; a large image of Node.js has some 100 MiB."""
_TOML: Final = 16
"""How much more work a byte of TOML is than one of the others: some 5 s a MiB."""
_LINES: Final = 100
"""Most lines about what was not read."""
_LINE: Final = 1000
_FILES: Final = 50_000
"""Most files that are listed by themselves besides programs; a guess at what readers of documents take."""
_RPM_LIMIT: Final = 2 * GIB
_SMALL_LIMIT: Final = 4 * MIB
_METADATA_LIMIT: Final = 256 * KIB
"""Bytes of a METADATA file that are read: what counts stands at its beginning, and its description is long."""
_PROGRAM_LIMIT: Final = GIB


@dataclass(frozen=True, slots=True, order=True)
class InventoryFile:
    """A file that is listed by itself: a program with what is in it, or one of ours.

    `step` is what put it there, by the history of its layer or the line of a Dockerfile; empty for files of others.
    `source` is what it was taken out of, where that is known.
    """

    path: str
    size: int
    sha1: str
    sha256: str
    kind: str = ""
    step: str = ""
    source: str = ""


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
    store: Reader,
    manifest: Manifest,
    platform: Platform | None,
    memo: Memo | None,
    *,
    scope: Scope,
    width: int = 4,
    origins: Sequence[Mapping[str, FileOrigin]] = (),
) -> Inventory:
    """Read an image and tell what is in it; `origins` are what is known of the files of each layer.

    Raises what reading layers raises, and MalformedDocument for a bomb.
    """
    tree = read_tree(store, manifest, memo, scope=scope, width=width)
    config = read_config(store, manifest.config)
    taker = _Taker(tree, _our_steps(config, len(manifest.layers)), origins, scope)
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

    def __init__(
        self, tree: Tree, ours: Mapping[int, str], origins: Sequence[Mapping[str, FileOrigin]], scope: Scope
    ) -> None:
        self._tree, self._ours, self._origins, self._scope = tree, ours, origins, scope
        self._stack = ExitStack()
        self._folder = Path()
        self._texts: dict[str, bytes] = {}
        self._databases: dict[str, Path] = {}
        self._packages: set[FoundPackage] = set()
        self._files: set[InventoryFile] = set()
        self._unread: dict[str, None] = {}
        self._left = _TEXTS_LIMIT
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
        owned = self._owned(names)
        content = _Content(member, self._scope, is_hashed=bool(owned))
        binary = None
        try:
            if not self._metadata(names[0], content) and (owned or 0 < member.size <= _PROGRAM_LIMIT):
                binary = inspect_stream(content.pieces)
        except MalformedDocument as error:
            self._note(f"/{names[0]}: {error.what}")
        found = [*go_modules(binary, names[0]), *rust_crates(binary, names[0])] if binary is not None else []
        self._add(found)
        if not owned and not found:
            return
        sha1, sha256 = content.finish()
        kind = f"{binary.format.value} {binary.kind.value}" if binary is not None else ""
        for path in names:
            self._files.add(InventoryFile(path, member.size, sha1, sha256, kind, *owned.get(path, ())))

    def _owned(self, names: tuple[str, ...]) -> dict[str, tuple[str, str]]:
        """The step and source of each name of a file, empty for a file of others."""
        node = self._tree.get(names[0])
        layer = node.layer if node is not None else -1
        origins = self._origins[layer] if 0 <= layer < len(self._origins) else {}
        found = {path: (one.step, one.label) for path in names if (one := origins.get(path)) is not None}
        step = self._ours.get(layer, "")
        return dict.fromkeys(names, (step, "")) if step and not found else found

    def _metadata(self, path: str, content: "_Content") -> bool:
        """Whether a file tells of packages, which are added. Raises MalformedDocument."""
        if path == self._release:
            self._distribution = read_distribution(content.text(_SMALL_LIMIT))
        elif path in self._rpm or path in self._logs:
            self._keep(path, content)
        elif path == _DPKG or path in _APK or _is_status(path):
            self._texts[path] = content.read(self._spend(content.size, _DATABASE_LIMIT))
        elif PYTHON.search(path):
            self._spend(min(content.size, _METADATA_LIMIT), _SMALL_LIMIT)
            self._add(read_python(content.text(_METADATA_LIMIT, cut=True), path))
        elif NPM.search(path):
            self._add(read_npm(content.read(self._spend(content.size, _SMALL_LIMIT)), path))
        elif CARGO.search(path):
            limit = self._spend(content.size, _SMALL_LIMIT, weight=_TOML)
            self._add(read_cargo_lock(content.text(limit), path))
        else:
            return False
        return True

    def _spend(self, size: int, limit: int, *, weight: int = 1) -> int:
        """How many bytes of a file of metadata may be read; all together have a bound too, by their weight."""
        if size > limit:
            return limit
        self._left -= size * weight
        if self._left < 0:
            raise MalformedDocument(f"it is beyond the {_TEXTS_LIMIT} bytes of such files that are read")
        return limit

    def inventory(self, digest: Digest, platform: Platform | None, created: str) -> Inventory:
        """All that was found."""
        for path, text in self._texts.items():
            read = read_apk if path in _APK else read_dpkg
            self._add(read(text, path, self._distribution))
        for path, copy in self._databases.items():
            try:
                self._add(read_rpm(copy, path, self._distribution))
            except MalformedDocument as error:
                self._note(f"/{path}: {error.what}")
        for path, what in UNREAD.items():
            if self._real(path):
                self._note(f"{what}, /{path}")
        if len(self._files) > _FILES:
            self._note(f"{len(self._files)} files of this build, of which only programs are listed")
            self._files = {one for one in self._files if one.kind}
        packages = tuple(sorted(self._packages, key=lambda one: (one.purl, one.found_in)))
        return Inventory(
            digest,
            platform,
            self._distribution,
            packages,
            tuple(sorted(self._files)),
            tuple(self._unread),
            created,
        )

    def _note(self, line: str) -> None:
        """Tell what was not read, so many times and no more."""
        if len(self._unread) < _LINES:
            self._unread[unicode(line[:_LINE])] = None
        else:
            self._unread["and more than that"] = None

    def _add(self, found: Iterable[FoundPackage]) -> None:
        """Add packages; those beyond the bound are left out, which is told."""
        for package in found:
            self._scope.check()
            if len(self._packages) >= MOST and package not in self._packages:
                self._note(f"more than {MOST} packages")
                return
            self._packages.add(package)

    def _keep(self, path: str, content: "_Content") -> None:
        """A database in a file of our own."""
        if content.size > _RPM_LIMIT:
            raise MalformedDocument(f"it has {content.size} bytes, more than is read")
        number = list(self._rpm).index(self._logs.get(path, path))
        copy = self._folder / f"{number}.sqlite{'-wal' if path in self._logs else ''}"
        try:
            with copy.open("wb") as file:
                for piece in content.pieces:
                    file.write(piece)
        except OSError as error:
            raise local_io(error, f"write {copy}") from error
        if path in self._rpm:
            self._databases[path] = copy


class _Content:
    """The content of a file that is read once, and hashed where that is wanted or it may be a program."""

    def __init__(self, member: TarMember, scope: Scope, *, is_hashed: bool) -> None:
        self.size = member.size
        self._sha1, self._sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
        self.pieces = scope.pieces(self._hashed(member.pieces(), is_hashed=is_hashed))

    def text(self, limit: int, *, cut: bool = False) -> str:
        """As `read`, as text."""
        return self.read(limit, cut=cut).decode("utf-8", "replace")

    def read(self, limit: int, *, cut: bool = False) -> bytes:
        """The content of the file; with `cut` no more than `limit` bytes of it. Raises MalformedDocument."""
        if self.size > limit and not cut:
            raise MalformedDocument(f"it has {self.size} bytes, {limit} are read")
        data = bytearray()
        for piece in self.pieces:
            data += piece
            if len(data) >= limit:
                break
        return bytes(data[:limit])

    def finish(self) -> tuple[str, str]:
        """SHA-1 and SHA-256 of the whole, in hex."""
        for _ in self.pieces:
            pass
        return self._sha1.hexdigest(), self._sha256.hexdigest()

    def _hashed(self, pieces: Iterable[bytes], *, is_hashed: bool) -> Iterator[bytes]:
        head = b""
        for piece in pieces:
            if not is_hashed and len(head) < 4:
                head += piece
                is_hashed = len(head) >= 4 and is_promising(head)
                self._update(head if is_hashed else b"")
            elif is_hashed:
                self._update(piece)
            yield piece

    def _update(self, piece: bytes) -> None:
        self._sha1.update(piece)
        self._sha256.update(piece)


def _is_status(path: str) -> bool:
    return path.startswith(_DPKG_FOLDER) and not path.endswith(".md5sums")
