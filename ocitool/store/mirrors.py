"""A repository that is read from its mirrors first, as registries.conf says; written where it is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from ocitool.errors import Cancelled, NotFound, OcitoolError
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.views import Descriptor
from ocitool.registry.repository import Repository
from ocitool.store.remote import RemoteStore
from ocitool.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror, and which names it may be asked for."""

    store: RemoteStore
    by_tag: bool = True
    by_digest: bool = True

    def serves(self, name: str) -> bool:
        """Whether a tag or digest may be asked for here."""
        return self.by_digest if ":" in name else self.by_tag


class MirroredStore(RemoteStore):
    """The repository itself, with manifests and blobs looked for in mirrors before.

    What a mirror lacks, refuses or spoils is asked of the next, and at last of the repository, whose error is the
    one that is raised. Lists (tags, referrers) are the repository's own.
    """

    def __init__(self, repository: Repository, mirrors: Sequence[Mirror]) -> None:
        super().__init__(repository)
        self._mirrors = tuple(mirrors)

    def head(self, name: str) -> Descriptor | None:
        """The descriptor from the first place that has the name."""
        return self._from_first(name, lambda store: _present(store.head(name), name)) or super().head(name)

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest from the first place that has it."""
        found = self._from_first(name, lambda store: store.get_manifest(name, limit=limit))
        return found if found is not None else super().get_manifest(name, limit=limit)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether any of the places has the blob."""
        name = str(descriptor.digest)
        found = self._from_first(name, lambda store: _present(store.has_blob(descriptor) or None, name))
        return bool(found) or super().has_blob(descriptor)

    def blob_size(self, digest: Digest) -> int | None:
        """The size from the first place that has the blob."""
        found = self._from_first(str(digest), lambda store: _present(store.blob_size(digest), str(digest)))
        return found if found is not None else super().blob_size(digest)

    @contextmanager
    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[Iterator[bytes]]:
        """The blob's bytes from the first place that answers."""
        with ExitStack() as opened:
            name = str(descriptor.digest)
            pieces = self._from_first(name, lambda store: opened.enter_context(store.open_blob(descriptor, offset)))
            if pieces is None:
                pieces = opened.enter_context(super().open_blob(descriptor, offset))
            yield pieces

    @contextmanager
    def open_range(self, descriptor: Descriptor, offset: int, size: int) -> Iterator[Iterator[bytes]]:
        """A part of the blob from the first place that answers."""
        with ExitStack() as opened:
            name = str(descriptor.digest)
            pieces = self._from_first(
                name, lambda store: opened.enter_context(store.open_range(descriptor, offset, size))
            )
            if pieces is None:
                pieces = opened.enter_context(super().open_range(descriptor, offset, size))
            yield pieces

    def _from_first(self, name: str, ask: Callable[[RemoteStore], T]) -> T | None:
        """What the first mirror that can answers; None where none can."""
        for mirror in self._mirrors:
            if not mirror.serves(name):
                continue
            try:
                return ask(mirror.store)
            except Cancelled:
                raise
            except OcitoolError as error:
                self.repository.session.warn(
                    f"the mirror {mirror.store.label} does not serve: {error.what}", "detail"
                )
        return None


def _present(found: T | None, name: str) -> T:
    """What was found; NotFound for None, so that the next place is asked."""
    if found is None:
        raise NotFound(f"no {name}", name=name)
    return found
