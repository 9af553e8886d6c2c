"""Everything below a manifest: edges, and a Snapshot of all that can be read.

An edge's role comes from where a descriptor stands, never from its media type alone: an index entry is
fetched as a manifest even if its type is strange.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Final

from ocitool.errors import Cancelled, MalformedDocument, NotFound, OcitoolError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.numbers import MIB
from ocitool.model.views import Descriptor, ImageConfig, Index, Manifest, Opaque, View, settled, view
from ocitool.store.base import Reader
from ocitool.store.verify import read_config
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass, field, replace

_MOST_SETTLED: Final = 64
"""Entries of one index that are looked into; a guess far above what anybody publishes."""
MAX_DEPTH: Final = 4
"""Indexes of indexes deeper than this are refused: a hostile chain has to end (K020)."""
MAX_MANIFESTS: Final = 20_000
"""Manifests in one snapshot; a guess far above what anybody publishes."""
MAX_SIZE: Final = 128 * MIB
"""Bytes of all manifests in one snapshot, counted as often as they are named, for each entry is looked at.

A guess far above what anybody publishes.
"""


class Role(Enum):
    """What a descriptor is used as, by the place it stands in."""

    MANIFEST = "manifest"
    BLOB = "blob"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Edge:
    """One reference: `parent` holds `descriptor` at JSON pointer `pointer`."""

    parent: Digest
    pointer: str
    descriptor: Descriptor
    role: Role


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything reached from a root, at one moment.

    `documents` holds every manifest that was read, `views` what each is (without those refused), `edges` every
    reference in them (parents before children), `missing` the manifest edges whose target is not there (404 and
    only 404), `unanswered` those that could not be read for another reason, `refused` those whose bytes are no
    valid manifest.
    """

    root: Descriptor
    documents: Mapping[Digest, Document] = field(hash=False)
    edges: tuple[Edge, ...]
    views: Mapping[Digest, View] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    missing: tuple[Edge, ...] = ()
    unanswered: tuple[tuple[Edge, OcitoolError], ...] = ()
    refused: tuple[tuple[Edge, MalformedDocument], ...] = ()

    def below(self, digest: Digest) -> Iterator[Edge]:
        """The edges whose parent is `digest`, in document order."""
        return (edge for edge in self.edges if edge.parent == digest)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Every distinct blob, in the order first met."""
        found: dict[Digest, Descriptor] = {}
        for edge in self.edges:
            if edge.role is Role.BLOB:
                found.setdefault(edge.descriptor.digest, edge.descriptor)
        return tuple(found.values())

    @property
    def children_first(self) -> tuple[tuple[Document, ...], ...]:
        """The documents in waves: each wave only refers to documents of earlier ones; the root is last."""
        height: dict[Digest, int] = {}

        def measure(digest: Digest) -> int:
            if digest not in height:
                height[digest] = 0
                below = [e.descriptor.digest for e in self._manifest_edges.get(digest, ())]
                height[digest] = 1 + max((measure(d) for d in below if d in self.documents), default=-1)
            return height[digest]

        measure(self.root.digest)
        waves: list[list[Document]] = [[] for _ in range(max(height.values()) + 1)]
        for digest, level in height.items():
            waves[level].append(self.documents[digest])
        return tuple(tuple(wave) for wave in waves)

    @property
    def _manifest_edges(self) -> Mapping[Digest, list[Edge]]:
        edges: dict[Digest, list[Edge]] = {}
        for edge in self.edges:
            if edge.role is Role.MANIFEST:
                edges.setdefault(edge.parent, []).append(edge)
        return edges


def children(document: Document) -> tuple[Edge, ...]:
    """The references in a document, in document order. Raises MalformedDocument."""
    return _edges(view(document))


def _edges(seen: View) -> tuple[Edge, ...]:
    parent = seen.document.digest
    edges: list[Edge] = []
    match seen:
        case Index():
            edges += [Edge(parent, f"/manifests/{n}", d, Role.MANIFEST) for n, d in enumerate(seen.entries)]
        case Manifest():
            edges.append(Edge(parent, "/config", seen.config, Role.BLOB))
            edges += [Edge(parent, f"/layers/{n}", d, Role.BLOB) for n, d in enumerate(seen.layers)]
        case Opaque():
            pass
    if seen.subject is not None:
        edges.append(Edge(parent, "/subject", seen.subject, Role.SUBJECT))
    return tuple(edges)


def walk(
    store: Reader,
    name: str,
    *,
    scope: Scope,
    width: int = 16,
    tolerant: bool = False,
    wanted: Callable[[Edge], bool] = lambda _: True,
) -> Snapshot:
    """Read the manifest under `name` and every manifest below it: see `walk_below`."""
    return walk_below(store, store.get_manifest(name), scope=scope, width=width, tolerant=tolerant, wanted=wanted)


def walk_below(
    store: Reader,
    root: Document,
    *,
    scope: Scope,
    width: int = 16,
    tolerant: bool = False,
    wanted: Callable[[Edge], bool] = lambda _: True,
    limit: int = MANIFEST_LIMIT,
) -> Snapshot:
    """Read every manifest below `root`, level by level, each digest once and of at most `limit` bytes.

    Blobs are listed and not looked at; subjects are not followed. `wanted` may leave manifest edges out.
    A child that is not there raises NotFound naming its parent; with `tolerant`, missing, unanswered and
    malformed children are recorded instead (an unreadable root still raises). MalformedDocument is raised for
    what is nested too deep, too many or too large to be held.
    """
    walker = _Walker(store, width, limit, tolerant=tolerant, wanted=wanted)
    try:
        walker.take(root)
    except MalformedDocument as error:
        served = f", served as {root.media_type}" if root.media_type not in mediatype.ACCEPT else ""
        error.add_note(f"it is {root.digest} in {store.label}{served}")
        raise
    level, depth = walker.next_level(), 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedDocument(
                f"indexes nested deeper than {MAX_DEPTH} levels below {root.digest} in {store.label}"
            )
        walker.fetch(level, scope)
        level = walker.next_level()
    walker.check_named()
    return Snapshot(
        root=Descriptor.of(root),
        documents=MappingProxyType(walker.documents),
        edges=tuple(walker.edges),
        views=MappingProxyType(walker.views),
        missing=tuple(walker.missing),
        unanswered=tuple(walker.unanswered),
        refused=tuple(walker.refused),
    )


class _Walker:
    """The growing state of one walk; only the thread that walks changes it, except for what `_count` counts."""

    def __init__(
        self, store: Reader, width: int, limit: int, *, tolerant: bool, wanted: Callable[[Edge], bool]
    ) -> None:
        self.store, self.width, self.limit, self.tolerant, self.wanted = store, width, limit, tolerant, wanted
        self.documents: dict[Digest, Document] = {}
        self.views: dict[Digest, View] = {}
        self.edges: list[Edge] = []
        self.missing: list[Edge] = []
        self.unanswered: list[tuple[Edge, OcitoolError]] = []
        self.refused: list[tuple[Edge, MalformedDocument]] = []
        self._pending: list[Edge] = []
        self._asked: set[Digest] = set()
        self._lock = threading.Lock()
        self._size = 0

    def take(self, document: Document) -> None:
        self.documents[document.digest] = document
        self._asked.add(document.digest)
        seen = self.views[document.digest] = view(document)
        edges = _edges(seen)
        self.edges += edges
        self._pending += [e for e in edges if e.role is Role.MANIFEST and self.wanted(e)]

    def next_level(self) -> list[Edge]:
        """The manifest edges to fetch now, one for each digest not asked for yet."""
        level: list[Edge] = []
        for edge in self._pending:
            if edge.descriptor.digest not in self._asked:
                self._asked.add(edge.descriptor.digest)
                level.append(edge)
        self._pending = []
        if len(self._asked) > MAX_MANIFESTS:
            raise MalformedDocument(f"more than {MAX_MANIFESTS} manifests below one name")
        return level

    def fetch(self, level: list[Edge], scope: Scope) -> None:
        for edge, read in zip(level, collect(scope, self._get, level, self.width), strict=True):
            match read:
                case Document() as document:
                    try:
                        self.take(document)
                    except MalformedDocument as error:
                        if not self.tolerant:
                            error.add_note(f"in {edge.descriptor.digest} at {edge.pointer} of {edge.parent}")
                            raise
                        self.documents[document.digest] = document
                        self.refused.append((edge, error))
                case NotFound():
                    self.missing.append(edge)
                case OcitoolError() as error:
                    self.unanswered.append((edge, error))

    def _get(self, edge: Edge) -> Document | OcitoolError:
        try:
            document = self._document(edge.descriptor)
        except Cancelled:
            raise
        except OcitoolError as error:
            if self.tolerant:
                return error
            error.add_note(f"it is {edge.pointer} of {edge.parent} in {self.store.label}")
            raise
        self._count(document.size)
        return document

    def _count(self, size: int) -> None:
        """Raise MalformedDocument in the one thread that goes over the bound; the others are cancelled by that."""
        with self._lock:
            before = self._size
            self._size += size
        if before > MAX_SIZE:
            raise Cancelled
        if before + size > MAX_SIZE:
            raise MalformedDocument(f"more than {MAX_SIZE} bytes of manifests below one name")

    def check_named(self) -> None:
        """Entries may name one manifest again and again, and whoever goes through them looks at it each time."""
        named = (e.descriptor.digest for e in self.edges if e.role is Role.MANIFEST)
        if sum(self.documents[digest].size for digest in named if digest in self.documents) > MAX_SIZE:
            raise MalformedDocument(
                f"more than {MAX_SIZE} bytes of manifests below one name, counted for each entry that names one"
            )

    def _document(self, descriptor: Descriptor) -> Document:
        document = self.store.get_manifest(str(descriptor.digest), limit=self.limit)
        # What the parent says decides how the child is read, unless the child says otherwise itself.
        media_type = document.media_type or descriptor.media_type
        return replace(document, media_type=media_type, algorithm=descriptor.digest.algorithm)


def snapshot_of(root: Document, documents: Iterable[Document] = ()) -> Snapshot:
    """A snapshot of documents that were just made: `root` and everything below it, all of it at hand."""
    known = {document.digest: document for document in (root, *documents)}
    views = {digest: view(document) for digest, document in known.items()}
    edges = tuple(edge for seen in views.values() for edge in _edges(seen))
    return Snapshot(Descriptor.of(root), MappingProxyType(known), edges, MappingProxyType(views))


def settle_entries(store: Reader, index: Index) -> Index:
    """The index, entries that say unknown/unknown and no more settled by their manifests and configs (K218).

    Two requests for each such entry, one after the other; none for the others, and so none for an index as BuildKit
    writes it. What cannot be read, and what comes after very many, is left as its words say.
    """
    doubtful = dict.fromkeys(entry.digest for entry in index.entries if entry.is_nameless)
    children, configs = dict[Digest, View](), dict[Digest, ImageConfig]()
    for digest in islice(doubtful, _MOST_SETTLED):
        try:
            child = children[digest] = view(store.get_manifest(str(digest)))
            if isinstance(child, Manifest) and child.is_image and not child.is_statement:
                configs[child.config.digest] = read_config(store, child.config)
        except Cancelled:
            raise
        except OcitoolError:  # whoever needs it will say so
            continue
    return settled(index, children, configs) if children else index
