"""The files of one image as a container would see them, with the store that holds their contents."""

from collections.abc import Iterator

from ocitool.codec.tar_reader import USUAL
from ocitool.model.digest import Digest
from ocitool.model.views import Manifest
from ocitool.rootfs.tree import Node, Tree, read_file
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class MergedFiles:
    """One image's merged tree, and where its contents are; paths are relative to the root."""

    store: Reader
    manifest: Manifest
    tree: Tree
    scope: Scope

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return self.manifest.document.digest

    def __iter__(self) -> Iterator[str]:
        """Every path, parents before what they hold."""
        return (path for path, _ in self.tree.walk())

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Every path with its kind, mode, owner, size and time, parents before what they hold."""
        return self.tree.walk()

    def open(self, path: str, *, limit: int = USUAL.size) -> Iterator[bytes]:
        """A file in pieces of at most 256 KiB, links followed; verified when the iteration ends.

        Raises NotFound where there is no regular file, MalformedDocument for more than `limit` bytes.
        """
        return read_file(self.store, self.manifest, self.tree, path, scope=self.scope, limit=limit)
