"""Programs of an image whose loader, libraries or interpreter the image does not have."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from ocitool.binaries.needs import Missing, missing
from ocitool.build.prebuilt import Found
from ocitool.errors import MalformedDocument
from ocitool.model.files import Kind, resolve
from ocitool.pack.entries import Entry
from ocitool.rootfs.tree import Tree

_CACHE = "etc/ld.so.cache"


def lacking(
    found: Iterable[Found], entries: Iterable[Entry], tree: Tree | None, env: Mapping[str, str]
) -> tuple[Missing, ...]:
    """What each program lacks in an image of these entries over the base's tree (K173).

    `entries` are those that `place` returned, `env` is the environment of the image's configuration.
    Libraries that are not executable are left alone: whoever loads them may know where to look.
    """
    image = _Image(entries, tree)
    folders = [folder for folder in env.get("LD_LIBRARY_PATH", "").split(":") if folder.startswith("/")]
    looked_at = (one for one in found if one.is_executable)
    judged = (
        missing(one.binary, one.path, image.exists, library_path=folders, is_cached=image.is_cached)
        for one in looked_at
    )
    return tuple(one for one in judged if one is not None)


class _Image:
    """The files of entries over a tree, by name; links are followed inside the root."""

    def __init__(self, entries: Iterable[Entry], tree: Tree | None) -> None:
        self._entries = {entry.path: entry for entry in entries}
        self._tree = tree

    def exists(self, path: str) -> bool:
        """Whether a file is there for a program that opens `path`."""
        try:
            real = resolve(path, self._link_at)
        except MalformedDocument:
            return False
        own = self._entries.get(real)
        kind = own.kind if own is not None else self._tree.kind_at(real) if self._tree is not None else None
        return kind in {Kind.FILE, Kind.HARDLINK}

    def is_cached(self, name: str) -> bool:
        """Whether the loader's cache may list a library: it exists, and somewhere there is one of that name."""
        return self.exists(_CACHE) and name in self._names

    @cached_property
    def _names(self) -> frozenset[str]:
        paths = (*self._entries, *(path for path, _ in self._tree.walk())) if self._tree else tuple(self._entries)
        return frozenset(path.rpartition("/")[2] for path in paths)

    def _link_at(self, path: str) -> str | None:
        own = self._entries.get(path)
        if own is not None:
            return own.link if own.kind is Kind.SYMLINK else None
        return self._tree.link_at(path) if self._tree is not None else None
