"""This machine's store: a layout of content, memos of what is known, and images under local names.

    <root>/content   an OCI layout; names are full references
    <root>/memo      what was computed before, by the digest of the question; safe to lose
    <root>/journal   uploads that were cut, so that a later run can go on
    <root>/backup    the old bytes of everything that was changed in place

Everything is written to a temporary name and renamed, so several processes can share a root.
"""

import json
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ocitool.errors import LocalIOError, NotFound, local_io
from ocitool.model.digest import Digest
from ocitool.model.views import Index, Manifest, Opaque, view
from ocitool.store.base import CACHE_TAG, CACHE_TAG_TEXT
from ocitool.store.layout import LayoutStore

_SCHEMA: Final = "1"
"""Part of every memo key; raise it when the meaning of memos changes."""


def default_root(environ: dict[str, str] | None = None) -> Path:
    """`$XDG_CACHE_HOME/ocitool`, else `~/.cache/ocitool`."""
    environ = dict(os.environ) if environ is None else environ
    base = environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path(environ.get("HOME") or "/nonexistent") / ".cache"
    return home / "ocitool"


class MachineStore:
    """The parts of a cache root. Nothing is created before something is written.

    One that does not last (`lasts`) is gone after this run: no backup belongs there.
    """

    def __init__(self, root: Path, *, lasts: bool = True) -> None:
        self.root, self.lasts = root, lasts
        self.content = LayoutStore(root / "content", create=True, durable=False)
        self.memo = DiskMemo(root / "memo")

    @property
    def journal(self) -> Path:
        """Folder of the upload journal."""
        return self.root / "journal"

    @property
    def backup(self) -> Path:
        """Layout that keeps the old bytes of changed manifests."""
        return self.root / "backup"

    def check_writable(self) -> None:
        """Raise LocalIOError now, before long work, if the root cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{secrets.token_hex(4)}"
            probe.touch()
            probe.unlink()
            tag = self.root / CACHE_TAG
            if not tag.exists():
                tag.write_text(CACHE_TAG_TEXT, encoding="ascii")
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

    def prune(self, *, everything: bool = False) -> int:
        """Remove what can be made again, and with `everything` the kept images too; gives the bytes freed.

        Blobs that a kept image refers to stay. Raises LocalIOError.
        """
        before = _size(self.root)
        try:
            for name in ("memo", "work", "journal", *(["content"] if everything else [])):
                shutil.rmtree(self.root / name, ignore_errors=not (self.root / name).exists())
            if not everything:
                kept = self._needed()
                for path in (self.root / "content" / "blobs").glob("*/*"):
                    if f"{path.parent.name}:{path.name}" not in kept:
                        path.unlink()
                for path in (self.root / "content").glob(".ingest-*"):
                    path.unlink()
        except OSError as error:
            raise local_io(error, f"empty {self.root}") from error
        return before - _size(self.root)

    def _needed(self) -> set[str]:
        """The digests of everything that the names in the content layout lead to."""
        needed: set[str] = set()
        todo = [entry.digest for entry in self.content.entries()]
        while todo:
            digest = todo.pop()
            if digest in needed:
                continue
            needed.add(digest)
            seen = view(self.content.get_manifest(str(digest)))
            match seen:
                case Index():
                    todo += [entry.digest for entry in seen.entries]
                case Manifest():
                    needed |= {blob.digest for blob in (seen.config, *seen.layers)}
                case Opaque():
                    pass
        return needed


def _size(root: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())


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
        temporary = path.with_name(f".{secrets.token_hex(6)}")
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
