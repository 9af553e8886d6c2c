"""A base's tree with entries laid over it, as the image will be."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from ocitool.errors import MalformedDocument
from ocitool.model.files import Kind, resolve
from ocitool.pack.entries import Attributes, Entry

if TYPE_CHECKING:
    from ocitool.rootfs.tree import Tree


class Overlay:
    """What a container would find: `entries` (as `place` returned them) over `below`, which may be another one.

    Paths have the form of `model.files`; it can be placed upon like a tree.
    """

    def __init__(self, entries: Iterable[Entry], below: "Tree | Overlay | None" = None) -> None:
        self._entries = {entry.path: entry for entry in entries}
        self._below = below

    def get(self, path: str) -> Attributes | None:
        """The attributes of what stands at a path whose own parents are no links; None for nothing."""
        return self._entries.get(path) or (self._below.get(path) if self._below is not None else None)

    def kind_at(self, path: str) -> Kind | None:
        """What stands at a path whose own parents are no links; None for nothing."""
        own = self._entries.get(path)
        if own is not None:
            return own.kind
        return self._below.kind_at(path) if self._below is not None else None

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link at such a path, None for anything else."""
        own = self._entries.get(path)
        if own is not None:
            return own.link if own.kind is Kind.SYMLINK else None
        return self._below.link_at(path) if self._below is not None else None

    def kind(self, path: str) -> Kind | None:
        """What a program finds under any path, with links followed; None for nothing and for a loop of links."""
        return kind_of(self, path)

    def names(self) -> Iterator[str]:
        """The last component of every path, of the entries and of what is below."""
        yield from (path.rpartition("/")[2] for path in self._entries)
        if isinstance(self._below, Overlay):
            yield from self._below.names()
        elif self._below is not None:
            yield from (path.rpartition("/")[2] for path, _ in self._below.walk())


class Rooted(Protocol):
    """A tree that paths are looked up in; what it is asked has no links among its parents."""

    def kind_at(self, path: str) -> Kind | None:
        """What stands at a path; None for nothing."""

    def link_at(self, path: str) -> str | None:
        """The target of the symbolic link there, None for anything else."""


def kind_of(base: Rooted | None, path: str) -> Kind | None:
    """What a program finds under any path of a base, with links followed; None for nothing."""
    if base is None:
        return None
    try:
        return base.kind_at(resolve(path, base.link_at))
    except MalformedDocument:
        return None
